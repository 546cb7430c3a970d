"""Opening people's image files as stacks (Z, H, W): TIFF with ImageJ's or OME's axes, mapped where that is possible,
PNG and the other formats that scikit-image reads.
"""

import errno
import logging
import math
import os
import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageSequence
from skimage.color import rgb2gray
from skimage.io import imread

from unet_paper.compute.memory import require_memory
from unet_paper.support.errors import BadInput

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters of a damaged file becomes one sentence
Image.MAX_IMAGE_PIXELS = None  # images may be as large as they are

TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm")
SECTION_AXES = "ZTIQRH"  # what tifffile calls axes along which sections follow one another
CHANNEL_AXES = "CS"  # channels, and the samples of a colour pixel
MOST_PACKED = 1100  # values in a byte of the file; deflate packs 1032 bytes into one at most
UNPACKED_IN_MEMORY = 2**28  # bytes; what is larger and cannot be mapped is unpacked into a file


def open_stack(path, channel=None, scratch=None):
    """An image file as a stack of gray-value sections.

    Parameters
    ----------
    path : path
        A TIFF (a single image, an ImageJ or OME stack, tiled, compressed or not, also BigTIFF), or an image that
        scikit-image reads, such as PNG.
    channel : None, int or "gray"
        Which channel of an image with several, counted from 0; "gray" weighs red, green and blue as the eye does
        (and keeps the type). Without it such images are refused.
    scratch : path or None
        Folder for a large file's unpacked pixels, where they cannot be mapped; the system's own unless given.

    Returns
    -------
    (Z, H, W) array in the file's own type (0 and 255 for bits); mapped, not read, where the file allows. A single image
    becomes Z = 1.

    Raises BadInput for a file that is missing, no image, empty, in colour or of several channels (without `channel`),
    or with more than one axis of sections.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} is not a file; give the path of a TIFF stack or an image")
    suffix = path.suffix.lower()
    try:
        if suffix in IMAGE_SUFFIXES and not _is_tiff(path):
            array, axes = _read_image(path)
        else:
            array, axes = _open_tiff(path, scratch)
    except BadInput:
        raise
    except Exception as error:  # the readers raise many kinds for a damaged file
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise BadInput(
                f"{path} is packed and its disk has no room to unpack it; write the result where there is more"
            ) from None
        kind = suffix[1:].upper() if suffix in IMAGE_SUFFIXES else "TIFF"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"{path} cannot be read as {kind} ({reason}); give a TIFF stack of gray-value sections, or a PNG"
        ) from None
    return _as_sections(path, array, axes, channel)


def _is_tiff(path):
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _read_image(path):
    """PNG and the like. Numbered colours, as labels are often stored, stay numbers."""
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"it holds {image.n_frames} images")
        bytes_per_pixel = 8 * len(image.getbands())
        require_memory(bytes_per_pixel * image.width * image.height, f"{path}, unpacked,", "save it as a plain TIFF")
        if image.mode in ("P", "L", "1"):
            return np.array(image), "YX"
        if image.format == "PNG" and image.mode in ("RGB", "RGBA") and _png_bits(path) == 16:
            raise ValueError("it has colours of 16 bits, which are read as 8")
    array = imread(path)
    return array, "YX" if array.ndim == 2 else "YXS"


def _png_bits(path):
    with open(path, "rb") as file:
        return file.read(25)[24]


def _open_tiff(path, scratch):
    _must_end(path)
    with tifffile.TiffFile(path) as file:
        for image in re.findall(r"<Pixels[^>]*>", file.ome_metadata or ""):
            _must_be_possible(path, math.prod(int(size) for size in re.findall(r'Size[XYZCT]="(\d+)"', image)))
        series = file.series[0]
        shape, dtype, axes = series.shape, series.dtype, series.axes
        _must_be_possible(path, math.prod(shape))
        if any((other.shape, other.dtype) != (shape, dtype) for other in file.series):
            raise ValueError(f"it holds {len(file.series)} images of different shapes or types")
        if file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            raise ValueError("it is stored with 0 as white; save it with 0 as black")
        if len(file.series) == 1 and series.dataoffset is not None:
            return tifffile.memmap(path, mode="r"), axes
        if file.pages[0].compression not in tifffile.TIFF.DECOMPRESSORS:
            return _read_by_pillow(path, file.pages[0], series), axes
        if len(file.series) > 1:
            size = len(file.series) * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            require_memory(2 * size, f"{path}, unpacked,", "save it as one stack, uncompressed")
            return np.stack([other.asarray() for other in file.series]), "I" + axes
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size <= UNPACKED_IN_MEMORY:
            return series.asarray(), axes
        with tempfile.TemporaryFile(dir=scratch) as unpacked:
            if hasattr(os, "posix_fallocate"):  # a full disk is found here, not in the middle of the work
                os.posix_fallocate(unpacked.fileno(), 0, size)
            return series.asarray(out=np.memmap(unpacked, dtype, "r+", shape=shape)), axes


def _must_end(path):
    """Raise ValueError for a TIFF whose chain of pages runs in a circle; tifffile would follow it for minutes."""
    with open(path, "rb") as file:
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        big = header[2:4] in (b"+\0", b"\0+")
        offset_kind, count_kind, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        place, seen = (8, set()) if big else (4, set())
        size = path.stat().st_size
        while place + struct.calcsize(offset_kind) <= size:
            file.seek(place)
            (page,) = struct.unpack(order + offset_kind, file.read(struct.calcsize(offset_kind)))
            if page == 0 or page + 8 > size:
                return
            if page in seen:
                raise ValueError("its pages run in a circle")
            seen.add(page)
            file.seek(page)
            (entries,) = struct.unpack(order + count_kind, file.read(struct.calcsize(count_kind)))
            place = page + struct.calcsize(count_kind) + entry * entries


def _must_be_possible(path, pixels):
    """Raise ValueError where a file says that it holds more than it can; reading it could take forever."""
    if pixels > MOST_PACKED * path.stat().st_size:
        raise ValueError(f"it says that it holds {pixels:,} values, more than so small a file can")


def _read_by_pillow(path, page, series):
    """For compressions such as LZW, which tifffile alone does not read; gray values of 8, 16 and 32 bits only."""
    kind = f"{series.dtype} values of {page.samplesperpixel} channels, compressed as {page.compression.name}"
    if page.samplesperpixel > 1 or series.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"it holds {kind}; save it uncompressed or as deflate")
    try:
        require_memory(series.size * series.dtype.itemsize, f"{path}, unpacked,", "save it uncompressed")
        with Image.open(path) as image:
            frames = [np.array(frame) for frame in ImageSequence.Iterator(image)]
    except OSError:
        raise ValueError(f"it holds {kind}; save it uncompressed or as deflate") from None
    return np.stack(frames).reshape(series.shape).astype(series.dtype)


def _as_sections(path, array, axes, channel):
    """Axes in any order -> (Z, H, W)."""
    if array.size == 0:
        raise BadInput(f"{path} has shape {array.shape}; give at least one section of at least one pixel")
    kept = [place for place, letter in enumerate(axes) if array.shape[place] > 1 or letter in "YX"]
    array = array.reshape([array.shape[place] for place in kept])
    axes = "".join(axes[place] for place in kept)
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
        stored_as_planes = axes.index(channels[0]) < axes.index("Y")
        array = _one_channel(path, array, channel, stored_as_planes)
    elif channel not in (None, "gray", 0):
        raise BadInput(f"{path} has one channel only; there is no channel {channel}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    return array if sections else array[None]


def _one_channel(path, array, channel, stored_as_planes):
    count = array.shape[-1]
    if channel is None:
        what = "in colour" if count in (3, 4) else f"of {count} channels"
        sections = f" (if it is {count} sections, save it with photometric='minisblack')" if stored_as_planes else ""
        raise BadInput(
            f"{path} is {what}, shape {array.shape}{sections}; give one channel only (of images, --channel takes one: "
            f"a number from 0 to {count - 1}, or gray)"
        )
    if channel == "gray":
        if count not in (3, 4):
            raise BadInput(f"{path} has {count} channels; gray is made of red, green and blue, so name a channel")
        gray = rgb2gray(array[..., :3])  # 0 to 1 for whole numbers
        if array.dtype.kind in "ui":
            return (gray * np.iinfo(array.dtype).max).round().astype(array.dtype)
        return gray.astype(array.dtype)
    if not 0 <= channel < count:
        raise BadInput(f"{path} has {count} channels, numbered from 0; there is no channel {channel}")
    return array[..., channel]
