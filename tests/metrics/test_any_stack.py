"""What the challenge's scores must do whatever the stack, and what they make of input that its scorer gets wrong."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.metrics import Scores, score, warping_errors
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.metrics.warping_error import WarpingCounts
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.errors import BadInput


def scores_only(scores: Scores) -> dict[str, float]:
    return {metric.key: scores.value(metric) for metric in CHALLENGE_METRICS}


def cells_apart(random, shape=(3, 60, 60)):
    """A truth of at least two cells in every section."""
    truth = np.stack([ndimage.gaussian_filter(random.standard_normal(shape[1:]), 3) > 0 for _ in range(shape[0])])
    truth[:, :, shape[2] // 2] = False
    return truth


def test_identity_scores_best(random):
    for _ in range(5):
        truth = cells_apart(random)
        assert scores_only(score(truth, truth.astype(np.float32))) == dict(
            warping_error=0, rand_error=0, rand_error_pairs=0, pixel_error=0, v_rand=1, v_info=pytest.approx(1)
        )


def test_sections_may_come_in_any_order(random_stack):
    truth, proposal = random_stack((4, 30, 33), "tenths")
    order = [2, 0, 3, 1]
    assert scores_only(score(truth[order], proposal[order])) == pytest.approx(
        scores_only(score(truth, proposal)), abs=1e-14
    )


@pytest.mark.parametrize("axes", [1, 2, (1, 2)])
def test_flips_change_nothing_where_order_does_not_count(random, random_stack, axes):
    """Pixel and Rand error know no order. Warping takes the most urgent pixels first, so without ties a flip changes
    nothing either; thinning goes west to east, so V_rand and V_info may change (they are not asked)."""
    for _ in range(3):
        truth, proposal = random_stack((2, 40, 43), "float64")
        proposal = random.permutation(proposal.size).reshape(proposal.shape) / proposal.size * 0.2 + proposal * 0.8
        upright, flipped = score(truth, proposal), score(np.flip(truth, axes), np.flip(proposal, axes))
        for name in ("pixel_error", "rand_error", "rand_error_pairs", "warping_error", "warping_counts"):
            assert getattr(upright, name) == getattr(flipped, name)


def two_cells():
    truth = np.zeros((1, 21, 41), bool)
    truth[:, 1:20, 1:20] = truth[:, 1:20, 21:40] = True
    return truth


def test_a_gap_in_a_membrane_is_one_merger():
    truth = two_cells()
    gap = truth.copy()
    gap[0, 10, 20] = True
    scores = score(truth, gap.astype(float))
    assert scores.warping_counts_at_best == WarpingCounts(merge=1)
    assert scores.warping_error == 1 / truth.size and scores.rand_error > 0.3 and scores.v_rand < 0.7


def test_a_line_through_a_cell_is_one_split():
    truth = two_cells()
    line = truth.copy()
    line[0, 10, :20] = False
    scores = score(truth, line.astype(float))
    counts = scores.warping_counts_at_best
    assert counts.split >= 1 and counts.merge == 0 and scores.rand_error > 0.1 and scores.v_rand < 0.9
    # The line's ends can be eaten into the cell; what is left is the one pixel that holds the halves together.
    assert counts == WarpingCounts(split=1)


def test_warping_errors_lie_where_they_are():
    truth = two_cells()
    gap = truth.copy()
    gap[0, 10, 20] = True
    kinds = warping_errors(truth, gap.astype(float), 0.5)
    assert kinds.shape == truth.shape and np.argwhere(kinds).tolist() == [[0, 10, 20]] and kinds[0, 10, 20] == 2


def test_the_ends_are_thresholds_too():
    """No probability is above 1, and of one that is 0 everywhere none is above 0."""
    truth = np.ones((1, 3, 4), bool)
    for threshold in (0, 1):
        assert (warping_errors(truth, np.zeros(truth.shape), threshold) > 0).any()
    assert not warping_errors(truth, np.ones(truth.shape), 0).any()
    assert warping_errors(truth, np.ones(truth.shape), 1).any()


def test_workers_change_nothing(random_stack):
    truth, proposal = random_stack((5, 30, 30), "float32")
    assert score(truth, proposal, workers=1) == score(truth, proposal, workers=4)


# -- input that the challenge's scorer gets wrong or leaves undefined


@pytest.mark.parametrize(
    ("labels", "proposal", "match"),
    [
        (np.ones((1, 4, 4)), np.ones((1, 4, 5)), "shape"),
        (np.ones((4, 4)), np.ones((1, 4, 4)), "shape"),
        (np.ones(4), np.ones(4), "shape"),
        (np.ones((1, 1, 4, 4)), np.ones((1, 1, 4, 4)), "shape"),
        (np.ones((0, 4, 4)), np.ones((0, 4, 4)), "at least one section"),
        (np.ones((1, 0, 4)), np.ones((1, 0, 4)), "at least one section"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), 1.5), "from 1.5 to 1.5, outside 0 to 1"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), -0.1), "outside 0 to 1"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), 255, np.uint8), "divide 8-bit maps by 255"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), np.inf), "outside 0 to 1"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), np.nan), "NaN"),
        (np.ones((1, 4, 4)), np.full((1, 4, 4), 1j), "type complex"),
        (np.zeros((1, 4, 4)), np.ones((1, 4, 4)), "no cell"),
        (np.full((1, 4, 4), 0.5), np.ones((1, 4, 4)), "whole numbers"),
        (np.full((1, 4, 4), np.nan), np.ones((1, 4, 4)), "whole numbers"),
        (np.array([[[-1, 0, 1]]]), np.ones((1, 1, 3)), "none may be negative"),
    ],
)
def test_bad_input(labels, proposal, match):
    with pytest.raises(BadInput, match=match):
        score(labels, proposal)


@pytest.mark.parametrize("threshold", [np.nan, 5, -0.1])
def test_thresholds_of_no_probability(threshold):
    with pytest.raises(BadInput, match="threshold .*; it must be 0 to 1"):
        warping_errors(np.eye(4), np.eye(4), threshold)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64, np.float32])
def test_labels_of_any_type(random, dtype):
    labels = random.integers(0, 2, (1, 20, 20))
    proposal = random.random((1, 20, 20))
    assert score(labels.astype(dtype), proposal) == score(labels, proposal)


@pytest.mark.parametrize(("membrane", "cell"), [(0, 300), (0, 65535), (1, 2), (-1, 0), (-5, 7), (254, 255)])
def test_labels_of_any_two_values(random, membrane, cell):
    labels = random.integers(0, 2, (1, 20, 20))
    proposal = random.random((1, 20, 20))
    assert score(np.where(labels, cell, membrane), proposal) == score(labels, proposal)


def test_numbered_cells_count_as_cell_but_for_the_line_between_those_that_touch(random):
    labels = random.integers(0, 500, (1, 20, 20))
    proposal = random.random((1, 20, 20))
    separated = separate_touching_cells(labels) > 0
    assert score(labels, proposal) == score(separated, proposal) != score(labels > 0, proposal)


def test_constant_sections():
    """An all-cell section is one cell and an all-membrane one none, whatever the reference makes of them."""
    cell = np.ones((1, 9, 9), int)
    scores = score(cell * 300, cell)
    assert (scores.pixel_error, scores.rand_error, scores.warping_error, scores.v_rand) == (0, 0, 0, 1)
    assert scores.v_info == 0  # the reference's value for a single cell: there is no information in it
    truth = np.concatenate([two_cells(), np.zeros((1, 21, 41), bool)])
    scores = score(truth, truth.astype(float))
    assert scores_only(scores) == dict.fromkeys(scores_only(scores), 0) | {"v_rand": 1, "v_info": pytest.approx(1)}


def test_one_section_without_its_stack(random_stack):
    truth, proposal = random_stack((1, 20, 25), "float64")
    assert score(truth[0], proposal[0]) == score(truth, proposal)


def test_inputs_are_left_as_they_were(random_stack):
    truth, proposal = random_stack((2, 20, 25), "float64")
    before = truth.copy(), proposal.copy()
    score(truth, proposal)
    assert np.array_equal(truth, before[0]) and np.array_equal(proposal, before[1])


@pytest.mark.long
def test_no_place_to_keep_compiled_code():
    """Where nothing can be written, the machine code is made anew: the scores still come."""
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np; from unet_paper.metrics import score; print(score(np.eye(9), np.eye(9)).rand_error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0.0", done.stderr
