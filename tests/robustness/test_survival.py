"""Killed anywhere, a training resumes, and ends as one that was left alone; signals and damaged checkpoints."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unet_paper import checkpoint, training
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.runs import training_run
from unet_paper.support import signals
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.signals import Interrupted
from unet_paper.support.training_log import FLAT_STEPS
from unet_paper.training import train

ROOT = Path(__file__).parents[2]
TINY = replace(PROFILES["smoke"], base_channels=3, steps=20, tile_size=188, checkpoint_every=5)
SETTINGS = ("base_channels=2", "tile_size=188", "tta=none", "primary=none")
TINY_RUN = ("--profile", "smoke", "--device", "cpu", *(part for setting in SETTINGS for part in ("--set", setting)))


@pytest.fixture(scope="module")
def training_set(small_phantom):
    volume, labels = (
        read_stack(small_phantom / "train-volume.tif").pixels,
        read_labels(small_phantom / "train-labels.tif").pixels,
    )
    return prepare_training_set(volume, labels, TINY, "cpu")


def kill_again_and_again(small_phantom, folder, kills, seed):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/robustness/killed_training.py", small_phantom, folder, str(kills), str(seed)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert all(found["same"].values()), found
    assert found["left"] == ["checkpoint-before.pt", "checkpoint.pt", "history.csv", "weights.pt"]
    assert found["steps"] == sorted(found["steps"]) and found["steps"][-1] > 0
    return found["kills"]


@pytest.mark.long
def test_killed_anywhere(small_phantom, tmp_path):
    """At random moments, most of them in the middle of a checkpoint, and three times at the worst ones."""
    assert kill_again_and_again(small_phantom, tmp_path, 5, 0) >= 4


@pytest.mark.slow
def test_killed_hundreds_of_times(small_phantom, tmp_path):
    kills = sum(kill_again_and_again(small_phantom, tmp_path / str(seed), 60, seed) for seed in range(1, 6))
    assert kills >= 200


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_the_step_and_says_how_to_go_on(small_phantom, tmp_path, number):
    arguments = ["train", "--data", str(small_phantom), "--out", str(tmp_path / "run"), *TINY_RUN, "--set"]
    training = subprocess.Popen(
        [sys.executable, "-m", "unet_paper", *arguments, "steps=100000"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    while not (tmp_path / "run" / "history.csv").exists():
        assert training.poll() is None
        time.sleep(0.05)
    training.send_signal(number)
    error = training.communicate(timeout=60)[1]
    assert training.returncode == 128 + number
    kept = checkpoint.load(tmp_path / "run" / "checkpoint.pt")
    assert f"stopped: step {kept.step} of 100000 is kept in {tmp_path / 'run' / 'checkpoint.pt'}" in error
    assert "the same command with --resume resumes from the last checkpoint" in error and "Traceback" not in error
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert main([*arguments, "steps=100001", "--resume"]) == 2  # the schedule would be another


@pytest.mark.long
def test_a_signal_keeps_the_step_where_nobody_reads_what_is_said(small_phantom, tmp_path):
    """As Ctrl-C stops `tee` too, which the training writes to."""
    out = tmp_path / "run"
    words = ["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN, "--set", "steps=100000"]
    training = subprocess.Popen(
        [sys.executable, "-m", "unet_paper", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    while not (out / "history.csv").exists():
        assert training.poll() is None
        time.sleep(0.05)
    training.stdout.close()
    training.send_signal(signal.SIGINT)
    assert training.wait(60) in (128 + signal.SIGINT, 120)  # 120: Python's own, where it could not flush stdout
    assert checkpoint.load(out / "checkpoint.pt").step > 0
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"


def test_what_ends_a_training_otherwise_is_recorded_too(small_phantom, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_run, "train", fails)
    out = tmp_path / "run"
    assert main(["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN]) == 2
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"


def test_where_not_even_that_can_be_written_the_step_that_is_kept_is_said(small_phantom, tmp_path, monkeypatch):
    """As on a full disk."""

    def stopped(*_, **__):
        monkeypatch.setattr(training_run.RunRecord, "write", full)
        raise Interrupted("step 3 of 9 is kept", signal.SIGINT)

    def full(*_):
        raise BadInput("run.json cannot be written: No space left on device")

    monkeypatch.setattr(training_run, "train", stopped)
    config = replace(PROFILES["smoke"], base_channels=2)
    with pytest.raises(Interrupted, match="step 3 of 9 is kept"):
        training_run.train_run(training_run.TrainingRequest(small_phantom, tmp_path / "run", config))


def test_a_handler_of_other_code_than_pythons_is_left_alone(monkeypatch):
    """As in a program that embeds Python: what handled the signal before is told as None, which cannot be put back."""
    kept = []
    monkeypatch.setattr(signals.signal, "signal", lambda number, handler: kept.append(handler))
    with signals.stop_requests():
        pass
    assert len(kept) == 2 and None not in kept


def test_an_interrupted_training_ends_as_one_that_was_not(training_set, tmp_path):
    """The signal comes between two rows of the history and two checkpoints."""
    whole = train(TINY, training_set, tmp_path / "whole", {})

    def stop(step, _):
        if step == 13:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="step 13 of 20"):
        train(TINY, training_set, tmp_path / "stopped", {}, after_step=stop)
    half = checkpoint.load(tmp_path / "stopped" / "checkpoint.pt")
    assert half.step == 13 and half.losses == 3
    resumed = train(TINY, training_set, tmp_path / "stopped", {}, half)
    assert all(torch.equal(resumed.network[name], values) for name, values in whole.network.items())
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]


def test_a_signal_in_the_last_step_ends_it_after_its_weights(training_set, tmp_path):
    def stop(step, _):
        if step == TINY.steps:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="step 20"):
        train(TINY, training_set, tmp_path, {}, after_step=stop)
    assert checkpoint.load(tmp_path / "weights.pt").step == 20


def test_a_bad_last_checkpoint_falls_back_to_the_one_before(training_set, tmp_path, caplog):
    train(TINY, training_set, tmp_path, {})
    last, before = tmp_path / "checkpoint.pt", tmp_path / "checkpoint-before.pt"
    assert (checkpoint.load(last).step, checkpoint.load(before).step) == (20, 15)
    content = bytearray(last.read_bytes())
    for damaged in (content[:5000], b"", content[:3000] + b"x" + content[3001:]):
        last.write_bytes(damaged)
        caplog.clear()
        assert checkpoint.load_last(last, before).step == 15
        damage, resumed = caplog.messages
        assert "checkpoint.pt is damaged" in damage and "checkpoint-before.pt" in resumed
        assert not last.exists() and (tmp_path / "checkpoint-damaged.pt").read_bytes() == damaged
    last.write_bytes(b"no checkpoint")
    before.write_bytes(b"nor this")
    with pytest.raises(BadInput, match="checkpoint-before.pt cannot be read"):
        checkpoint.load_last(last, before)
    last.unlink(), before.unlink()
    assert checkpoint.load_last(last, before) is None


def test_no_code_in_a_checkpoint_runs(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "config": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(BadInput, match="another program's weights"):
        checkpoint.load(tmp_path / "bomb.pt")
    assert not (tmp_path / "ran").exists()


def test_a_later_format_is_refused(training_set, tmp_path):
    train(TINY, training_set, tmp_path, {})
    values = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert values["format"] == checkpoint.FORMAT
    torch.save(values | {"format": checkpoint.FORMAT + 1}, tmp_path / "weights.pt")
    with pytest.raises(
        BadInput, match=f"format {checkpoint.FORMAT + 1}, and this version reads formats up to {checkpoint.FORMAT}"
    ):
        checkpoint.load(tmp_path / "weights.pt")


def test_two_trainings_in_one_folder(small_phantom, tmp_path, capsys):
    arguments = ["train", "--data", str(small_phantom), "--out", str(tmp_path / "run"), *TINY_RUN]
    with exclusive_lock(tmp_path / "run" / "being-trained.lock", "it"):
        assert main(arguments) == 2
    assert "run is being written by another process" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [tmp_path / "run"]


def test_a_lock_of_a_dead_process_does_not_count(tmp_path):
    (tmp_path / "lock").touch()
    with exclusive_lock(tmp_path / "lock", "it"):
        pass
    assert not (tmp_path / "lock").exists()


@pytest.fixture
def training_networks(monkeypatch):
    """The networks that are trained, as they are made."""
    made = []
    make = training.new_training_network
    monkeypatch.setattr(training, "new_training_network", lambda *given: made.append(make(*given)) or made[-1])
    return made


def kill_relus(network):
    with torch.no_grad():
        network.expanding[-1][2].bias.fill_(-1e6)


@pytest.mark.long
def test_dead_relus_end_the_training(training_set, tmp_path, training_networks):
    """All of the output the same: what momentum 0.99 with one tile a step sometimes comes to."""
    steps = []

    def after_step(step, network):
        steps.append(step)
        if step == 15:
            kill_relus(training_networks[0])

    config = replace(TINY, steps=1000, learning_rate=1e-9)
    with pytest.raises(
        Diverged, match="same everywhere since step 20, .*last good checkpoint is .*lower learning_rate"
    ):
        train(config, training_set, tmp_path, {}, after_step=after_step)
    assert steps[-1] == 20 + FLAT_STEPS - 1 and checkpoint.load(tmp_path / "checkpoint.pt").step == 15


def test_a_training_that_is_dead_at_its_end_is_not_finished(training_set, tmp_path, training_networks):
    config = replace(TINY, steps=12, checkpoint_every=12)
    with pytest.raises(Diverged, match="same everywhere since step 12"):
        train(
            config,
            training_set,
            tmp_path,
            {},
            after_step=lambda step, _: step == 11 and kill_relus(training_networks[0]),
        )
    assert not (tmp_path / "checkpoint.pt").exists() and (tmp_path / "history.csv").exists()


def test_killed_between_the_last_checkpoint_and_the_weights(training_set, tmp_path):
    train(TINY, training_set, tmp_path, {})
    history = (tmp_path / "history.csv").read_text()
    for name in ("history.csv", "weights.pt"):
        (tmp_path / name).unlink()
    train(TINY, training_set, tmp_path, {}, checkpoint.load(tmp_path / "checkpoint.pt"))
    assert (tmp_path / "history.csv").read_text() == history and (tmp_path / "weights.pt").is_file()
