"""A result tells its test-time augmentation; metrics carry it, and what contradicts it is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.config import Config
from unet_paper.io.resumable_tiff import Job, ResumableTiff
from unet_paper.io.sections import Block
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.how_made import recorded_tta
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput


def write_map(path, tta, probability, registration=None):
    """A file as `predict` writes it."""
    height, width = probability.shape
    made_with = {"tta": tta, "registration": registration}
    path.unlink(missing_ok=True)
    result = ResumableTiff(path, (1, height, width), made_with, [Block(0, height, 0, width)])
    result.write(Job(0, 0), probability[None])
    result.finish()


@pytest.fixture
def run(tmp_path, make_record, random):
    """A finished run with a truth and the map of one pass, not scored yet."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    config = Config(tta=("none", "d4"), primary="d4")
    make_record(config).write(run.record)
    labels = np.zeros((40, 40), np.uint8)
    labels[5:20, 5:20] = labels[25:35, 25:35] = 255
    write_stack(run.labels, labels[None])
    write_map(run.probability("none"), "none", (0.8 * (labels > 0) + 0.2 * random.random((40, 40))).astype(np.float32))
    return run


@pytest.mark.long
@pytest.mark.parametrize("metrics", ["challenge", "seg"])
def test_metrics_carry_it(run, metrics):
    out = run.scores("none", "d4")
    files = [str(run.labels), str(run.probability("none"))]
    assert main(["score", *files, "--metrics", metrics, "--json", str(out)]) == 0
    assert json.loads(out.read_text())["tta"] == "none"
    if metrics == "challenge":
        assert main(["report", str(run.path)]) == 0


def test_cells_carry_it(run, tmp_path):
    cells = tmp_path / "cells.tif"
    assert main(["segment", str(run.probability("none")), str(cells)]) == 0
    assert recorded_tta(cells) == "none"
    assert main(["score", str(run.labels), str(cells), "--metrics", "seg", "--json", str(tmp_path / "seg.json")]) == 0
    assert json.loads((tmp_path / "seg.json").read_text())["tta"] == "none"


def test_a_map_under_another_name_is_refused(run, capsys):
    """By `score` and by `report`: a map of one pass that is called d4."""
    shutil.copy(run.probability("none"), run.probability("d4"))
    assert main(["score", str(run.labels), str(run.probability("d4"))]) == 2
    message = "probability-d4.tif was made with --tta none, and is called d4"
    assert message in capsys.readouterr().err
    assert main(["report", str(run.path)]) == 2
    assert message in capsys.readouterr().err


def test_metrics_in_the_place_of_others_are_refused(run, capsys):
    out = run.scores("d4", "d4")
    assert main(["score", str(run.labels), str(run.probability("none")), "--json", str(out)]) == 0
    assert main(["report", str(run.path)]) == 2
    assert "scores.json holds metrics of --tta none, where those of d4 belong" in capsys.readouterr().err


@pytest.mark.long
def test_maps_that_do_not_tell_are_taken_at_their_word(run):
    write_stack(run.probability("d4"), np.full((1, 40, 40), 0.3, np.float32))
    assert recorded_tta(run.probability("d4")) is None
    scores = run.scores("d4", "d4")
    assert main(["score", str(run.labels), str(run.probability("d4")), "--json", str(scores)]) == 0
    assert "tta" not in json.loads(scores.read_text())
    assert main(["report", str(run.path)]) == 0


@pytest.mark.parametrize("name", ["probability-d4", "pred.v2"])
def test_folders(tmp_path, name):
    probability = np.full((9, 9), 0.5, np.float32)
    folder = tmp_path / name
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        write_map(folder / name, "d4", probability)
    (folder / "._a.tif").write_bytes(b"\0\5\x16\7")  # as macOS leaves them, which all readers pass over
    assert recorded_tta(folder) == "d4"
    write_map(folder / "b.tif", "none", probability)
    with pytest.raises(BadInput, match="different test-time augmentations"):
        recorded_tta(folder)


def test_a_map_that_lies_on_the_image_is_no_map_of_registered_labels(run, capsys):
    record = read_record(run.record)
    replace(record, config=replace(record.config, registration_x=0.15, registration_y=0.6)).write(run.record)
    for told, code in (("0, 0 px", 2), ("0.15, 0.6 px", 0), (None, 0)):
        probability = read_stack(run.probability("none")).pixels[0]
        write_map(run.probability("none"), "none", probability, told)
        files = [str(run.labels), str(run.probability("none")), "--json", str(run.scores("none", "d4")), "--force"]
        assert main(["score", *files]) == 0  # of any map
        assert main(["report", str(run.path)]) == code
        assert ("predict it again with --registered" in capsys.readouterr().err) == bool(code)
