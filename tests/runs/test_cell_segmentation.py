"""Probabilities of cells as segments, and the threshold above which a pixel is cell."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.checkpoint import load
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import DATASETS, HELA, PHANTOM, U373, SequenceFiles, load_sequences
from unet_paper.datasets.folds import Protocol
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.prediction import predict
from unet_paper.runs import cell_threshold
from unet_paper.runs.cell_scoring import TRIED_THRESHOLDS
from unet_paper.runs.cell_segmentation import (
    SEGMENTATIONS,
    best_threshold,
    segment_frames,
    segmentation_name,
    segmentation_of,
    threshold_of,
)
from unet_paper.runs.cell_threshold import seg_of_training_frames
from unet_paper.runs.record import RunRecord
from unet_paper.segmentation import RELEASED, CellSegmentation

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


def test_a_cell_in_the_hole_of_another_keeps_its_pixels():
    """What is filled is the rest of the hole."""
    ring = np.ones((1, 7, 7), np.float32)
    ring[0, 1:6, 1:6] = 0
    ring[0, 3, 3:5] = 1
    filled = segment_frames(ring, replace(ALL, fill_holes=True))[0]
    assert np.argwhere(filled == 2).tolist() == [[3, 3], [3, 4]] and (filled == 1).sum() == 47


def test_settings_have_a_source_and_every_data_set_has_some():
    described = RELEASED.described()
    ours = [name for name, entry in described.items() if entry["source"] != "release"]
    assert ours == ["connectivity", "watershed"]  # the released scripts name neither
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
    assert tuple(found) == TRIED_THRESHOLDS and best_threshold(found) == 0.6 and found[0.6] == 1
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
    asked = []

    def predicted(_, volume, tta, *, device, registered):
        asked.append((volume is masks, tta, device, registered))
        return (masks * cell).astype(np.float32)

    monkeypatch.setattr(cell_threshold, "predict", predicted)
    config = replace(PROFILES["smoke"], primary="d4")
    record = replace(make_record(config, PHANTOM, stacks.protocol), class_weights=(0.2, 1.8))
    found = cell_threshold.seg_of_training_frames(None, stacks, record, "cpu")
    assert said in caplog.messages[-1] and asked == [(True, "d4", "cpu", True)]
    used = segmentation_of(replace(record, seg_of_training_frames=found)).threshold
    assert f"above {used:g}" in caplog.messages[-1]
