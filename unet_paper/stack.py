"""Image stacks: reading and writing TIFF files of (Z, H, W) sections, and their content hashes."""

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from unet_paper.errors import BadInput


@contextmanager
def written_whole(path):
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}; give a place where files may be made") from None
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_stack(path):
    """Read a gray-value TIFF: (Z, H, W) in the file's own type; a single image becomes Z = 1.

    Raises BadInput when the file is missing, not a TIFF, in colour, or has another number of dimensions.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} is not a file; give the path of a TIFF stack")
    try:
        with tifffile.TiffFile(path) as file:
            colour = file.pages[0].samplesperpixel > 1
            stack = file.asarray()
    except Exception as error:  # tifffile raises many kinds for a damaged file
        raise BadInput(f"{path} cannot be read as TIFF ({error}); give a TIFF stack of gray-value sections") from None
    if colour:
        raise BadInput(f"{path} is in colour (shape {stack.shape}); give gray values, (Z, H, W) or (H, W)")
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.size == 0:
        raise BadInput(f"{path} has shape {stack.shape}; give a stack of sections, (Z, H, W) or (H, W)")
    return stack


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


def write_stack(path, stack, info=None):
    """Write a (Z, H, W) stack as a TIFF that Fiji opens as one stack. `info`: text kept in the image's description."""
    metadata = {"axes": "ZYX", **({"Info": info} if info else {})}
    if stack.dtype == bool:
        stack = stack.astype(np.uint8) * 255
    imagej = stack.dtype in (np.uint8, np.uint16, np.float32)
    with written_whole(path) as temporary:
        tifffile.imwrite(temporary, stack, imagej=imagej, metadata=metadata, photometric="minisblack")


def gray_values(stack, name="the stack"):
    """A stack as float32: integers divided by their type's largest value, floats as they are.

    Raises BadInput for values that are not finite.
    """
    if stack.dtype.kind in "ui":
        return stack.astype(np.float32) / np.iinfo(stack.dtype).max
    if stack.dtype.kind != "f":
        raise BadInput(f"{name} holds {stack.dtype} values; give whole or floating-point gray values")
    if not np.isfinite(stack).all():
        raise BadInput(f"{name} holds values that are not finite; every gray value must be a number")
    return stack.astype(np.float32)


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
