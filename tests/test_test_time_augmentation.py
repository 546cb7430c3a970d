"""Averages over flips and rotations: what they do to a network that hands on its input, and to the map."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from unet_paper import test_time_augmentation
from unet_paper.network import CONTEXT, UNet
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import Block, mirrored_region, plan_blocks
from unet_paper.prediction import predict_stack
from unet_paper.support.errors import BadInput
from unet_paper.test_time_augmentation import TurnedView, views

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


def tile_of(view, block, shape, read):
    """The tile that a view gives the network for a block."""
    tiles = []

    def network(tile):
        tiles.append(tile)
        return tile[None, CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]

    view.predict(block, shape, read, network)
    (tile,) = tiles
    return tile


def drawn_block(random, shape):
    """On the 16 px grid, of up to 4 of its meshes a side."""
    sides = []
    for length in shape:
        start = 16 * int(random.integers(0, -(-length // 16)))
        sides += [start, min(length, start + 16 * int(random.integers(1, 5)))]
    return Block(*sides)


def test_no_view_asks_for_a_larger_tile_than_it_announced(random):
    """Of images of drawn sizes, whole or cut, turned by drawn angles too: memory is planned with what is announced."""

    def read(top, bottom, left, right):
        return torch.zeros(1, 1).expand(bottom - top, right - left)

    for _ in range(40):
        shape = tuple(int(length) for length in random.integers(1, 150, 2))
        turned = [TurnedView(random.uniform(0, 2 * math.pi)) for _ in range(3)]
        for block in (Block(0, shape[0], 0, shape[1]), drawn_block(random, shape)):
            for view in (*views("d4"), *turned):
                announced = view.tile(*block.shape, block.shape != shape)
                assert np.all(np.array(tile_of(view, block, shape, read).shape) <= announced)


@pytest.mark.parametrize("tta", ["none", "d4", "rot7"])
@pytest.mark.parametrize("shape", [(61, 507), (507, 61), (300, 300)])
def test_no_tile_is_larger_than_the_plan_says(tta, shape):
    """Of an image that is cut along both sides, or along one of them only."""

    def read(top, bottom, left, right):
        return torch.zeros(1, 1).expand(bottom - top, right - left)

    plan = plan_blocks(*shape, views(tta), largest_pixels=340**2)
    sizes = [tile_of(view, block, shape, read).shape for block in plan.blocks for view in views(tta)]
    assert len(plan.blocks) > 1
    assert max(map(math.prod, sizes)) <= math.prod(plan.tile) <= 340**2
    assert sum(map(math.prod, sizes)) <= plan.input_pixels * math.prod(shape) * len(views(tta))


def test_a_turned_view_reads_all_that_its_tile_is_sampled_from(random, monkeypatch):
    """With more of the image around, which the kernel does not reach, no pixel of the tile is another."""
    image = random.normal(size=(60, 81)).astype(np.float32)

    def read(*region):
        return torch.from_numpy(mirrored_region(image, *region))

    for _ in range(5):
        view, block = TurnedView(random.uniform(0, 2 * math.pi)), drawn_block(random, image.shape)
        tile = tile_of(view, block, image.shape, read)
        with monkeypatch.context() as patch:
            patch.setattr(test_time_augmentation, "SAMPLING_MARGIN", 20)
            # The larger region's coordinates round differently.
            assert torch.allclose(tile, tile_of(view, block, image.shape, read), atol=2e-3)


@pytest.mark.long
@pytest.mark.parametrize("tta", ["rot7", "d4"])
def test_averages_do_not_depend_on_the_tiles(network, tta, sections):
    volume = sections[0][:1, :300, :211]
    whole = predict(network, volume, tta)
    tiled = predict_stack(network, STANDARDISATION, volume, tta, 300)
    # Bicubic sampling at coordinates counted from elsewhere rounds differently.
    assert np.abs(tiled - whole).max() < (1e-5 if tta == "d4" else 1e-3)


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


@pytest.mark.parametrize("tta", ["rot8", "", None, 7])
def test_another_word_is_refused(tta):
    with pytest.raises(BadInput, match="tta is .*; it must be one of none, rot7, d4"):
        views(tta)
