"""The scripts, as a new user runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unet_paper.datasets.phantom import write_phantom

ROOT = Path(__file__).parents[2]
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188", "tta=none", "primary=none")]


@pytest.fixture
def clone(tmp_path):
    """A copy of the project without data and results; it is run with this environment."""
    for name in ("reproduce", "unet_paper"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "requirements.txt", tmp_path / "requirements.txt")
    return tmp_path


def isbi_sh(clone, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "ISBI_DATA"} | NO_NETWORK
    environment["UNET_PAPER_PYTHON"] = sys.executable
    command = ["bash", str(clone / "reproduce" / "isbi.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")


def test_without_data_and_network_it_ends_on_the_phantom_and_says_so(clone):
    write_phantom(clone / "data" / "phantom", train_sections=2, test_sections=1, size=96)
    done = isbi_sh(clone, "--profile", "smoke", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("THIS RUN IS ON THE BUILT-IN PHANTOM") == 2
    run = clone / "results" / "phantom" / "smoke"
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"] == "phantom" and set(record["times"]["pipeline_seconds"]) >= {"train", "score none", "all"}
    assert "NOT the ISBI stack" in (run / "table1.md").read_text() and not (clone / "results" / "isbi").exists()
    assert (run / "sections" / "result.png").is_file()


def test_require_real(clone):
    done = isbi_sh(clone, "--profile", "smoke", "--require-real")
    assert done.returncode == 2 and "nothing was run" in done.stdout and not (clone / "results").exists()


def test_a_named_folder_must_hold_the_official_stacks(clone, small_phantom):
    done = isbi_sh(clone, "--data", str(small_phantom))
    assert done.returncode == 2 and "lacks the official train-volume.tif" in done.stderr
    assert not (clone / "results").exists()


@pytest.mark.slow
def test_the_whole_smoke_profile(clone):
    done = isbi_sh(clone, "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert (clone / "results" / "phantom" / "smoke" / "scores.json").is_file()
