"""The chain of a TIFF's pages as the file itself has it: whether it ends, and whether all that it names is there.

tifffile stops without a word where a chain is broken, and reads what a broken download left.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, COLOUR_MAP, NODATA, PLANES = 274, 277, 320, 42113, 33629
STRIPS, STRIP_BYTES, TILES, TILE_BYTES = 273, 279, 324, 325
TAGS = {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES, COLOUR_MAP, NODATA} | {
    *(STRIPS, STRIP_BYTES, TILES, TILE_BYTES)
}
NEEDED = TAGS | {PLANES, 270, 33628, 33630, 50838, 50839}  # and descriptions: MetaMorph's, ImageJ's
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # of the types that these tags have
REDUCED, MASK = 1, 4  # bits of a subfile's kind
UNCOMPRESSED = 1
ZEROS_BEHIND = 1024  # bytes; fewer may fill up a block


@dataclass(frozen=True)
class Page:
    """One page's tags, those of TAGS: tag -> numbers (or bytes of a text)."""

    tags: dict[int, tuple[int, ...] | bytes]

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        value = self.tags.get(tag)
        return int(value[0]) if value else default

    @property
    def is_section(self) -> bool:
        """Whether it is neither a thumbnail, a reduced version nor a mask of another page."""
        return not self.number(SUBFILE, 0) & (REDUCED | MASK)

    @property
    def has_pixels(self) -> bool:
        """Whether it tells their number; a page of a download that ended early may be all zeros."""
        return self.number(WIDTH, 0) > 0 and self.number(HEIGHT, 0) > 0

    @property
    def is_sparse(self) -> bool:
        """Whether some of its tiles or strips are left out, as GDAL does where all is empty."""
        return any(not offset for offset in self._offsets)

    @property
    def is_empty(self) -> bool:
        """Whether all of them are left out, as a program that failed while it wrote leaves them."""
        return not any(self._offsets)

    @property
    def _offsets(self) -> tuple[int, ...] | bytes:
        return self.tags.get(STRIPS, self.tags.get(TILES, ()))

    def end(self) -> int:
        """The first byte after its pixels."""
        offsets = self._offsets
        counts = self.tags.get(STRIP_BYTES, self.tags.get(TILE_BYTES, ()))
        ends = [offset + count for offset, count in zip(offsets, counts, strict=False) if offset]
        if STRIPS in self.tags and len(offsets) == 1 and self.number(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED:
            # Some programs write a wrong count here; the size is known all the same.
            return offsets[0] + self.stored_bytes() if offsets[0] else 0
        return max(ends, default=0)

    def stored_bytes(self) -> int:
        """What its pixels take uncompressed, in one strip."""
        bits = self.tags.get(BITS, (1,))
        samples = self.number(SAMPLES, 1)
        of_pixel = sum(bits) if len(bits) == samples else bits[0] * samples
        return math.ceil(self.number(WIDTH, 0) * of_pixel / 8) * self.number(HEIGHT, 0)


def read_pages(path: Path) -> list[Page]:
    """The pages of a TIFF or BigTIFF.

    Raises ValueError for a chain that runs in a circle, which tifffile would follow for minutes, for one that leads
    beyond the end of the file, and for one that ends before zeros.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        big = header[2:4] in (b"+\0", b"\0+")
        offset_format, count_format, entry_size = ("Q", "Q", 20) if big else ("I", "H", 12)
        here = 8 if big else 4
        pages: list[Page] = []
        seen: set[int] = set()
        while True:
            offset = _number(file, here, order + offset_format, size, pages)
            if offset == 0:
                _require_no_zeros_behind(file, here + struct.calcsize(offset_format), size, pages)
                return pages
            if offset in seen:
                raise ValueError("its pages run in a circle")
            seen.add(offset)
            entries = _number(file, offset, order + count_format, size, pages)
            first = offset + struct.calcsize(count_format)
            here = first + entries * entry_size
            if here > size:
                raise _cut_off(pages, offset, size)
            block = file.read(entries * entry_size)
            page = Page(_tags(file, block, order, big, size))
            if not page.has_pixels:
                raise ValueError(f"it is cut off or damaged: at byte {offset:,} should be {_image(len(pages))}")
            pages.append(page)


def _number(file: BinaryIO, offset: int, code: str, size: int, pages: list[Page]) -> int:
    length = struct.calcsize(code)
    if offset + length > size:
        raise _cut_off(pages, offset, size)
    file.seek(offset)
    return int(struct.unpack(code, file.read(length))[0])


def _cut_off(pages: list[Page], offset: int, size: int) -> ValueError:
    return ValueError(
        f"it is cut off: {_image(len(pages))} should be at byte {offset:,}, and the file ends at byte {size:,}"
    )


def _require_no_zeros_behind(file: BinaryIO, end: int, size: int, pages: list[Page]) -> None:
    """Raise ValueError where only zeros follow the last page, as a download leaves them that had its room before it
    ended: its chain of pages seems to end there. Not of pixels behind the page, which may be black.
    """
    if size - end < ZEROS_BEHIND or any(page.end() > end for page in pages):
        return
    file.seek(end)
    if not any(file.read(2**20)):
        raise ValueError(
            f"it is cut off or damaged: behind image {len(pages)} of its chain of pages are {size - end:,} zeros"
        )


def _image(before: int) -> str:
    return f"image {before + 1} of its chain of pages"


def _tags(file: BinaryIO, block: bytes, order: str, big: bool, size: int) -> dict[int, tuple[int, ...] | bytes]:
    head, inline = (order + "HHQ", 8) if big else (order + "HHI", 4)
    width = struct.calcsize(head)
    tags: dict[int, tuple[int, ...] | bytes] = {}
    for start in range(0, len(block), width + inline):
        tag, kind, count = struct.unpack(head, block[start : start + width])
        length = count * SIZES.get(kind, 0)
        value = block[start + width : start + width + inline]
        if length > inline:
            (offset,) = struct.unpack(order + ("Q" if big else "I"), value)
            if offset + length > size and tag in NEEDED:
                raise ValueError(
                    f"it is cut off: its tag {tag} lies at byte {offset:,}, and the file ends at byte {size:,}"
                )
            if tag in TAGS:
                file.seek(offset)
                value = file.read(length)
        if tag == PLANES:
            tags[tag] = (count,)  # of a MetaMorph stack
        if tag not in TAGS or kind not in FORMATS:
            continue
        unpacked = struct.unpack(f"{order}{count}{FORMATS[kind]}", value[:length])
        tags[tag] = unpacked[0] if kind == 2 else unpacked
    return tags


def require_pixels(pages: list[Page], size: int) -> None:
    """Raise ValueError for the first page whose pixels are not all within a file of `size` bytes."""
    for number, page in enumerate(pages):
        if page.end() > size:
            raise ValueError(
                f"it is cut off: it promises {len(pages)} images, and the pixels of image {number + 1} go on to byte "
                f"{page.end():,}, while the file ends at byte {size:,}"
            )
