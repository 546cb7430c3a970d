"""A folder of images as one stack: a section each, in the order of their names, read one file at a time."""

from pathlib import Path
from typing import cast

import numpy as np

from unet_paper.io.image_files import open_stack
from unet_paper.io.image_folder import image_files, is_folder
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.lazy_stack import LazyStack
from unet_paper.support.errors import BadInput


class FolderStack(LazyStack):
    """The sections of files of one size and type, of which the last that was read is kept."""

    def __init__(self, files: list[Path], first: ImageStack, channel: int | str | None, scratch: Path | None) -> None:
        super().__init__((len(files), *first.pixels.shape[1:]), first.pixels.dtype.newbyteorder("="))
        self.files, self.channel, self.scratch = files, channel, scratch
        self._kept: tuple[int, np.ndarray] | None = None

    def read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        """See LazyStack. Raises BadInput for a file that cannot be read, or is unlike the first."""
        return np.stack([self._section(index)[rows, columns] for index in range(sections.start, sections.stop)])

    def _section(self, index: int) -> np.ndarray:
        kept = self._kept  # another thread may put another section there meanwhile
        if kept is None or kept[0] != index:
            path = self.files[index]
            pixels = open_stack(path, self.channel, self.scratch).pixels
            dtype = pixels.dtype.newbyteorder("=")
            if pixels.shape != (1, *self.shape[1:]) or dtype != self.dtype:
                raise BadInput(
                    f"{path} has shape {pixels.shape} of {dtype}, and {self.files[0]} {(1, *self.shape[1:])} of "
                    f"{self.dtype}; the sections of a volume have one size and type"
                )
            kept = self._kept = index, np.asarray(pixels[0], self.dtype)
        return kept[1]


def open_volume(path: Path, channel: int | str | None = None, scratch: Path | None = None) -> ImageStack:
    """What `open_stack` opens, or a folder of single images as one stack.

    Raises BadInput also for a folder whose first file has several sections.
    """
    if not is_folder(path):
        return open_stack(path, channel, scratch)
    files = image_files([path])
    first = open_stack(files[0], channel, scratch)
    if len(first.pixels) != 1:
        raise BadInput(
            f"{files[0]} has {len(first.pixels)} sections; of a folder that is one volume each file is a section"
        )
    return ImageStack(
        cast(np.ndarray, FolderStack(files, first, channel, scratch)), first.pixel_size, path, first.nodata
    )
