"""Image stacks: reading and writing TIFF files of (Z, H, W) sections, and their content hashes."""

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from unet_paper.errors import BadInput
from unet_paper.image_files import open_stack
from unet_paper.memory import release, require_memory
from unet_paper.pixel_size import tiff_options

LEFTOVER = ".being-written-"
WORKING_BYTES = 24  # that training, weight maps and scores take for each pixel of a stack in memory, roughly


@contextmanager
def written_whole(path, earlier=None):
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    earlier : path or None; where the file goes that was there before. Raises BadInput where no file can be made, and
    when the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{LEFTOVER}{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}; give a place where files may be made") from None
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())  # the name must not reach the disk before the content
        if earlier is not None and path.exists():
            os.replace(path, earlier)
        os.replace(temporary, path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {why_not(error)}; make room, or give another place") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def why_not(error):
    """What an OSError says, in words. NumPy's own, of a full disk, only counts bytes."""
    return error.strerror or f"the disk may be full ({error})"


def remove_leftovers(folder):
    """Delete what `written_whole` left in a folder when its process was killed. Nobody may be writing there."""
    for path in Path(folder).glob(f"{LEFTOVER}*"):
        path.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_stack(path, channel=None):
    """Read an image file into memory: (Z, H, W) in the file's own type; see `image_files.open_stack`.

    Raises BadInput when what is done with a stack would take more memory than there is.
    """
    stack = open_stack(path, channel)
    shape = " x ".join(map(str, stack.shape))
    require_memory(WORKING_BYTES * stack.size, f"{path} of {shape} px", "give fewer or smaller sections")
    return np.array(stack, dtype=stack.dtype.newbyteorder("="))


def read_gray(path, channel=None):
    """Read a stack of gray values. Raises BadInput where these are not finite, or all the same."""
    stack = read_stack(path, channel)
    check_gray(stack, path)
    return stack


def check_gray(stack, path):
    """Raise BadInput for a (Z, H, W) stack whose values are not all numbers, or all the same; reads every section."""
    if stack.dtype.kind not in "uif":
        raise BadInput(f"{path} holds {stack.dtype} values; give whole or floating-point gray values")
    lowest, highest = np.inf, -np.inf
    for index, section in enumerate(stack):
        low, high = section.min(), section.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise BadInput(f"{path} holds values that are not finite in section {index}; give numbers only")
        lowest, highest = min(lowest, low), max(highest, high)
        release(stack)
    if lowest == highest:
        raise BadInput(f"{path} holds one gray value only, {lowest}; give an image that shows something")


def read_labels(path):
    """Read a truth stack: (Z, H, W) of integers, 0 = background. Raises BadInput for floats and negative numbers."""
    labels = read_stack(path)
    if labels.dtype.kind not in "bui":
        raise BadInput(f"{path} holds {labels.dtype} values; labels are whole numbers, 0 = background (membrane)")
    if labels.min() < 0:
        raise BadInput(f"{path} holds negative labels; labels are 0 = background (membrane) and above")
    return labels


def read_probabilities(path):
    """Read a probability stack: (Z, H, W) float32 in [0, 1]. Raises BadInput outside that range or for NaN."""
    probabilities = read_stack(path)
    if probabilities.dtype.kind != "f":
        raise BadInput(
            f"{path} holds {probabilities.dtype} values; probabilities are 32-bit floats from 0 (membrane) to 1 (cell)"
        )
    if not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise BadInput(f"{path} holds values outside 0 to 1; probabilities run from 0 (membrane) to 1 (cell)")
    return probabilities.astype(np.float32, copy=False)


def write_stack(path, stack, info=None, pixel_size=None):
    """Write a (Z, H, W) stack as a TIFF that Fiji opens as one stack, in nm where a PixelSize is given.

    `info`: text kept in the image's description.
    """
    metadata = {"axes": "ZYX", **({"Info": info} if info else {})}
    if stack.dtype == bool:
        stack = stack.astype(np.uint8) * 255
    imagej = stack.dtype in (np.uint8, np.uint16, np.float32)
    options, entries = tiff_options(pixel_size, imagej)
    options |= {"imagej": imagej, "metadata": metadata | entries}
    with written_whole(path) as temporary:
        tifffile.imwrite(temporary, stack, photometric="minisblack", **options)


def gray_values(stack, name="the stack"):
    """A stack as float32: integers divided by their type's largest value, floats as they are.

    Raises BadInput for values that are not finite.
    """
    if stack.dtype.kind in "ui":
        return stack.astype(np.float32) / np.iinfo(stack.dtype).max
    if stack.dtype.kind != "f":
        raise BadInput(f"{name} holds {stack.dtype} values; give whole or floating-point gray values")
    with np.errstate(over="ignore"):
        stack = stack.astype(np.float32)
    if not np.isfinite(stack).all():
        raise BadInput(f"{name} holds values that are not finite in 32 bits; every gray value must be a number")
    return stack


def content_sha256(stack):
    """SHA-256 of the decoded pixels in C order, which does not depend on how the file was written."""
    return hashlib.sha256(np.ascontiguousarray(stack).tobytes()).hexdigest()


def labels_sha256(labels):
    """SHA-256 of a truth's foreground written as 0 / 255, uint8."""
    return content_sha256((labels > 0).astype(np.uint8) * 255)


def file_sha256(path):
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
