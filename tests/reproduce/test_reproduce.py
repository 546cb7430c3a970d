"""The scripts, as a new user runs them."""

import json

import pytest

from unet_paper.datasets.phantom import write_phantom

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


@pytest.mark.slow
def test_the_whole_smoke_profile(clone, run_script):
    done = run_script("isbi.sh", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert (clone / "results" / "phantom" / "smoke" / "scores.json").is_file()
