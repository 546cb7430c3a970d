"""Prediction into OME-Zarr: the map of a TIFF, bit for bit, from and to every kind of file."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from skimage.io import imsave

from unet_paper import checkpoint as checkpoints
from unet_paper.cli.commands import main
from unet_paper.io.folder_stack import open_volume
from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import EM, PixelSize
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.runs.predicting import PredictionRequest
from unet_paper.support.errors import BadInput
from unet_paper.volumes.job import IMAGE_FILES, WorkFolder, difference
from unet_paper.volumes.prediction import _samples, predict_volume

zarr = pytest.importorskip("zarr")
pytest.importorskip("ome_zarr")


@pytest.fixture(autouse=True)
def one_thread():
    """As blocks are computed: with more threads, sums round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def predict(weights):
    def run(image, out, *options, tta="none", tile=252):
        arguments = ["predict", "--weights", weights, image, out, "--tta", tta, "--tile", tile, "--device", "cpu"]
        return main([str(argument) for argument in (*arguments, *options)])

    return run


@pytest.fixture(scope="session")
def expected(weights, stack, tmp_path_factory):
    """The map that one process predicts into a TIFF."""
    out = tmp_path_factory.mktemp("expected") / "out.tif"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    main(["predict", "--weights", str(weights), str(stack), str(out), "--tta", "none", "--tile", "252"])
    torch.set_num_threads(threads)
    return read_stack(out).pixels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_zarr_to_zarr_equals_tiff_to_tiff(predict, make_zarr, pixels, expected, tmp_path, version):
    image = make_zarr(tmp_path / "image.zarr", pixels, version=version, translation=(100, 40, 8))
    assert predict(image, tmp_path / "out.zarr") == 0
    found = open_stack(tmp_path / "out.zarr")
    assert np.array_equal(found.pixels, expected) and found.pixels.dtype == np.float32
    assert found.pixel_size == EM and found.origin == (2, 10, 2)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.zarr", "out.zarr", "out.zarr.log"]


def test_registered_labels_are_so_in_blocks_too(weights, make_zarr, pixels, tmp_path):
    """What is read for a block reaches further by the registration."""
    trained = checkpoints.load(weights)
    config = replace(trained.config, registration_x=0.15, registration_y=-4.6)
    checkpoints.save(tmp_path / "weights.pt", replace(trained, config=config))
    stack = tmp_path / "image.tif"
    write_stack(stack, pixels[:1])
    image, outs = make_zarr(tmp_path / "image.zarr", pixels[:1]), (tmp_path / "out.zarr", tmp_path / "out.tif")
    for given, out in zip((image, stack), outs, strict=True):
        options = ["--weights", tmp_path / "weights.pt", given, out, "--tta", "d4", "--tile", 268, "--registered"]
        assert main(["predict", *map(str, options)]) == 0
    assert np.array_equal(*(open_stack(out).pixels for out in outs))


@pytest.mark.parametrize(("tta", "tile"), [("d4", 268), ("rot7", 300)])
def test_test_time_augmentation(predict, make_zarr, pixels, tmp_path, tta, tile):
    """On two blocks, and what lies beyond the first one's region is not read."""
    stack = tmp_path / "image.tif"
    write_stack(stack, pixels[:1, :40])
    image = make_zarr(tmp_path / "image.zarr", pixels[:1, :40])
    for given, out in ((image, "out.zarr"), (stack, "out.tif")):
        assert predict(given, tmp_path / out, tta=tta, tile=tile) == 0
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, read_stack(tmp_path / "out.tif").pixels)


@pytest.mark.parametrize("kind", ["packed", "folder"])
def test_packed_tiffs_and_folders_of_sections(predict, pixels, expected, tmp_path, monkeypatch, kind):
    """A block unpacks the tiles or the file that it needs, and the map is that of the plain TIFF."""
    monkeypatch.setattr("unet_paper.io.raw_image.UNPACKED_IN_MEMORY", 100)
    image = tmp_path / kind
    if kind == "packed":
        image = image.with_suffix(".tif")
        tifffile.imwrite(image, pixels, photometric="minisblack", compression="zlib", tile=(16, 16))
    else:
        image.mkdir()
        for number, section in enumerate(pixels):
            imsave(image / f"{number}.png", section, check_contrast=False)
    assert predict(image, tmp_path / "out.zarr") == 0
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, expected)


def test_tiff_to_zarr_and_back(predict, image, stack, expected, tmp_path):
    assert predict(stack, tmp_path / "out.zarr", "--ome-zarr", "0.4") == predict(image, tmp_path / "out.tif") == 0
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, expected)
    assert np.array_equal(read_stack(tmp_path / "out.tif").pixels, expected)


@pytest.mark.parametrize(
    ("axes", "version", "unit", "scale"),
    [
        ("tcyx", "0.4", "micrometer", (1.0, 0.008, 0.004)),
        ("czyx", "0.5", "angstrom", (500.0, 40.0, 20.0)),
        ("yx", "0.5", None, (1.0, 2.0, 3.0)),
    ],
)
def test_axes_scales_and_units_are_carried_on(
    predict, make_zarr, pixels, expected, tmp_path, axes, version, unit, scale
):
    """Also where height and width of a pixel differ, and where the scales have no unit."""
    array = {"tcyx": pixels[None, :1], "czyx": np.stack([255 - pixels, pixels]), "yx": pixels[0]}[axes]
    image = make_zarr(tmp_path / "image.zarr", array, axes, version, unit, scale, translation=scale)
    assert predict(image, tmp_path / "out.zarr", *(["--channel", "1"] if axes == "czyx" else [])) == 0
    found = open_stack(tmp_path / "out.zarr")
    assert np.array_equal(found.pixels, expected[: len(found.pixels)])
    assert found.pixel_size == open_stack(image, 1 if axes == "czyx" else None).pixel_size
    attributes = dict(zarr.open_group(tmp_path / "out.zarr", mode="r").attrs)
    described = attributes.get("ome", attributes)["multiscales"][0]
    placed = described["datasets"][0]["coordinateTransformations"]
    assert [axis["name"] for axis in described["axes"]] == ["z", "y", "x"]
    assert [axis.get("unit") for axis in described["axes"]] == [unit if "z" in axes else None, unit, unit]
    assert placed[0]["scale"] == list(scale)
    assert placed[1]["translation"] == pytest.approx(scale if "z" in axes else (0, *scale[1:]))


def test_the_size_of_a_tiffs_pixels_is_carried_on(predict, pixels, tmp_path):
    """Also where height and width of a pixel differ."""
    write_stack(tmp_path / "image.tif", pixels[:1, :40], pixel_size=PixelSize(4.0, 5.0, 50.0))
    assert predict(tmp_path / "image.tif", tmp_path / "out.zarr") == 0
    assert open_stack(tmp_path / "out.zarr").pixel_size == pytest.approx((4, 5, 50))


def test_chunks_that_are_not_there_are_told(predict, make_zarr, pixels, tmp_path, capsys):
    """They may be black, or lost."""
    image = make_zarr(tmp_path / "image.zarr", pixels)
    assert predict(image, tmp_path / "out.zarr") == 0 and "of its" not in capsys.readouterr().out
    (image / "full" / "c" / "1" / "1" / "0").unlink()
    assert predict(image, tmp_path / "other.zarr") == 0
    assert "image.zarr has 7 of its 8 chunks; the others are read as 0" in capsys.readouterr().out
    shutil.rmtree(image / "full" / "c")
    assert predict(image, tmp_path / "third.zarr") == 2 and "none of its 8 chunks" in capsys.readouterr().err


@pytest.mark.parametrize("named", [None, 0, 7])
def test_of_missing_chunks_it_is_told_what_they_are_read_as(predict, make_zarr, pixels, tmp_path, capsys, named):
    """Version 2 of zarr may name nothing (null)."""
    image = make_zarr(tmp_path / "image.zarr", pixels, version="0.4")
    description = json.loads((image / "full" / ".zarray").read_text())
    (image / "full" / ".zarray").write_text(json.dumps(description | {"fill_value": named}))
    (image / "full" / "1" / "1" / "0").unlink()
    assert (np.asarray(open_stack(image).pixels)[2, 64:, :64] == (named or 0)).all()
    assert predict(image, tmp_path / "out.zarr") == 0
    assert f"has 7 of its 8 chunks; the others are read as {named or 0}." in capsys.readouterr().out


def test_it_is_done_once_and_replaced_only_by_force(predict, image, tmp_path, capsys):
    out = tmp_path / "out.zarr"
    assert predict(image, out) == 0
    before = (out / "zarr.json").stat().st_mtime_ns
    assert predict(image, out) == 0 and "already predicted" in capsys.readouterr().out
    assert predict(image, out, "--extrapolation", "zeros") == 2 and "--force" in capsys.readouterr().err
    assert predict(image, out, "--ome-zarr", "0.5") == 0 and "already predicted" in capsys.readouterr().out
    assert predict(image, out, "--ome-zarr", "0.4") == 2 and "already as OME-Zarr 0.5; " in capsys.readouterr().err
    assert (out / "zarr.json").stat().st_mtime_ns == before
    assert predict(image, out, "--extrapolation", "zeros", "--force") == 0
    assert (out / "zarr.json").stat().st_mtime_ns != before


@pytest.mark.parametrize("kind", ["TIFF", "folder", "zarr"])
def test_a_changed_image_is_not_taken_for_predicted(predict, make_zarr, pixels, tmp_path, capsys, kind):
    """Also where no square by which it is known has changed."""

    def write(pixels):
        if kind == "zarr":
            shutil.rmtree(image, ignore_errors=True)
            make_zarr(image, pixels)
        elif kind == "TIFF":
            write_stack(image, pixels)
        else:
            for number, section in enumerate(pixels):
                write_stack(image / f"{number}.tif", section[None])

    image, out = tmp_path / {"TIFF": "image.tif", "zarr": "image.zarr"}.get(kind, "image"), tmp_path / "out.zarr"
    write(pixels)
    before = _samples(open_volume(image))
    assert predict(image, out) == 0
    image.rename(tmp_path / "moved").rename(image)
    assert predict(image, out) == 0 and "already predicted; --force predicts it anew" in capsys.readouterr().out
    changed = pixels.copy()
    changed[2, 0, 100] ^= 255
    write(changed)
    assert all(np.array_equal(one, other) for one, other in zip(before, _samples(open_volume(image)), strict=True))
    assert predict(image, out) == 2
    error = capsys.readouterr().err
    assert "out.zarr is there already (the image's files have other names, sizes or times" in error
    assert "give another name, or --force" in error and error.count("\n") == 1
    assert predict(image, out, "--force") == 0


def test_a_result_of_an_earlier_version_tells_no_files():
    assert not difference({"tta": "d4"}, {"tta": "d4", IMAGE_FILES: "abc"})
    assert "names, sizes or times" in difference({"tta": "d4", IMAGE_FILES: "ab"}, {"tta": "d4", IMAGE_FILES: "abc"})
    assert difference({"tta": "d4"}, {"tta": "none", IMAGE_FILES: "abc"}) == "tta differ"


def test_labels_that_are_added_to_an_image_do_not_change_it(predict, make_zarr, pixels, tmp_path, capsys):
    image = make_zarr(tmp_path / "image.zarr", pixels)
    assert predict(image, tmp_path / "out.zarr") == 0
    make_zarr(image / "labels" / "cells", pixels)
    assert predict(image, tmp_path / "out.zarr") == 0 and "already predicted" in capsys.readouterr().out


def test_a_plate_is_not_replaced_by_a_prediction_of_its_image(predict, image, tmp_path, capsys):
    plate = tmp_path / "plate.zarr"
    shutil.copytree(image, plate / "A")
    assert predict(plate / "A", plate, "--force") == 2
    assert "plate.zarr is or holds the image itself, which would be lost" in capsys.readouterr().err
    assert open_stack(plate / "A").pixels.shape == open_stack(image).pixels.shape


def test_files_of_the_system_among_the_marks_are_no_blocks(tmp_path):
    folder = WorkFolder(tmp_path / "out.zarr")
    assert folder.done() == set()
    for name in ("0/3", "0/.nfs0001", ".DS_Store", "1/1001"):
        mark = folder.marks / name
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    assert folder.done() == {3, 1001}


def test_what_cannot_be_is_said(predict, image, tmp_path, capsys):
    (tmp_path / "folder.zarr").mkdir()
    for out, options, message in (
        (image, [], "would be lost"),
        (image / "out.zarr", [], "lies within the image"),
        (tmp_path / "folder.zarr", [], "is no zarr"),
        (tmp_path / "out.tif", ["--workers", "2"], "--workers is for a result in OME-Zarr"),
        (tmp_path / "out.zarr", ["--part", "3/2"], "is not K/N"),
    ):
        assert predict(image, out, *options) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.zarr"]


def test_what_a_tiff_does_not_tell_of_its_sections_is_not_made_up(predict, pixels, tmp_path):
    write_stack(tmp_path / "image.tif", pixels[:1, :40], pixel_size=PixelSize(4.0, 5.0))
    assert predict(tmp_path / "image.tif", tmp_path / "out.zarr") == 0
    axes = zarr.open_group(tmp_path / "out.zarr", mode="r").attrs["ome"]["multiscales"][0]["axes"]
    assert [axis.get("unit") for axis in axes] == [None, "nanometer", "nanometer"]


def test_a_dark_corner_alone_is_no_other_gray_value(predict, make_zarr, tmp_path, capsys, random):
    values = np.clip(random.normal(128, 51, (3, 96, 96)), 0, 255).astype(np.uint8)
    values[0, :32, :32] = 0
    assert predict(make_zarr(tmp_path / "image.zarr", values), tmp_path / "out.zarr") == 0
    assert "the gray values differ" not in capsys.readouterr().out


def test_an_older_version_than_can_be_written_becomes_todays(predict, make_zarr, pixels, tmp_path):
    image = make_zarr(tmp_path / "image.zarr", pixels, version="0.4")
    described = json.loads((image / ".zattrs").read_text())
    described["multiscales"][0]["version"] = "0.3"
    (image / ".zattrs").write_text(json.dumps(described))
    assert predict(image, tmp_path / "out.zarr") == 0
    assert zarr.open_group(tmp_path / "out.zarr", mode="r").metadata.zarr_format == 3


def test_another_channel_is_another_prediction(predict, make_zarr, pixels, tmp_path, capsys):
    other = pixels.copy()
    other[2, 60:, 60:] //= 2  # where no square by which it is known lies
    image = make_zarr(tmp_path / "image.zarr", np.stack([pixels, other]), "czyx")
    assert predict(image, tmp_path / "out.zarr", "--channel", "0") == 0
    assert predict(image, tmp_path / "out.zarr", "--channel", "1") == 2
    assert "(channel differ)" in capsys.readouterr().err


@pytest.mark.parametrize("place", [(0, 0, 0), (1, 69, 102)])
def test_what_gdal_says_was_not_measured_is_refused(pixels, weights_of, tmp_path, place):
    """Where one of the squares that are looked at first has it, and where a block has."""
    stack = pixels.astype(np.float32)
    stack[place] = -9999
    marked = [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "image.tif", stack, photometric="minisblack", extratags=marked, metadata=None)
    request = PredictionRequest(weights_of("float32"), tmp_path / "image.tif", tmp_path / "out.zarr", "none")
    with pytest.raises(BadInput, match=rf"holds GDAL's nodata value -9999 in section {place[0]}; fill these pixels"):
        predict_volume(request)
