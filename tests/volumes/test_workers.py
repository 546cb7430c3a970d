"""Workers of a cluster, and those that are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from unet_paper.io.image_files import open_stack
from unet_paper.support.errors import BadInput
from unet_paper.volumes.engines import cluster, on_cluster
from unet_paper.volumes.job import WorkFolder
from unet_paper.volumes.prediction import Distribution, predict_volume
from unet_paper.volumes.work import Outcome

pytest.importorskip("zarr")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")  # comes with distributed

ROOT = Path(__file__).parents[2]
BLOCKS = 8  # of the fixture's image with tiles of 252 px


def is_worker(process):
    """Whether a child of this process is a worker that has imported what it needs; one that was killed is none."""
    try:
        return "spawn_main" in " ".join(process.cmdline()) and process.memory_info().rss > 2**27
    except psutil.Error:
        return False


def kill_workers(folder, times, killed):
    """SIGKILL one of this process's workers whenever another block is done."""
    for _ in range(times):
        done = len(folder.done()) if folder.marks.is_dir() else 0
        while folder.path.parent.is_dir() and not (folder.marks.is_dir() and len(folder.done()) > done):
            if folder.out.exists():
                return
            time.sleep(0.01)
        while not (workers := [child for child in psutil.Process().children(recursive=True) if is_worker(child)]):
            if folder.out.exists():
                return
            time.sleep(0.01)
        os.kill(max(workers, key=lambda worker: worker.create_time()).pid, signal.SIGKILL)
        killed.append(done)


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_workers_that_are_killed(request_of, expected, times):
    """A LocalCluster of two; the younger worker is killed in the middle of its work."""
    request, killed = request_of(), []
    killer = threading.Thread(target=kill_workers, args=(WorkFolder(request.out), times, killed))
    killer.start()
    predict_volume(request, Distribution(workers=2))
    killer.join()
    assert len(killed) == times
    assert np.array_equal(open_stack(request.out).pixels, expected)


@pytest.mark.slow
def test_a_block_that_kills_every_worker_is_given_up(request_of):
    def work(request, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(number)

    with cluster(2, None) as client:
        outcomes = {outcome.number: outcome for outcome in on_cluster(client, request_of(), range(6), work)}
    assert "its worker died" in outcomes.pop(2).error
    assert sorted(outcomes) == [0, 1, 3, 4, 5] and not any(outcome.error for outcome in outcomes.values())


def test_no_scheduler_is_said(request_of, monkeypatch, tmp_path):
    """Also where the call is taken, and nothing is said."""
    monkeypatch.setattr("unet_paper.volumes.engines.CONNECT_SECONDS", 1)
    with pytest.raises(BadInput, match="--scheduler tcp://127.0.0.1:9: nobody answers"):
        predict_volume(request_of(), Distribution(scheduler="tcp://127.0.0.1:9"))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(BadInput, match=rf"--scheduler {address}: nobody answers there \(no answer within 1 s\)"):
            predict_volume(request_of(), Distribution(scheduler=address))
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr.partial"]


def test_a_replacement_may_begin_late(monkeypatch):
    """dask gives up a worker that is not back after 15 s; with the last one gone, the work would never end."""
    import dask

    seen = []

    @contextmanager
    def recorded(*_, **__):
        seen.append(dask.config.get("distributed.deploy.lost-worker-timeout"))
        yield

    for name in ("LocalCluster", "Client"):
        monkeypatch.setattr(distributed, name, recorded)
    with cluster(1, None):
        assert seen == ["1 hour"] * 2


@pytest.mark.slow
def test_a_client_that_is_gone(request_of, weights, image, expected):
    """The command is killed in mid-work: its workers end by themselves, and one process completes the result."""
    request = request_of()
    options = ["--weights", weights, image, request.out, "--tta", "none", "--tile", 252, "--device", "cpu"]
    command = [sys.executable, "-m", "unet_paper", "predict", *map(str, options), "--workers", "1"]
    program = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder, family = WorkFolder(request.out), []
    while program.poll() is None and not (folder.marks.is_dir() and folder.done()):
        time.sleep(0.01)
    if program.poll() is None:
        family = program.children(recursive=True)
    program.kill()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert family and not alive
    assert 1 <= len(folder.done()) <= BLOCKS
    predict_volume(request)
    assert np.array_equal(open_stack(request.out).pixels, expected)


@pytest.mark.slow
def test_a_scheduler_that_is_gone(request_of, weights, image, expected, tmp_path):
    """A cluster of another program: its scheduler is killed in mid-work; one process alone completes the result."""
    request, told = request_of(), tmp_path / "scheduler.json"
    programs = {"scheduler": ["--port", "0", "--host", "127.0.0.1"], "worker": ["--nthreads", "1"]}
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"distributed.cli.dask_{name}",
                "--scheduler-file",
                told,
                "--no-dashboard",
                *options,
            ],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        for name, options in programs.items()
    ]
    try:
        while not told.is_file() or not told.read_text().endswith("}"):
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]
        killer = threading.Thread(target=kill_after_a_block, args=(WorkFolder(request.out), running[0]))
        killer.start()
        with pytest.raises(BadInput, match="is gone; start one, and the same command resumes"):
            predict_volume(request, Distribution(scheduler=address))
        killer.join()
    finally:
        for program in running:
            program.kill()
    assert 1 <= len(WorkFolder(request.out).done()) < BLOCKS
    predict_volume(request)
    assert np.array_equal(open_stack(request.out).pixels, expected)


def kill_after_a_block(folder, program):
    while not (folder.marks.is_dir() and folder.done()):
        time.sleep(0.01)
    program.kill()
