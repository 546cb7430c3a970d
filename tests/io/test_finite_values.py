"""Finite is not enough: nodata, values too large to be squared, and one value beside which all others are one."""

import json

import numpy as np
import pytest
import tifffile

from unet_paper.checkpoint import new_network
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.io.stack import read_gray, read_labels, write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import Predictor
from unet_paper.support.errors import BadInput


@pytest.fixture
def stack(random):
    return random.random((2, 60, 70)).astype(np.float32)


def with_nodata(path, stack, text):
    tifffile.imwrite(path, stack, photometric="minisblack", extratags=[(42113, "s", 0, text, True)], metadata=None)


@pytest.mark.parametrize("text, value", [("-3.4028234663852886e+38", -3.4028235e38), ("-9999", -9999), ("nan", np.nan)])
def test_nodata_that_occurs(tmp_path, stack, text, value):
    with_nodata(tmp_path / "a.tif", stack, text)
    assert np.array_equal(read_gray(tmp_path / "a.tif").pixels, stack)  # named, and not there
    stack[1, :3] = value
    with_nodata(tmp_path / "a.tif", stack, text)
    with pytest.raises(BadInput, match="a.tif holds GDAL's nodata value .* in section 1; fill these pixels"):
        read_gray(tmp_path / "a.tif")


def test_nodata_of_whole_numbers(tmp_path, random):
    stack = random.integers(0, 256, (2, 60, 70)).astype(np.int16)
    stack[0, 0] = -32768
    with_nodata(tmp_path / "a.tif", stack, "-32768")
    with pytest.raises(BadInput, match="nodata value -32768 in section 0"):
        read_gray(tmp_path / "a.tif")
    with_nodata(tmp_path / "b.tif", stack.clip(0).astype(np.uint8), "0")
    assert read_gray(tmp_path / "b.tif").pixels.min() == 0  # black, as any other
    assert read_labels(tmp_path / "b.tif").pixels.min() == 0  # background
    with_nodata(tmp_path / "c.tif", np.where(stack < 0, 255, 1).astype(np.uint8), "255")
    with pytest.raises(BadInput, match="nodata value 255 in its labels"):
        read_labels(tmp_path / "c.tif")


@pytest.mark.parametrize("value", [1e25, -1e30, 3e38, 1e19])
def test_values_too_large_for_32_bit_sums(tmp_path, stack, value):
    stack[1, 5, 5] = value
    write_stack(tmp_path / "a.tif", stack)
    with pytest.raises(BadInput, match="too large for 32-bit sums in section 1"):
        read_gray(tmp_path / "a.tif")


@pytest.mark.parametrize("value, pixels", [(-9999, 70), (-32768, 1), (1e6, 1)])
def test_one_value_that_outweighs_all_others(tmp_path, stack, value, pixels):
    stack[0].ravel()[:pixels] = value
    write_stack(tmp_path / "a.tif", stack)
    with pytest.raises(BadInput, match=f"in {pixels} pixels, far from all others"):
        read_gray(tmp_path / "a.tif")


def test_images_of_few_values_and_bright_spots_are_images(tmp_path, random):
    two = (random.random((2, 60, 70)) > 0.99).astype(np.uint8) * 255
    spots = random.poisson(100, (2, 60, 70)).astype(np.uint16)
    spots[:, ::20, ::20] = 30000
    for stack in (two, spots):
        write_stack(tmp_path / "a.tif", stack)
        assert np.array_equal(read_gray(tmp_path / "a.tif").pixels, stack)


@pytest.mark.parametrize("dtype", ["i4", "u4"])
def test_a_hot_pixel_of_a_deep_image(tmp_path, random, dtype):
    """All gray values beside it would be one, as whole numbers are divided by their type's largest."""
    stack = random.integers(100, 5000, (2, 40, 50)).astype(dtype)
    write_stack(tmp_path / "a.tif", stack)
    assert np.array_equal(read_gray(tmp_path / "a.tif").pixels, stack)
    stack[1, 3, 4] = np.iinfo(dtype).max
    write_stack(tmp_path / "a.tif", stack)
    with pytest.raises(BadInput, match="in 1 pixels, far from all others"):
        read_gray(tmp_path / "a.tif")


@pytest.mark.parametrize("scale, offset", [(1e-198, 0), (1e-3, 1e9)])
def test_values_that_32_bits_do_not_tell_apart(tmp_path, random, scale, offset):
    write_stack(tmp_path / "a.tif", random.random((2, 40, 50)) * scale + offset)
    with pytest.raises(BadInput, match="as 32-bit numbers are hardly different"):
        read_gray(tmp_path / "a.tif")


def test_commands_end_in_a_sentence_and_never_in_a_map_of_nan(tmp_path, stack, capsys):
    labels = np.zeros(stack.shape, np.uint8)
    labels[:, 10:40, 10:40] = 1
    write_stack(tmp_path / "labels.tif", labels)
    write_stack(tmp_path / "plain.tif", stack)
    train = ["train", "--labels", str(tmp_path / "labels.tif"), "--labels-are", "cells", "--profile", "smoke"]
    train += ["--set", "steps=2", "--set", "tile_size=252", "--device", "cpu"]
    assert main([*train, "--images", str(tmp_path / "plain.tif"), "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"
    bad = stack.copy()
    bad[0, 0] = -3.4028235e38
    write_stack(tmp_path / "bad.tif", bad)
    capsys.readouterr()
    assert main([*train, "--images", str(tmp_path / "bad.tif"), "--out", str(tmp_path / "new")]) == 2
    weights = str(tmp_path / "run" / "weights.pt")
    assert main(["predict", "--weights", weights, str(tmp_path / "bad.tif"), str(tmp_path / "out.tif")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and said.count("too large for 32-bit sums in section 0") == 2
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob("out*"))
    bad[0, 0] = -9999
    write_stack(tmp_path / "bad.tif", bad)
    assert main(["predict", "--weights", weights, str(tmp_path / "bad.tif"), str(tmp_path / "out.tif")]) == 0
    assert "bad.tif holds -9999, " in capsys.readouterr().out


def test_a_network_whose_output_is_not_finite_ends_the_prediction():
    network = new_network(PROFILES["smoke"]).eval()
    predictor = Predictor(network, Standardisation(0.0, 1e-38, "float32"), "none")
    section = np.full((60, 70), 1e17, np.float32)
    with pytest.raises(BadInput, match="output is not finite.*too far from the training stack's"):
        predictor.predict_block(section, predictor.plan(*section.shape).blocks[0])


@pytest.mark.parametrize("dtype, lone", [("f4", -9999), ("f4", 1e6), ("i4", -(2**31)), ("f4", None), ("u2", None)])
def test_values_far_from_the_training_stacks_are_told(dtype, lone):
    """Wherever they are, as the map is wrong around them; the rest of it is right, so it is made."""
    standardisation = Standardisation(0.5, 0.2, np.dtype(dtype).name)
    predictor = Predictor(new_network(PROFILES["smoke"]).eval(), standardisation, "none")
    usual = (0.0, float(standardisation.largest))
    told = predictor.lone_value(*usual if lone is None else sorted((usual[0], lone)))
    if lone is None or dtype == "i4":  # whole numbers are never further than their type
        assert told is None
    else:
        assert f"{lone:g}, " in told and "wrong up to 92 px around it" in told
