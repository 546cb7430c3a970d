"""Image stacks: reading files as gray values, labels or probabilities, and writing TIFFs of (Z, H, W) sections."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile

from unet_paper.compute.memory import release, require_memory
from unet_paper.io.image_files import open_stack
from unet_paper.io.image_folder import named
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.lazy_stack import Box, LazyBox, LazyStack
from unet_paper.io.made_with import EIGHT_BITS
from unet_paper.io.pixel_size import PixelSize, tiff_options
from unet_paper.io.raw_image import Kind
from unet_paper.io.sections import Sections, note_odd_axes
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.logs import logger

WORKING_BYTES = 24  # that training, weight maps and scores take for each pixel of a stack in memory, roughly
LONE = 100  # times the range of all other gray values: the distance of a value that is no gray value
LEAST_STEPS = 2**8  # 32-bit numbers between the lowest and the highest gray value
SMALLEST = 1e-30  # range of gray values, far above the least 32-bit number
LARGEST = 1e18  # gray value whose square, summed, is still a finite 32-bit number


def read_stack(
    path: Path | str, channel: int | str | None = None, kind: Kind = "image", box: Box | None = None
) -> ImageStack:
    """Read an image file into memory, in the file's own type and this machine's byte order; see `open_stack`.

    box : the part of an OME-Zarr that is read, all of it unless given.

    Raises BadInput when what is done with a stack would take more memory than there is.
    """
    stack = open_stack(path, channel, kind=kind)
    if box is not None and isinstance(stack.pixels, LazyStack):
        stack = replace(stack, pixels=cast(np.ndarray, LazyBox(stack.pixels, box)))
    shape = " x ".join(map(str, stack.pixels.shape))
    require_memory(WORKING_BYTES * stack.pixels.size, f"{path} of {shape} px", "give fewer or smaller sections")
    return replace(stack, pixels=np.array(stack.pixels, dtype=stack.pixels.dtype.newbyteorder("="), order="C"))


def read_gray(
    path: Path | str, channel: int | str | None = None, box: Box | None = None, among_others: bool = False
) -> ImageStack:
    """Read a stack of gray values; see `require_gray`. Raises BadInput also where one value outweighs all others."""
    stack = read_stack(path, channel, box=box)
    require_gray(stack, among_others)
    require_no_lone_value(stack.pixels, stack.source)
    return stack


def require_no_lone_value(pixels: np.ndarray, name: Path | str) -> None:
    """Raise BadInput for one lowest or highest value, such as -9999 for "nothing", beside which the others are one.

    name : for the message
    """
    deep = pixels.dtype.kind == "f" or pixels.dtype.itemsize > 2
    if pixels.dtype.kind == "u" and not deep:
        return  # black borders and saturated spots are seen every day
    deviation = pixels.std(dtype=np.float64)
    for lone in (pixels.min(), pixels.max())[: 2 if deep else 1]:
        others = pixels[pixels != lone]
        if others.size == 0:
            continue
        lowest, highest = float(others.min()), float(others.max())
        gap = max(lowest - float(lone), float(lone) - highest)
        if highest > lowest and gap > LONE * (highest - lowest) and deviation > 10 * others.std(dtype=np.float64):
            raise BadInput(
                f"{name} holds {lone:g} in {pixels.size - others.size} pixels, far from all others "
                f"({lowest:g} to {highest:g}); if it stands for missing values or is a hot pixel, replace it"
            )


def require_gray(stack: ImageStack, among_others: bool = False) -> tuple[float, float]:
    """The lowest and the highest gray value. Reads every section, and says so where their axes look interchanged.

    Raises BadInput for a stack whose values are not all numbers to count on, or all the same; the latter is said only
    where it is one of several (`among_others`), as of a section among others.
    """
    pixels, path = stack.pixels, stack.source
    if pixels.dtype.kind not in "uif":
        raise BadInput(f"{path} holds {pixels.dtype} values; give whole or floating-point gray values")
    note_odd_axes(pixels.shape, path)
    lowest, highest = math.inf, -math.inf
    blank: list[str] = []
    for index, section in enumerate(pixels):
        low, high = float(section.min()), float(section.max())
        require_no_nodata(stack, section, f"section {index}")
        if not (math.isfinite(low) and math.isfinite(high)):
            raise BadInput(f"{path} holds values that are not finite in section {index}; give numbers only")
        if max(-low, high) > LARGEST and pixels.dtype.kind == "f":
            raise BadInput(
                f"{path} holds values too large for 32-bit sums in section {index} ({low:g} to {high:g}); "
                "replace them or cut them away"
            )
        lowest, highest = min(lowest, low), max(highest, high)
        if low == high:
            blank.append(str(index))
        release(pixels)
    if lowest == highest and among_others:
        logger.warning(f"note: {path} holds one gray value only, {lowest:g}; is that a surprise?")
        return lowest, highest
    if lowest == highest:
        raise BadInput(f"{path} holds one gray value only, {lowest:g}; give an image that shows something")
    if highest - lowest < max(SMALLEST, LEAST_STEPS * 2**-24 * max(-lowest, highest)):
        raise BadInput(
            f"{path} holds values from {lowest:.10g} to {highest:.10g}, which as 32-bit numbers are hardly different; "
            "subtract a constant from them, or scale them"
        )
    if blank:
        logger.warning(
            f"note: {path} holds one gray value only in section {named(blank)}; if that is a surprise, the "
            "file may not have been written to its end"
        )
    return lowest, highest


def require_no_nodata(stack: ImageStack, values: np.ndarray, where: str) -> None:
    """Raise BadInput where GDAL's nodata value occurs in some values of a stack, which lie `where`. Unsigned 0 counts
    as black, and as the background of labels.
    """
    nodata = stack.nodata
    if nodata is None or (nodata == 0 and values.dtype.kind == "u"):
        return
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            marked = np.isnan(values) if math.isnan(nodata) else values == values.dtype.type(nodata)
    else:
        marked = values == nodata
    if marked.any():
        raise BadInput(
            f"{stack.source} holds GDAL's nodata value {nodata:g} in {where}; fill these pixels, or cut them away"
        )


def read_labels(path: Path | str, ignore: int | None = None, may_be_ignored: bool = True) -> ImageStack:
    """Read a truth stack: whole numbers, 0 = background. Raises BadInput for anything else.

    ignore : the value of pixels that are to be ignored, which alone may be negative or GDAL's nodata value.
    may_be_ignored : whether the user can name one.
    """
    stack = read_stack(path, kind="labels")
    labels = stack.pixels
    if labels.dtype.kind not in "bui":
        raise BadInput(
            f"{path} holds {labels.dtype} values; labels are stored as whole numbers, such as uint16, 0 = background "
            "(membrane)"
        )
    if stack.nodata not in (0, ignore):
        require_no_nodata(stack, labels, "its labels")
    if labels.min() < 0:
        negative = labels[(labels < 0) & (labels != ignore)]
        if negative.size:
            advice = f", and {if_unannotated(negative.min())}" if may_be_ignored else ""
            raise BadInput(f"{path} holds negative labels; labels are 0 = background (membrane) and above{advice}")
    return stack


def if_unannotated(label: int) -> str:
    """What to do where a label stands for pixels that nobody annotated, for messages."""
    return f"where {label} marks pixels that nobody annotated, give --ignore {label} (from Python ignore={label})"


def read_probabilities(path: Path | str, of_class: int | None = None) -> ImageStack:
    """Read a probability stack, also in 8 bits: float32 in [0, 1]. Raises BadInput outside that range or for NaN.

    of_class : the one that is read, of a file of several, see `class_count`.
    """
    stack = read_stack(path, of_class, kind="probabilities")
    pixels = stack.pixels
    if not stack.holds_probabilities:
        raise BadInput(
            f"{path} holds {pixels.dtype} values; probabilities are 32-bit floats from 0 (membrane) to 1 (cell)"
        )
    if pixels.dtype.kind != "f":
        pixels = pixels / np.float32(255)
    pixels = pixels.astype(np.float32, copy=False)
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        ends = "0 (membrane) to 1 (cell)" if of_class is None else "0 to 1"
        raise BadInput(f"{path} holds values outside 0 to 1, or NaN; probabilities run from {ends}")
    return replace(stack, pixels=pixels)


def read_most_probable(path: Path | str, classes: int) -> np.ndarray:
    """(Z, H, W) uint8: the most probable class of each pixel, of several the first, in a file of the probabilities of
    so many. Raises BadInput for values that are no probabilities.
    """
    highest = read_probabilities(path, 0).pixels
    found = np.zeros(highest.shape, np.uint8)
    for number in range(1, classes):
        probability = read_probabilities(path, number).pixels
        found[probability > highest] = number
        highest = np.maximum(highest, probability)
    return found


def write_eight_bits(path: Path | str, probability: np.ndarray, tta: str) -> None:
    """Write a probability stack as round(255 p), deflated, and the test-time augmentation that made it.

    `read_probabilities` reads it.
    """
    pixels = np.rint(255 * probability).astype(np.uint8)
    with atomic_write(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            predictor=True,
            description=f"{EIGHT_BITS}, {tta}",
        )


def write_stack(
    path: Path | str, stack: np.ndarray, info: str | None = None, pixel_size: PixelSize | None = None
) -> None:
    """Write a (Z, H, W) stack as a TIFF that Fiji opens as one stack, in nm where a PixelSize is given.

    `info`: text kept in the image's description.
    """
    if stack.dtype == bool:
        stack = stack.astype(np.uint8) * 255
    imagej = stack.dtype in (np.uint8, np.uint16, np.float32) and stack.shape[-1] > 1  # else taken for samples
    options, entries = tiff_options(pixel_size, imagej)
    told = {"Info" if imagej else "Description": info} if info else {}
    metadata: dict[str, Any] = {"axes": "ZYX", **told, **entries}
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, stack, photometric="minisblack", imagej=imagej, metadata=metadata, **options)


def write_sections(
    path: Path, sections: Sections, names: Sequence[str], info: str | None = None, pixel_size: PixelSize | None = None
) -> None:
    """Write a stack as the TIFF `path`, and sections of several sizes as TIFFs of these names into a folder, which is
    called `path` without its ending.
    """
    if isinstance(sections, np.ndarray):
        write_stack(path, sections, info, pixel_size)
        return
    for name, section in zip(names, sections, strict=True):
        write_stack(path.with_suffix("") / f"{name}.tif", section[None], info, pixel_size)
