"""Thresholds and how values are compared with them."""

import numpy as np

from unet_paper.metrics.common import THRESHOLDS, levels


def test_levels_compare_in_double_precision():
    values = np.array([0, 0.1, 0.3, 0.1 + 0.1 + 0.1, 0.999, 1])
    assert levels(values).tolist() == [0, 1, 3, 3, 10, 11]
    assert levels(np.float32([0.1])).tolist() == [2]


def test_thresholds_are_accumulated_doubles():
    assert THRESHOLDS[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert len(THRESHOLDS) == 11 and THRESHOLDS[-1] < 1
