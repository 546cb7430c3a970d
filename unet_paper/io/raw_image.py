"""What a reader finds in a file: numbers as they are stored, and what turns them into the values that are meant."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from unet_paper.compute.memory import require_memory
from unet_paper.io.pixel_size import PixelSize
from unet_paper.support.errors import BadInput
from unet_paper.support.files import NO_ROOM

Kind = Literal["image", "labels", "probabilities"]  # what a file is read as

SECTION_AXES = "ZTIQRH"  # what tifffile calls axes along which sections follow one another
UNPACKED_IN_MEMORY = 2**28  # bytes; what is larger and cannot be mapped is unpacked into a file


@dataclass
class RawImage:
    """Stored numbers, their axes as tifffile names them, and how they are meant."""

    pixels: np.ndarray  # or a LazyStack
    axes: str
    bits: int = 0  # of a value, where these are fewer than its type has; 0: all
    tables: tuple[np.ndarray, ...] = ()  # colour tables (N, 3) uint8: one, or one for each section
    orientation: int = 1  # of TIFF and EXIF
    white_is_zero: bool = False
    calibration: tuple[float, float] | None = None  # ImageJ's line: value = first + second * number
    pixel_size: PixelSize | None = None
    nodata: float | None = None
    lossy: str | None = None  # the format, where it changes values
    colours: str = "RGB"  # of an image with three or four samples
    sections_as_channels: bool = False  # as tifffile writes a stack for ImageJ unless it is told the axes
    made_with: dict[str, str] = field(default_factory=dict)  # see made_with.py


class Scratch:
    """Room for unpacked pixels: memory for few, an unnamed file in a folder for many."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def is_large(self, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
        """Whether an array would go into the folder."""
        return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize > UNPACKED_IN_MEMORY

    def empty(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """An array to be filled. Raises BadInput, naming the file at `path`, where there is no room for it."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if not self.is_large(shape, dtype):
            require_memory(size, f"{path}, unpacked,", "save it uncompressed")
            return np.empty(shape, dtype)
        with tempfile.TemporaryFile(dir=self.folder) as unpacked:
            try:
                if hasattr(os, "posix_fallocate"):  # a full disk is found here, not in the middle of the work
                    os.posix_fallocate(unpacked.fileno(), 0, size)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                raise BadInput(
                    f"{path} is packed and cannot be unpacked on its disk: {error.strerror}; write the result where "
                    "there is more room"
                ) from None
            return np.memmap(unpacked, dtype, "r+", shape=shape)
