"""Formats that change values bear pictures, and no labels."""

import re
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.io.lossy import lossy_file
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.errors import BadInput

INSTANCES = re.escape("--labels-are instances (from Python labels_are='instances')")


@pytest.mark.parametrize(
    "name, options, lossy",
    [
        ("mask.jpg", {}, "JPEG"),
        ("mask.webp", {"quality": 60}, "WebP"),
        ("mask.webp", {"lossless": True}, None),
        ("mask.jp2", {"irreversible": True}, "JPEG 2000"),
        ("mask.jp2", {}, None),
        ("mask.tif", {"compression": "jpeg"}, "JPEG"),
        ("mask.tif", {"compression": "tiff_lzw"}, None),
        ("mask.png", {}, None),
    ],
)
def test_lossy_formats(tmp_path, capsys, name, options, lossy):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:40, 20:50] = 255
    path = tmp_path / name
    Image.fromarray(mask).save(path, **options)
    if lossy is None:
        assert np.array_equal(read_labels(path).pixels[0], mask)
        return
    assert read_stack(path).pixels.shape == (1, 64, 64) if name != "mask.webp" else True  # a picture bears it
    assert main(["weights", str(path), str(tmp_path / "out.tif")]) == 2
    said = capsys.readouterr().err
    assert f"{lossy} changes label values, so save PNG or TIFF" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "compression, level, lossy",
    [("lerc", 0, None), ("lerc", 2, "LERC"), ("jpegxl", 90, "JPEG XL"), ("webp", None, None)],
)
def test_lossy_compressions_of_tiffs(tmp_path, compression, level, lossy):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:40, 20:50], mask[10:40, 50:60] = 7, 9
    options = {"lossless": True} if level is None else {"level": level}
    photometric = "minisblack"
    if compression == "webp":
        mask, photometric = np.stack([mask] * 3, -1), "rgb"
    tifffile.imwrite(
        tmp_path / "a.tif", mask, photometric=photometric, compression=compression, compressionargs=options
    )
    if lossy is None:
        assert np.array_equal(read_labels(tmp_path / "a.tif").pixels[0], mask if mask.ndim == 2 else mask[..., 0])
        return
    assert read_stack(tmp_path / "a.tif").pixels.shape == (1, 64, 64)
    with pytest.raises(BadInput, match=f"{lossy} changes label values"):
        read_labels(tmp_path / "a.tif")


def test_jpeg_by_another_name(tmp_path):
    """By content, not by name; and MPO, as telephones write."""
    image = Image.fromarray(np.zeros((16, 16), np.uint8))
    image.save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    image.save(tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[image])
    for name in ("a.png", "b.jpg"):
        with pytest.raises(BadInput, match="JPEG changes label values"):
            read_labels(tmp_path / name)
        assert read_stack(tmp_path / name).pixels.shape[0] == 1


def test_lossy_formats_are_known_behind_what_else_a_file_holds(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:40, 20:50] = 255
    for lossy in (True, False):
        Image.fromarray(mask).save(tmp_path / "mask.jp2", irreversible=lossy)
        content = (tmp_path / "mask.jp2").read_bytes()
        code = content.index(b"jp2c") - 4
        told = content[:code] + struct.pack(">I", 5008) + b"xml " + b" " * 5000 + content[code:]
        assert lossy_file("JPEG2000", told) == ("JPEG 2000" if lossy else None)
        Image.fromarray(mask).save(tmp_path / "mask.webp", lossless=not lossy, icc_profile=b"\0" * 5000)
        assert lossy_file("WEBP", (tmp_path / "mask.webp").read_bytes()) == ("WebP" if lossy else None)
