"""The pixel error by hand."""

import numpy as np
import pytest

from unet_paper.metrics import score
from unet_paper.metrics.registry import PIXEL_ERROR


def test_pixel_f1_by_hand():
    labels = np.array([[[1, 1, 1, 0]]])
    scores = score(labels, np.array([[[0.95, 0.95, 0.05, 0.95]]]))
    # At 0.1 ... 0.9: two of three cells found, two of three positives right.
    assert scores.curve(PIXEL_ERROR)[5] == pytest.approx(2 / 3)
    # At 0.0 all is positive: precision 3/4, recall 1.
    assert scores.pixel_error == pytest.approx(1 - 6 / 7)
