"""Full disks, and places that may not be read or written, end as bad input does: in one sentence and exit code 2."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unet_paper import checkpoint
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import PROFILES
from unet_paper.io.stack import write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.support.errors import BadInput

ROOT = Path(__file__).parents[2]
SMOKE = ("--profile", "smoke", "--device", "cpu")

CALLS_IN_ANOTHER_PROCESS = """
import contextlib, io, json, os, pathlib, sys
import unet_paper.report.pictures, unet_paper.datasets.phantom, unet_paper.datasets.training_stacks
from unet_paper.cli.commands import main
if sys.argv[1] == "nobody" and os.getuid() == 0:  # Python itself may lie where only root can read: imports come first
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
ends = []
for arguments in json.loads(sys.argv[3]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as error:
        code = main(arguments)
    left = [path.name for path in pathlib.Path(sys.argv[2]).rglob("*") if path.is_file()]
    ends.append((code, error.getvalue(), left))
print(json.dumps(ends))
"""


def end_well_in_another_process(ends_well, calls, user, place, may_stay=(), prefix=(), **options):
    """Whether each call, given with what its error names, ends as it should and leaves nothing else in a place."""
    words = json.dumps([[str(argument) for argument in arguments] for arguments, _ in calls])
    program = [*prefix, sys.executable, "-c", CALLS_IN_ANOTHER_PROCESS, user, str(place), words]
    done = subprocess.run(program, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    for (code, error, left), (_, named) in zip(json.loads(done.stdout), calls, strict=True):
        ends_well(code, error, named)
        assert set(left) <= set(may_stay)


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for 300 kB, and a prefix for commands that write there."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", place], capture_output=True)
    if mounted.returncode == 0:
        yield place, []
        subprocess.run(["umount", place], check=True)
    else:  # only root may mount; a limit for files is as near as others get
        yield place, ["bash", "-c", 'ulimit -f 250; trap "" XFSZ; exec "$@"', "-"]


@pytest.mark.long
def test_full_disk(small_disk, small_phantom, ends_well):
    place, prefix = small_disk
    labels = small_phantom / "train-labels.tif"
    training = ["train", "--data", small_phantom, "--out", place / "run", *SMOKE, "--set", "tile_size=188"]
    calls = (
        (["weights", labels, place / "out.tif"], "out.tif cannot be written"),
        (["phantom", "--to", place / "phantom", "--size", "160"], "cannot be written"),
        ([*training, "--set", "base_channels=2"], "weight-maps.tif cannot be written"),
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    end_well_in_another_process(ends_well, calls, "me", place, {"run.json", "phantom.json"}, prefix, env=environment)


@pytest.mark.parametrize(("write", "name"), [(checkpoint.save, "small.pt"), (checkpoint.publish, "small.safetensors")])
def test_full_disk_at_a_checkpoint(tmp_path, write, name):
    """PyTorch has its own words for it, and so has safetensors."""
    values = Checkpoint(
        1, PROFILES["quick"], Standardisation(0.5, 0.1, "uint8"), {"a": torch.zeros(10)}, None, [], {}, 1
    )
    write(tmp_path / name, values)
    before = (tmp_path / name).read_bytes()
    values.network["a"] = torch.zeros(300_000)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limit[1]))
    try:
        with pytest.raises(BadInput, match=f"{name} cannot be written: .*; make room, or give another folder"):
            write(tmp_path / name, values)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == [tmp_path / name] and (tmp_path / name).read_bytes() == before


@pytest.mark.long
def test_places_that_may_not_be_read_or_written(tmp_path, ends_well):
    """In another process and as another user than root, who may do everything."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o001)
    labels = np.arange(200, dtype=np.uint8).reshape(2, 10, 10) // 128 * 255
    for name in ("labels.tif", "secret.tif"):
        write_stack(tmp_path / name, labels)
    locked, out = tmp_path / "locked", tmp_path / "out.tif"
    locked.mkdir(mode=0o555)
    (tmp_path / "secret.tif").chmod(0)
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    calls = (
        (["weights", tmp_path / "labels.tif", locked / "out.tif"], "locked"),
        (["weights", tmp_path / "secret.tif", out], "secret.tif"),
        (["phantom", "--to", locked / "new", "--size", "64"], "locked"),
    )
    end_well_in_another_process(ends_well, calls, "nobody", locked, env=environment, cwd="/")
    assert not list(locked.iterdir()) and not out.exists()
