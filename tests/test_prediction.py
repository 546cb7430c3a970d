"""Section 4: averages over transformed inputs, and the challenge's result format."""

import numpy as np
import pytest
import tifffile
import torch

from unet_paper.io.stack import write_stack
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import Block
from unet_paper.prediction import BYTES_PER_PIXEL_AND_CHANNEL, Predictor, predict_stack
from unet_paper.support.errors import BadInput

STANDARDISATION = Standardisation(0.5, 0.2, "uint8")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return UNet(base_channels=2).eval()


def predict(network, volume, tta):
    return predict_stack(network, STANDARDISATION, volume, tta)


def test_the_map_is_the_probability_of_cell(network):
    """1 = cell, 0 = membrane: whatever the image, a classifier that always says "cell" gives ones."""
    with torch.no_grad():
        sure = UNet(base_channels=1).eval()
        sure.classifier.weight.zero_()
        sure.classifier.bias.copy_(torch.tensor([-9.0, 9.0]))
    for tta in ("none", "rot7", "d4"):
        assert predict(sure, np.zeros((1, 20, 20), np.uint8), tta).min() > 0.999


def test_result_format(tmp_path, network):
    volume = np.full((2, 20, 30), 100, np.uint8)
    write_stack(tmp_path / "out.tif", predict(network, volume, "none"), "probability")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.is_imagej and file.series[0].axes == "ZYX"
        assert file.asarray().dtype == np.float32 and file.asarray().shape == (2, 20, 30)
        assert file.imagej_metadata["Info"] == "probability"


def test_another_type_than_the_training_stacks_is_refused(network):
    with pytest.raises(BadInput, match="uint16.*uint8"):
        predict(network, np.zeros((1, 9, 9), np.uint16), "none")
    with pytest.raises(BadInput, match="rot7"):
        predict(network, np.zeros((1, 9, 9), np.uint8), "rot8")


def test_a_network_in_memory_keeps_its_mode_and_is_extrapolated_as_is_said(network):
    """In the mode of evaluation meanwhile, where dropout does nothing."""
    volume = np.random.default_rng(0).integers(0, 256, (1, 40, 50)).astype(np.uint8)
    expected = predict(network, volume, "none")
    given = UNet(base_channels=2)
    given.load_state_dict(network.state_dict())
    assert given.training and np.array_equal(predict(given, volume, "none"), expected)
    assert all(module.training for module in given.modules()) and not network.training
    zeros = predict_stack(given, STANDARDISATION, volume, "none", extrapolation="zeros")
    predictor = Predictor(network, STANDARDISATION, "none", extrapolation="zeros")
    assert np.array_equal(zeros[0], predictor.predict_block(volume[0], Block(0, 40, 0, 50))[0])
    assert not np.array_equal(zeros, expected)
    frozen = given.get_submodule(next(name for name, module in given.named_modules() if not list(module.children())))
    frozen.eval()
    predict(given, volume, "none")
    assert given.training and not frozen.training


def test_zeros_beyond_the_border():
    """They change the map near the border only, as far as the network sees."""
    torch.manual_seed(0)
    network, standardisation = UNet(base_channels=2).eval(), Standardisation(0.5, 0.2, "uint8")
    section = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    whole = Block(0, 300, 0, 300)
    mirrored, zeros = (
        Predictor(network, standardisation, "none", extrapolation=border).predict_block(section, whole)[0]
        for border in ("mirror", "zeros")
    )
    assert np.abs(mirrored - zeros)[:20].max() > 1e-4
    np.testing.assert_array_equal(mirrored[120:180, 120:180], zeros[120:180, 120:180])


def test_zeros_beyond_the_border_are_the_mean_gray(network, random):
    """As if the image lay in a larger one of nothing but the training stack's mean."""
    standardisation = Standardisation(100 / 255, 0.2, "uint8")
    section = random.integers(0, 256, (30, 50), dtype=np.uint8)
    larger, beyond = np.full((30 + 2 * 96, 50 + 2 * 96), 100, np.uint8), 96  # a multiple of 16, and all that it sees
    larger[beyond : beyond + 30, beyond : beyond + 50] = section
    predictors = [Predictor(network, standardisation, "none", extrapolation=name) for name in ("zeros", "mirror")]
    for top, bottom, left, right in ((0, 30, 0, 50), (16, 30, 32, 50)):
        found = predictors[0].predict_block(section, Block(top, bottom, left, right))
        within = Block(top + beyond, bottom + beyond, left + beyond, right + beyond)
        assert np.abs(found - predictors[1].predict_block(larger, within)).max() < 1e-5


@pytest.mark.parametrize(("mean", "deviation"), [(0, 1), (-2.2, 1), (2.2, 1), (0, 4.2), (0, 0.2)])
def test_gray_values_far_from_the_training_stacks_are_said_to_be(network, random, mean, deviation):
    """In mean or in spread."""
    predictor = Predictor(network, Standardisation(10.0, 3.0, "float32"), "none")
    values = random.normal(10 + 3 * mean, 3 * deviation, (1, 200, 200)).astype(np.float32)
    assert (predictor.warning(values) is None) == ((mean, deviation) == (0, 1))


@pytest.mark.parametrize("shape", [(100, 100_000), (100_000, 100), (1, 50_000)])
def test_of_a_narrow_image_no_more_is_looked_at(network, random, monkeypatch, shape):
    seen = []
    monkeypatch.setattr("unet_paper.prediction.gray_values", lambda values: seen.append(values.size) or values)
    values = np.broadcast_to(random.random(shape[1], np.float32), (1, *shape))
    Predictor(network, Standardisation(0.5, 0.3, "float32"), "none").warning(values)
    assert 0 < seen[0] < 128**2


def test_a_tile_takes_half_of_what_memory_is_free(network, monkeypatch):
    free = 2 * 300**2 * BYTES_PER_PIXEL_AND_CHANNEL * 2  # of which the network's two channels are a part
    monkeypatch.setattr("unet_paper.prediction.available_memory", lambda device: free)
    predictor = Predictor(network, STANDARDISATION, "none")
    height, width = predictor.plan(5000, 5000).tile
    assert 200**2 < height * width <= 300**2
    height, width = predictor.plan(5000, 5000, memory=free).tile
    assert 300**2 < height * width <= 2 * 300**2


@pytest.mark.parametrize(
    "view", [np.asarray, lambda mapped: mapped[:], lambda mapped: np.ndarray(mapped.shape, "u1", mapped._mmap)]
)
def test_changes_of_a_copy_on_write_array_are_kept(network, random, tmp_path, view):
    """They are in the mapping's pages alone, which are let go of after each tile."""
    (tmp_path / "pixels").write_bytes(bytes(2 * 20 * 30))
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "c", shape=(2, 20, 30))
    mapped[:] = changed = random.integers(1, 256, mapped.shape, dtype=np.uint8)
    assert np.array_equal(predict(network, view(mapped), "none"), predict(network, changed, "none"))
    assert np.array_equal(mapped, changed)


@pytest.mark.parametrize(("memory", "free"), [(0, 2**30), (10, 2**30), (None, 0), (None, 100)])
def test_next_to_no_memory_is_a_limit(network, monkeypatch, memory, free):
    monkeypatch.setattr("unet_paper.prediction.available_memory", lambda device: free)
    with pytest.raises(BadInput, match="memory allows tiles of [0-9] px .* allow more memory"):
        predict_stack(network, STANDARDISATION, np.zeros((20, 30), np.uint8), "none", memory=memory)


def test_a_blank_first_or_last_section_is_not_the_one_looked_at(random):
    predictor = Predictor(UNet(base_channels=2), Standardisation(0.0, 1.0, "float32"), "none")
    values = random.normal(0, 1, (3, 100, 100)).astype(np.float32)
    values[[0, -1]] = -9
    assert predictor.warning(values) is None
