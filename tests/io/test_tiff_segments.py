"""Large packed TIFFs: what is read is what reading all gives, and no other tile or strip is unpacked."""

import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unet_paper.io.image_files import open_stack
from unet_paper.io.lazy_stack import LazyStack
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.io.tiff_segments import TiffSegments
from unet_paper.support.errors import BadInput

KINDS = {
    "deflate tiles": {"compression": "zlib", "tile": (16, 32)},
    "deflate strips": {"compression": "zlib", "rowsperstrip": 7, "predictor": True},
    "lzw strips": {"compression": "lzw", "rowsperstrip": 16},
    "lzw tiles, ome": {"compression": "lzw", "tile": (32, 16), "ome": True, "metadata": {"axes": "ZYX"}},
    "zstd tiles, big-endian": {"compression": "zstd", "tile": (16, 16), "byteorder": ">", "bigtiff": True},
    "zstd in one strip": {"compression": "zstd", "rowsperstrip": 100},
    "plain tiles": {"tile": (16, 16)},
}


@pytest.fixture
def sections(random):
    return random.integers(0, 256, (4, 60, 83), dtype=np.uint8)


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr("unet_paper.io.raw_image.UNPACKED_IN_MEMORY", 100)


@pytest.fixture
def unpacked(monkeypatch):
    """(section, tile or strip) of all that is unpacked."""
    found, original = [], TiffSegments._unpack

    def counted(self, page, index):
        found.append((page.index, index))
        return original(self, page, index)

    monkeypatch.setattr(TiffSegments, "_unpack", counted)
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_reading_all_gives(tmp_path, sections, kind, dtype):
    tifffile.imwrite(tmp_path / "stack.tif", sections.astype(dtype), photometric="minisblack", **KINDS[kind])
    found = open_stack(tmp_path / "stack.tif").pixels
    assert isinstance(found, LazyStack) and found.dtype == dtype and found.dtype.isnative
    assert np.array_equal(found, sections)
    assert np.array_equal(found.read(slice(1, 3), slice(5, 49), slice(30, 83)), sections[1:3, 5:49, 30:83])
    assert np.array_equal(found[-1][59:60, 0:1], sections[-1, 59:, :1])


def test_big_endian_floats_with_a_predictor(tmp_path, random):
    """Libtiff writes their bytes the wrong way round; a section is read to tell."""
    values = random.random((2, 40, 50), dtype=np.float32)
    options = {"photometric": "minisblack", "byteorder": ">", "compression": "zlib", "predictor": 3}
    tifffile.imwrite(tmp_path / "right.tif", values, **options)
    found = open_stack(tmp_path / "right.tif").pixels
    assert isinstance(found, LazyStack) and np.array_equal(found, values)
    tifffile.imwrite(tmp_path / "swapped.tif", values.byteswap(), **options)
    with pytest.raises(BadInput, match="bytes lie the wrong way round"):
        open_stack(tmp_path / "swapped.tif")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed by Linux")
def test_a_file_is_closed_with_its_stack(tmp_path, sections):
    """Also where the garbage collector does not run, as in a long loop over files."""
    tifffile.imwrite(tmp_path / "stack.tif", sections, photometric="minisblack", compression="zlib")
    gc.collect()
    gc.disable()
    try:
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            assert isinstance(open_stack(tmp_path / "stack.tif").pixels, LazyStack)
        assert len(os.listdir("/proc/self/fd")) == len(before)
    finally:
        gc.enable()


def test_a_region_unpacks_what_it_touches_once(tmp_path, sections, unpacked):
    tifffile.imwrite(tmp_path / "stack.tif", sections, photometric="minisblack", compression="zlib", tile=(16, 16))
    found = open_stack(tmp_path / "stack.tif").pixels
    assert not unpacked
    for _ in range(2):  # what the first has unpacked is kept
        found.read(slice(2, 3), slice(17, 47), slice(32, 48))
        assert unpacked == [(2, 8), (2, 14)]  # of 6 tiles in a row, the third of rows 1 and 2


def test_little_is_kept(tmp_path, sections, unpacked, monkeypatch):
    monkeypatch.setattr("unet_paper.io.tiff_segments.KEPT_BYTES", 3 * 256)
    tifffile.imwrite(tmp_path / "stack.tif", sections, photometric="minisblack", compression="zlib", tile=(16, 16))
    found = open_stack(tmp_path / "stack.tif").pixels
    assert np.array_equal(found, sections) and len(unpacked) == 4 * 24
    assert sum(segment.nbytes for segment in found._kept.values()) == 3 * 256


def test_threads_do_not_move_each_others_place_in_the_file(tmp_path, sections, monkeypatch):
    with tifffile.TiffWriter(tmp_path / "stack.tif") as file:
        for section in sections:  # pages of their own, which are read when they are needed
            file.write(section, photometric="minisblack", compression="zlib", tile=(32, 32), metadata=None)
    found, seek = open_stack(tmp_path / "stack.tif").pixels, tifffile.FileHandle.seek

    def seek_and_wait(*arguments):
        place = seek(*arguments)
        time.sleep(1e-4)  # another thread's turn
        return place

    monkeypatch.setattr("unet_paper.io.tiff_segments.KEPT_BYTES", 0)
    monkeypatch.setattr(tifffile.FileHandle, "seek", seek_and_wait)
    assert isinstance(found, TiffSegments)
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(lambda number: np.asarray(found[number]), [0, 1, 2, 3] * 8))
    assert np.array_equal(read, np.tile(sections, (8, 1, 1)))


def test_tiles_that_are_left_out(tmp_path, sections):
    path = tmp_path / "sparse.tif"
    tifffile.imwrite(path, sections, photometric="minisblack", compression="zlib", tile=(16, 16), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = file.pages[1].tags[name]
            tag.overwrite((*tag.value[:3], 0, *tag.value[4:]))
    expected = sections.copy()
    expected[1, :16, 48:64] = 0
    assert isinstance(open_stack(path).pixels, LazyStack) and np.array_equal(read_stack(path).pixels, expected)


def test_pages_of_their_own_and_labels(tmp_path, sections):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for section in sections:
            file.write(section, contiguous=False, photometric="minisblack", compression="lzw", metadata=None)
    assert isinstance(open_stack(tmp_path / "pages.tif").pixels, LazyStack)
    assert np.array_equal(read_labels(tmp_path / "pages.tif").pixels, sections)
    with pytest.raises(BadInput, match="there is no channel 1"):
        open_stack(tmp_path / "pages.tif", 1)


def test_a_damaged_tile_is_named(tmp_path, sections):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, sections, photometric="minisblack", compression="zlib", tile=(16, 16))
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].dataoffsets[3]
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"junkjunk")
    found = open_stack(path).pixels
    assert np.array_equal(found[0], sections[0])
    with pytest.raises(BadInput, match="damaged in tile or strip 3 of section 1"):
        np.asarray(found[1])
