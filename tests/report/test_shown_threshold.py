"""The threshold at which a run is shown: where the warping error is least, as long as cells are left there."""

import numpy as np
import pytest

from unet_paper.metrics import score
from unet_paper.report.shown_threshold import shown_threshold, why_shown


def test_it_is_where_the_warping_error_is_least(random_stack):
    truth, probability = random_stack((2, 60, 60), "float64")
    scores = score(truth, probability)
    best = scores.best_threshold["warping_error"]
    assert shown_threshold(scores) == pytest.approx(min(max(best, 0.1), 0.9))
    assert why_shown(scores) == "the warping error is least"


def test_it_is_not_where_no_cell_is_left():
    """As after thirty steps: the membranes are not found, and no threshold but the highest is without mergers."""
    truth = np.ones((1, 40, 40), bool)
    truth[:, 20] = truth[:, :, 20] = False
    scores = score(truth, np.where(truth, 0.55, 0.52))
    assert scores.best_threshold["warping_error"] == pytest.approx(0.6)
    assert scores.warping_error == 0 and scores.pixel_error < 0.1
    assert shown_threshold(scores) < 0.55 and why_shown(scores).endswith(", with most of the cells left")


@pytest.mark.parametrize(("sure", "shown"), [(1, 0.1), (2, 0.6)])
def test_it_is_where_half_of_the_cells_are_left(sure, shown):
    """Of four cells `sure` are left above 0.55, where nothing is split or merged: an F score of 0.4, or of 2 / 3."""
    truth = np.ones((1, 41, 41), bool)
    truth[:, 20] = truth[:, :, 20] = False
    probability = np.where(truth, 0.55, 0.52)
    probability[0, :20, :20] = 0.95
    probability[0, :20, 21:] = 0.95 if sure == 2 else 0.55
    assert shown_threshold(score(truth, probability)) == shown


def test_without_metrics_it_is_the_middle():
    assert shown_threshold(None) == 0.5 and why_shown(None) == "both classes are equally probable"
