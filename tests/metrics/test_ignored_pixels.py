"""Pixels to ignore count in no metric."""

import numpy as np
import pytest

from unet_paper.metrics import score, warping_errors
from unet_paper.metrics.registry import CHALLENGE_METRICS, RAND_ERROR_PAIRS
from unet_paper.metrics.warping_error import WarpingCounts
from unet_paper.support.errors import BadInput


@pytest.mark.parametrize("kind", ["float64", "float32", "tenths", "binary"])
def test_nothing_ignored_changes_nothing(random_stack, kind):
    truth, proposal = random_stack((3, 40, 33), kind)
    assert score(truth, proposal, np.zeros(truth.shape, bool)) == score(truth, proposal)


def test_what_stands_at_ignored_pixels_does_not_count(random, random_stack):
    """Other labels and other probabilities there change no figure at all."""
    for _ in range(10):
        truth, proposal = random_stack((2, 30, 33), "tenths")
        ignore = random.random(truth.shape) < 0.3
        labels, other = truth.astype(int), proposal.copy()
        labels[ignore] = random.integers(0, 300, ignore.sum())
        other[ignore] = random.choice([0.0, 0.3, 1.0, np.nan, -7.0], ignore.sum())
        found = score(truth, proposal, ignore)
        assert score(labels, other, ignore) == found and found.ignored_pixels == ignore.sum()
        kinds = warping_errors(truth, proposal, 0.5, ignore)
        assert not kinds[ignore].any()
        assert np.array_equal(kinds, warping_errors(labels, other, 0.5, ignore))


def test_the_label_to_ignore_may_be_an_array():
    labels, proposal = np.array([[1, 0, 0, 9]]), np.array([[0.95, 0.95, 0.0, 0.5]])
    expected = score(labels, proposal, 9)
    assert all(score(labels, proposal, label) == expected for label in (np.uint8(9), np.array(9), labels == 9))
    with pytest.raises(BadInput, match="or one whole number, the label that they have"):
        score(labels, proposal, np.array(9.0))


def test_a_map_that_is_right_where_it_counts_is_perfect(random_stack):
    truth, _ = random_stack((2, 40, 40), "binary")
    truth[:, 20] = False
    ignore = np.zeros(truth.shape, bool)
    ignore[:, :, 10:15] = True
    wrong_there = np.where(ignore, ~truth, truth).astype(float)
    scores = score(truth, wrong_there, ignore)
    for metric in CHALLENGE_METRICS:
        assert scores.value(metric) == pytest.approx(0 if metric.better == "lower" else 1)


def test_pixel_error_by_hand():
    # Of the three pixels that count one is rightly and one is wrongly cell: precision 1/2, recall 1.
    labels = np.array([[1, 0, 0, 9]])
    found = score(labels, np.array([[0.95, 0.95, 0.0, 0.5]]), np.array([[False, False, False, True]]))
    assert found.pixel_error == pytest.approx(1 - 2 / 3) and found.ignored_pixels == 1


def test_rand_error_by_hand():
    # Truth segments of 3 and 2 px, which the proposal joins. The joining pixel is ignored, so the proposal falls in two
    # there as well. The last pixel is background of the proposal: c = [[0, 3, 0], [1, 0, 1]].
    labels = np.array([[1, 1, 1, 0, 1, 1]])
    proposal = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    ignore = np.array([[False, False, False, True, False, False]])
    scores = score(labels, proposal, ignore)
    # squares: AB = 9 + 1 + 1, A = 9 + 4, B = 9 + 1 + 1; pairs: 3, 3 + 1, 3
    assert scores.rand_error == pytest.approx(1 - 22 / 24)
    assert scores.value(RAND_ERROR_PAIRS) == pytest.approx(1 - 6 / 7)
    assert score(labels, proposal).rand_error > scores.rand_error


def test_warping_error_by_hand():
    """A gap in a membrane is a merger, unless it is ignored; another one counts, among the pixels that do."""
    truth = np.zeros((1, 21, 41), bool)
    truth[:, 1:20, 1:20] = truth[:, 1:20, 21:40] = True
    gaps = truth.copy()
    gaps[0, 10, 20] = True
    ignore = np.zeros(truth.shape, bool)
    ignore[0, 10, 20] = True
    assert score(truth, gaps.astype(float)).warping_counts_at_best == WarpingCounts(merge=1)
    assert score(truth, gaps.astype(float), ignore).warping_error == 0
    gaps[0, 15, 20] = True
    found = score(truth, gaps.astype(float), ignore)
    assert found.warping_counts_at_best == WarpingCounts(merge=1) and found.warping_error == 1 / (truth.size - 1)


def test_one_section_without_its_stack(random_stack):
    truth, proposal = random_stack((1, 20, 25), "float64")
    ignore = proposal > 0.8
    assert score(truth[0], proposal[0], ignore[0]) == score(truth, proposal, ignore)


@pytest.mark.parametrize(
    ("ignore", "match"),
    [
        (np.zeros((4, 5), bool), "shape"),
        (np.zeros((4, 4), int), "must be bool"),
        (True, "must be bool, .* or one whole number"),
        (1.0, "must be bool, .* or one whole number"),
        (np.ones((4, 4), bool), "all pixels are to be ignored"),
        (np.eye(4, dtype=bool), "no cell at all"),
    ],
)
def test_bad_masks(ignore, match):
    with pytest.raises(BadInput, match=match):
        score(np.eye(4), np.eye(4), ignore)
