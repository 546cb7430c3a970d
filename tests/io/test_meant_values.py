"""Stored numbers that are not the values meant: applied to images, or refused; labels keep the numbers stored."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.errors import BadInput


@pytest.fixture
def section(random):
    return random.integers(0, 256, (30, 41), dtype=np.uint8)


def pixels(path, *arguments):
    return read_stack(path, *arguments).pixels


# Byte order


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "f4", "f8", "f2"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "lzma", "packbits"])
def test_big_endian_values(tmp_path, random, dtype, compression):
    values = random.integers(-30000, 30000, (3, 20, 31)).astype(dtype)
    for predictor in (False, True) if compression in ("lzw", "zlib", "zstd") and dtype != "u4" else (False,):
        options = dict(byteorder=">", compression=compression, predictor=predictor, photometric="minisblack")
        tifffile.imwrite(tmp_path / "a.tif", values, **options)
        found = pixels(tmp_path / "a.tif")
        assert np.array_equal(found, values) and found.dtype == values.dtype and found.dtype.isnative


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_big_endian_floats_of_libtiff(tmp_path, random, dtype):
    """GDAL's files with PREDICTOR=3 and ENDIANNESS=BIG: the values that it meant stand there with swapped bytes."""
    values = random.random((20, 31)).astype(np.float32).astype(dtype)
    options = dict(byteorder=">", compression="zlib", predictor=3, photometric="minisblack")
    tifffile.imwrite(tmp_path / "a.tif", values.byteswap(), **options)
    with pytest.raises(BadInput, match="bytes lie the wrong way round.*write it little-endian"):
        read_stack(tmp_path / "a.tif")
    for meant in (values, 1e-20 * values, np.zeros_like(values), np.where(values > 0.5, 1e9 * values, values)):
        tifffile.imwrite(tmp_path / "a.tif", meant.astype(dtype), **options)
        assert np.array_equal(pixels(tmp_path / "a.tif")[0], meant.astype(dtype))


def test_big_endian_deep_png_and_pgm(tmp_path, section):
    deep = section.astype(np.uint16) * 200 + 7
    Image.fromarray(deep).save(tmp_path / "a.png")
    (tmp_path / "a.pgm").write_bytes(b"P5\n# a remark\n41 30\n65535\n" + deep.astype(">u2").tobytes())
    for name in ("a.png", "a.pgm"):
        assert np.array_equal(pixels(tmp_path / name)[0], deep) and pixels(tmp_path / name).dtype == np.uint16


# Colour tables


def indexed(section, table):
    """Numbers and a table (256, 3) that shows them as `section`."""
    numbers = np.argsort(table[:, 0])[section].astype(np.uint8)
    image = Image.fromarray(numbers)
    image.putpalette(table.tobytes())
    return numbers, image


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".tif"])
@pytest.mark.parametrize("order", ["inverted", "shuffled"])
def test_gray_colour_tables(tmp_path, section, random, suffix, order):
    gray = np.arange(255, -1, -1) if order == "inverted" else random.permutation(256)
    numbers, image = indexed(section, np.repeat(gray[:, None], 3, 1).astype(np.uint8))
    path = tmp_path / f"a{suffix}"
    image.save(path)
    assert np.array_equal(pixels(path)[0], section)
    assert np.array_equal(pixels(path, "gray")[0], section)
    if suffix != ".gif":  # Pillow sorts its table anew
        assert np.array_equal(read_labels(path).pixels[0], numbers)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_colour_tables_with_colours(tmp_path, section, random, suffix):
    table = random.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(section)
    image.putpalette(table.tobytes())
    image.save(tmp_path / f"a{suffix}")
    with pytest.raises(BadInput, match="in colour, by a colour table.*--channel"):
        read_stack(tmp_path / f"a{suffix}")
    assert np.array_equal(pixels(tmp_path / f"a{suffix}", 1)[0], table[section, 1])
    shown = table[section] @ [0.2125, 0.7154, 0.0721]
    assert np.abs(pixels(tmp_path / f"a{suffix}", "gray")[0] - shown).max() <= 0.51
    assert np.array_equal(read_labels(tmp_path / f"a{suffix}").pixels[0], section)


def test_imagejs_tables_of_a_stack(tmp_path, random):
    """One table for all, as Fiji writes an inverting one; and one for each page."""
    stack = random.integers(0, 256, (3, 30, 41), dtype=np.uint8)
    inverting = np.repeat(np.arange(255, -1, -1)[None], 3, 0).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="palette", colormap=inverting, metadata=None)
    assert np.array_equal(pixels(tmp_path / "a.tif"), 255 - stack)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        for number, section in enumerate(stack):
            table = inverting if number == 1 else inverting[:, ::-1]
            options = dict(colormap=table, metadata=None, contiguous=False)
            file.write(section, photometric="palette", **options)
    assert np.array_equal(pixels(tmp_path / "b.tif"), np.stack([stack[0], 255 - stack[1], stack[2]]))
    assert np.array_equal(read_labels(tmp_path / "b.tif").pixels, stack)


def test_a_table_of_eight_bits_in_the_tag_of_sixteen(tmp_path, section):
    table = np.repeat(np.arange(255, -1, -1)[None], 3, 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", section, photometric="palette", colormap=table)
    assert np.array_equal(pixels(tmp_path / "a.tif")[0], 255 - section)


# Orientation

SHOWN = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", SHOWN)
def test_orientation(tmp_path, section, orientation, caplog):
    caplog.set_level("INFO", "unet_paper")
    extra = [(274, "H", 1, orientation, True)]
    options = dict(photometric="minisblack", extratags=extra, resolution=(1e5, 2e5), resolutionunit="CENTIMETER")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([section] * 2), **options)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(section).save(tmp_path / "a.png", exif=exif)
    for name in ("a.tif", "a.png"):
        assert np.array_equal(pixels(tmp_path / name)[0], SHOWN[orientation](section))
        assert np.array_equal(read_labels(tmp_path / name).pixels[0], SHOWN[orientation](section))
    across = PixelSize(50, 100) if orientation >= 5 else PixelSize(100, 50)
    assert open_stack(tmp_path / "a.tif").pixel_size == pytest.approx(across)
    assert ("read upright" in caplog.text) == (orientation > 1)


def test_orientation_of_a_photograph(tmp_path):
    """JPEG, whose values change a little: a dark and a bright half."""
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.repeat([[40], [200]], 16, 0).repeat(48, 1).astype(np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    found = pixels(tmp_path / "a.jpg")[0]
    assert found.shape == (48, 32) and found[:, :12].mean() > 190 and found[:, 20:].mean() < 50


# ImageJ's calibration


def imagej(path, values, line, **options):
    description = f"ImageJ=1.53t\nimages={len(values)}\nslices={len(values)}\n{line}"
    tifffile.imwrite(path, values, photometric="minisblack", description=description, metadata=None, **options)


def test_signed_images_of_imagej(tmp_path, random):
    values = random.integers(-32768, 32768, (3, 20, 31)).astype(np.int16)
    stored = (values.astype(np.int32) + 32768).astype(np.uint16)
    for options in ({}, {"byteorder": ">"}, {"compression": "zlib"}):
        imagej(tmp_path / "a.tif", stored, "cf=0\nc0=-32768.0\nc1=1.0\nvunit=gray value\n", **options)
        found = pixels(tmp_path / "a.tif")
        assert np.array_equal(found, values) and found.dtype == np.int16
    with pytest.raises(BadInput, match="negative labels"):
        read_labels(tmp_path / "a.tif")


def test_other_calibrations_of_imagej(tmp_path, random):
    stored = random.integers(0, 256, (3, 20, 31), dtype=np.uint8)
    imagej(tmp_path / "a.tif", stored, "cf=0\nc0=10.0\nc1=0.5\nvunit=m\n")
    found = pixels(tmp_path / "a.tif")
    assert found.dtype == np.float32 and np.array_equal(found, 10 + 0.5 * stored.astype(np.float32))
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels, stored)
    imagej(tmp_path / "a.tif", stored, "cf=0\nc0=0.0\nc1=1.0\n")
    assert np.array_equal(pixels(tmp_path / "a.tif"), stored) and pixels(tmp_path / "a.tif").dtype == np.uint8
    imagej(tmp_path / "a.tif", stored, "cf=3\nc0=1.0\nc1=1.0\nc2=2.0\n")
    with pytest.raises(BadInput, match="other values by a curve"):
        read_stack(tmp_path / "a.tif")


# Few bits


def few_bits(path, numbers, bits, white_is_zero=False, table=None):
    """A TIFF of packed numbers, written byte by byte; (H, W), W a multiple of eight. table : a colour's shorts."""
    height, width = numbers.shape
    shifts = np.arange(8 - bits, -1, -bits)
    data = (numbers.reshape(height, -1, 8 // bits) << shifts).sum(-1).astype(np.uint8).tobytes()
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1)),
        *((262, 3, 1, 0 if white_is_zero else 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height)),
        (279, 4, 1, len(data)),
    ]
    if table is not None:
        tags[4] = (262, 3, 1, 3)
        tags.append((320, 3, len(table), 8 + len(data)))
        data += struct.pack(f"<{len(table)}H", *table)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(tmp_path, random, bits):
    numbers = random.integers(0, 2**bits, (20, 32))
    few_bits(tmp_path / "a.tif", numbers, bits)
    found = pixels(tmp_path / "a.tif")[0]
    assert found.dtype == np.uint8 and np.array_equal(found, numbers * (255 // (2**bits - 1)))
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels[0], numbers)


@pytest.mark.parametrize("bits", [1, 2])
def test_few_bits_with_a_colour_table(tmp_path, random, bits):
    """As GDAL writes a mask that came from an indexed PNG; one bit is bool to the reader."""
    numbers = random.integers(0, 2**bits, (20, 32))
    gray = (np.arange(2**bits) * 70 + 20)[::-1]
    few_bits(tmp_path / "a.tif", numbers, bits, table=np.tile(gray * 257, 3))
    assert np.array_equal(pixels(tmp_path / "a.tif")[0], gray[numbers])
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels[0], numbers)


@pytest.mark.parametrize("suffix", [".pbm", ".bmp", ".png", ".tif", ".gif"])
def test_one_bit_of_pillow(tmp_path, random, suffix):
    """Whose arrays of such images are bool with bytes of 255."""
    mask = random.integers(0, 2, (20, 31)) > 0
    Image.fromarray(mask).save(tmp_path / f"a{suffix}")
    assert np.array_equal(pixels(tmp_path / f"a{suffix}")[0], 255 * mask)
    assert len(np.unique(read_labels(tmp_path / f"a{suffix}").pixels)) == 2
    if suffix == ".pbm":
        assert np.array_equal(read_labels(tmp_path / "a.pbm").pixels[0], mask)


def test_more_than_few_bits(tmp_path, random):
    """A damaged page that tells fewer bits for samples than there are in them."""
    tifffile.imwrite(tmp_path / "a.tif", random.random((20, 32), np.float32), photometric="minisblack", metadata=None)
    content = (tmp_path / "a.tif").read_bytes()
    tag = struct.pack("<HHIHH", 258, 3, 1, 32, 0)
    assert tag in content
    for bits in (1, 4):
        (tmp_path / "a.tif").write_bytes(content.replace(tag, struct.pack("<HHIHH", 258, 3, 1, bits, 0)))
        with pytest.raises(BadInput, match="^[^\n]*$"):
            read_stack(tmp_path / "a.tif")


def png_chunk(name, content):
    import zlib

    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_a_png(tmp_path, random, bits):
    import zlib

    numbers = random.integers(0, 2**bits, (20, 32))
    rows = (numbers.reshape(20, -1, 8 // bits) << np.arange(8 - bits, -1, -bits)).sum(-1).astype(np.uint8)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 32, 20, bits, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert np.array_equal(pixels(tmp_path / "a.png")[0], numbers * (255 // (2**bits - 1)))
    assert np.array_equal(read_labels(tmp_path / "a.png").pixels[0], numbers)


def test_a_pgm_of_few_values(tmp_path, random):
    """Netpbm says what the largest value is; labels of three classes have 2 there."""
    numbers = random.integers(0, 3, (20, 31)).astype(np.uint8)
    (tmp_path / "a.pgm").write_bytes(b"P5 31 20 2\n" + numbers.tobytes())
    assert np.array_equal(read_labels(tmp_path / "a.pgm").pixels[0], numbers)


@pytest.mark.parametrize("largest", [1, 3, 15])
def test_a_pgm_of_few_bits_is_spread_as_a_png_is(tmp_path, random, largest):
    numbers = random.integers(0, largest + 1, (20, 32)).astype(np.uint8)
    (tmp_path / "a.pgm").write_bytes(b"P5 32 20 %d\n" % largest + numbers.tobytes())
    assert np.array_equal(pixels(tmp_path / "a.pgm")[0], numbers * (255 // largest))
    assert np.array_equal(read_labels(tmp_path / "a.pgm").pixels[0], numbers)


# White is zero


def test_labels_of_two_values_that_are_shown_dark_need_nothing(tmp_path, caplog):
    """As tifffile stores a bool mask, and ImageJ one with an inverting table."""
    cells = np.pad(np.ones((1, 9, 9), bool), ((0, 0), (4, 4), (4, 4)))
    for stored, number in ((cells, 1), (cells * np.uint8(255), 255)):
        caplog.clear()
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
        assert np.array_equal(read_labels(tmp_path / "a.tif").pixels > 0, cells)
        assert f"so 0 is shown bright, and nothing needs to be done where {number} stands for cells" in caplog.text
    caplog.clear()
    tifffile.imwrite(tmp_path / "a.tif", cells * np.uint8(2) + np.eye(17, dtype=np.uint8), photometric="miniswhite")
    read_labels(tmp_path / "a.tif")
    assert "so 0 is shown bright" in caplog.text and "nothing needs" not in caplog.text


def test_white_is_zero(tmp_path, section, random):
    """On any page; a bit is shown as it is meant, labels keep theirs."""
    for bad in (0, 1, 2):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for number in range(3):
                photometric = "miniswhite" if number == bad else "minisblack"
                file.write(section, photometric=photometric, contiguous=False, metadata=None)
        with pytest.raises(BadInput, match="mean their numbers in different ways"):
            read_stack(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", section, photometric="miniswhite")
    with pytest.raises(BadInput, match="0 as white"):
        read_stack(tmp_path / "a.tif")
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels[0], section)
    bits = random.integers(0, 2, (20, 32))
    few_bits(tmp_path / "a.tif", bits, 1, white_is_zero=True)
    assert np.array_equal(pixels(tmp_path / "a.tif")[0], 255 * (1 - bits))
    assert np.array_equal(read_labels(tmp_path / "a.tif").pixels[0], bits)


# Samples of a pixel


def test_an_opaque_second_sample_is_no_channel(tmp_path, section, random):
    opaque = np.stack([section, np.full_like(section, 255)], -1)
    Image.fromarray(opaque, "LA").save(tmp_path / "a.png")
    assert np.array_equal(pixels(tmp_path / "a.png")[0], section)
    opaque[3, 4, 1] = 7
    Image.fromarray(opaque, "LA").save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="2 channels"):
        read_stack(tmp_path / "a.png")
    Image.fromarray(section).save(tmp_path / "a.webp", lossless=True)
    assert np.array_equal(pixels(tmp_path / "a.webp")[0], section)
    assert np.array_equal(read_labels(tmp_path / "a.webp").pixels[0], section)


def test_gray_is_not_made_of_other_colours_than_red_green_and_blue(tmp_path, random):
    inks = random.integers(0, 256, (30, 41, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    with pytest.raises(BadInput, match="CMYK colours; gray is made of red, green and blue"):
        read_stack(tmp_path / "a.tif", "gray")
    assert np.array_equal(pixels(tmp_path / "a.tif", 2)[0], inks[..., 2])


def test_pages_that_are_turned_in_different_ways(tmp_path, random):
    section = random.integers(0, 255, (20, 30), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for orientation in (1, 3):
            turned = [(274, "H", 1, orientation, True)]
            file.write(section, photometric="minisblack", contiguous=False, metadata=None, extratags=turned)
    with pytest.raises(BadInput, match="turned in different ways"):
        read_stack(tmp_path / "a.tif")


@pytest.mark.parametrize(("table", "said"), [([255, 255, 0], True), ([0, 255, 255], False)])
def test_labels_whose_0_is_shown_bright_though_two_values_look_alike(tmp_path, caplog, table, said):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :3] = np.array(table) * 257
    labels = np.array([[0, 1, 2]] * 9, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="palette", colormap=colours)
    read_labels(tmp_path / "a.tif")
    assert ("so 0 is shown bright" in caplog.text) == said
