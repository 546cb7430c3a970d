"""Studies on a cluster: each run is a task of a worker, and the table is that of one machine."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reproduce.studies import spread as module
from reproduce.studies.carrying_out import with_their_trunks
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import Run
from reproduce.studies.runner import NOT_DONE, OutOfTime
from reproduce.studies.spread import Task, spread

distributed = pytest.importorskip("distributed", reason="the extra `volumes` is not installed")


@pytest.fixture(scope="module")
def local():
    """A cluster of two workers, threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as found:
        yield found


@pytest.fixture
def tasks(tmp_path):
    return [Task([Run(f"run-{number}", "group", "6/6")], tmp_path, tmp_path, "smoke", {}) for number in range(4)]


@pytest.fixture
def made(monkeypatch):
    """(name, deadline, thread) of each run that a worker makes; nothing is trained."""
    found = []

    def make(run, folder, data, profile, changes, deadline):
        found.append((folder.path.name, deadline, threading.get_ident()))
        if run.name == "run-1" and deadline is not None:
            raise OutOfTime
        if run.name == "run-2" and profile == "fails":
            raise SystemExit(2)

    monkeypatch.setattr(module, "make", make)
    return found


def test_each_run_is_a_task(local, tasks, made, capsys):
    spread(tasks, local.scheduler_address, None)
    assert sorted(name for name, *_ in made) == [f"run-{number}" for number in range(4)]
    assert "[4 of 4] run-" in capsys.readouterr().out


def test_a_run_that_fails_is_named_and_the_others_are_made(local, tasks, made, capsys):
    failing = [Task(task.runs, task.folder, task.data, "fails", {}) for task in tasks]
    with pytest.raises(SystemExit) as ended:
        spread(failing, local.scheduler_address, None)
    assert ended.value.code == 2 and len(made) == 4
    assert "Failed: run-2. The same command tries these again." in capsys.readouterr().err


def test_the_deadline_goes_with_them(local, tasks, made):
    deadline = time.monotonic() + 600
    with pytest.raises(OutOfTime):
        spread(tasks, local.scheduler_address, deadline)
    assert len(made) == 4 and all(given == pytest.approx(deadline, abs=5) for _, given, _ in made)
    assert module.carry_out(tasks[1], time.time()) == NOT_DONE


def test_branches_of_a_trunk_are_one_task():
    groups = with_their_trunks(runs_of("budgets", 1))
    trunks = [{run.trunk for run in group} for group in groups]
    assert all(len(names) == 1 for names in trunks)
    named = [name for names in trunks for name in names if name]
    assert len(named) == len(set(named))


@pytest.mark.slow
def test_a_tiny_study(local, small_phantom, tmp_path):
    """By the command, as one process makes it; a second time nothing is left to make."""
    changes = ("base_channels=2", "steps=6", "tile_size=188", "tta=none", "primary=none")
    options = ("--profile", "smoke", *(f"--set={change}" for change in changes))
    where = ("--data", small_phantom, "--out", tmp_path, "--scheduler", local.scheduler_address)
    command = [sys.executable, "-m", "reproduce.studies", "seeds", "--seeds", "1", *map(str, where), *options]
    for _ in range(2):
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "README.md").is_file() and "seed-0" in (tmp_path / "runs.csv").read_text()
