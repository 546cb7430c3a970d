"""Labels that cover a part of an OME-Zarr: which part, by the positions of both."""

from pathlib import Path

from unet_paper.io.lazy_stack import Box
from unet_paper.io.ome_zarr import is_zarr, open_zarr
from unet_paper.support.errors import BadInput

NEAR = 0.01  # px; positions are written in decimals


def box_of(labels: Path, images: Path) -> Box | None:
    """The part of the images that labels cover; None where both are alike, or not both are OME-Zarr.

    Raises BadInput for labels that reach beyond the images, do not lie on their pixels, or have other pixels.
    """
    if not (is_zarr(images) and is_zarr(labels)):
        return None
    part, whole = open_zarr(labels, kind="labels"), open_zarr(images, 0)
    lengths, longest = part.pixels.shape, whole.pixels.shape
    if lengths == longest:
        return None
    if part.pixel_size != whole.pixel_size:
        raise BadInput(
            f"{labels} has pixels of {part.pixel_size} and {images} of {whole.pixel_size}; labels of a part of the "
            "images must have their pixels"
        )
    shifts = [own - of_images for own, of_images in zip(part.origin, whole.origin, strict=True)]
    starts = [round(shift) for shift in shifts]
    for shift, start, length, most in zip(shifts, starts, lengths, longest, strict=True):
        if abs(shift - start) > NEAR or start < 0 or start + length > most:
            raise BadInput(
                f"{labels} of shape {lengths} lies at {part.origin} px, and {images} of shape {longest} at "
                f"{whole.origin} px (sections, rows, columns); labels must lie within the images, on whole pixels"
            )
    sides = [slice(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    return sides[0], sides[1], sides[2]
