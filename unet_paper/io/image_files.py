"""Opening people's image files as stacks (Z, H, W): TIFF with ImageJ's or OME's axes, mapped where that is possible,
PNG and other formats, OME-Zarr.
"""

import re
from pathlib import Path
from typing import cast

import numpy as np

from unet_paper.io.image_stack import ImageStack
from unet_paper.io.lazy_stack import LazyStack
from unet_paper.io.meaning import (
    labels_meant,
    one_channel,
    opaque_gray,
    several_channels,
    turned_upright,
    values_meant,
)
from unet_paper.io.ome_zarr import is_zarr, open_zarr
from unet_paper.io.other_formats import open_image
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.quiet import quiet_readers
from unet_paper.io.raw_image import SECTION_AXES, Kind, RawImage, Scratch
from unet_paper.io.tiff import MAGIC, open_tiff
from unet_paper.support.errors import BadInput, first_line
from unet_paper.support.logs import logger
from unet_paper.support.system_errors import raise_if_of_system

PATTERN = re.compile(r"[*?\[]")
TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".webp", ".jp2", ".gif")
OTHER_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"P5", b"P2", b"P4", b"P1", b"RIFF", b"GIF8", b"\0\0\0\x0cjP")
ENDS_EARLY = re.compile("cut off|truncated|not enough|broken data stream|decoder object")  # what the readers say
CHANNEL_AXES = "CS"  # channels, and the samples of a colour pixel


def open_stack(
    path: Path | str, channel: int | str | None = None, scratch: Path | None = None, kind: Kind = "image"
) -> ImageStack:
    """An image file as a stack of gray-value sections, or of labels.

    Parameters
    ----------
    path : path
        A TIFF (a single image, an ImageJ or OME stack, tiled, compressed or not, also BigTIFF), an image of
        IMAGE_SUFFIXES, or the folder of an OME-Zarr.
    channel : None, int or "gray"
        Which channel of an image with several, counted from 0; "gray" weighs red, green and blue as the eye does
        (and keeps the type). Without it such images are refused.
    scratch : path or None
        Folder for a large file's unpacked pixels, where they cannot be mapped; the system's own unless given.
    kind : "image", "labels" or "probabilities"
        Labels are kept as they are stored; the others are read as any viewer shows them: by their colour table or
        ImageJ's calibration, few bits spread over 0 to 255.

    Returns
    -------
    ImageStack: (Z, H, W) in the file's own type; mapped, not read, where the file allows; of an OME-Zarr and of a large
    packed TIFF a LazyStack, which is read where it is asked for. A single image becomes Z = 1.

    Raises BadInput for a file that is missing, no image, cut off, empty, in colour or of several channels (without
    `channel`), or with more than one axis of sections; for labels of a lossy format; for what the system does not let
    be read. MemoryError where it does not fit in memory.
    """
    path = Path(path)
    if is_zarr(path):
        image = open_zarr(path, channel, kind)
        # It is read like an array wherever sections of any size are read.
        return ImageStack(
            cast(np.ndarray, image.pixels), image.pixel_size, path, origin=image.origin, made_with=image.made_with
        )
    if not path.is_file():
        raise no_file(path)
    room = Scratch(scratch)
    with quiet_readers():
        raw = _read(path, room)
        if kind == "labels":
            labels_meant(path, raw, room)
        else:
            values_meant(path, raw, channel, kind, room)
        stack = turned_upright(path, _sections(path, raw, channel, kind), raw.orientation)
    return ImageStack(stack, _turned_size(raw), path, raw.nodata, made_with=raw.made_with)


def class_count(path: Path | str) -> int | None:
    """Of how many classes a file holds the probabilities, as `predict` writes those of more than two; None of other
    files. Raises what `open_stack` raises where the file cannot be read, and BadInput where it holds planes of a
    colour image that are no such probabilities.
    """
    path = Path(path)
    if is_zarr(path):
        stack = open_zarr(path, 0).pixels
        count = stack.array.shape[stack.axes.index("c")] if "c" in stack.axes else 1
        return count if count > 1 and stack.dtype.kind == "f" else None
    if not path.is_file():
        raise no_file(path)
    with quiet_readers():
        raw = _read(path, Scratch())
    at = next((place for place, axis in enumerate(raw.axes) if axis in CHANNEL_AXES), -1)
    if raw.sections_as_channels or at < 0 or raw.pixels.dtype.kind != "f" or at > raw.axes.find("Y"):
        return None
    count = raw.pixels.shape[at]
    if count > 1 and raw.axes[at] == "S" and not np.allclose(raw.pixels.sum(axis=at, dtype=np.float64), 1, atol=0.01):
        raise BadInput(
            f"{path} holds {count} planes whose values do not sum to 1, as probabilities of {count} classes do; if it "
            f"is {count} sections, save it with photometric='minisblack'"
        )
    return count if count > 1 else None


def no_file(path: Path) -> BadInput:
    """What is wrong with a path at which there is no file."""
    of_a_file = path.suffix.lower() in (*TIFF_SUFFIXES, *IMAGE_SUFFIXES)
    if not (path.exists() or of_a_file or PATTERN.search(path.name)):
        return BadInput(
            f"there is no file or folder {path}; give the path of an image, a TIFF stack or a folder of them"
        )
    if path.exists() or not PATTERN.search(path.name):
        return BadInput(f"{path} is not a file; give the path of a TIFF stack or an image")
    folder = path.parent
    if not any(folder.glob(path.name)):
        return BadInput(f"{path} is no file, and no file is called like this pattern; look at the folder's names")
    # It was in quotes, or of a shell of Windows', which expands none.
    return BadInput(f"{path} is a pattern, which the shell has not expanded; name its files, or the folder {folder}")


def _read(path: Path, scratch: Scratch) -> RawImage:
    suffix = path.suffix.lower()
    try:
        with open(path, "rb") as file:
            first = file.read(8)
        is_other = not first.startswith(MAGIC) and (suffix in IMAGE_SUFFIXES or first.startswith(OTHER_MAGIC))
        if not first or not is_other and not first.startswith(MAGIC):
            raise ValueError("it is empty" if not first else "it does not begin as one")
        return open_image(path) if is_other else open_tiff(path, scratch)
    except BadInput:
        raise
    except Exception as error:  # the readers raise many kinds for a damaged file
        raise_if_of_system(error, path)
        kind = suffix[1:].upper() if suffix in IMAGE_SUFFIXES else "TIFF"
        reason = first_line(error)
        advice = (
            "get the whole file" if ENDS_EARLY.search(reason) else "give a TIFF stack of gray-value sections, or a PNG"
        )
        raise BadInput(f"{path} cannot be read as {kind} ({reason}); {advice}") from None


def _turned_size(raw: RawImage) -> PixelSize | None:
    size = raw.pixel_size
    return PixelSize(size.y, size.x, size.z) if size and 5 <= raw.orientation <= 8 else size


def _sections(path: Path, raw: RawImage, channel: int | str | None, kind: Kind) -> np.ndarray:
    """Axes in any order -> (Z, H, W)."""
    array, axes = raw.pixels, raw.axes
    if isinstance(array, LazyStack):
        _require_one_channel(path, raw, channel)
        return array
    if array.size == 0:
        raise BadInput(f"{path} has shape {array.shape}; give at least one section of at least one pixel")
    kept = [axis for axis, letter in enumerate(axes) if array.shape[axis] > 1 or letter in "YX"]
    array = array.reshape([array.shape[axis] for axis in kept])
    axes = "".join(axes[axis] for axis in kept)
    if raw.sections_as_channels and axes == "CYX" and channel is None:
        logger.info(f"note: {path} holds {len(array)} images without a word of their axes; they are read as sections")
        axes = "ZYX"
    if not {"X", "Y"} <= set(axes) or len(set(axes)) != len(axes):
        raise BadInput(f"{path} has axes {axes} and shape {array.shape}; give a stack of sections, (Z, H, W) or (H, W)")
    channels = [letter for letter in axes if letter in CHANNEL_AXES]
    sections = [letter for letter in axes if letter in SECTION_AXES]
    if len(channels) + len(sections) + 2 != len(axes) or len(channels) > 1 or len(sections) > 1:
        raise BadInput(
            f"{path} has axes {axes} and shape {array.shape}; give one stack of sections, (Z, H, W), for each of them"
        )
    array = np.transpose(array, [axes.index(letter) for letter in (*sections, "Y", "X", *channels)])
    if channels:
        as_planes = axes.index(channels[0]) < axes.index("Y")
        gray = None if as_planes or channel not in (None, "gray") else opaque_gray(array, raw.colours)
        if gray is None:
            if channel is None:
                raise several_channels(path, array, kind, as_planes, raw.colours)
            gray = one_channel(path, array, channel, raw.colours)
        array = gray
    else:
        _require_one_channel(path, raw, channel)
    return array if sections else array[None]


def _require_one_channel(path: Path, raw: RawImage, channel: int | str | None) -> None:
    if channel not in (None, "gray", 0) and not raw.tables:
        raise BadInput(f"{path} has one channel only; there is no channel {channel}")
