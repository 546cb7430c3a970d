"""Sections that stay in their file: pixels are read where they are asked for, and nothing else is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

Box = tuple[slice, slice, slice]  # sections, rows and columns, with both ends


class LazyStack(ABC):
    """A read-only (Z, H, W) array whose pixels are read when they are asked for.

    It has what prediction and the readers use of an array: `stack[z]` is a LazySection, `stack[z][rows, columns]` and
    `read` are arrays, and `numpy.asarray(stack)` reads all of it.
    """

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    @property
    def size(self) -> int:
        """Number of pixels."""
        depth, height, width = self.shape
        return depth * height * width

    @abstractmethod
    def read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        """The pixels of a box, (z, h, w) in this machine's byte order. The slices have both ends and no step."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, section: int) -> "LazySection":
        return LazySection(self, range(len(self))[section])

    def __iter__(self) -> Iterator[np.ndarray]:
        """Section by section, each read whole."""
        return (np.asarray(self[section]) for section in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        pixels = self.read(*(slice(0, length) for length in self.shape))
        return pixels if dtype is None else pixels.astype(dtype, copy=False)


class LazySection:
    """One section of a LazyStack, a read-only (H, W) array."""

    ndim = 2

    def __init__(self, stack: LazyStack, section: int) -> None:
        self.stack, self.section = stack, section
        self.shape, self.dtype = stack.shape[1:], stack.dtype

    def __getitem__(self, sides: tuple[slice, slice]) -> np.ndarray:
        ranges = [range(length)[side] for length, side in zip(self.shape, sides, strict=True)]
        rows, columns = (slice(side.start, side.stop) for side in ranges)
        pixels = self.stack.read(slice(self.section, self.section + 1), rows, columns)[0]
        return pixels[:: ranges[0].step, :: ranges[1].step]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        pixels = self[:, :]
        return pixels if dtype is None else pixels.astype(dtype, copy=False)


class LazyBox(LazyStack):
    """Part of a LazyStack."""

    def __init__(self, stack: LazyStack, box: Box) -> None:
        depth, height, width = (side.stop - side.start for side in box)
        super().__init__((depth, height, width), stack.dtype)
        self.stack, self.box = stack, box

    def read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        """See LazyStack."""
        shifted = (
            slice(side.start + of_box.start, side.stop + of_box.start)
            for side, of_box in zip((sections, rows, columns), self.box, strict=True)
        )
        return self.stack.read(*shifted)
