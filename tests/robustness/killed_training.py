"""Trains in child processes that are killed, and compares the end with a training that was left alone.

python tests/robustness/killed_training.py DATA FOLDER KILLS SEED; prints what it did as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch._dynamo  # every optimiser loads it: here once for all children

from unet_paper import checkpoint
from unet_paper.config import PROFILES
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.files import remove_leftovers
from unet_paper.training import train

TINY = replace(PROFILES["smoke"], base_channels=3, tile_size=188, checkpoint_every=1)
CONFIG = replace(TINY, steps=max(60, 3 * int(sys.argv[3])))  # as many kills as are asked for must fit


def in_child(function, *arguments):
    """Run a function in a forked process. Nothing here may have started PyTorch's threads before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function(*arguments)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def end_of(child):
    """Whether the child ended by itself, and well."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status:
        raise SystemExit(f"a training failed with status {status}")
    return True


def trains(data, folder):
    """A training that resumes where it was."""
    remove_leftovers(folder)
    volume, labels = read_stack(data / "train-volume.tif").pixels, read_labels(data / "train-labels.tif").pixels
    training_set = prepare_training_set(volume, labels, CONFIG, "cpu")
    earlier = checkpoint.load_last(folder / "checkpoint.pt", folder / "checkpoint-before.pt")
    train(CONFIG, training_set, folder, {}, earlier)


def wait_for_checkpoints(path, count, child):
    """Until a file has been replaced so many times, or the child that replaces it has ended (it is not reaped)."""
    seen = {_version(path)}
    while len(seen) <= count and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        seen.add(_version(path))
        time.sleep(0.001)


def _version(path):
    try:
        found = path.stat()
    except FileNotFoundError:  # between two renames
        return None
    return found.st_ino, found.st_mtime_ns


def die():
    """The hard way."""
    os.kill(os.getpid(), signal.SIGKILL)


def dies_while_writing(data, folder, how):
    """A training that is killed in the middle of its third checkpoint."""
    counts = {"saves": 0, "replaced": 0}
    save, rename = torch.save, os.replace

    def save_and_die(values, file):
        counts["saves"] += 1
        save(values, file)
        if counts["saves"] == 3 and how == "half a file":
            file.flush()
            os.truncate(file.fileno(), os.fstat(file.fileno()).st_size // 2)
            die()

    def rename_and_die(old, new):
        rename(old, new)
        counts["replaced"] += Path(new).name.startswith("checkpoint")
        if counts["replaced"] == {"between two renames": 6, "after both renames": 7}.get(how):
            die()

    torch.save = save_and_die
    os.replace = rename_and_die
    trains(data, folder)


def main():
    """Whole, killed at random, killed while writing."""
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    kills, seed = int(sys.argv[3]), int(sys.argv[4])
    whole, broken = folder / "whole", folder / "broken"
    for path in (whole, broken):
        path.mkdir(parents=True)
    draw = random.Random(seed)
    assert end_of(in_child(trains, data, whole))

    steps = []
    for how in ("half a file", "between two renames", "after both renames"):
        assert not end_of(in_child(dies_while_writing, data, broken, how)), how
    while len(steps) < kills:
        child = in_child(trains, data, broken)
        wait_for_checkpoints(
            broken / "checkpoint.pt", draw.randint(1, max(1, min(8, CONFIG.steps // (2 * kills)))), child
        )
        time.sleep(draw.uniform(0, 0.03))  # anywhere in the steps that follow
        os.kill(child, signal.SIGKILL)
        if end_of(child):
            break
        found = checkpoint.load_last(broken / "checkpoint.pt", broken / "checkpoint-before.pt")
        steps.append(found.step if found else 0)
    assert end_of(in_child(trains, data, broken))

    rows = [  # all but the seconds
        [line.rpartition(",")[0] for line in (path / "history.csv").read_text().splitlines()]
        for path in (whole, broken)
    ]
    first, second = (checkpoint.load(path / "checkpoint.pt") for path in (whole, broken))
    momentum = [
        {key: state["momentum_buffer"] for key, state in found.optimiser["state"].items()} for found in (first, second)
    ]
    same = {
        "weights": all(torch.equal(first.network[name], second.network[name]) for name in first.network),
        "momentum": all(torch.equal(momentum[0][key], momentum[1][key]) for key in momentum[0]),
        "history.csv": rows[0] == rows[1],
        "losses": [row["loss"] for row in first.history] == [row["loss"] for row in second.history],
        "weights.pt": all(
            torch.equal(value, checkpoint.load(broken / "weights.pt").network[name])
            for name, value in checkpoint.load(whole / "weights.pt").network.items()
        ),
    }
    left = sorted(path.name for path in broken.iterdir())
    print(json.dumps({"kills": len(steps), "steps": steps, "same": same, "left": left}))


if __name__ == "__main__":
    main()
