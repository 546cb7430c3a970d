"""Content hashes name pixels, whatever file they lie in and whichever machine reads them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from unet_paper.io.hashes import content_sha256, labels_sha256, sections_sha256, truth_sha256
from unet_paper.io.image_stack import ImageStack


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_they_do_not_depend_on_byte_order_and_layout(random, dtype):
    pixels = (1000 * random.random((3, 7, 8))).astype(f"<{dtype}")
    expected = hashlib.sha256(pixels.tobytes()).hexdigest()
    for same in (pixels, pixels.astype(f">{dtype}"), np.asfortranarray(pixels)):
        assert content_sha256(same) == ImageStack(same, None, Path("a.tif")).content_sha256 == expected
        assert content_sha256(same[0]) == content_sha256(pixels[0]) != expected
    assert sections_sha256([pixels[0], pixels[1, :5]]) == sections_sha256(
        [pixels[0].astype(f">{dtype}"), pixels[1, :5]]
    )


def test_cells_that_touch_are_told_apart_where_labels_are_numbers():
    mask = np.array([[[0, 255, 255, 0]]], np.uint8)
    assert truth_sha256(mask) == truth_sha256(mask // 255) == truth_sha256(mask > 0) == labels_sha256(mask)
    one, two = np.array([[[0, 3, 3, 1]]], np.uint8), np.array([[[0, 3, 2, 1]]], np.uint8)
    assert labels_sha256(one) == labels_sha256(two) and truth_sha256(one) != truth_sha256(two)
    assert truth_sha256(mask * 0 + np.array([1, 1, 2, 2], np.uint8)) != truth_sha256(mask * 0 + 1)  # no background
    assert truth_sha256([one[0], one[0, :, :2]]) != truth_sha256([two[0], one[0, :, :2]])
