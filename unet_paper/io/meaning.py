"""Stored numbers -> the values that are meant, for images and for labels."""

from pathlib import Path

import numpy as np
from skimage.color import rgb2gray

from unet_paper.io.raw_image import Kind, RawImage, Scratch
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

SIGNED = (-32768.0, 1.0)  # ImageJ's line for signed 16-bit images


def labels_meant(path: Path, raw: RawImage, scratch: Scratch) -> None:
    """Labels keep the numbers that are stored, and nothing else may have changed them."""
    if raw.lossy:
        raise BadInput(f"{path} is compressed as {raw.lossy}; {raw.lossy} changes label values, so save PNG or TIFF")
    if raw.pixels.dtype == bool:
        raw.pixels = _bits_as_numbers(raw.pixels)
    if raw.calibration == SIGNED:
        _apply_line(path, raw, scratch)
    if raw.white_is_zero or any(_darkens(table, raw.pixels) for table in raw.tables):
        values = np.unique(raw.pixels) if isinstance(raw.pixels, np.ndarray) else np.array(())
        fine = f", and nothing needs to be done where {values[-1]} stands for cells" if len(values) == 2 else ""
        logger.warning(
            f"note: {path} shows low numbers brighter than high ones; labels are its numbers, so 0 is "
            f"shown bright{fine}"
        )


def values_meant(path: Path, raw: RawImage, channel: int | str | None, kind: Kind, scratch: Scratch) -> None:
    """Gray values as any viewer shows them: colour tables, calibrations and few bits applied."""
    if raw.tables:
        _apply_tables(path, raw, channel, kind, scratch)
    elif raw.calibration is not None:
        _apply_line(path, raw, scratch)
    elif raw.pixels.dtype == bool or raw.bits:
        _spread_bits(path, raw)
    elif raw.white_is_zero:
        raise BadInput(f"{path} cannot be read as TIFF (it is stored with 0 as white); save it with 0 as black")


def turned_upright(path: Path, stack: np.ndarray, orientation: int) -> np.ndarray:
    """(Z, H, W) sections as TIFF's and EXIF's orientation says that they are shown."""
    if not 2 <= orientation <= 8:
        return stack
    logger.info(
        f"note: {path} says that it is stored turned or mirrored (orientation {orientation}); it is read upright"
    )
    if orientation >= 5:
        stack = stack.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        stack = stack[:, ::-1]
    if orientation in (2, 3, 6, 7):
        stack = stack[:, :, ::-1]
    return stack


def opaque_gray(pixels: np.ndarray, colours: str) -> np.ndarray | None:
    """(..., S) samples -> (...) where they show nothing but gray, and nothing through it; else None."""
    count = pixels.shape[-1]
    if count not in (2, 3, 4) or (count > 2 and colours != "RGB") or pixels.dtype.kind != "u":
        return None
    if count != 3 and not (pixels[..., -1] == np.iinfo(pixels.dtype).max).all():
        return None
    if count > 2 and not all((pixels[..., 0] == pixels[..., other]).all() for other in (1, 2)):
        return None
    return np.ascontiguousarray(pixels[..., 0])


def several_channels(
    path: Path, pixels: np.ndarray, kind: Kind, stored_as_planes: bool, colours: str = "RGB"
) -> BadInput:
    """What is wrong with (..., C) pixels of which no channel is named."""
    count = pixels.shape[-1]
    if kind != "image" and pixels.dtype.kind == "f" and stored_as_planes:
        return several_classes(path, count, kind)
    in_colour = count in (3, 4)
    what = "in colour" if in_colour else f"of {count} channels"
    sections = f" (if it is {count} sections, save it with photometric='minisblack')" if stored_as_planes else ""
    if kind == "labels" and in_colour:
        return BadInput(
            f"{path} is {what}, shape {pixels.shape}{sections}; labels are numbers, not colours, so save them in "
            "gray of 8 or 16 bits, with a number for each class or cell"
        )
    gray = ", or gray" if in_colour and colours == "RGB" else ""
    option = f" (--channel takes one: a number from 0 to {count - 1}{gray})" if kind == "image" else ""
    return BadInput(f"{path} is {what}, shape {pixels.shape}{sections}; give one channel only{option}")


def several_classes(path: Path, count: int, kind: Kind) -> BadInput:
    """What is wrong with probabilities of more than two classes, read as `kind`."""
    known = "give labels, or those of two classes"
    if kind == "probabilities":
        known = (
            "numbered cells are of two, and the label image of more is map.argmax(-3), as its axes are (section, "
            "class, height, width)"
        )
    return BadInput(f"{path} holds probabilities of {count} classes; {known}")


def one_channel(path: Path, pixels: np.ndarray, channel: int | str, colours: str = "RGB") -> np.ndarray:
    """(..., C) -> (...): the channel that is named. Raises BadInput unless it is there."""
    count = pixels.shape[-1]
    if channel == "gray":
        if count not in (3, 4) or colours != "RGB":
            what = f"{count} channels" if colours == "RGB" else f"{colours} colours"
            raise BadInput(f"{path} has {what}; gray is made of red, green and blue, so name a channel")
        gray = rgb2gray(pixels[..., :3])  # 0 to 1 for whole numbers
        if pixels.dtype.kind in "ui":
            return (gray * np.iinfo(pixels.dtype).max).round().astype(pixels.dtype)
        return gray.astype(pixels.dtype)
    if not 0 <= int(channel) < count:
        raise BadInput(f"{path} has {count} channels, numbered from 0; there is no channel {channel}")
    return pixels[..., int(channel)]


def _darkens(table: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether a colour table shows gray values that fall, somewhere, as the numbers that occur rise."""
    used = table[np.unique(numbers)] if numbers.max(initial=0) < len(table) else table
    return bool((used == used[:, :1]).all() and (np.diff(used[:, 0].astype(int)) < 0).any())


def _apply_tables(path: Path, raw: RawImage, channel: int | str | None, kind: Kind, scratch: Scratch) -> None:
    if raw.pixels.dtype == bool:
        raw.pixels = _bits_as_numbers(raw.pixels)
    if "S" in raw.axes or raw.pixels.dtype.kind != "u":
        raise BadInput(f"{path} has a colour table for {raw.pixels.dtype} samples of colour; save it without the table")
    planes = raw.pixels.reshape(-1, *raw.pixels.shape[-2:])
    if len(raw.tables) not in (1, len(planes)):
        raise BadInput(f"{path} has {len(raw.tables)} colour tables for {len(planes)} sections; save it in gray")
    result = scratch.empty(path, planes.shape, np.uint8)
    for index, plane in enumerate(planes):
        table = raw.tables[index if len(raw.tables) > 1 else 0]
        largest = int(plane.max(initial=0))
        if largest >= len(table):
            raise BadInput(
                f"{path} holds the number {largest}, beyond its colour table of {len(table)}; save it in gray"
            )
        result[index] = _gray_table(path, table, plane, channel, kind)[plane]
    raw.pixels = result.reshape(raw.pixels.shape)


def _gray_table(path: Path, table: np.ndarray, plane: np.ndarray, channel: int | str | None, kind: Kind) -> np.ndarray:
    """One gray value for each number: the table's own where all that occur are gray, else the channel's."""
    used = table[np.unique(plane)]
    if (used == used[:, :1]).all():
        if channel not in (None, "gray", 0, 1, 2):
            raise BadInput(f"{path} has one channel only; there is no channel {channel}")
        return table[:, 0]
    if channel is None:
        option = ", or take a channel with --channel: 0, 1, 2 or gray" if kind == "image" else ""
        raise BadInput(
            f"{path} is in colour, by a colour table; save it in gray (in Fiji: Lookup Tables, Grays){option}"
        )
    return one_channel(path, table, channel)


def _apply_line(path: Path, raw: RawImage, scratch: Scratch) -> None:
    """ImageJ's calibration: signed 16-bit numbers become these, others 32-bit floats."""
    first, slope = raw.calibration or (0.0, 1.0)
    signed = raw.calibration == SIGNED and raw.pixels.dtype.newbyteorder("=") == np.uint16
    result = scratch.empty(path, raw.pixels.shape, np.int16 if signed else np.float32)
    for target, numbers in zip(result, raw.pixels, strict=True):
        target[...] = (numbers ^ np.uint16(0x8000)).view(np.int16) if signed else first + slope * numbers.astype(float)
    raw.pixels = result


def _bits_as_numbers(pixels: np.ndarray) -> np.ndarray:
    """Of bool, 0 and 1: the readers' own bytes need not be these."""
    return (pixels.view(np.uint8) != 0).view(np.uint8)


def _spread_bits(path: Path, raw: RawImage) -> None:
    """Values of few bits over 0 to 255, as viewers show them."""
    bits = 1 if raw.pixels.dtype == bool else raw.bits
    numbers = _bits_as_numbers(raw.pixels) if raw.pixels.dtype == bool else raw.pixels
    largest = 2**bits - 1
    if numbers.dtype.kind != "u" or numbers.max(initial=0) > largest:
        what = f"{numbers.dtype} values up to {numbers.max(initial=0)}"
        raise BadInput(f"{path} says that its values have {bits} bits, and holds {what}; get the whole file")
    table = np.rint(np.arange(largest + 1) * 255 / largest).astype(np.uint8)
    raw.pixels = (table[::-1] if raw.white_is_zero else table)[numbers]
