"""What is scored of files."""

import numpy as np

from unet_paper.runs.scoring import either


def test_a_pixel_that_is_marked_in_one_of_two_is_marked():
    first, second = np.array([[[True, True, False, False]]]), np.array([[[True, False, True, False]]])
    assert either(first, second).tolist() == [[[True, True, True, False]]]
    assert either(first, None) is first and either(None, second) is second and either(None, None) is None
