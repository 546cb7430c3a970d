"""The commands that do a run's stages by hand: the parser knows them, and they say what the pipeline does."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from unet_paper.cli.parser import parse
from unet_paper.cli.program import typed
from unet_paper.cli.typed_commands import next_commands, stage_words
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import HELA
from unet_paper.datasets.folds import Protocol
from unet_paper.runs.cell_segmentation import segmentation_of
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.pipeline import Stage, stages_after_training
from unet_paper.support.interpreter import python_as_typed

CONFIG = replace(PROFILES["smoke"], tta=("none", "d4"), primary="d4")


@pytest.fixture
def run(tmp_path):
    """A run's folder in which nothing but a truth is."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.labels.touch()
    return run


def test_cells_are_scored_as_the_run_segments_them(run, make_record):
    protocol = Protocol.of_sequences("01", (3,), "02", (7,))
    record = replace(make_record(CONFIG, HELA, protocol), seg_of_training_frames={0.5: 0.1, 0.8: 0.6})
    given = parse([*map(str, stage_words(Stage("score", "none"), run, record))])
    assert (given.labels, given.probability) == (run.labels, run.probability("none"))
    assert given.json == run.scores("none", "d4")
    assert (given.metrics, given.segmentation, given.threshold) == ("seg", HELA, segmentation_of(record).threshold)
    assert (given.unknown, given.segments) == (run.unknown, run.segments("none"))


@pytest.mark.parametrize("partly_known", [False, True])
def test_own_data_are_scored_with_all_metrics_and_where_they_are_known(run, make_record, partly_known):
    if partly_known:
        run.unknown.touch()
    given = parse([*map(str, stage_words(Stage("score", "d4"), run, make_record(CONFIG, "own")))])
    assert (given.metrics, given.json, given.segments) == ("all", run.scores("d4", "d4"), None)
    assert given.unknown == (run.unknown if partly_known else None)


def test_the_challenges_metrics_are_those_of_its_stack(run, make_record):
    given = parse([*map(str, stage_words(Stage("score", "d4"), run, make_record(CONFIG, "isbi")))])
    assert (given.metrics, given.unknown, given.segmentation) == ("challenge", None, None)


def test_classes_are_predicted_and_scored_as_cells_are(run, make_record):
    two, three = make_record(CONFIG, "own"), make_record(replace(CONFIG, classes=3), "own")
    scored = ["predict none", "score none", "predict d4", "score d4", "report"]
    assert [str(stage) for stage in stages_after_training(run, two)] == scored
    assert [str(stage) for stage in stages_after_training(run, three)] == scored
    run.labels.unlink()
    assert stages_after_training(run, two) == [Stage("report")]


def test_what_is_typed_next_is_of_the_primary_augmentation_alone(run, make_record, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["unet-paper"])
    lines = next_commands(run, make_record(CONFIG, "own"))
    assert [line.split()[:2] for line in lines] == [["unet-paper", word] for word in ("predict", "score", "report")]
    assert all("none" not in line for line in lines) and "--tta d4" in lines[0]
    run.labels.unlink()
    unscored = Protocol.unscored(3)
    (line,) = next_commands(run, make_record(CONFIG, "own", replace(unscored, labels_are="instances")))
    assert "IMAGE.tif PROBABILITY.tif --instances CELLS.tif --tta d4" in line
    for dataset, meaning in (("own", "membranes"), ("isbi", None)):
        (line,) = next_commands(run, make_record(CONFIG, dataset, replace(unscored, labels_are=meaning)))
        assert "--instances" not in line


def test_no_path_looks_like_an_option():
    assert typed(["predict"]) == f"{python_as_typed()} -m unet_paper predict"
    assert typed(["predict", "--weights", Path("-run/weights.pt")]).endswith(" predict --weights ./-run/weights.pt")


def test_sections_of_a_run_are_predicted_where_its_labels_lie(make_record, tmp_path):
    for registration in (0.0, 0.6):
        record = make_record(replace(CONFIG, registration_y=registration), "isbi")
        words = [*map(str, stage_words(Stage("predict", "d4"), RunFolder(tmp_path), record))]
        assert parse(words).registered == bool(registration)
