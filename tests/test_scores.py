"""The challenge's metrics, against what its reference scorer printed and against cases worked out by hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.errors import BadInput
from unet_paper.scores import THRESHOLDS, score, warping_counts_per_threshold
from unet_paper.scores.rand_error import rand_sums
from unet_paper.scores.warping_error import AROUND, SIMPLE, classify, warp

COMMITTED = Path(__file__).parent / "data"
SLOW_CASES = ("raw_s2", "ones", "half", "inverted")


def oracle_cases():
    """(folder, name) of every case at hand; the slow ones, poor maps of real sections, are marked."""
    cases = [(COMMITTED, name) for name in ("fuzz_binary", "fuzz_mid", "fuzz_tenths")]
    if os.environ.get("ISBI_ORACLE"):
        folder = Path(os.environ["ISBI_ORACLE"])
        cases += [(folder, path.stem) for path in sorted(folder.glob("*.npz")) if not path.stem.startswith("fuzz_")]
    return [
        pytest.param(folder, name, id=name, marks=[pytest.mark.slow] if name in SLOW_CASES else [])
        for folder, name in cases
    ]


@pytest.mark.parametrize(("folder", "name"), oracle_cases())
def test_against_the_reference_scorer(folder, name):
    reference = json.loads((folder / "reference.json").read_text())[name]
    case = np.load(folder / f"{name}.npz")
    scores = score(case["label"], case["proposal"])
    assert scores["thresholds"] == reference["thresholds"]
    assert scores["pixel_f1"] == pytest.approx(reference["pixel_f_per_threshold"], abs=1e-15)
    assert scores["rand_f"] == pytest.approx(reference["rand_f_per_threshold"], abs=1e-15)
    for key in ("pixel_error", "rand_error", "warping_error"):
        assert scores[key] == pytest.approx(reference[key], abs=1e-15)
    counts = np.array(warping_counts_per_threshold(case["label"], case["proposal"]))
    assert np.array_equal(counts, reference["warping_counts"])


def test_thresholds_are_accumulated_doubles():
    assert THRESHOLDS[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert len(THRESHOLDS) == 11 and THRESHOLDS[-1] < 1


def test_polarity_and_best_case(sections):
    labels = sections[1][:1, :200, :200]
    perfect = (labels > 0).astype(np.float32)
    scores = score(labels, perfect)
    assert scores["pixel_error"] == scores["rand_error"] == scores["warping_error"] == 0
    inverted = score(labels, 1 - perfect)
    assert inverted["pixel_error"] > 0.9 and inverted["rand_error"] > 0.9 and inverted["warping_error"] > 0


def test_a_proposal_is_compared_in_double_precision():
    """0.1 in float32 is above 0.1 in float64: still positive at that threshold."""
    labels = np.array([[[255, 0]]], np.uint8)
    assert score(labels, np.array([[[0.1, 0]]], np.float32))["pixel_f1"][1] == 1


def test_pixel_f1_by_hand():
    labels = np.array([[[1, 1, 1, 0]]])
    scores = score(labels, np.array([[[0.95, 0.95, 0.05, 0.95]]]))
    # At 0.1 ... 0.9: two of three cells found, two of three positives right.
    assert scores["pixel_f1"][5] == pytest.approx(2 / 3)
    # At 0.0 all is positive: precision 3/4, recall 1.
    assert scores["pixel_error"] == pytest.approx(1 - 6 / 7)


def test_rand_sums_by_hand():
    truth = np.array([[1, 1, 1, 0, 2, 2]])
    merged = np.array([[1, 1, 1, 1, 1, 0]])
    # c = [[0, 3], [1, 1]]: AB = 9 + 1 + 1, A = 9 + 4, B = 16 + 1.
    assert rand_sums(truth, merged) == (11, 13, 17)


def test_simple_points_are_those_that_change_no_topology():
    """The look-up table against its meaning: exactly one 4-connected object touches a simple point from the side, and
    some background touches it."""
    for code in range(256):
        patch = np.zeros((3, 3), int)
        for bit, (down, right) in enumerate(AROUND):
            patch[1 + down, 1 + right] = code >> bit & 1
        ring = patch.copy()
        ring[1, 1] = 0
        objects = ndimage.label(ring)[0]
        touching = {objects[0, 1], objects[1, 0], objects[1, 2], objects[2, 1]} - {0}
        assert bool(SIMPLE[code]) == (len(touching) == 1 and code != 255)


def test_warping_bends_but_does_not_tear():
    truth = np.zeros((12, 12), bool)
    truth[2:6, 2:6] = True
    moved = np.zeros((12, 12))
    moved[4:9, 3:8] = 1
    assert np.array_equal(warp(truth, moved, 0.5), moved > 0.5)
    two = np.zeros((12, 12))
    two[2:6, 2:6] = two[8:10, 8:10] = 1
    warped = warp(truth, two, 0.5)
    assert ndimage.label(warped)[1] == 1
    assert classify(warped, two > 0.5).object_addition > 0


def test_kinds_of_error():
    cell = np.zeros((9, 9), bool)
    cell[1:8, 1:8] = True
    holed = cell.copy()
    holed[4, 4] = False
    assert classify(cell, holed)._asdict() == dict(
        split=0, merge=0, hole_addition=1, hole_deletion=0, object_addition=0, object_deletion=0
    )
    assert classify(holed, cell).hole_deletion == 1
    lone = np.zeros((9, 9), bool)
    lone[4, 4] = True
    assert classify(lone, ~lone & lone).object_deletion == 1
    assert classify(~lone & lone, lone).object_addition == 1
    halves = cell.copy()
    halves[:, 4] = False
    bridged = halves.copy()
    bridged[4, 4] = True
    assert classify(halves, bridged).merge == 1
    assert classify(bridged, halves).split == 1


@pytest.mark.parametrize(
    ("labels", "proposal", "match"),
    [
        (np.ones((1, 4, 4)), np.ones((1, 4, 5)), "shape"),
        (np.ones((4, 4)), np.ones((4, 4)), "shape"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), 1.5), "outside 0 to 1"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), np.nan), "outside 0 to 1"),
        (np.zeros((1, 4, 4)), np.ones((1, 4, 4)), "no cell"),
    ],
)
def test_bad_input(labels, proposal, match):
    with pytest.raises(BadInput, match=match):
        score(labels, proposal)


def test_any_label_value_above_zero_is_cell(random):
    labels = random.integers(0, 2, (1, 20, 20))
    proposal = random.random((1, 20, 20))
    assert score(labels, proposal) == score(labels * 300, proposal)
