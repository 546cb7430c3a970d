"""Large packed TIFFs, whose tiles or strips are unpacked where they are asked for, and no others."""

import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from unet_paper.io.lazy_stack import LazyStack
from unet_paper.io.raw_image import SECTION_AXES
from unet_paper.io.tiff_directory import BITS, ORIENTATION, PHOTOMETRIC, Page
from unet_paper.support.errors import BadInput
from unet_paper.support.system_errors import is_of_system

# None, LZW, deflate, PackBits, LZMA, Zstandard: what is read does not depend on other tiles or tables.
COMPRESSIONS = (1, 5, 8, 32773, 32946, 34925, 34926, 50000)
SEGMENTS_AXES = "IYX"
KINDS = ("uniform", "shaped", "imagej", "generic", "ome")  # series whose pages follow one another as sections do
MIN_IS_BLACK = 1
KEPT_BYTES = 2**26  # of unpacked segments, as the next block often needs the same strips


class TiffSegments(LazyStack):
    """The sections of a TIFF, one page each, of gray values that are meant as they are stored."""

    def __init__(self, path: Path, pages: list[int], keyframe: tifffile.TiffPage) -> None:
        """pages : numbers of the pages in the file's chain."""
        super().__init__(
            (len(pages), keyframe.imagelength, keyframe.imagewidth), np.dtype(keyframe.dtype).newbyteorder("=")
        )
        self.path, self.pages = path, pages
        self.file = tifffile.TiffFile(path)
        weakref.finalize(self, self.file.close)  # its pages and it hold each other, until the collector comes round
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()  # the file has one position, which tifffile moves too: pages are read when needed

    def read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        """See LazyStack. Raises BadInput for a damaged tile or strip, and as it is what says nothing of the file, such
        as too little memory.
        """
        with self._lock:
            return self._read(sections, rows, columns)

    def _read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        shape = tuple(side.stop - side.start for side in (sections, rows, columns))
        result = np.empty(shape, self.dtype)
        for pixels, section in zip(result, range(sections.start, sections.stop), strict=True):
            page = self.file.pages[self.pages[section]].aspage()
            for index, top, left in _segments(page, rows, columns):
                segment = self._segment(page, section, index)
                first, last = max(rows.start, top), min(rows.stop, top + segment.shape[0])
                start, stop = max(columns.start, left), min(columns.stop, left + segment.shape[1])
                pixels[first - rows.start : last - rows.start, start - columns.start : stop - columns.start] = segment[
                    first - top : last - top, start - left : stop - left
                ]
        return result

    def _segment(self, page: tifffile.TiffPage, section: int, index: int) -> np.ndarray:
        """A tile or strip, (h, w)."""
        key = section, index
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            segment = self._unpack(page, index)
        except Exception as error:  # the codecs raise many kinds
            if is_of_system(error):
                raise
            raise BadInput(
                f"{self.path} is damaged in tile or strip {index} of section {section} ({error}); get the whole file"
            ) from None
        self._kept[key] = segment
        self._kept_bytes += segment.nbytes
        while len(self._kept) > 1 and self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        return segment

    def _unpack(self, page: tifffile.TiffPage, index: int) -> np.ndarray:
        offset, length = page.dataoffsets[index], page.databytecounts[index]
        packed = None
        if offset and length:
            self.file.filehandle.seek(offset)
            packed = self.file.filehandle.read(length)
        pixels, _, (_, height, width, _) = page.decode(packed, index)
        if pixels is None:  # GDAL leaves out what is empty
            return np.full((height, width), page.nodata, self.dtype)
        return np.asarray(pixels[0, :, :, 0], self.dtype)


def _segments(page: tifffile.TiffPage, rows: slice, columns: slice) -> Iterator[tuple[int, int, int]]:
    """(index, top, left) of the tiles or strips that a region touches."""
    if page.is_tiled:
        down, across = page.tilelength, page.tilewidth
    else:
        down, across = min(page.rowsperstrip, page.imagelength), page.imagewidth
    in_a_row = math.ceil(page.imagewidth / across)
    for y in range(rows.start // down, math.ceil(rows.stop / down)):
        for x in range(columns.start // across, math.ceil(columns.stop / across)):
            yield y * in_a_row + x, y * down, x * across


def in_segments(
    path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries, sections: list[Page]
) -> TiffSegments | None:
    """The stack of a series whose segments can be read one by one; None for any other, which is read whole.

    sections : tags of the file's sections.
    """
    first, pages = series.keyframe, [page for page in series.pages if page is not None]
    are_plain = all(
        page.number(PHOTOMETRIC, MIN_IS_BLACK) == MIN_IS_BLACK
        and page.number(ORIENTATION, 1) == 1
        and page.number(BITS, 1) in (8, 16, 32, 64)
        for page in sections
    )
    lengths = [(letter, length) for letter, length in zip(series.axes, series.shape, strict=True) if length > 1]
    is_stack = first.axes == "YX" and len([letter for letter, _ in lengths if letter not in "YX"]) <= 1
    is_stack = is_stack and all(letter in (*SECTION_AXES, *"YX") for letter, _ in lengths)
    is_own = all(page.parent is file and len(page.treeindex) == 1 for page in pages)
    if not (are_plain and is_stack and is_own and series.kind in KINDS and int(first.compression) in COMPRESSIONS):
        return None
    if math.prod(series.shape) != len(pages) * first.size:
        return None
    return TiffSegments(path, [page.index for page in pages], first)
