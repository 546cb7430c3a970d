"""One run of a study, by the commands of the package: trained, predicted, scored, reported."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from reproduce.studies.archive import ZEROS
from reproduce.studies.definitions import Run
from unet_paper.cli.typed_commands import stage_words
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.pipeline import stages_after_training
from unet_paper.runs.record import read_record

ROOT = Path(__file__).resolve().parents[2]
NOT_DONE = 75  # exit code of a study: give the same command again


class OutOfTime(Exception):
    """The minutes are over."""


def command(deadline: float | None, *arguments: object, may_fail: bool = False) -> int:
    """Run one command of the package; asks it to stop at the deadline. If it fails, ends the study with its exit code,
    or returns that where it `may_fail`.
    """
    process = subprocess.Popen([sys.executable, "-m", "unet_paper", *map(str, arguments)], cwd=ROOT)
    try:
        process.wait(None if deadline is None else max(deadline - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise OutOfTime from None
    if process.returncode and not may_fail:
        sys.exit(process.returncode)
    return process.returncode


def make(
    run: Run,
    folder: RunFolder,
    data: Path,
    profile: str,
    changes: dict[str, str],
    deadline: float | None,
    sequence: str | None = None,
) -> None:
    """Train, predict, score and report one run; nothing where it is done, no more where it diverged.

    sequence : of cells, the one to train on.
    """
    if folder.table.is_file() or folder.cell_table.is_file():
        print(f"{folder.path} is done and is not made again")
        return
    settings = [f"{name}={value}" for name, value in (run.changes | changes).items()]
    what = (
        *("--data", data, *(("--fold", run.fold) if run.fold else ())),
        *(("--sequence", sequence) if sequence else ()),
        *(("--leave-out", run.leave_out) if run.leave_out else ()),
    )
    given = ("--profile", run.profile or profile, *(part for setting in settings for part in ("--set", setting)))
    train: tuple[object, ...] = ("train", *what, "--out", folder.path, *given, "--resume")
    if run.trunk is not None:
        trunk = folder.path.with_name(run.trunk)
        if not folder.checkpoint.is_file():
            length = ("--set", f"steps={run.trunk_steps}", "--set", "decay=constant")
            command(deadline, "train", *what, "--out", trunk, *given, *length, "--resume")
        train = ("train", *what, "--out", folder.path, "--branch-of", trunk)
    # On a CPU a training repeats itself exactly. What does not happen again was the machine's fault.
    failed = command(deadline, *train, may_fail=True)
    if failed and has_diverged(folder):
        print(f"{folder.path} diverged and is tried once more from its last checkpoint", flush=True)
        failed = command(deadline, *train, may_fail=True)
    if failed:
        if has_diverged(folder):
            return
        sys.exit(failed)
    if sequence:
        record = read_record(folder.record)
        for stage in stages_after_training(folder, record):
            command(deadline, *stage_words(stage, folder, record), *(() if stage.kind == "report" else ("--force",)))
        return
    if folder.labels.is_file():
        config = read_record(folder.record).config
        for tta in config.tta:
            predict_and_score(folder, tta, tta, folder.scores(tta, config.primary), deadline)
        if run.zeros_too:
            scores = folder.path / f"scores-{ZEROS}.json"
            predict_and_score(folder, config.primary, ZEROS, scores, deadline, "--extrapolation", "zeros")
    command(deadline, "report", folder.path)


def has_diverged(folder: RunFolder) -> bool:
    """Whether a run's training ended before its time."""
    return folder.record.is_file() and read_record(folder.record).status == "diverged"


def predict_and_score(
    folder: RunFolder, tta: str, name: str, scores: Path, deadline: float | None, *options: str
) -> None:
    """The probability stack `name` of a run's held-out sections, and its metrics."""
    probability = folder.probability(name)
    given = ("--weights", folder.weights, folder.volume, probability, "--tta", tta, "--force")
    command(deadline, "predict", *given, *options)
    command(deadline, "score", folder.labels, probability, "--json", scores, "--force")
