"""The components of a section at all thresholds."""

import numpy as np
from scipy import ndimage

from unet_paper.metrics.common import levels
from unet_paper.metrics.segments import components_at_thresholds


def test_components_at_thresholds(random):
    for shape in ((30, 41), (1, 20), (20, 1)):
        level = levels(np.clip(ndimage.gaussian_filter(random.standard_normal(shape), 1) + 0.4, 0, 1))
        for k, found in zip(range(10, -1, -1), components_at_thresholds(level), strict=True):
            assert np.array_equal(found, ndimage.label(level > k)[0])
