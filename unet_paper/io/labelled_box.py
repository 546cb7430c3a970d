"""Labels that cover a part of an OME-Zarr: which part, by the positions of both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unet_paper.io.lazy_stack import Box
from unet_paper.io.ome_zarr import is_zarr, open_zarr
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
    sizes = [(zarr.pixels.scale, zarr.pixels.units) for zarr in (part, whole)]
    are_alike = lengths == longest
    if are_alike and sizes[0] == UNTOLD:
        pass
    elif part.pixel_size != whole.pixel_size or (part.pixel_size is None and not np.allclose(sizes[0][0], sizes[1][0])):
        (own, own_units), (of_images, units) = sizes
        raise BadInput(
            f"{labels} has pixels of {_told(own, own_units)} and {images} of {_told(of_images, units)}; labels of "
            "images, or of a part of them, must have their pixels"
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


def _told(scale: Sequence[float], units: Sequence[str]) -> str:
    """Sections, rows and columns."""
    return " x ".join(" ".join(filter(None, [f"{step:g}", unit])) for step, unit in zip(scale, units, strict=True))
