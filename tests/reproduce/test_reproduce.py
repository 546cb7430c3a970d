"""The scripts, as a new user runs them."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from reproduce import isbi, script
from unet_paper.cli.parser import parse
from unet_paper.cli.values import changed_config
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.phantom import write_phantom
from unet_paper.runs.folder import RunFolder

TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188", "tta=none", "primary=none")]


def test_without_data_and_network_it_ends_on_the_phantom_and_says_so(clone, run_script):
    write_phantom(clone / "data" / "phantom", train_sections=2, test_sections=1, size=96)
    done = run_script("isbi.sh", "--profile", "smoke", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("THIS RUN IS ON THE BUILT-IN PHANTOM") == 2
    run = clone / "results" / "phantom" / "smoke"
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"] == "phantom" and set(record["times"]["pipeline_seconds"]) >= {"train", "score none", "all"}
    assert "NOT the ISBI stack" in (run / "table1.md").read_text() and not (clone / "results" / "isbi").exists()
    assert (run / "sections" / "result.png").is_file()


def test_require_real(clone, run_script):
    done = run_script("isbi.sh", "--profile", "smoke", "--require-real")
    assert done.returncode == 2 and "nothing was run" in done.stdout and not (clone / "results").exists()


def test_a_named_folder_must_hold_the_official_stacks(clone, run_script, small_phantom):
    done = run_script("isbi.sh", "--data", str(small_phantom))
    assert done.returncode == 2 and "lacks the official train-volume.tif" in done.stderr
    assert not (clone / "results").exists()


def test_relative_paths_and_a_search_path_of_cd(clone):
    """The scripts go to other folders, and CDPATH makes cd print."""
    (clone / "my python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (clone / "my python").chmod(0o755)
    given = os.environ | {"CDPATH": ".", "UNET_PAPER_PYTHON": "./my python"}

    def run(*command, **more):
        return subprocess.run(["bash", *command], cwd=clone, env=given | more, capture_output=True, text=True)

    elsewhere = run("-c", 'source reproduce/environment.sh; cd /; "$python" -c "print(1)"')
    assert elsewhere.stdout == "1\n", elsewhere.stderr
    no_data = run("reproduce/test.sh", ISBI_DATA="nowhere")
    assert no_data.returncode != 0 and "nowhere" in no_data.stderr.splitlines()[-1] and not no_data.stdout


@pytest.mark.parametrize("fold", [None, "5/6"])
def test_the_training_that_is_shown_is_the_one_that_is_made(tmp_path, monkeypatch, fold):
    """Settings of --set win over those of other options."""
    made = []
    monkeypatch.setattr(script, "make_run", lambda *given: made.append(given))
    options = Namespace(optimiser="sgd", minutes=5.0, set=["minutes=0", "steps=7"])
    isbi.make_run(options, RunFolder(tmp_path), Path("data"), "quick", fold)
    ((words, run, request),) = made
    shown, config = parse([*map(str, words)]), request().config
    assert config == changed_config(PROFILES[shown.profile], shown.changes)
    assert (config.optimiser, config.minutes, config.steps) == ("sgd", 0.0, 7)
    assert request().fold == (Fold.parse(fold) if fold else None) and shown.fold == fold
    assert (shown.data, shown.out) == (request().source, request().out) == (Path("data"), run.path)
    assert shown.resume and request().resume


@pytest.mark.slow
def test_the_whole_smoke_profile(clone, run_script):
    done = run_script("isbi.sh", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert (clone / "results" / "phantom" / "smoke" / "scores.json").is_file()
