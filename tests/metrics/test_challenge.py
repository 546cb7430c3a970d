"""The challenge's metrics, against what its reference scorer printed, and against the baselines."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from reproduce.benchmarks.baselines import metrics as baseline
from unet_paper.metrics import score, warping_errors
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, V_INFO
from unet_paper.separation_border import separate_touching_cells

COMMITTED = Path(__file__).parents[1] / "data"
SHAPES = [(2, 24, 31), (1, 1, 1), (1, 1, 40), (3, 40, 1), (2, 2, 2), (1, 50, 47), (1, 70, 90)]


def oracle_cases():
    """(folder, name) of every case at hand."""
    cases = [(COMMITTED, name) for name in ("fuzz_binary", "fuzz_mid", "fuzz_tenths")]
    if os.environ.get("ISBI_ORACLE"):
        folder = Path(os.environ["ISBI_ORACLE"])
        cases += [(folder, path.stem) for path in sorted(folder.glob("*.npz")) if not path.stem.startswith("fuzz_")]
    return [pytest.param(folder, name, id=name) for folder, name in cases]


@pytest.mark.parametrize(("folder", "name"), oracle_cases())
def test_against_the_reference_scorer(folder, name):
    reference = json.loads((folder / "reference.json").read_text())[name]
    case = np.load(folder / f"{name}.npz")
    scores = score(case["label"], case["proposal"]).to_json()
    for key in (metric.key for metric in CHALLENGE_METRICS):
        assert scores[key] == pytest.approx(reference[key], abs=1e-14)
    for key in ("pixel_f_per_threshold", "rand_f_per_threshold", "v_rand_per_threshold", "v_info_per_threshold"):
        assert [value is None for value in scores[key]] == [value is None for value in reference[key]]
        assert [value for value in scores[key] if value is not None] == pytest.approx(
            [value for value in reference[key] if value is not None], abs=1e-14
        )
    assert scores["thresholds"] == reference["thresholds"]
    assert scores["warping_error"] == reference["warping_error"]
    assert scores["warping_counts"] == reference["warping_counts"]


@pytest.mark.parametrize("kind", ["float64", "float32", "tenths", "binary"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_baseline(random_stack, shape, kind):
    truth, proposal = random_stack(shape, kind)
    found, proposal = score(truth, proposal, workers=2).to_json(), proposal.astype(np.float64)
    assert found["pixel_f_per_threshold"] == baseline.pixel_f(truth, proposal)
    assert found["rand_f_per_threshold"] == baseline.rand_f(truth, proposal)
    assert found["rand_f_pairs_per_threshold"] == baseline.rand_f(truth, proposal, "pairs")
    assert found["warping_counts"] == baseline.warping_counts(truth, proposal)
    by_threshold = baseline.v_scores(truth, proposal)
    assert found["v_rand_per_threshold"] == pytest.approx([values[0] for values in by_threshold], abs=1e-12)
    dropped = [np.nan if value is None else value for value in found["v_info_per_threshold"]]
    assert dropped == pytest.approx([values[1] for values in by_threshold], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, float])
def test_touching_cells_with_numbers_of_their_own_are_separated(kind):
    """As `train`, `weight_map` and the command do: a map that keeps them apart is perfect, one that joins them not."""
    labels = np.zeros((2, 12, 12), kind)
    labels[:, 2:10, 2:6], labels[0, 2:10, 6:10], labels[1, 2:10, 6:10] = 1, 2, 3
    apart = separate_touching_cells(labels.astype(int)) > 0
    assert score(labels, apart.astype(float)) == score(apart, apart.astype(float))
    assert score(labels, apart.astype(float)).rand_error == 0
    joined = (labels > 0).astype(float)
    assert score(labels, joined) == score(apart, joined) and score(labels, joined).rand_error > 0.1
    assert np.array_equal(warping_errors(labels, joined, 0.5), warping_errors(apart, joined, 0.5))
    assert score(list(labels), list(joined)) == score(labels, joined)


def test_gray_levels_of_a_mask_are_said(caplog):
    """They are separated as cells of a pixel or two. Of a mask nothing is said."""
    rows, columns = np.mgrid[:40, :40]
    gray = np.clip(8 * (14 - np.hypot(rows - 20, columns - 20)), 0, 255).astype(np.uint8)
    score(gray, gray / 255)
    assert "of the labels have at most 4 px; these may be gray levels of a smoothed mask" in caplog.text
    caplog.clear()
    score(np.where(gray > 90, 255, 0), gray / 255)
    score(gray > 90, gray / 255)
    assert not caplog.text


def test_ignored_pixels_between_cells_part_them():
    labels = np.repeat([[0, 1, 1, 9, 2, 2, 0]], 5, axis=0)
    expected = np.repeat([[False, True, True, False, True, True, False]], 5, axis=0)
    assert score(labels, expected.astype(float), 9) == score(expected, expected.astype(float), labels == 9)


def test_polarity_and_best_case(sections):
    labels = sections[1][:1, :200, :200]
    perfect = (labels > 0).astype(np.float32)
    scores = score(labels, perfect)
    assert scores.pixel_error == scores.rand_error == scores.warping_error == 0
    assert set(scores.best_threshold.values()) == {0.0}  # of several best ones the lowest
    inverted = score(labels, 1 - perfect)
    assert inverted.pixel_error > 0.9 and inverted.rand_error > 0.9 and inverted.warping_error > 0


def test_a_proposal_is_compared_in_double_precision():
    """0.1 in float32 is above 0.1 in float64: still positive at that threshold."""
    labels = np.array([[[255, 0]]], np.uint8)
    assert score(labels, np.array([[[0.1, 0]]], np.float32)).curve(PIXEL_ERROR)[1] == 1


def test_little_shared_information_keeps_the_threshold():
    labels = np.array([[[1, 0, 1], [1, 0, 1], [1, 0, 1]]])
    proposal = np.array([[[1, 1, 1], [0, 0, 0], [1, 1, 1]]])
    scores = score(labels, proposal)
    # The middle line is thinned to itself: each cell is cut into above, below and one pixel alone.
    assert scores.curve(V_INFO)[5] is not None and 0 < scores.v_info < 1


def test_an_ordinary_mask_is_not_doubted(caplog):
    mask = np.zeros((1, 40, 40), np.uint8)
    for top in (5, 25):
        for left in (5, 25):
            mask[0, top : top + 10, left : left + 10] = 255
    score(mask, mask / 255)
    assert not caplog.messages
