"""OME-Zarr of all kinds, opened as stacks."""

import json
import sys

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import EM, PixelSize
from unet_paper.io.stack import read_gray, read_labels, write_stack
from unet_paper.metrics.class_scores import score_classes
from unet_paper.support.errors import BadInput

zarr = pytest.importorskip("zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "czyx", "tczyx", "tzyx"])
def test_full_resolution_and_pixel_size(make_zarr, pixels, tmp_path, version, axes):
    array = pixels.reshape((1,) * (len(axes) - 3) + pixels.shape)
    found = open_stack(make_zarr(tmp_path / "image.zarr", array, axes, version))
    assert found.pixel_size == EM and found.pixels.shape == pixels.shape and found.pixels.dtype == np.uint8
    assert np.array_equal(found.pixels, pixels) and np.array_equal(found.pixels[1][20:40, 7:9], pixels[1, 20:40, 7:9])
    assert np.array_equal(found.pixels[-1][::10, ::20], pixels[-1, ::10, ::20])


def test_it_has_the_content_of_the_tiff(image, stack, pixels):
    assert open_stack(image).content_sha256 == open_stack(stack).content_sha256
    assert np.array_equal(read_gray(image).pixels, pixels)


def test_one_section_and_other_units(make_zarr, pixels, tmp_path):
    path = make_zarr(tmp_path / "image.zarr", pixels[0], "yx", unit="micrometer", scale=(1, 0.5, 0.25))
    found = open_stack(path)
    assert found.pixels.shape == (1, 70, 103) and found.pixel_size == PixelSize(250, 500, 0)
    assert open_stack(make_zarr(tmp_path / "other.zarr", pixels, unit=None)).pixel_size is None


def test_where_it_lies(make_zarr, pixels, tmp_path):
    path = make_zarr(tmp_path / "image.zarr", pixels, translation=(100, 40, 8))
    assert open_stack(path).origin == (2, 10, 2)


def test_big_endian_and_truth_values(make_zarr, pixels, tmp_path):
    path = make_zarr(tmp_path / "image.zarr", pixels.astype(">u2") * 257, version="0.4")
    found = open_stack(path).pixels
    assert found.dtype == np.uint16 and found.dtype.isnative and np.array_equal(found, pixels * np.uint16(257))
    labels = read_labels(make_zarr(tmp_path / "labels.zarr", pixels > 99))
    assert labels.pixels.dtype == np.uint8 and np.array_equal(labels.pixels, pixels > 99)


def test_channels_must_be_named(make_zarr, pixels, tmp_path):
    path = make_zarr(tmp_path / "image.zarr", np.stack([pixels, pixels // 2]), "czyx")
    assert np.array_equal(open_stack(path, 1).pixels, pixels // 2)
    for channel, message in ((None, "give one channel"), (2, "no channel 2"), ("gray", "not red, green and blue")):
        with pytest.raises(BadInput, match=message):
            open_stack(path, channel)


def test_probabilities_of_several_classes_are_scored(make_zarr, random, tmp_path):
    maps = random.dirichlet((1, 1, 1), (2, 70, 90)).astype(np.float32).transpose(3, 0, 1, 2)
    truth = random.integers(0, 3, (2, 70, 90)).astype(np.uint8)
    path = make_zarr(tmp_path / "maps.zarr", maps, "czyx")
    write_stack(tmp_path / "labels.tif", truth)
    assert main(["score", str(tmp_path / "labels.tif"), str(path), "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["confusion"] == [list(row) for row in score_classes(truth, maps.argmax(axis=0)).confusion]
    assert main(["segment", str(path), str(tmp_path / "classes.tif")]) == 0
    assert np.array_equal(read_labels(tmp_path / "classes.tif").pixels, maps.argmax(axis=0))
    with pytest.raises(BadInput, match="holds probabilities of 3 classes; numbered cells are of two"):
        open_stack(path, kind="probabilities")


def test_what_is_no_image_is_refused(make_zarr, pixels, tmp_path):
    series = tmp_path / "series.zarr"
    zarr.create_group(series)
    make_zarr(series / "0", pixels)
    zarr.create_array(tmp_path / "bare.zarr", data=pixels)
    movie = make_zarr(tmp_path / "movie.zarr", np.stack([pixels, pixels]), "tzyx")
    damaged = make_zarr(tmp_path / "damaged.zarr", pixels)
    description = json.loads((damaged / "zarr.json").read_text())
    del description["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"]
    (damaged / "zarr.json").write_text(json.dumps(description))
    broken = make_zarr(tmp_path / "broken.zarr", pixels)
    (broken / "zarr.json").write_text("{")
    for path, message in (
        (series, r"holds some; give one of them, such as .*series.zarr/0"),
        (tmp_path / "bare.zarr", "zarr"),
        (movie, "holds 2 times"),
        (damaged, "its description lacks 'path'"),
        (broken, "cannot be read as OME-Zarr"),
        (tmp_path, "is not a file"),
    ):
        with pytest.raises(BadInput, match=message):
            open_stack(path)


@pytest.mark.parametrize("codec", ["Zlib", "GZip", "BZ2", "LZMA", "Blosc"])
@pytest.mark.parametrize("damage", [lambda chunk: chunk[:9] + bytes(20) + chunk[29:], lambda chunk: b"no chunk"])
def test_a_damaged_chunk_is_one_sentence(make_zarr, pixels, tmp_path, codec, damage):
    """Every codec has exceptions of its own."""
    numcodecs = pytest.importorskip("numcodecs")
    path = make_zarr(tmp_path / "image.zarr", pixels, version="0.4")
    packed = {"shape": pixels.shape, "chunks": (1, 64, 64), "dtype": pixels.dtype, "zarr_format": 2, "overwrite": True}
    zarr.create_array(path / "full", compressors=getattr(numcodecs, codec)(), **packed)[:] = pixels
    volume = open_stack(path).pixels
    assert np.array_equal(volume[0], pixels[0])
    for chunk in (path / "full").glob("[0-9]*"):
        chunk.write_bytes(damage(chunk.read_bytes()))
    with pytest.raises(BadInput, match=r"image.zarr is damaged in sections 0 to 0.* get these chunks again"):
        np.asarray(volume[0])


def test_a_missing_package_is_named(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(BadInput, match=r"needs the package zarr; install it with: pip install '.\[volumes\]'"):
        open_stack(image)
