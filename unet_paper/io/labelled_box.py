"""Labels that cover a part of an OME-Zarr: which part, by the positions of both."""

from pathlib import Path

import numpy as np

from unet_paper.io.lazy_stack import Box
from unet_paper.io.ome_zarr import Zarr, is_zarr, open_zarr
from unet_paper.support.errors import BadInput

NEAR = 0.01  # px; positions are written in decimals
UNTOLD = ((1.0, 1.0, 1.0), ("", "", ""))  # scale and units of an OME-Zarr that tells none


def box_of(labels: Path, images: Path) -> Box | None:
    """The part of the images that labels cover; None where both are alike, or not both are OME-Zarr. Labels of the
    images' shape lie on the images where they tell no other position.

    Raises BadInput for labels that reach beyond the images, do not lie on their pixels, or have other pixels.
    """
    if not (is_zarr(images) and is_zarr(labels)):
        return None
    part, whole = open_zarr(labels, kind="labels"), open_zarr(images, 0)
    lengths, longest = part.pixels.shape, whole.pixels.shape
    are_alike = lengths == longest
    says_nothing = are_alike and (part.pixels.scale, part.pixels.units) == UNTOLD
    if not says_nothing and not _have_same_pixels(part, whole):
        raise BadInput(
            f"{labels} has pixels of {_told(part)} and {images} of {_told(whole)}; labels of images, or of a part of "
            "them, must have their pixels"
        )
    if are_alike and not any(part.origin):
        return None
    shifts = [own - of_images for own, of_images in zip(part.origin, whole.origin, strict=True)]
    starts = [round(shift) for shift in shifts]
    for shift, start, length, most in zip(shifts, starts, lengths, longest, strict=True):
        if abs(shift - start) > NEAR or start < 0 or start + length > most:
            raise BadInput(
                f"{labels} of shape {lengths} lies at {part.origin} px, and {images} of shape {longest} at "
                f"{whole.origin} px (sections, rows, columns); labels must lie within the images, on whole pixels"
            )
    if are_alike:
        return None
    sides = [slice(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    return sides[0], sides[1], sides[2]


def _have_same_pixels(part: Zarr, whole: Zarr) -> bool:
    """Whether both tell one size: a length, or a number where neither tells a length."""
    if part.pixel_size is not None or whole.pixel_size is not None:
        return part.pixel_size == whole.pixel_size
    return np.allclose(part.pixels.scale, whole.pixels.scale)


def _told(stack: Zarr) -> str:
    """The size of a pixel: along sections, rows and columns."""
    sides = zip(stack.pixels.scale, stack.pixels.units, strict=True)
    return " x ".join(" ".join(filter(None, [f"{step:g}", unit])) for step, unit in sides)
