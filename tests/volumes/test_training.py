"""Training from OME-Zarr: what TIFFs give, and no more is read than is labelled."""

import numpy as np
import pytest

from unet_paper.datasets.training_stacks import OwnFiles, load
from unet_paper.io.ome_zarr import ZarrStack
from unet_paper.io.stack import write_stack
from unet_paper.support.errors import BadInput

pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def labels(pixels):
    return (pixels > 99).astype(np.uint8)


def test_it_is_what_tiffs_give(image, stack, labels, make_zarr, tmp_path):
    write_stack(tmp_path / "labels.tif", labels)
    truth = make_zarr(tmp_path / "labels.zarr", labels)
    found, expected = load(OwnFiles(image, truth, "cells")), load(OwnFiles(stack, tmp_path / "labels.tif", "cells"))
    assert np.array_equal(found.volume, expected.volume) and np.array_equal(found.labels, expected.labels)
    assert found.data == expected.data and found.pixel_size == expected.pixel_size


def test_labels_of_a_part(image, pixels, labels, make_zarr, tmp_path, monkeypatch):
    part = (slice(1, 3), slice(10, 60), slice(33, 90))
    truth = make_zarr(tmp_path / "labels.zarr", labels[part], translation=(50, 40, 132))
    read, original = [], ZarrStack.read

    def counted(self, *sides):
        pixels = original(self, *sides)
        if self.path == image:
            read.append(pixels.size)
        return pixels

    monkeypatch.setattr(ZarrStack, "read", counted)
    found = load(OwnFiles(image, truth, "cells"))
    assert np.array_equal(found.volume, pixels[part]) and sum(read) == pixels[part].size


def test_labels_of_the_images_shape_lie_where_they_say(image, labels, make_zarr, tmp_path):
    elsewhere = make_zarr(tmp_path / "elsewhere.zarr", labels, translation=(0, 0, 80))
    with pytest.raises(BadInput, match="must lie within the images, on whole pixels"):
        load(OwnFiles(image, elsewhere, "cells"))
    coarse = make_zarr(tmp_path / "coarse.zarr", labels, scale=(50, 8, 8))
    with pytest.raises(BadInput, match="labels of images, or of a part of them, must have their pixels"):
        load(OwnFiles(image, coarse, "cells"))


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_pixels_without_a_length_are_compared_too(pixels, labels, make_zarr, tmp_path, unit):
    whole = make_zarr(tmp_path / "image.zarr", pixels, scale=(1, 1, 1), unit=unit)
    half = make_zarr(tmp_path / "half.zarr", labels[:, ::2, ::2], scale=(1, 2, 2), unit=unit)
    told = " ".join(filter(None, ["2", unit]))
    with pytest.raises(BadInput, match=f"half.zarr has pixels of 1.* x {told} x {told} and .*, must have their pixels"):
        load(OwnFiles(whole, half, "cells"))


@pytest.mark.parametrize("translation", [(100, 40, 132), (50, 41, 132), (50, -4, 132), None])
def test_labels_elsewhere_are_refused(image, labels, make_zarr, tmp_path, translation):
    truth = make_zarr(tmp_path / "labels.zarr", labels[1:, 10:69, 33:90], translation=translation)
    if translation is None:
        assert load(OwnFiles(image, truth, "cells")).volume.shape == (2, 59, 57)
        return
    with pytest.raises(BadInput, match="must lie within the images, on whole pixels"):
        load(OwnFiles(image, truth, "cells"))
