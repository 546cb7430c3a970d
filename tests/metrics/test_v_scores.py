"""V_rand and V_info by hand."""

import numpy as np
import pytest

from unet_paper.metrics.v_scores import mean_over_sections, v_info, v_rand


def test_v_scores_by_hand(overlap_of):
    # Two cells of 2 px, put into one segment: nothing is known of the truth, and the proposal knows all it says.
    assert v_info(overlap_of([[1, 1, 2, 2]], [[1, 1, 1, 1]])) == 0
    assert v_rand(overlap_of([[1, 1, 2, 2]], [[1, 1, 1, 1]])) == 2 * 8 / (8 + 16)
    assert v_info(overlap_of([[1, 1, 2, 2]], [[1, 1, 2, 2]])) == 1
    # One cell in two halves: H(A) = 0, so precision 0.
    assert v_info(overlap_of([[1, 1, 1, 1]], [[1, 1, 2, 2]])) == 0
    # Four cells, of which the proposal tells two pairs: I = ln 2, H(A) = ln 4, H(B) = ln 2.
    assert v_info(overlap_of([[1, 2, 3, 4]], [[1, 1, 2, 2]])) == pytest.approx(2 / 3)
    assert v_info(overlap_of([[0, 0]], [[1, 1]])) is None and v_rand(overlap_of([[0, 0]], [[1, 1]])) is None


def test_no_shared_information(overlap_of):
    """Cells left and right, halves above and below: both divided, no information shared."""
    truth = np.array([[1, 0, 2], [1, 0, 2]])
    assert np.isnan(v_info(overlap_of(truth, [[1, 1, 1], [2, 2, 2]])))


def test_sections_without_a_cell_are_left_out_and_one_that_is_undefined_drops_the_threshold():
    assert mean_over_sections([0.5, None, 0.75]) == 0.625
    assert mean_over_sections([0.5, np.nan]) is None
