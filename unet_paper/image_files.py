"""Opening people's image files as stacks (Z, H, W): TIFF with ImageJ's or OME's axes, mapped where that is possible,
PNG and the other formats that scikit-image reads.
"""

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageSequence
from skimage.color import rgb2gray
from skimage.io import imread

from unet_paper.errors import BadInput

TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm")
SECTION_AXES = "ZTIQRH"  # what tifffile calls axes along which sections follow one another
CHANNEL_AXES = "CS"  # channels, and the samples of a colour pixel
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
    (Z, H, W) array in the file's own type; mapped, not read, where the file allows. A single image becomes Z = 1.

    Raises BadInput for a file that is missing, no image, empty, in colour or of several channels (without `channel`),
    or with more than one axis of sections.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} is not a file; give the path of a TIFF stack or an image")
    suffix = path.suffix.lower()
    try:
        if suffix in IMAGE_SUFFIXES:
            array = imread(path)
            axes = "YX" if array.ndim == 2 else "YXS" if array.ndim == 3 else "?" * array.ndim
        else:
            array, axes = _open_tiff(path, scratch)
    except Exception as error:  # the readers raise many kinds for a damaged file
        kind = suffix[1:].upper() if suffix in IMAGE_SUFFIXES else "TIFF"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"{path} cannot be read as {kind} ({reason}); give a TIFF stack of gray-value sections, or a PNG"
        ) from None
    return _as_sections(path, array, axes, channel)


def _open_tiff(path, scratch):
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        shape, dtype, axes = series.shape, series.dtype, series.axes
        if len(file.series) > 1 and any(other.shape != shape for other in file.series):
            raise ValueError(f"{len(file.series)} images of different shapes")
        if len(file.series) == 1 and series.dataoffset is not None:
            return tifffile.memmap(path, mode="r"), axes
        if any(page.compression not in tifffile.TIFF.DECOMPRESSORS for page in file.pages[:1]):
            return _read_by_pillow(path, series), axes
        if len(file.series) > 1:
            return np.stack([other.asarray() for other in file.series]), "I" + axes
        if np.prod(shape) * dtype.itemsize <= UNPACKED_IN_MEMORY:
            return series.asarray(), axes
        with tempfile.NamedTemporaryFile(dir=scratch, prefix=".unpacked-") as unpacked:
            return series.asarray(out=np.memmap(unpacked, dtype, "w+", shape=shape)), axes


def _read_by_pillow(path, series):
    """For compressions such as LZW, which tifffile alone does not read."""
    with Image.open(path) as image:
        frames = [np.array(frame) for frame in ImageSequence.Iterator(image)]
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
    return array if sections else array[None]


def _one_channel(path, array, channel, stored_as_planes):
    count = array.shape[-1]
    if channel is None:
        what = "in colour" if count in (3, 4) else f"of {count} channels"
        sections = f" (if it is {count} sections, save it with photometric='minisblack')" if stored_as_planes else ""
        raise BadInput(
            f"{path} is {what}, shape {array.shape}{sections}; give gray values, or say which with --channel: a number "
            f"from 0 to {count - 1}, or gray"
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
