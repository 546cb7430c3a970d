"""Probabilities of cells as segments, their SEG, and what is not judged where the truth is not known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.checkpoint import load
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import DATASETS, HELA, PHANTOM, U373, SequenceFiles, load_sequences
from unet_paper.datasets.folds import Protocol
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.metrics.seg import score_instances
from unet_paper.prediction import predict
from unet_paper.runs import cell_threshold
from unet_paper.runs.cell_scoring import (
    RELEASED,
    SEGMENTATIONS,
    THRESHOLDS,
    CellScores,
    CellSegmentation,
    best_threshold,
    read_cell_scores,
    score_cells,
    score_segments,
    segment_frames,
    segmentation_name,
    segmentation_of,
    threshold_of,
)
from unet_paper.runs.cell_threshold import seg_of_training_frames
from unet_paper.runs.record import RunRecord
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json

RESULTS = Path(__file__).parents[2] / "results"
ALL = CellSegmentation(connectivity=8, min_size=1)


def frame(*rows):
    return np.array([rows], np.float32)


def test_argmax_and_corners_hold_a_segment_together():
    probability = frame([0.9, 0.1, 0.1], [0.1, 0.6, 0.1], [0.1, 0.1, 0.5])
    assert segment_frames(probability, ALL)[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    sides = replace(ALL, connectivity=4)
    assert segment_frames(probability, sides)[0].tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 0]]


def test_every_frame_is_numbered_from_1():
    probability = np.repeat(frame([0.9, 0.1, 0.9]), 2, axis=0)
    segments = segment_frames(probability, ALL)
    assert segments.dtype == np.int32 and segments.tolist() == [[[1, 0, 2]]] * 2


def test_the_release_drops_500_px_and_what_lies_wholly_in_the_outer_50():
    probability = np.zeros((1, 200, 200), np.float32)
    probability[0, 60:80, 60:85] = 1  # 500 px
    probability[0, 100:120, 60:85] = 1
    probability[0, 120, 60] = 1  # and one more
    probability[0, 0:50, 100:150] = 1  # wholly outside
    probability[0, 40:51, 10:60] = 1  # one pixel row of it, and ten columns, inside
    segments = segment_frames(probability, RELEASED)[0]
    assert np.unique(segments).tolist() == [0, 1, 2]
    assert segments[45, 20] == 1 and segments[110, 70] == 2
    assert not segments[70, 70] and not segments[20, 120]


@pytest.mark.parametrize("fill", [False, True])
def test_holes_are_filled_where_that_is_asked_for(fill):
    ring = np.ones((1, 5, 5), np.float32)
    ring[0, 2, 2] = 0
    segments = segment_frames(ring, replace(ALL, fill_holes=fill))
    assert (segments[0, 2, 2] == 1) == fill


def test_settings_have_a_source_and_every_data_set_has_some():
    described = RELEASED.described()
    assert {entry["source"] for entry in described.values()} == {"release"}
    assert SEGMENTATIONS[U373] == RELEASED and SEGMENTATIONS[HELA].described()["outer"]["source"] == "ours"
    assert set(SEGMENTATIONS) == {*DATASETS, PHANTOM} and segmentation_name("own") == U373


def test_the_threshold_undoes_the_class_balance(make_record):
    """A pixel that is cell with probability 1 / 2 gets, in a loss that weighs cell 9 times as much, 9 / 10."""
    assert threshold_of((0.2, 1.8)) == 0.9 and threshold_of((1.0, 1.0)) == threshold_of(None) == 0.5
    record = replace(make_record(PROFILES["smoke"], U373), class_weights=(0.2, 1.8))
    assert segmentation_of(record) == replace(RELEASED, threshold=0.9)
    assert segmentation_of(record).described()["threshold"]["source"] == "ours"


def test_the_threshold_is_the_one_that_is_best_on_the_frames_trained_on(make_record):
    seg = {0.3: 0.5, 0.8: 0.7, 0.7: 0.7, 0.9: 0.6}
    record = replace(make_record(PROFILES["smoke"], U373), class_weights=(0.2, 1.8), seg_of_training_frames=seg)
    assert segmentation_of(record).threshold == best_threshold(seg) == 0.7
    nothing = replace(record, seg_of_training_frames={0.3: 0.0, 0.5: 0.0})
    assert segmentation_of(nothing).threshold == 0.9
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_run_on_cells_chooses_its_threshold_on_its_own_frames(make_record, cell_phantom, random):
    """Of frames whose masks are what a network finds above 0.6, that is where SEG is 1."""
    trained = load(RESULTS / "cells/quick/PhC-C2DH-U373-trained-on-01/weights.safetensors")
    trained.config, gray = replace(trained.config, primary="none"), trained.standardisation
    blobs = ndimage.gaussian_filter(random.normal(size=(2, 220, 220)), (0, 10, 10))
    values = 255 * (gray.mean + 2 * gray.deviation * blobs / blobs.std())
    volume = values.clip(0, 255).astype(np.uint8)
    masks = segment_frames(predict(trained, volume, "none"), replace(SEGMENTATIONS[PHANTOM], threshold=0.6))
    stacks = replace(load_sequences(SequenceFiles(cell_phantom, "02")), volume=volume, labels=masks)
    found = seg_of_training_frames(trained, stacks, make_record(trained.config, PHANTOM, stacks.protocol), "cpu")
    assert tuple(found) == THRESHOLDS and best_threshold(found) == 0.6 and found[0.6] == 1
    assert all(seg < 1 for at, seg in found.items() if at != 0.6)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (0.75, "cell is what has a probability above 0.3: SEG of these frames is best there, 1.0000"),
        (0.25, "cell is what has a probability above 0.9, which undoes the class weights: SEG of these frames is 0"),
    ],
)
def test_the_threshold_that_is_said_is_the_one_that_counts(make_record, monkeypatch, caplog, cell, said):
    """Also where the network finds no cell yet."""
    caplog.set_level("INFO", "unet_paper")
    masks = np.zeros((1, 40, 40), np.uint16)
    masks[0, 5:35, 5:35] = 1
    stacks = Stacks(masks, masks, None, None, Protocol.of_sequences("01", (3,), "02", (7,)), {}, PHANTOM)
    monkeypatch.setattr(cell_threshold, "predict", lambda *_, **__: (masks * cell).astype(np.float32))
    record = replace(make_record(PROFILES["smoke"], PHANTOM, stacks.protocol), class_weights=(0.2, 1.8))
    found = cell_threshold.seg_of_training_frames(None, stacks, record, "cpu")
    assert said in caplog.messages[-1]
    used = segmentation_of(replace(record, seg_of_training_frames=found)).threshold
    assert f"above {used:g}" in caplog.messages[-1]


def test_what_is_found_where_nothing_is_annotated_is_no_error_and_changes_no_seg():
    masks = np.zeros((1, 10, 30), np.uint16)
    masks[0, 2:8, 2:8] = 1
    unknown = np.zeros(masks.shape, bool)
    unknown[0, :, 8:20] = True
    segments = np.zeros_like(masks)
    segments[0, 2:8, 2:10] = 1  # reaches into what is unknown
    segments[0, 2:8, 12:18] = 2  # lies there
    segments[0, 2:8, 24:28] = 3  # is of nothing
    scores = score_segments(masks, segments, unknown)
    assert scores.seg == score_instances(masks, segments).seg == 36 / 48
    assert (scores.found, scores.unmatched) == (1, 1) and scores.f1 == 2 / 3
    assert score_segments(masks, segments).unmatched == 2
    large = np.where(segments > 0, segments + np.uint32(4_000_000_000), 0)  # numbers need not be areas' indices
    assert score_segments(masks, large, unknown).unmatched == 1


@pytest.fixture
def files(tmp_path):
    """Masks, probabilities and what is unknown, of two frames."""
    masks = np.zeros((2, 60, 60), np.uint16)
    masks[:, 10:40, 10:40], masks[1, 42:58, 10:50] = 3, 9
    probability = (masks > 0).astype(np.float32)
    probability[0, 10:40, 40:45] = 0.8
    write_stack(tmp_path / "masks.tif", masks)
    write_stack(tmp_path / "probability.tif", probability)
    write_stack(tmp_path / "unknown.tif", np.zeros(masks.shape, bool))
    return tmp_path


def test_scores_of_files(files):
    settings = replace(RELEASED, outer=0)
    out = files / "scores.json", files / "segments.tif"
    scores = score_cells(files / "masks.tif", files / "probability.tif", settings, files / "unknown.tif", *out)
    assert scores.scores.seg == pytest.approx((900 / 1050 + 1 + 1) / 3) and scores.frames == 2
    assert scores.size_ratio == 1 and read_cell_scores(out[0]) == scores
    assert CellScores.from_json(scores.to_json()) == scores
    seg_at = {each.threshold: each.seg for each in scores.per_threshold}
    assert seg_at[0.5] == scores.scores.seg and seg_at[0.8] == 1 == seg_at[0.95]
    given = score_cells(files / "masks.tif", out[1], settings)
    assert given.scores == scores.scores and given.segmentation is None
    assert CellScores.from_json(given.to_json()) == given
    strict = score_cells(files / "masks.tif", files / "probability.tif", replace(settings, threshold=0.85))
    assert strict.scores.seg == 1 and strict.by_argmax.seg == scores.scores.seg and scores.by_argmax is None


def test_score_seg_on_the_command_line(files, capsys):
    names = [str(files / name) for name in ("masks.tif", "probability.tif")]
    more = ["--unknown", str(files / "unknown.tif"), "--segments", str(files / "cells.tif"), "--json"]
    seg = ["--metrics", "seg", "--segmentation", HELA]
    assert main(["score", *names, *seg, *more, str(files / "scores.json")]) == 0
    assert capsys.readouterr().out.startswith("SEG               0.952381  (3 cells)\n")
    assert read_json(files / "scores.json")["seg"] == pytest.approx(0.952381, abs=1e-6)
    assert read_stack(files / "cells.tif").pixels.max() == 2
    assert main(["score", *names, "--segments", str(files / "other.tif")]) == 2
    assert "--segments belongs to --metrics seg" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", [0.5, 0.9])
@pytest.mark.parametrize("region", ["ignore", "unknown", "both"])
def test_the_row_of_the_threshold_that_counts_is_the_score(files, random, threshold, region):
    """Also of what is found where the truth is not known."""
    masks, probability = (read_stack(files / f"{name}.tif").pixels for name in ("masks", "probability"))
    masks[:, :9, :30], probability[:, 2:7, 5:20], probability[:, 50:55, 52:57] = 99, 1, 1
    marks = np.zeros(masks.shape, np.uint8)
    marks[:, 48:, 51:] = 1
    probability *= random.uniform(0.9, 1, probability.shape).astype(np.float32)
    for name, pixels in (("masks", masks), ("probability", probability), ("unknown", marks)):
        write_stack(files / f"{name}.tif", pixels)
    known = files / "unknown.tif" if region != "ignore" else None
    ignore = 99 if region != "unknown" else None
    settings = CellSegmentation(threshold=threshold)
    scores = score_cells(files / "masks.tif", files / "probability.tif", settings, known, ignore=ignore)
    row = next(each for each in scores.per_threshold if each.threshold == threshold)
    headline = scores.scores
    assert (row.seg, row.f1, row.missed, row.merged) == (headline.seg, headline.f1, headline.missed, headline.merged)
    assert row.size_ratio == scores.size_ratio


def test_the_largest_numbers_of_cells(files):
    numbers = read_stack(files / "masks.tif").pixels.astype(np.uint32)
    numbers[numbers > 0] += np.uint32(4_000_000_000)
    write_stack(files / "large.tif", numbers)
    scores = score_cells(files / "masks.tif", files / "large.tif", ALL)
    assert scores.scores.seg == 1 and scores.size_ratio == 1


@pytest.mark.parametrize("ignore", [None, 3])
def test_marks_of_another_size(files, ignore):
    write_stack(files / "unknown.tif", np.zeros((2, 60, 50), np.uint8))
    with pytest.raises(BadInput, match=r"unknown.tif \(2, 60, 50\); both must be the same"):
        score_cells(files / "masks.tif", files / "probability.tif", ALL, files / "unknown.tif", ignore=ignore)


def test_files_that_do_not_fit(files):
    write_stack(files / "short.tif", np.zeros((1, 60, 60), np.float32))
    with pytest.raises(BadInput, match="both must be the same"):
        score_cells(files / "masks.tif", files / "short.tif", ALL)
    write_stack(files / "nothing.tif", np.zeros((2, 60, 60), np.uint16))
    with pytest.raises(BadInput, match="no object"):
        score_cells(files / "nothing.tif", files / "probability.tif", ALL)
    (files / "scores.json").write_text("{}")
    with pytest.raises(BadInput, match="scores.json: it holds no scores of cells .*score the run again"):
        read_cell_scores(files / "scores.json")


def test_committed_scores_load_and_come_back_unchanged():
    for path in RESULTS.rglob("scores*.json"):
        content = read_json(path)
        assert "seg" not in content or CellScores.from_json(content).to_json() == content
