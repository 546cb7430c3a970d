"""Section 4: averages over transformed inputs, and the challenge's result format."""

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from unet_paper.io.stack import write_stack
from unet_paper.network import CONTEXT, UNet
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import Block, mirrored_region
from unet_paper.prediction import Predictor, predict_stack
from unet_paper.support.errors import BadInput
from unet_paper.test_time_augmentation import views

STANDARDISATION = Standardisation(0.5, 0.2, "uint8")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return UNet(base_channels=2).eval()


def predict(network, volume, tta):
    return predict_stack(network, STANDARDISATION, volume, tta)


def test_d4_does_not_depend_on_how_the_image_lies(network, random):
    volume = random.integers(0, 256, (1, 40, 56), dtype=np.uint8)
    straight = predict(network, volume, "d4")
    assert straight.shape == volume.shape and straight.dtype == np.float32
    for turn in (lambda v: np.rot90(v, axes=(1, 2)), lambda v: v[:, ::-1], lambda v: v.transpose(0, 2, 1)):
        turned = np.ascontiguousarray(turn(volume))
        assert np.allclose(predict(network, turned, "d4"), turn(straight), atol=1e-5)
    assert not np.allclose(predict(network, volume, "none"), straight, atol=1e-3)


@pytest.mark.parametrize("tta", ["none", "rot7", "d4"])
def test_a_uniform_image_gives_the_same_map_whatever_the_average(network, tta):
    """A constant image's map varies only with the place on the 16 px grid; with these weights not even so."""
    with torch.no_grad():
        flat = UNet(base_channels=2).eval()
        for layer in flat.modules():
            if isinstance(layer, torch.nn.ConvTranspose2d):
                layer.weight.copy_(layer.weight.mean((2, 3), keepdim=True).expand_as(layer.weight))
    volume = np.full((1, 50, 33), 180, np.uint8)
    assert np.ptp(predict(flat, volume, tta)) < 1e-5
    assert np.allclose(predict(flat, volume, tta), predict(flat, volume, "none"), atol=1e-5)


def test_there_and_back_again(random):
    """A network that hands on its input: turned and turned back, a smooth image is what it was, in whatever blocks."""
    y, x = np.mgrid[:60, :81]
    image = torch.from_numpy((np.sin(x / 9) + np.cos(y / 7)).astype(np.float32))

    def read(*region):
        return torch.from_numpy(mirrored_region(image.numpy(), *region))

    def hand_on(tile):
        return tile[None, CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]

    for tta in ("rot7", "d4"):
        for view in views(tta):
            for block in (Block(0, 60, 0, 81), Block(32, 60, 16, 64)):
                back = view.predict(block, image.shape, read, hand_on)[0]
                difference = (back - image[block.top : block.bottom, block.left : block.right]).abs()
                # At the border the mirrored image has a kink, which no interpolation follows.
                assert difference.shape == block.shape and difference[2:-2, 2:-2].max() < 0.02


@pytest.mark.parametrize("tta", ["rot7", "d4"])
def test_averages_do_not_depend_on_the_tiles(network, tta, sections):
    volume = sections[0][:1, :300, :211]
    whole = predict(network, volume, tta)
    tiled = predict_stack(network, STANDARDISATION, volume, tta, 300)
    # Bicubic sampling at coordinates counted from elsewhere rounds differently.
    assert np.abs(tiled - whole).max() < (1e-5 if tta == "d4" else 1e-3)


def test_the_map_is_the_probability_of_cell(network):
    """1 = cell, 0 = membrane: whatever the image, a classifier that always says "cell" gives ones."""
    with torch.no_grad():
        sure = UNet(base_channels=1).eval()
        sure.classifier.weight.zero_()
        sure.classifier.bias.copy_(torch.tensor([-9.0, 9.0]))
    for tta in ("none", "rot7", "d4"):
        assert predict(sure, np.zeros((1, 20, 20), np.uint8), tta).min() > 0.999


def mean_over_rotations(network, section, angles):
    """The slow, obvious way, with SciPy's splines: turn about the centre into a square, predict, turn back."""
    y, x = np.mgrid[: section.shape[0], : section.shape[1]] - (np.array(section.shape) - 1)[:, None, None] / 2
    size = 2 * int(np.ceil(np.hypot(*section.shape) / 2)) + 3
    v, u = np.mgrid[:size, :size] - (size - 1) / 2
    maps = []
    for angle in angles:
        cosine, sine = np.cos(angle), np.sin(angle)
        there = np.stack([sine * u + cosine * v, cosine * u - sine * v])
        there += (np.array(section.shape) - 1)[:, None, None] / 2
        turned = ndimage.map_coordinates(STANDARDISATION(section / 255), there, order=3, mode="mirror")
        as_it_is = Standardisation(0.0, 1.0, "float32")
        probability = predict_stack(network, as_it_is, turned[None].astype(np.float32), "none")[0]
        back = np.stack([cosine * y - sine * x, sine * y + cosine * x]) + (size - 1) / 2
        maps.append(ndimage.map_coordinates(probability, back, order=1))
    return np.mean(maps, axis=0)


def test_rot7_is_the_mean_over_k_360_7_degrees(network, sections):
    section = sections[0][0, :90, :120]
    found = predict(network, section[None], "rot7")[0]
    turns = np.arange(1, 7) * 2 * np.pi / 7
    expected = mean_over_rotations(network, section, turns) * 6 / 7 + predict(network, section[None], "none")[0] / 7
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.97
    others = mean_over_rotations(network, section, turns * 7 / 8)
    assert np.corrcoef(others.ravel(), found.ravel())[0, 1] < 0.9


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
