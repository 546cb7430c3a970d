"""The commands of a run: they end with the study, and the next one waits for them."""

import multiprocessing
import os
import select
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.studies import child, runner
from reproduce.studies.archive import ZEROS
from reproduce.studies.definitions import Run
from reproduce.studies.runner import ROOT, command, is_left_out, make, wait_until_free
from unet_paper.cli.parser import parse
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.locks import exclusive_lock

LIMIT = 100  # seconds in which nothing ends that the tests expect to


def as_a_study(output, *arguments):
    os.dup2(output, 1)
    command(None, *arguments)


def children(process):
    """Process ids of a process's children."""
    found = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in found.read_text().split()] if found.exists() else []


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the command by Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_ends_with_its_study(small_phantom, tmp_path, number):
    """A training that would go on for hours holds the pipe until it has ended."""
    ours, its = os.pipe()
    train = ("train", "--data", small_phantom, "--out", tmp_path, "--profile", "smoke", "--set", "steps=1000000")
    study = multiprocessing.get_context("fork").Process(target=as_a_study, args=(its, *train))
    study.start()
    os.close(its)
    ends, training = time.monotonic() + LIMIT, []
    while not training and time.monotonic() < ends:
        training = children(study.pid)
    try:
        os.kill(study.pid, number)
        while select.select([ours], [], [], max(ends - time.monotonic(), 0))[0] and os.read(ours, 4096):
            pass
        assert time.monotonic() < ends, "it goes on"
    finally:
        os.close(ours)
        study.kill()
        for process in training if time.monotonic() >= ends else ():
            os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts an orphan by fork")
def test_what_does_not_stop_is_killed(monkeypatch):
    """A process without its parent that ignores SIGTERM, as one does that is in the middle of a long step."""
    monkeypatch.setattr(child, "LOOK", 0.01)
    monkeypatch.setattr(child, "GRACE", 0.01)
    process = os.fork()
    if not process:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child.watch(os.getppid() + 1)
        time.sleep(LIMIT)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def test_a_run_waits_for_the_training_before_it(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    waiting = threading.Thread(target=wait_until_free, args=(folder,))
    with exclusive_lock(folder.lock, folder.path):
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(LIMIT)
    assert not waiting.is_alive() and "being written by another process" in capsys.readouterr().out


@pytest.fixture
def given(monkeypatch):
    """The commands of a run, as the parser reads them; none is carried out."""
    parsed = []
    monkeypatch.setattr(runner, "command", lambda _, *words, **__: parsed.append(parse([*map(str, words)])) or 0)
    return parsed


@pytest.fixture
def folder(tmp_path):
    """The folder of a run of which only the record and the truth are there."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    shutil.copy(ROOT / "results/isbi/final/run.json", folder.record)
    folder.labels.touch()
    return folder


def test_what_a_run_is_made_of(given, folder, tmp_path):
    """Zeros beyond the image are scored before the report."""
    make(Run("run", "group", "1/6", zeros_too=True), folder, tmp_path, "quick", {}, None)
    stages = ["predict", "score"] * (len(given) // 2 - 1)
    assert [one.command for one in given] == ["train", *stages, "report"]
    outs = [one.out.name if one.command == "predict" else one.probability.name for one in given[1:-1]]
    assert outs[::2] == outs[1::2] and outs[-1] == "probability-extrapolation-zeros.tif"
    assert [one.extrapolation for one in given[1:-1:2]] == [None] * (len(outs) // 2 - 1) + ["zeros"]
    assert all(one.force for one in given[1:-1])
    assert given[-2].json.name == f"scores-{ZEROS}.json"


@pytest.mark.parametrize("fits", [True, False])
def test_probabilities_that_a_run_has_made_stay_and_others_are_replaced(folder, tmp_path, monkeypatch, fits):
    """`predict` says which they are: without --force it leaves its own and refuses others."""
    given = []

    def carried_out(_: object, *words: object, may_fail: bool = False) -> int:
        given.append(parse([*map(str, words)]))
        return int(may_fail and not fits and given[-1].command == "predict")

    monkeypatch.setattr(runner, "command", carried_out)
    folder.probability("none").touch()
    folder.probability(ZEROS).touch()
    make(Run("run", "group", "1/6", zeros_too=True), folder, tmp_path, "quick", {"tta": "none,d4"}, None)
    forced: dict[str, list[bool]] = {}
    for one in given:
        if one.command == "predict":
            forced.setdefault(one.out.name, []).append(one.force)
    there = [False] if fits else [False, True]
    assert forced.pop(folder.probability("none").name) == forced.pop(folder.probability(ZEROS).name) == there
    assert forced and all(others == [True] for others in forced.values())


def test_zeros_go_with_the_augmentation_of_the_run(given, folder):
    runner.predict_and_score_zeros(folder, "rot7", None)
    assert [(one.command, getattr(one, "tta", None)) for one in given] == [("predict", "rot7"), ("score", None)]


def test_what_a_run_is_trained_on_and_how(given, folder, tmp_path):
    """Settings of the study's --set win over the run's own."""
    run = Run("run", "group", "1/6", {"seed": 3, "steps": 9}, profile="paper")
    make(run, folder, tmp_path, "quick", {"steps": "5", "tta": "none"}, None)
    train = given[0]
    assert (train.data, train.out, train.fold) == (tmp_path, folder.path, "1/6")
    assert (train.profile, train.changes, train.resume) == ("paper", ["seed=3", "steps=5", "tta=none"], True)
    assert train.sequence is None
    make(Run("run", "group", None, trained_on="02"), folder, tmp_path, "quick", {}, None)
    train = given[len(given) // 2]
    assert (train.fold, train.sequence, train.profile) == (None, "02", "quick")


def test_a_branch_is_trained_after_its_trunk_unless_it_has_begun(given, folder, tmp_path):
    run = Run("run", "group", "6/6", {"steps": 3}, trunk="trunk", trunk_steps=8)
    make(run, folder, tmp_path, "quick", {}, None)
    trunk, branch = given[:2]
    assert (trunk.command, trunk.out, trunk.fold, trunk.resume) == ("train", tmp_path / "trunk", "6/6", True)
    assert trunk.changes == ["steps=3", "steps=8", "decay=constant"]
    assert (branch.command, branch.out, branch.branch_of) == ("train", folder.path, tmp_path / "trunk")
    assert (branch.fold, branch.profile, branch.changes) == ("6/6", None, [])
    given.clear()
    folder.checkpoint.touch()
    make(run, folder, tmp_path, "quick", {}, None)
    assert given[0].branch_of and given[1].command != "train"


def test_a_run_that_is_done_is_not_made_again(given, folder, tmp_path):
    for table in folder.tables:
        table.touch()
        make(Run("run", "group", "1/6"), folder, tmp_path, "quick", {}, None)
        table.unlink()
    assert not given


def diverging(tried, *, first=True):
    """A command of which `train` diverges, as its record tells, or, unless `first`, fails before it begins."""

    def carried_out(_: object, *words: object, may_fail: bool = False) -> int:
        run = RunFolder(words[words.index("--out") + 1])
        tried.append(run.path)
        if first:
            record = read_record(run.record)
            replace(record, status="diverged", diverged=(*record.diverged, "step 9: nan")).write(run.record)
        return 1 if first else 2

    return carried_out


def test_a_training_that_diverged_is_tried_once_more(folder, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(runner, "command", diverging(tried))
    make(Run("run", "group", "1/6"), folder, tmp_path, "quick", {}, None)
    assert tried == [folder.path] * 2 and is_left_out(Run("run", "group", "1/6"), tmp_path)


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_training_that_fails_otherwise_ends_the_study(folder, tmp_path, monkeypatch, status):
    """Though its record tells of an earlier divergence."""
    tried = []
    replace(read_record(folder.record), status=status).write(folder.record)
    monkeypatch.setattr(runner, "command", diverging(tried, first=False))
    with pytest.raises(SystemExit, match="2"):
        make(Run("run", "group", "1/6"), folder, tmp_path, "quick", {}, None)
    assert tried == [folder.path]


def test_a_trunk_that_diverged_is_tried_once_more_and_its_branches_are_left_out(folder, tmp_path, monkeypatch):
    outs = []
    monkeypatch.setattr(runner, "command", diverging(outs))
    trunk = RunFolder(tmp_path / "trunk")
    trunk.path.mkdir()
    shutil.copy(folder.record, trunk.record)
    branch = Run("branch", "group", "1/6", trunk="trunk", trunk_steps=8)
    make(branch, RunFolder(tmp_path / "branch"), tmp_path, "quick", {}, None)
    assert outs == [trunk.path] * 2 and is_left_out(branch, tmp_path)
    (tmp_path / "branch").mkdir()
    shutil.copy(folder.record, RunFolder(tmp_path / "branch").record)  # it had branched off before
    assert not is_left_out(branch, tmp_path)
    assert not is_left_out(replace(branch, trunk="run"), tmp_path)
