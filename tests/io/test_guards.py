"""What any reader can read is read, and what is no section is none; nothing global is left changed."""

import logging
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.io.image_files import open_stack
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.errors import BadInput

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(random):
    return random.integers(0, 256, (4, 30, 41), dtype=np.uint8)


@pytest.mark.parametrize("compression", ["zstd", "lzma", "lzw", "packbits", "zlib", "webp", "png", "jpegxl"])
def test_compressions(tmp_path, stack, compression):
    options = {"compressionargs": {"lossless": True}} if compression in ("webp", "jpegxl") else {}
    sections = np.stack([stack[0]] * 3, -1) if compression == "webp" else stack
    photometric = "rgb" if compression == "webp" else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", sections, photometric=photometric, compression=compression, **options)
    found = read_stack(tmp_path / "a.tif", 0 if compression == "webp" else None).pixels
    assert np.array_equal(found, stack[:1] if compression == "webp" else stack)


def test_values_that_pack_very_well(tmp_path):
    """More than deflate could: a guard against impossible sizes once refused them."""
    flat = np.zeros((1, 4000, 4000), np.uint8)
    flat[0, 5, 5] = 9
    for compression in ("zstd", "lzma"):
        tifffile.imwrite(tmp_path / "a.tif", flat, photometric="minisblack", compression=compression)
        assert (tmp_path / "a.tif").stat().st_size * 1100 < flat.size
        assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, flat)


@pytest.mark.parametrize("compression", ["zlib", "packbits", "lzw", None])
def test_masks_of_one_bit_pack_eight_times_as_well(tmp_path, compression):
    mask = np.zeros((3, 2048, 2048), bool)
    mask[:, 100:140, 900:940] = True
    tifffile.imwrite(tmp_path / "a.tif", mask, photometric="minisblack", compression=compression)
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels > 0, mask)


def test_impossible_sizes_are_refused(tmp_path, stack):
    tifffile.imwrite(tmp_path / "a.tif", stack[0], photometric="minisblack", compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(60_000)
        file.pages[0].tags["ImageLength"].overwrite(60_000)
    with pytest.raises(BadInput, match="3,600,000,000 values, more than so small a file can"):
        read_stack(tmp_path / "a.tif")


def test_sparse_tiles(tmp_path, random, caplog):
    """As GDAL leaves out empty tiles: read as 0, or as its nodata value, and said."""
    caplog.set_level("INFO", "unet_paper")
    tiles = random.integers(1, 256, (4, 16, 16), dtype=np.uint8)
    options = dict(shape=(32, 32), dtype=np.uint8, tile=(16, 16), photometric="minisblack", compression="zlib")
    tifffile.imwrite(tmp_path / "a.tif", (tile if k != 1 else None for k, tile in enumerate(tiles)), **options)
    found = read_stack(tmp_path / "a.tif").pixels[0]
    assert np.array_equal(found[:16, :16], tiles[0]) and not found[:16, 16:].any()
    assert np.array_equal(found[16:, 16:], tiles[3]) and "leaves out some of its tiles" in caplog.text


def test_a_file_of_which_nothing_was_written(tmp_path, stack):
    """A program that failed leaves all strips out, as vips does for a codec that it lacks; this is no black image."""
    tifffile.imwrite(tmp_path / "a.tif", stack[0], tile=(16, 16), photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for tag in ("TileOffsets", "TileByteCounts"):
            file.pages[0].tags[tag].overwrite([0] * 6)
    for read in (read_stack, read_labels):
        with pytest.raises(BadInput, match="holds no pixels: all of its strips or tiles are left out"):
            read(tmp_path / "a.tif")
    for name in ("a.tif", "a.png"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(BadInput, match="it is empty"):
            read_stack(tmp_path / name)


def test_a_slide_is_its_first_image(tmp_path, random):
    """Aperio's: the full image, thumbnail, a reduced level, label and overview, none of them marked as reduced."""
    slide = random.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        options = dict(photometric="rgb", description="Aperio Image Library v12\n64x80", metadata=None)
        file.write(slide, tile=(16, 16), **options)
        for small in (slide[::4, ::4], slide[::2, ::2], slide[:30, :20], slide[:20, :30]):
            file.write(small, **options)
    assert np.array_equal(read_stack(tmp_path / "a.svs", 1).pixels[0], slide[..., 1])
    assert read_stack(tmp_path / "a.svs", "gray").pixels.shape == (1, 64, 80)
    with pytest.raises(BadInput, match=r"in colour, shape \(64, 80, 3\).*--channel"):
        read_stack(tmp_path / "a.svs")


def test_a_stack_of_a_zeiss_microscope(tmp_path, stack):
    """LSM: after each section a thumbnail in colour; what the stack is stands in a structure of its own."""
    described = struct.pack("<II8i", 0x0400494C, 500, 41, 30, len(stack), 1, 1, 1, 0, 0).ljust(500, b"\0")
    with tifffile.TiffWriter(tmp_path / "a.lsm") as file:
        options = dict(metadata=None, contiguous=False)
        for number, section in enumerate(stack):
            tags = [(34412, 1, len(described), described, True)] if number == 0 else []
            file.write(section, photometric="minisblack", extratags=tags, **options)
            file.write(np.zeros((10, 12, 3), np.uint8), photometric="rgb", subfiletype=1, **options)
    with tifffile.TiffFile(tmp_path / "a.lsm") as file:
        assert file.is_lsm and len(file.series) == 2
    assert np.array_equal(read_stack(tmp_path / "a.lsm").pixels, stack)
    content = (tmp_path / "a.lsm").read_bytes()
    (tmp_path / "a.lsm").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(BadInput, match="cut off"):
        read_stack(tmp_path / "a.lsm")


def test_thumbnails_and_masks_are_no_sections(tmp_path, stack):
    """Beside each section, at the end, smaller or as large; in gray or in colour."""
    small = np.zeros((10, 12, 3), np.uint8)
    mask = np.ones((30, 41), bool)
    for layout in ("beside", "behind", "before"):
        path = tmp_path / f"{layout}.tif"
        with tifffile.TiffWriter(path) as file:

            def thumbnail(file=file):
                options = dict(metadata=None, contiguous=False)
                file.write(small, photometric="rgb", subfiletype=1, **options)
                file.write(mask, photometric="mask", subfiletype=4, **options)

            if layout == "before":
                thumbnail()
            for section in stack:
                file.write(section, photometric="minisblack", metadata=None, contiguous=False)
                if layout == "beside":
                    thumbnail()
            if layout == "behind":
                thumbnail()
        assert np.array_equal(read_stack(path).pixels, stack)


def test_a_reduced_page_as_large_as_the_sections(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, section in enumerate(stack):
            kind = 1 if number % 2 else 0
            file.write(section, photometric="minisblack", subfiletype=kind, metadata=None, contiguous=False)
    assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, stack[::2])


def test_pages_of_a_document_are_sections(tmp_path, stack):
    """NewSubfileType 2, as fax programs and some microscopes write it."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for section in stack:
            file.write(section, photometric="minisblack", subfiletype=2, metadata=None, contiguous=False)
    assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, stack)


def test_pyramids_of_sub_images(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        options = dict(photometric="minisblack", tile=(16, 16))
        file.write(stack, subifds=1, metadata={"axes": "ZYX"}, **options)
        file.write(stack[:, ::2, ::2], subfiletype=1, **options)
    assert np.array_equal(read_stack(tmp_path / "a.ome.tif").pixels, stack)


@pytest.mark.parametrize("count", [2, 3, 4, 8, 30])
def test_a_stack_that_tifffile_writes_for_imagej(tmp_path, random, count, caplog):
    """Without axes it calls the sections channels. Whoever names a channel has channels."""
    caplog.set_level("INFO", "unet_paper")
    stack = random.integers(0, 256, (count, 30, 41), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, photometric="minisblack")
    assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, stack)
    assert f"holds {count} images without a word of their axes" in caplog.text
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels, stack)
    assert np.array_equal(read_stack(tmp_path / "a.tif", 1).pixels, stack[1:2])


def test_channels_of_imagej_itself_stay_channels(tmp_path, stack):
    for first in ("ImageJ=1.53t\n", "ImageJ=1.11a\n"):
        composite = f"{first}images=4\nchannels=4\nhyperstack=true\nmode=composite\n"
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", description=composite, metadata=None)
        with pytest.raises(BadInput, match="--channel takes one: a number from 0 to 3"):
            read_stack(tmp_path / "a.tif")
        assert np.array_equal(read_stack(tmp_path / "a.tif", 2).pixels, stack[2:3])


def test_a_name_does_not_decide_the_format(tmp_path, stack):
    Image.fromarray(stack[0]).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, stack[:1])


def test_deep_colours_of_a_png(tmp_path, stack):
    import imagecodecs

    deep = np.stack([stack[0].astype(np.uint16) * 257 + k for k in range(3)], -1)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    assert np.array_equal(read_stack(tmp_path / "a.png", 2).pixels[0], deep[..., 2])


def test_reading_changes_nothing_global(tmp_path, stack):
    before = logging.getLogger("tifffile").level, Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    Image.fromarray(stack[0]).save(tmp_path / "a.png")
    (tmp_path / "bad.tif").write_bytes(b"II*\0bad")
    open_stack(tmp_path / "a.png")
    with pytest.raises(BadInput):
        open_stack(tmp_path / "bad.tif")
    assert (logging.getLogger("tifffile").level, Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_importing_changes_nothing():
    lines = (
        "import os, logging, warnings; from PIL import Image; import tifffile",
        "state = lambda: (dict(os.environ), logging.getLogger('tifffile').level, Image.MAX_IMAGE_PIXELS,"
        " logging.getLogger('unet_paper').handlers, logging.getLogger('unet_paper').level)",
        "before = state()",
        "import unet_paper.io.stack, unet_paper.datasets.training_stacks",
        "assert state() == before",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True)


def test_a_content_has_one_hash_however_it_is_stored(tmp_path, stack):
    hashes = set()
    for number, options in enumerate(({}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)})):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, stack.astype(np.uint16), photometric="minisblack", **options)
        hashes |= {open_stack(path).content_sha256, read_stack(path).content_sha256}
    assert len(hashes) == 1
