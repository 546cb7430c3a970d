"""Cells of probability maps: watershed, corners and measures. `test_api.py` has the threshold and the sizes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage import draw, measure

from unet_paper.segmentation import RELEASED, Cell, CellSegmentation, measured_cells, segment, segment_stack
from unet_paper.support.errors import BadInput


def ellipse(shape, y, x, height, width, rotation=0.0):
    """(H, W) probability: 0.9 inside an ellipse, 0.1 elsewhere."""
    probability = np.full(shape, 0.1)
    probability[draw.ellipse(y, x, height, width, shape=shape, rotation=rotation)] = 0.9
    return probability


@pytest.mark.parametrize("overlap", [2, 6, 10])
def test_watershed_cuts_discs_at_their_neck(overlap):
    middle = 60
    right = ellipse((80, 120), 40, middle + 15 - overlap / 2, 15, 15)
    joined = np.maximum(right[:, ::-1], right)
    assert segment(joined).max() == 1
    cells = segment(joined, watershed=True)
    assert cells.max() == 2 and np.array_equal(cells > 0, joined > 0.5)  # nothing is lost
    neck = np.argmax((cells[40] > 0) & (np.roll(cells[40], -1) != cells[40]))
    assert abs(neck - middle) <= 2
    assert abs(np.diff(np.bincount(cells.ravel())[1:])[0]) < 40


@pytest.mark.parametrize(("narrower", "cells"), [(0, 1), (1, 1), (2, 2)])
def test_a_neck_is_a_pixel_narrower_on_each_side(narrower, cells):
    """A diagonal band has its middle 7.07 px from the background, 6.40 and 5.66 where it is narrower by one and two
    diagonals on each side. So little as the first of these, outlines of probabilities are ragged anyway.
    """
    down, across = np.indices((120, 120))
    along, beside = down + across, np.abs(down - across)
    cell = (beside <= 9 - narrower * (np.abs(along - 120) < 20)) & (along > 40) & (along < 200)
    assert segment(np.where(cell, 0.9, 0.1), watershed=True).max() == cells


@pytest.mark.parametrize("rotation", [0, 0.3, 0.7, 1.1])
@pytest.mark.parametrize("width", [12, 20, 40])
def test_watershed_leaves_long_cells_whole(width, rotation):
    assert segment(ellipse((200, 200), 100, 100, 12, width, rotation), watershed=True).max() == 1


@pytest.mark.parametrize("watershed", [np.ones((5, 5), bool), "no", None, 1])
def test_watershed_is_true_or_false(watershed):
    with pytest.raises(BadInput, match="watershed is .*; it must be True or False"):
        segment(np.ones((5, 5)), watershed=watershed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": True}, "threshold True, .* numbers, 0 to 1"),
        ({"threshold": float("nan")}, "threshold nan, .* numbers, 0 to 1"),
        ({"min_size": 2.5}, "min_size 2.5; .* a whole one, px"),
        ({"min_size": True}, "min_size True; .* a whole one, px"),
        ({"outer": -5}, "outer -5; it must be a whole number, 0 or above, px"),
        ({"outer": 2.5}, "outer 2.5; it must be a whole number"),
        ({"outer": "a"}, "outer 'a'; it must be a whole number"),
    ],
)
def test_settings_of_another_type_or_out_of_range(change, message):
    with pytest.raises(BadInput, match=message):
        segment_stack(np.ones((5, 5)), replace(RELEASED, **change))
    numpys = CellSegmentation(np.float32(0.5), min_size=np.int64(2), outer=np.uint8(1))
    assert segment_stack(np.ones((5, 5)), numpys).all()


def test_the_outer_frame_is_as_wide_as_any_kind_of_number_says():
    probability = np.zeros((400, 400))
    probability[3:40, 3:40] = probability[-40:-3, -40:-3] = probability[30:60, 180:220] = 1
    for outer in (50, np.uint8(50), np.uint64(50)):
        assert segment_stack(probability, CellSegmentation(outer=outer)).max() == 1


def test_watershed_loses_no_component(random):
    """Also the smallest, at the border, and at the corner of a larger one; those of a section are never joined."""
    for _ in range(20):
        probability = ndimage.gaussian_filter(random.random((60, 60)), 0.7)
        for connectivity in (4, 8):
            components = segment(probability, 0.5, connectivity=connectivity)
            cut = segment(probability, 0.5, watershed=True, connectivity=connectivity)
            assert np.array_equal(cut > 0, components > 0)
            pairs = np.unique(np.stack([cut.ravel(), components.ravel()]), axis=1)
            assert len(np.unique(pairs[0])) == pairs.shape[1]  # every piece is of one component
            assert cut.max() == len(np.unique(measure.label(cut, connectivity=connectivity // 4))) - 1
    assert segment(np.ones((5, 5)), watershed=True).max() == 1
    assert not segment(np.zeros((5, 5)), watershed=True).any()


def test_corners():
    probability = np.eye(4)
    assert segment(probability).max() == 4 and segment(probability, connectivity=8).max() == 1
    with pytest.raises(BadInput, match="connectivity 6; it must be 4 or 8"):
        segment(probability, connectivity=6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_threshold_has_the_precision_of_the_map(kind):
    probability = (np.arange(12).reshape(3, 4) / 10).clip(0, 1).astype(kind)
    for threshold in (0.1, 0.3, 0.7):
        by_python, by_numpy = segment(probability, threshold), segment(probability, np.float64(threshold))
        assert np.array_equal(by_python, by_numpy) and not by_python[probability == kind(threshold)].any()


def test_small_pieces_are_left_out_after_the_cut():
    joined = np.maximum(ellipse((80, 120), 40, 40, 15, 15), ellipse((80, 120), 40, 61, 8, 8))
    assert segment(joined, watershed=True).max() == 2
    assert segment(joined, min_size=250, watershed=True).max() == 1


def test_measures():
    cells = np.zeros((2, 6, 8), np.int32)
    cells[0, 1:3, 2:7] = 1
    cells[1, 5, 0] = 2
    cells[1, 0:2, 0:2] = 7
    assert list(measured_cells(cells)) == [
        Cell(1, 0, 10, 4.0, 1.5, 2, 1, 5, 2),
        Cell(2, 1, 1, 0.0, 5.0, 0, 5, 1, 1),
        Cell(7, 1, 4, 0.5, 0.5, 0, 0, 2, 2),
    ]


def test_in_words():
    assert str(CellSegmentation()) == "above 0.5, 4-connected"
    cut = CellSegmentation(0.25, 8, 30, watershed=True)
    assert str(cut) == "above 0.25, 8-connected, cut by watershed, of 30 px at least"
