"""Figure 2: tiles without seams, mirrored borders, any image size."""

import numpy as np
import pytest
import torch

from unet_paper.network import BORDER, UNet, nearest_valid_input_sizes, output_size
from unet_paper.tiles import SMALLEST_TILE, lay_tiles, mirrored_indices, predict_section


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet(width=2).double().eval()


def one_pass(network, image):
    """The obvious way: mirror the whole image, pass it through at once, cut off what is too much."""
    sizes = [nearest_valid_input_sizes(length + 2 * BORDER)[1] for length in image.shape]
    pads = [(BORDER, size - BORDER - length) for size, length in zip(sizes, image.shape, strict=True)]
    mirrored = torch.from_numpy(np.pad(image.numpy(), pads, mode="reflect"))
    with torch.no_grad():
        return network(mirrored[None, None])[0, :, : image.shape[0], : image.shape[1]].softmax(0)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (60, 61), (130, 97), (201, 64)])
@pytest.mark.parametrize("largest", [SMALLEST_TILE, 236, 252, 956])
def test_tiled_equals_one_pass(network, shape, largest):
    image = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(predict_section(network, image, largest), one_pass(network, image), atol=1e-12)


def test_a_section_in_the_papers_tiles(network):
    image = torch.randn(512, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(predict_section(network, image, 572), predict_section(network, image), atol=1e-12)


@pytest.mark.parametrize("length", range(1, 1200, 7))
@pytest.mark.parametrize("largest", [SMALLEST_TILE, 572, 956])
def test_tiles_cover_and_lie_on_the_grid(length, largest):
    axis = lay_tiles(length, largest)
    covered = np.zeros(length + 64, bool)
    for start in axis.starts:
        assert start % 16 == 0
        covered[start : start + output_size(axis.input_size)] = True
    assert covered[:length].all()
    assert axis.input_size <= largest
    assert max(axis.starts) + output_size(axis.input_size) < length + 16


def test_mirror_is_numpys_reflect():
    for length in (1, 2, 3, 10, 50):
        expected = np.pad(np.arange(length), (120, 130), mode="reflect") if length > 1 else np.zeros(251)
        assert np.array_equal(mirrored_indices(-120, length + 130, length), expected)


def test_probabilities_sum_to_one(network):
    probabilities = predict_section(network, torch.randn(30, 30, dtype=torch.float64))
    assert probabilities.shape == (2, 30, 30)
    assert torch.allclose(probabilities.sum(0), torch.ones(30, 30, dtype=torch.float64))
