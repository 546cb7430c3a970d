"""cells.sh, as a new user runs it."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from unet_paper.runs.cell_scoring import best_threshold

ROOT = Path(__file__).parents[2]
TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188")]


def test_without_data_it_ends_on_the_phantom_and_says_so(clone, run_script, cell_phantom):
    shutil.copytree(cell_phantom, clone / "data" / "phantom-cells")
    done = run_script("cells.sh", "--profile", "smoke", "--train-on", "01", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("THIS RUN IS ON A PHANTOM") == 2
    folder = clone / "results" / "phantom" / "cells" / "smoke"
    run = folder / "phantom-cells-trained-on-01"
    record = json.loads((run / "run.json").read_text())
    jsonschema.validate(record, json.loads((ROOT / "unet_paper/runs/schemas/run.json").read_text()))
    assert record["protocol"]["sequences"] == ["01", "02"] and record["configuration"]["optimiser"]["value"] == "adam"
    scores = json.loads((run / "scores.json").read_text())
    assert 0 <= scores["seg"] <= 1 and scores["segmentation"]["min_size"]["value"] == 501
    seg = {float(at): value for at, value in record["seg_of_training_frames"].items()}
    assert scores["segmentation"]["threshold"]["value"] == best_threshold(seg)
    for text in (done.stdout, (folder / "table2.md").read_text(), (run / "table2.md").read_text()):
        assert "u-net (2015) | 0.9203 | 0.7756" in text and "the built-in phantom of drawn cells" in text
    assert (
        (folder / "index.html").is_file() and (run / "index.html").is_file() and not (clone / "results/cells").exists()
    )
    assert {"figure-3-weight-map.png", "figure-4-segmentation.png"} <= {
        path.name for path in (run / "figures").iterdir()
    }
    weights = (run / "weights.pt").stat().st_mtime_ns
    again = run_script("cells.sh", "--profile", "smoke", "--train-on", "01", *TINY)
    assert again.returncode == 0 and "already trained" in again.stdout + again.stderr
    assert (run / "weights.pt").stat().st_mtime_ns == weights


def test_data_that_is_not_there(run_script, tmp_path):
    done = run_script("cells.sh", "--require-real")
    assert done.returncode == 2 and "nothing was run" in done.stdout
    done = run_script("cells.sh", "--data", tmp_path / "nowhere")
    assert done.returncode == 2 and "celltrackingchallenge.net" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_archive_as_the_challenge_offers_it(clone, run_script, cell_phantom):
    """Both directions, from an archive; and once more."""
    (clone / "given").mkdir()
    shutil.copytree(cell_phantom, clone / "packed" / "DIC-C2DH-HeLa", ignore=shutil.ignore_patterns("phantom.json"))
    shutil.make_archive(str(clone / "given" / "DIC-C2DH-HeLa"), "zip", clone / "packed", "DIC-C2DH-HeLa")
    done = run_script("cells.sh", "--data", clone / "given", "--profile", "smoke", *TINY)
    assert done.returncode == 0, done.stderr
    folder = clone / "results" / "cells" / "smoke"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        f"DIC-C2DH-HeLa-trained-on-{name}" for name in ("01", "02")
    ]
    assert "ours, smoke with" in (folder / "table2.md").read_text()
    weights = folder / "DIC-C2DH-HeLa-trained-on-01" / "weights.pt"
    made = weights.stat().st_mtime_ns
    again = run_script("cells.sh", "--data", clone / "given", "--profile", "smoke", *TINY)
    assert again.returncode == 0 and "already trained" in again.stdout + again.stderr
    assert weights.stat().st_mtime_ns == made
