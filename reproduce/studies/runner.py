"""One run of a study, by the commands of the package: trained, predicted, scored, reported.

Each command is a process of its own: the deadline is a signal that `train` knows, a run that fails or takes all memory
does not end the study, and a worker's thread, which gets no signals, can do runs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from reproduce import ROOT
from reproduce.studies.archive import ZEROS
from reproduce.studies.child import GRACE
from reproduce.studies.definitions import Run
from unet_paper.cli.typed_commands import stage_words
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.pipeline import stages_after_training
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.signals import Interrupted, ends_on_sigterm

NOT_DONE = 75  # exit code of a study: give the same command again


class OutOfTime(Exception):
    """The minutes are over."""


def command(deadline: float | None, *arguments: object, may_fail: bool = False) -> int:
    """Run one command of the package; asks it to stop at the deadline, and when this process is stopped or dies. If it
    fails, ends the study with its exit code, or returns that where it `may_fail`.
    """
    program = [sys.executable, "-m", "reproduce.studies.child", str(os.getpid()), *map(str, arguments)]
    with ends_on_sigterm():
        process = subprocess.Popen(program, cwd=ROOT)
        try:
            process.wait(None if deadline is None else max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise OutOfTime from None
        except KeyboardInterrupt as stop:
            if isinstance(stop, Interrupted):  # by SIGTERM, which this process alone has got; Ctrl-C reaches both
                process.send_signal(signal.SIGTERM)
            process.wait()
            raise
    if process.returncode and not may_fail:
        sys.exit(process.returncode)
    return process.returncode


def wait_until_free(folder: RunFolder) -> None:
    """Let a training end whose worker was killed, and that keeps its step now; it holds the run's folder."""
    ends, is_said = time.monotonic() + 2 * GRACE, False
    while folder.lock.exists() and time.monotonic() < ends:
        try:
            with exclusive_lock(folder.lock, folder.path):
                return
        except BadInput as in_use:
            if not is_said:
                print(f"waiting up to {2 * GRACE:.0f} s: {in_use}", flush=True)
            is_said = True
            time.sleep(1)


def make(
    run: Run,
    folder: RunFolder,
    data: Path,
    profile: str,
    changes: Mapping[str, str],
    deadline: float | None,
) -> None:
    """Train, predict, score and report one run; nothing where it is done, no more where it or its trunk diverged."""
    if any(table.is_file() for table in folder.tables):
        print(f"{folder.path} is done and is not made again")
        return
    wait_until_free(folder)
    settings = [f"{name}={value}" for name, value in {**run.changes, **changes}.items()]
    what = (
        *("--data", data, *(("--fold", run.fold) if run.fold else ())),
        *(("--sequence", run.trained_on) if run.trained_on else ()),
        *(("--leave-out", run.leave_out) if run.leave_out else ()),
    )
    given = ("--profile", run.profile or profile, *(part for setting in settings for part in ("--set", setting)))
    train: tuple[object, ...] = ("train", *what, "--out", folder.path, *given, "--resume")
    if run.trunk is not None:
        trunk = RunFolder(folder.path.with_name(run.trunk))
        length = ("--set", f"steps={run.trunk_steps}", "--set", "decay=constant")
        of_trunk = ("train", *what, "--out", trunk.path, *given, *length, "--resume")
        if not folder.checkpoint.is_file() and not _train(of_trunk, trunk, deadline):
            return
        train = ("train", *what, "--out", folder.path, "--branch-of", trunk.path)
    if not _train(train, folder, deadline):
        return
    record = read_record(folder.record)
    for stage in stages_after_training(folder, record):
        if stage.kind == "report":
            if run.zeros_too and folder.labels.is_file():
                predict_and_score_zeros(folder, record.config.primary, deadline)
            command(deadline, *stage_words(stage, folder, record))
        elif stage.kind == "predict" and stage.tta is not None:
            _predict(stage_words(stage, folder, record), folder.probability(stage.tta), deadline)
        else:
            command(deadline, *stage_words(stage, folder, record), "--force")


def _predict(words: Sequence[object], out: Path, deadline: float | None) -> None:
    """Probabilities that this prediction has made stay, so that a study that is stopped goes on behind them; others,
    of weights that were trained again, are replaced.
    """
    if not out.exists() or command(deadline, *words, may_fail=True):
        command(deadline, *words, "--force")


def _train(train: Sequence[object], folder: RunFolder, deadline: float | None) -> bool:
    """Whether the training came to its end; what diverges is tried once more. What fails otherwise ends the study."""
    # On a CPU a training repeats itself exactly. What does not happen again was the machine's fault.
    for is_last in (False, True):
        before = _record(folder)
        failed = command(deadline, *train, may_fail=True)
        if not failed:
            return True
        if _record(folder) == before or not has_diverged(folder):  # it may tell of an earlier divergence
            sys.exit(failed)
        if not is_last:
            print(f"{folder.path} diverged and is tried once more from its last checkpoint", flush=True)
    return False


def _record(folder: RunFolder) -> RunRecord | None:
    return read_record(folder.record) if folder.record.is_file() else None


def has_diverged(folder: RunFolder) -> bool:
    """Whether a training ended before its time."""
    return folder.record.is_file() and read_record(folder.record).status == "diverged"


def is_left_out(run: Run, folder: Path) -> bool:
    """Whether a run of a study in this folder diverged, or its trunk did before it could branch off."""
    return has_diverged(RunFolder(folder / run.name)) or lacks_trunk(run, folder)


def lacks_trunk(run: Run, folder: Path) -> bool:
    """Whether a branch of a study in this folder has not begun, as its trunk diverged."""
    if run.trunk is None or RunFolder(folder / run.name).record.is_file():
        return False
    return has_diverged(RunFolder(folder / run.trunk))


def predict_and_score_zeros(folder: RunFolder, tta: str, deadline: float | None) -> None:
    """The probabilities of a run's held-out sections with zeros beyond the image, and their metrics."""
    probability = folder.probability(ZEROS)
    given = ("--weights", folder.weights, folder.volume, probability, "--tta", tta, "--extrapolation", "zeros")
    _predict(("predict", *given, "--registered"), probability, deadline)
    scores = folder.path / f"scores-{ZEROS}.json"
    command(deadline, "score", folder.labels, probability, "--json", scores, "--force")
