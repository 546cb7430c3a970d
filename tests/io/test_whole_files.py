"""A file that promises more than it holds is refused, and what is missing is named; nothing else is printed."""

import os
import shutil
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.io import tiff_promises
from unet_paper.io.image_files import open_stack
from unet_paper.io.source_files import files_sha256
from unet_paper.io.stack import read_gray, read_stack, write_stack
from unet_paper.support.errors import BadInput

CUTS = 40
TIFFS = {
    "imagej": dict(imagej=True, metadata={"axes": "ZYX"}),
    "one page for all": dict(metadata={"axes": "ZYX"}, truncate=True),
    "plain": dict(metadata=None),
    "big": dict(bigtiff=True),
    "tiled": dict(tile=(16, 16)),
    "big-endian": dict(byteorder=">"),
    "strips": dict(rowsperstrip=4, metadata=None),
    "ome": dict(ome=True, metadata={"axes": "ZYX"}),
    **{name: dict(compression=name) for name in ("zlib", "zstd", "lzma", "lzw", "packbits")},
}
BY_PILLOW = (None, "tiff_lzw", "tiff_deflate", "zstd", "packbits")
FORMATS = {".png": {}, ".bmp": {}, ".pgm": {}, ".jpg": {}, ".webp": {"lossless": True}, ".jp2": {}, ".gif": {}}


@pytest.fixture
def stack(random):
    stack = random.integers(0, 256, (4, 30, 41), dtype=np.uint8)
    stack[:, :15] = stack[:, :1]  # so that something can be packed
    return stack


def metamorph_stack(path, stack):
    """As MetaMorph writes it: one page, whose tags count the planes behind it."""
    planes, height, width = stack.shape
    data = stack.tobytes()
    uic2 = struct.pack("<6I", 1, 1, 2450000, 0, 2450000, 0) * planes
    uic1 = bytes(8 * planes)
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, height * width)),
        *((33628, 5, planes, 8 + len(data)), (33629, 5, planes, 8 + len(data + uic1))),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    header = b"II*\0" + struct.pack("<I", 8 + len(data + uic1 + uic2))
    path.write_bytes(header + data + uic1 + uic2 + directory)


def cut_everywhere(path, capfd):
    """Read a file cut at many places: whole or refused in one sentence, never less than all of it."""
    content, whole = path.read_bytes(), read_stack(path).pixels
    refused = 0
    for length in {*range(1, len(content), len(content) // CUTS), len(content) - 1, len(content) - 8}:
        path.write_bytes(content[:length])
        try:
            assert np.array_equal(read_stack(path).pixels, whole), length
        except BadInput as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert refused >= CUTS - 2
    assert capfd.readouterr() == ("", "")
    return whole


@pytest.mark.parametrize("kind", TIFFS)
def test_cut_tiffs(tmp_path, stack, kind, capfd):
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **TIFFS[kind])
    assert np.array_equal(cut_everywhere(tmp_path / "a.tif", capfd), stack)


@pytest.mark.parametrize("compression", BY_PILLOW)
def test_cut_tiffs_of_pillow(tmp_path, stack, compression, capfd):
    first, *others = [Image.fromarray(section) for section in stack]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    assert np.array_equal(cut_everywhere(tmp_path / "a.tif", capfd), stack)


@pytest.mark.parametrize("suffix", FORMATS)
def test_cut_images(tmp_path, stack, suffix, capfd):
    Image.fromarray(stack[0]).save(tmp_path / f"a{suffix}", **FORMATS[suffix])
    assert cut_everywhere(tmp_path / f"a{suffix}", capfd).shape == (1, 30, 41)


def test_cut_metamorph_stacks(tmp_path, stack, capfd):
    metamorph_stack(tmp_path / "a.stk", stack)
    assert np.array_equal(cut_everywhere(tmp_path / "a.stk", capfd), stack)


def test_pages_that_imagej_promises_and_the_file_lacks(tmp_path, stack):
    path = tmp_path / "a.tif"
    described = "ImageJ=1.53t\nimages=9\nslices=9\n"
    with tifffile.TiffWriter(path) as file:
        for section in stack:
            file.write(section, photometric="minisblack", description=described, metadata=None, contiguous=False)
    with pytest.raises(BadInput, match="promises 9 images, and the file holds 4"):
        read_stack(path)
    Image.fromarray(stack[0]).save(path, tiffinfo={270: described}, compression="tiff_lzw")
    with pytest.raises(BadInput, match="promises 9 images, and the file holds 1"):
        read_stack(path)


def test_pages_that_imagej_does_not_speak_of_are_read(tmp_path, stack):
    """Another program has added them, and kept the description."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for section in stack:
            options = dict(description="ImageJ=1.53t\nimages=2\nslices=2\n", metadata=None, contiguous=False)
            file.write(section, photometric="minisblack", **options)
    assert np.array_equal(read_stack(tmp_path / "a.tif").pixels, stack)


def test_a_chain_that_ends_early(tmp_path, stack):
    """Its last pages are no longer linked, and tifffile's own description tells how many there were."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as file:
        second = file.pages[1].offset
    content = bytearray(path.read_bytes())
    (entries,) = struct.unpack_from("<H", content, second)
    struct.pack_into("<I", content, second + 2 + 12 * entries, 0)
    path.write_bytes(content)
    with pytest.raises(BadInput, match="promises 4 images, and the file holds 2"):
        read_stack(path)


OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="41" SizeY="30" SizeZ="4" SizeC="1"
SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData FirstZ="0" IFD="0" PlaneCount="2"><UUID FileName="a.ome.tif">urn:uuid:a</UUID></TiffData>
<TiffData FirstZ="2" IFD="0" PlaneCount="2"><UUID FileName="b.ome.tif">urn:uuid:b</UUID></TiffData>
</Pixels></Image></OME>"""


@pytest.fixture
def ome_set(tmp_path, stack):
    """Two files of two sections each, as Bio-Formats writes sets."""
    for name, sections in (("a", stack[:2]), ("b", stack[2:])):
        with tifffile.TiffWriter(tmp_path / f"{name}.ome.tif", ome=False) as file:
            for number, section in enumerate(sections):
                description = OME.format(own=name) if number == 0 else None
                options = dict(description=description, metadata=None, contiguous=False)
                file.write(section, photometric="minisblack", **options)
    return tmp_path


def test_a_set_of_ome_tiffs(ome_set, stack):
    for name in ("a", "b"):
        assert np.array_equal(read_stack(ome_set / f"{name}.ome.tif").pixels, stack)


def test_a_file_of_a_set_that_is_named_for_each_of_its_images_is_looked_at_once(tmp_path, stack, monkeypatch):
    whole, plane = '<TiffData FirstZ="2" IFD="0" PlaneCount="2">', '<TiffData FirstZ="{}" IFD="{}" PlaneCount="1">'
    rest = '<UUID FileName="b.ome.tif">urn:uuid:b</UUID></TiffData>'
    described = OME.replace(whole + rest, plane.format(2, 0) + rest + plane.format(3, 1) + rest)
    for name, sections in (("a", stack[:2]), ("b", stack[2:])):
        with tifffile.TiffWriter(tmp_path / f"{name}.ome.tif", ome=False) as file:
            for number, section in enumerate(sections):
                description = described.format(own=name) if number == 0 else None
                file.write(section, photometric="minisblack", description=description, metadata=None, contiguous=False)
    looked_at, look = [], tiff_promises._ome_uuid
    monkeypatch.setattr(tiff_promises, "_ome_uuid", lambda path: looked_at.append(path.name) or look(path))
    assert np.array_equal(read_stack(tmp_path / "a.ome.tif").pixels, stack) and looked_at == ["b.ome.tif"]


def test_a_set_is_known_by_all_of_its_files(ome_set):
    before = files_sha256(open_stack(ome_set / "a.ome.tif"))
    os.utime(ome_set / "b.ome.tif", (1, 1))
    assert files_sha256(open_stack(ome_set / "a.ome.tif")) != before


def test_a_set_with_a_file_missing_or_renamed(ome_set):
    (ome_set / "b.ome.tif").rename(ome_set / "c.ome.tif")
    with pytest.raises(BadInput, match=r"a.ome.tif .*one file of a set, of which b.ome.tif is missing"):
        read_stack(ome_set / "a.ome.tif")
    with tifffile.TiffWriter(ome_set / "b.ome.tif", ome=False) as file:
        file.write(np.zeros((30, 41), np.uint8), description=OME.format(own="other"), metadata=None)
    with pytest.raises(BadInput, match="b.ome.tif is another file than the one it names"):
        read_stack(ome_set / "a.ome.tif")


def test_a_set_whose_first_file_has_another_name_is_whole(ome_set, stack):
    (ome_set / "a.ome.tif").rename(ome_set / "first.ome.tif")
    assert np.array_equal(read_stack(ome_set / "first.ome.tif").pixels, stack)


def test_a_set_with_a_file_that_is_cut_off(ome_set):
    other = ome_set / "b.ome.tif"
    other.write_bytes(other.read_bytes()[:-400])
    with pytest.raises(BadInput, match="and of b.ome.tif: it is cut off"):
        read_stack(ome_set / "a.ome.tif")


def test_an_ome_tiff_that_lacks_planes(tmp_path, stack):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, stack[:3], ome=True, photometric="minisblack", metadata={"axes": "ZYX"}, contiguous=False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'SizeZ="3"', b'SizeZ="9"').replace(b'PlaneCount="3"', b'PlaneCount="9"'))
    with pytest.raises(BadInput, match="promises 9 images, of which 6 are missing"):
        read_stack(path)


def test_a_file_of_which_another_has_the_description(tmp_path, stack):
    description = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:b"><BinaryOnly '
        'MetadataFile="a.ome.tif" UUID="urn:uuid:a"/></OME>'
    )
    tifffile.imwrite(tmp_path / "b.ome.tif", stack, photometric="minisblack", description=description, metadata=None)
    with pytest.raises(BadInput, match="described in a.ome.tif, which is missing"):
        read_stack(tmp_path / "b.ome.tif")


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_of_zeros(tmp_path, stack, bigtiff):
    """What a download leaves that had its room before it ended."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for section in stack:
            file.write(section, photometric="minisblack", compression="zlib", metadata=None)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5] + bytes(len(content) - len(content) * 3 // 5))
    with pytest.raises(BadInput, match="cut off or damaged: at byte .* should be image [34] of its chain"):
        read_stack(path)


def pages_behind_their_pixels(path, stack):
    """A chain as libtiff's programs write it: pixels, then their page, which points to the next one."""
    sections, height, width = stack.shape
    tags = 9
    size = 2 + 12 * tags + 4  # of a page
    content = b"II*\0" + struct.pack("<I", 8 + height * width)
    for number, section in enumerate(stack):
        place = len(content)
        page = (
            *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
            *((273, 4, 1, place), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, height * width)),
        )
        following = place + 2 * height * width + size if number + 1 < sections else 0
        content += section.tobytes() + struct.pack("<H", tags)
        content += b"".join(struct.pack("<HHII", *tag) for tag in page) + struct.pack("<I", following)
    path.write_bytes(content)


def test_a_chain_that_ends_in_zeros(tmp_path, stack):
    """A download that had its room before it ended, at the pointer to the next page: the chain seems to end there."""
    path = tmp_path / "a.tif"
    pages_behind_their_pixels(path, stack)
    assert np.array_equal(read_stack(path).pixels, stack)
    content = path.read_bytes()
    there = 8 + 3 * (stack[0].size + 114) - 4
    path.write_bytes(content[:there] + bytes(len(content) - there))
    with pytest.raises(BadInput, match="behind image 3 of its chain of pages are 1,344 zeros.*get the whole"):
        read_stack(path)
    pages_behind_their_pixels(path, stack)
    path.write_bytes(path.read_bytes() + bytes(512))  # as some programs fill up a block
    assert np.array_equal(read_stack(path).pixels, stack)
    stack[2:] = 0
    write_stack(path, stack)  # black sections are no such zeros
    assert np.array_equal(read_stack(path).pixels, stack)


def test_a_png_of_which_the_end_is_zeros(tmp_path, stack):
    """Pillow gives black rows for it."""
    for section in (stack[0], stack[0].astype(np.uint16) * 257):
        Image.fromarray(section).save(tmp_path / "a.png", compress_level=0)
        content = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
        with pytest.raises(BadInput, match=r"cut off or damaged.*; get the whole file"):
            read_stack(tmp_path / "a.png")


def test_blank_sections_are_noted(tmp_path, stack, caplog):
    stack[2:] = 0
    write_stack(tmp_path / "a.tif", stack)
    read_gray(tmp_path / "a.tif")
    assert "one gray value only in section 2, 3" in caplog.text


def test_a_file_of_another_kind_is_not_called_cut_off(tmp_path):
    (tmp_path / "a.tif").write_bytes(bytes.fromhex("ff0afa7f") * 20)  # JPEG XL
    with pytest.raises(BadInput, match="does not begin as one.*; give a TIFF"):
        read_stack(tmp_path / "a.tif")


def test_a_cut_file_is_refused_by_every_reader_of_it(tmp_path, stack, capsys):
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=None)
    labels = tmp_path / "labels.tif"
    tifffile.imwrite(labels, stack // 128 * 255, photometric="minisblack", metadata=None)
    probability = tmp_path / "probability.tif"
    tifffile.imwrite(probability, (stack / 255).astype(np.float32), photometric="minisblack", metadata=None)
    for path in (labels, probability):
        cut = path.with_name(f"cut-{path.name}")
        cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    shutil.copy(tmp_path / "cut-labels.tif", tmp_path / "cut.tif")
    commands = (
        ["weights", tmp_path / "cut-labels.tif", tmp_path / "out.tif"],
        ["score", tmp_path / "cut-labels.tif", probability],
        ["score", labels, tmp_path / "cut-probability.tif"],
        ["train", "--images", tmp_path / "cut.tif", "--labels", labels],
        ["train", "--images", tmp_path / "a.tif", "--labels", tmp_path / "cut.tif"],
    )
    for command in commands:
        extra = ["--labels-are", "cells", "--out", str(tmp_path / "run")] if command[0] == "train" else []
        assert main([*map(str, command), *extra]) == 2
        said = capsys.readouterr().err
        assert "cut off" in said and said.count("\n") == 1
