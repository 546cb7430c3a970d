"""Image stacks: reading and writing TIFF files of (Z, H, W) sections."""

import numpy as np
import tifffile

from unet_paper.compute.memory import release, require_memory
from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import tiff_options
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

WORKING_BYTES = 24  # that training, weight maps and scores take for each pixel of a stack in memory, roughly


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
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, stack, photometric="minisblack", **options)
