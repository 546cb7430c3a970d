"""Opening TIFFs: with ImageJ's, OME's and the microscopes' axes, in every compression, mapped where possible."""

import math
import os
import re
from pathlib import Path
from typing import cast

import numpy as np
import tifffile

from unet_paper.io.lazy_stack import LazyStack
from unet_paper.io.lossy import lossy_in_tiff
from unet_paper.io.made_with import made_with_of
from unet_paper.io.pixel_size import pixel_size_of
from unet_paper.io.raw_image import SECTION_AXES, RawImage, Scratch
from unet_paper.io.tiff_directory import (
    BITS,
    COLOUR_MAP,
    COMPRESSION,
    NODATA,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    SAMPLES,
    Page,
    read_pages,
    require_pixels,
)
from unet_paper.io.tiff_promises import require_imagej_images, require_ome_files, require_promised, require_shaped_pages
from unet_paper.io.tiff_segments import SEGMENTS_AXES, in_segments
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Values in a byte of the file, at most: of 1 bit where nothing is packed (1), else of 8: deflate packs 1032 bytes into
# one. Others have no such bound.
MOST_PACKED = {1: 8, 5: 4096, 8: 1100, 32773: 130, 32946: 1100}
MOST_PLANES = 2**22
OFFSETS_OVERFLOW = ("is_ndpi", "is_lsm")  # these write 32 bits of larger offsets; tifffile corrects them
WHITE_IS_ZERO, PALETTE, CMYK, YCBCR, LAB = 0, 3, 5, 6, 8
COLOURS = {CMYK: "CMYK", YCBCR: "YCbCr", LAB: "Lab", 9: "Lab", 10: "Lab"}
CONVERTED = (6, 7, 33007)  # compressions whose YCbCr is decoded to RGB
FLOATING_POINT = 3  # a predictor
USUAL_BINADES = 60  # powers of two between the least and the largest of a section's values
TIFFFILE = "1.11a"  # the version of ImageJ that tifffile says it is


def open_tiff(path: Path, scratch: Scratch) -> RawImage:
    """What a TIFF holds. Raises ValueError and what tifffile raises for files that it cannot be read from, or that
    promise more than they hold.
    """
    pages = read_pages(path)
    sections = [number for number, page in enumerate(pages) if page.is_section] or list(range(len(pages)))
    kept = [pages[number] for number in sections]
    size = path.stat().st_size
    with tifffile.TiffFile(path) as file:
        if not any(getattr(file, kind) for kind in OFFSETS_OVERFLOW):
            require_pixels(kept, size)
        plain = file.is_imagej and not file.is_ome and not require_imagej_images(file, len(kept), size)
    with tifffile.TiffFile(path, is_imagej=False) if plain else tifffile.TiffFile(path) as file:
        if file.is_ome:
            _require_possible_planes(file.ome_metadata or "")
            require_ome_files(path, file.ome_metadata or "")
        if file.is_shaped:
            require_shaped_pages(file, len(kept))
        first = file.pages[sections[0]].aspage()
        if file.is_svs:
            del kept[1:]  # the others are its thumbnail, label and overview
        _require_one_meaning(kept)
        pixels, axes = _read(path, file, pages, sections, scratch)
        if int(first.predictor) == FLOATING_POINT and file.byteorder == ">":
            one = pixels[0] if isinstance(pixels, LazyStack) else pixels[(0,) * (pixels.ndim - 2)]
            _require_no_swapped_bytes(np.asarray(one))
        planes = kept[0].number(PLANES, 1)
        if len(pages) == 1 and planes > 1 and pixels.size < planes * first.size:
            raise ValueError(f"its description promises {planes} images, and {pixels.size // first.size} are found")
        raw = RawImage(pixels, axes, pixel_size=pixel_size_of(file))
        if all(page.is_empty for page in kept):
            raise ValueError("it holds no pixels: all of its strips or tiles are left out; write them, zeros too")
        if any(page.is_sparse for page in kept):
            logger.info(f"note: {path} leaves out some of its tiles or strips; they are read as {first.nodata:g}")
        raw.made_with = made_with_of(file)
        imagej = file.imagej_metadata or {}
        of_classes = raw.made_with.get("shape", "").count(",") == 3  # of our own map of one section, (1, K, H, W)
        raw.sections_as_channels = _is_stack_of_tifffile(imagej) and not of_classes
        raw.calibration = _calibration(imagej)
        raw.lossy = lossy_in_tiff(int(first.compression), _first_segment(file, first))
    _describe(raw, kept)
    return raw


def _read(
    path: Path, file: tifffile.TiffFile, pages: list[Page], sections: list[int], scratch: Scratch
) -> tuple[np.ndarray, str]:
    """Pixels and axes of all that is a section."""
    series = [one for one in file.series if not int(one.keyframe.subfiletype) & 5] or list(file.series)
    if not series:
        raise ValueError("it holds no image")
    if file.is_svs:
        del series[1:]  # a slide's thumbnail, label and overview
    sparse = any(pages[number].is_sparse for number in sections)
    compression, bits = int(series[0].keyframe.compression), pages[sections[0]].number(BITS, 1)
    bound = MOST_PACKED.get(compression, 0) * (8 // min(max(bits, 1), 8) if compression != 1 else 1)
    total = sum(math.prod(one.shape) for one in series)
    size = sum(each.stat().st_size for each in _files_of_set(file, path))
    if bound and not sparse and total > bound * size:
        raise ValueError(f"it says that it holds {total:,} values, more than so small a file can")
    shape, dtype, axes = series[0].shape, np.dtype(series[0].dtype), series[0].axes
    if any((one.shape, one.dtype) != (shape, dtype) for one in series):
        raise ValueError(f"it holds {len(series)} images of different shapes or types")
    if len(series) == 1 and series[0].kind in ("uniform", "shaped", "imagej", "generic"):
        by_page = len(sections) < len(pages) and len(series[0].pages) > len(sections)
        if by_page:  # masks and thumbnails as large as the sections
            chosen = [file.pages[number].aspage() for number in sections]
            if any((page.shape, page.dtype) != (chosen[0].shape, chosen[0].dtype) for page in chosen):
                raise ValueError(f"it holds {len(chosen)} images of different shapes or types")
            result = scratch.empty(path, (len(chosen), *chosen[0].shape), np.dtype(chosen[0].dtype))
            for pixels, page in zip(result, chosen, strict=True):
                pixels[...] = page.asarray()
            return result, "I" + chosen[0].axes
    if len(series) > 1:
        if any(letter in SECTION_AXES and length > 1 for letter, length in zip(axes, shape, strict=True)):
            # Told before they are unpacked, perhaps for hours.
            raise BadInput(
                f"{path} holds {len(series)} stacks of shape {shape}; give each of them in a file of its own"
            )
        if file.is_ome:
            logger.info(
                f"note: {path} holds {len(series)} images of one size; they are read as sections, in their order"
            )
        result = scratch.empty(path, (len(series), *shape), dtype)
        for pixels, one in zip(result, series, strict=True):
            require_promised(path, one, 1)
            pixels[...] = one.asarray()
        return result, "I" + axes
    require_promised(path, series[0], len(sections))
    if series[0].dataoffset and not sparse:
        stored = dtype.newbyteorder(file.byteorder)
        return np.memmap(path, stored, "r", offset=series[0].dataoffset, shape=shape), axes
    if scratch.is_large(shape, dtype):
        segments = in_segments(path, file, series[0], [pages[number] for number in sections])
        if segments is not None:
            return cast(np.ndarray, segments), SEGMENTS_AXES
    result = scratch.empty(path, shape, dtype)
    series[0].asarray(out=result)
    return result, axes


def files_of_tiff(path: Path) -> list[Path]:
    """A file and, where it is an OME-TIFF of a set, the others that are there. Anything but a TIFF is one file."""
    with open(path, "rb") as opened:
        if not opened.read(4).startswith(MAGIC):
            return [path]
    with tifffile.TiffFile(path) as file:
        return _files_of_set(file, path)


def _files_of_set(file: tifffile.TiffFile, path: Path) -> list[Path]:
    names = set(re.findall(r'FileName="([^"]+)"', file.ome_metadata or "")) - {path.name}
    others = [path.parent / os.path.basename(name) for name in sorted(names)]
    return [path, *(other for other in others if other.is_file())]


def _require_possible_planes(description: str) -> None:
    for image in re.findall(r"<Pixels[^>]*>", description):
        planes = math.prod(int(size) for size in re.findall(r'Size[ZCT]="(\d+)"', image))
        if planes > MOST_PLANES:
            raise ValueError(f"it says that it holds {planes:,} images, more than it can")


def _is_stack_of_tifffile(imagej: dict) -> bool:
    """Whether all that ImageJ's description says of the axes is what tifffile makes of an array (Z, H, W)."""
    return (
        imagej.get("ImageJ") == TIFFFILE
        and imagej.get("channels", 1) == imagej.get("images")
        and imagej.get("mode") == "grayscale"
    )


def _calibration(imagej: dict) -> tuple[float, float] | None:
    """ImageJ's straight line from numbers to values, None for none. Raises ValueError for a curve."""
    if "cf" not in imagej:
        return None
    if imagej["cf"] != 0 or "c0" not in imagej or "c1" not in imagej or "c2" in imagej:
        raise ValueError(
            "ImageJ's calibration gives its numbers other values by a curve; in Fiji, convert it to 32-bit"
        )
    line = float(imagej["c0"]), float(imagej["c1"])
    return None if line == (0.0, 1.0) else line


def _first_segment(file: tifffile.TiffFile, page: tifffile.TiffPage) -> bytes:
    """The beginning of the first strip or tile that is there."""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if offset and count:
            file.filehandle.seek(offset)
            return file.filehandle.read(min(count, 4096))
    return b""


def _require_no_swapped_bytes(section: np.ndarray) -> None:
    """Raise ValueError for floats whose bytes lie the wrong way round, as libtiff writes them in big-endian files."""
    if section.dtype.itemsize >= 4 and not _are_of_usual_size(section) and _are_of_usual_size(section.byteswap()):
        raise ValueError(
            "its bytes lie the wrong way round, as GDAL and libtiff write big-endian files with PREDICTOR=3; write it "
            "little-endian or without the predictor"
        )


def _are_of_usual_size(values: np.ndarray) -> bool:
    """Whether nine in ten of the numbers lie within USUAL_BINADES of each other, and within twice as many of 1."""
    with np.errstate(all="ignore"):
        binades = np.log2(np.abs(values[values != 0], dtype=np.float64))
    if binades.size == 0 or not np.isfinite(binades).all():
        return binades.size == 0
    low, high = np.percentile(binades, (5, 95))
    return bool(high - low <= USUAL_BINADES and max(-low, high) <= 2 * USUAL_BINADES)


def _require_one_meaning(pages: list[Page]) -> None:
    """Raise ValueError unless all sections are meant in one way. Some programs write tags on the first page only."""
    first = pages[0]
    if len({page.number(PHOTOMETRIC, 1) for page in pages}) > 1:
        raise ValueError("its pages mean their numbers in different ways; save each kind in a file of its own")
    if len({page.number(ORIENTATION, first.number(ORIENTATION, 1)) for page in pages}) > 1:
        raise ValueError("its pages are turned in different ways; save them upright")


def _describe(raw: RawImage, pages: list[Page]) -> None:
    """Add to a RawImage what the sections' tags say."""
    first = pages[0]
    meant = first.number(PHOTOMETRIC, 1)
    raw.white_is_zero = meant == WHITE_IS_ZERO
    raw.orientation = first.number(ORIENTATION, 1)
    bits = first.number(BITS, 1)
    raw.bits = bits if bits < 8 else 0
    if meant == PALETTE:
        tables = [_table(page if COLOUR_MAP in page.tags else first) for page in pages]
        raw.tables = tuple(tables[:1] if all(np.array_equal(tables[0], table) for table in tables) else tables)
    if meant in COLOURS and not (meant == YCBCR and first.number(COMPRESSION, 1) in CONVERTED):
        raw.colours = COLOURS[meant] if first.number(SAMPLES, 1) > 1 else raw.colours
    text = first.tags.get(NODATA)
    if isinstance(text, bytes):
        try:
            raw.nodata = float(text.rstrip(b"\0 ").decode())
        except ValueError:
            raw.nodata = None


def _table(page: Page) -> np.ndarray:
    """A colour table, (N, 3) uint8. The tag has 16 bits; some programs use only the lower eight."""
    values = np.array(page.tags.get(COLOUR_MAP, ()), np.uint16)
    if values.size == 0 or values.size % 3:
        raise ValueError("its colour table is missing")
    values = values.reshape(3, -1).T
    return (values >> 8 if values.max() > 255 else values).astype(np.uint8)
