"""Figure 2: tiles without seams, mirrored borders, any image size."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from unet_paper.network import CONTEXT, UNet, is_valid_input_size, multiply_adds, nearest_valid_input_sizes
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import mirrored_indices, mirrored_region, plan_blocks, tile_size
from unet_paper.prediction import BYTES_PER_PIXEL_AND_CHANNEL, Predictor, predict_stack
from unet_paper.support.errors import BadInput
from unet_paper.test_time_augmentation import views

AS_IT_IS = Standardisation(0.0, 1.0, "float32")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet(base_channels=2).eval()


def one_pass(network, image):
    """The obvious way: mirror the whole image, pass it through at once, cut off what is too much."""
    sizes = [nearest_valid_input_sizes(length + 2 * CONTEXT)[1] for length in image.shape]
    pads = [(CONTEXT, size - CONTEXT - length) for size, length in zip(sizes, image.shape, strict=True)]
    mirrored = torch.from_numpy(np.pad(image, pads, mode="reflect"))
    with torch.no_grad():
        scores = network(mirrored[None, None])
    return scores[0, :, : image.shape[0], : image.shape[1]].softmax(0)[1].numpy()


def drawn_image(random):
    """A smooth float32 image of a size that is drawn; one in four is only a few px high or wide."""
    shape = random.integers(1, 420, 2)
    if random.random() < 0.25:
        shape[random.integers(2)] = random.integers(1, 4)
    image = torch.from_numpy(random.standard_normal((1, 1, *(-(-shape // 6) + 1)), dtype=np.float32))
    return torch.nn.functional.interpolate(image, size=tuple(shape.tolist()), mode="bilinear")[0, 0].numpy()


@pytest.mark.parametrize("seed", range(25))
def test_tiled_equals_one_pass_for_drawn_shapes_and_tiles(network, seed):
    random = np.random.default_rng(seed)
    image = drawn_image(random)
    largest = 204 + 16 * int(random.integers(0, 14))
    tiled = predict_stack(network, AS_IT_IS, image[None], "none", largest)[0]
    assert np.abs(tiled - one_pass(network, image)).max() < 1e-5


def test_tiled_equals_one_pass_to_the_last_digits_in_double_precision(random):
    """Laid by the same plan but computed in float64, nothing is left of the difference: it was rounding."""
    torch.manual_seed(0)
    network = UNet(base_channels=2).double().eval()
    image = drawn_image(random).astype(np.float64)
    plan = plan_blocks(*image.shape, views("none"), largest_tile=236)
    assert len(plan.blocks) > 1

    def read(*region):
        return torch.from_numpy(mirrored_region(image, *region))

    def run(tile):
        return network(tile[None, None])[0].softmax(0)

    expected = one_pass(network, image)
    with torch.inference_mode():
        for block in plan.blocks:
            found = views("none")[0].predict(block, image.shape, read, run)[1].numpy()
            assert np.abs(found - expected[block.top : block.bottom, block.left : block.right]).max() < 1e-12


@pytest.mark.long
@pytest.mark.parametrize("size", [204, 220, 252, 300, 380, 572, 700])
def test_a_section_in_tiles_of_every_size(network, sections, size):
    section = (sections[0][:1] / 255).astype(np.float32)
    whole = predict_stack(network, AS_IT_IS, section, "none")[0]
    tiled = predict_stack(network, AS_IT_IS, section, "none", size)[0]
    assert np.abs(tiled - whole).max() < 1e-5


@pytest.mark.parametrize("tta", ["none", "d4", "rot7"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (512, 512), (333, 1025), (5000, 300)])
@pytest.mark.parametrize("limit", [{"largest_tile": 300}, {"largest_pixels": 2**19}, {}])
def test_blocks_cover_the_image_once_and_lie_on_the_grid(tta, shape, limit):
    plan = plan_blocks(*shape, views(tta), **limit)
    covered = np.zeros(shape, int)
    for block in plan.blocks:
        assert block.top % 16 == 0 and block.left % 16 == 0
        covered[block.top : block.bottom, block.left : block.right] += 1
    assert (covered == 1).all()
    assert all(is_valid_input_size(size) for size in plan.tile)
    assert max(plan.tile) <= limit.get("largest_tile", 10**9)
    assert plan.tile[0] * plan.tile[1] <= limit.get("largest_pixels", 10**9)
    assert plan.work > 1 and plan.input_pixels > 1


def test_the_plan_is_the_cheapest(random):
    """Against every way to cut the image into equal blocks on the grid."""
    for _ in range(5):
        height, width = random.integers(200, 900, 2).tolist()
        plan = plan_blocks(height, width, views("none"), largest_pixels=420**2)

        def cost(down, across, height=height, width=width):
            tiles = [
                (tile_size(min(down, height - top)), tile_size(min(across, width - left)))
                for top in range(0, height, down)
                for left in range(0, width, across)
            ]
            return np.inf if max(h * w for h, w in tiles) > 420**2 else sum(multiply_adds(h, w) for h, w in tiles)

        best = min(cost(down, across) for down in range(16, height + 16, 16) for across in range(16, width + 16, 16))
        found = sum(multiply_adds(*(int(tile_size(side)) for side in block.shape)) for block in plan.blocks)
        assert found == best


def test_work_is_counted_as_the_network_does_it():
    network, multiplications = UNet(base_channels=3), []

    def count(layer, inputs, output):
        taps = layer.kernel_size[0] * layer.kernel_size[1]
        # Every output pixel of an up-convolution with stride 2 lies under one of its four taps.
        taps = 1 if isinstance(layer, torch.nn.ConvTranspose2d) else taps
        multiplications.append(taps * layer.in_channels * output.numel())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d) and layer is not network.classifier:
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 1, 220, 236))
    assert multiply_adds(220, 236, base_channels=3) == sum(multiplications)


def test_the_papers_tile_takes_301_gflop():
    assert 2 * multiply_adds(572, 572) == pytest.approx(301e9, rel=0.005)


def test_very_large_images_are_planned_too():
    plan = plan_blocks(200_000, 200_000, views("d4"), 2**20)
    assert plan.tile[0] * plan.tile[1] > 2**19 and 1 < plan.work < 1.3


def test_too_small_a_limit_is_refused():
    with pytest.raises(BadInput, match="at least 204 px"):
        plan_blocks(500, 500, views("none"), largest_tile=188)
    with pytest.raises(BadInput, match="at least 220 px"):
        plan_blocks(500, 500, views("d4"), largest_tile=204)
    with pytest.raises(BadInput, match="41,616 px are needed"):
        plan_blocks(500, 500, views("none"), largest_pixels=10_000)


def test_a_padded_network_sees_an_image_whole(network):
    """Else it would see zeros wherever the image is cut."""
    padded = Predictor(UNet(base_channels=2, padding="zeros"), Standardisation(0.5, 0.2, "uint8"), "d4")
    cut = Predictor(network, padded.standardisation, "d4")
    assert len(cut.plan(1500, 1600).blocks) > len(padded.plan(1500, 1600).blocks) == 1
    needs = "as a padded network must see the image whole"
    with pytest.raises(BadInput, match=f"tiles of 508 px are too small here, {needs}; give at least 684 px"):
        padded.plan(500, 400, largest_tile=508)
    with pytest.raises(BadInput, match=f"but 402,192 px are needed, {needs}; allow more memory"):
        padded.plan(500, 400, memory=BYTES_PER_PIXEL_AND_CHANNEL * 2 * 400_000)
    assert len(padded.plan(500, 400, largest_tile=684).blocks) == 1


def test_mirror_is_numpys_reflect(random):
    for length in (1, 2, 3, 10, 50):
        expected = np.pad(np.arange(length), (120, 130), mode="reflect") if length > 1 else np.zeros(251)
        assert np.array_equal(mirrored_indices(-120, length + 130, length), expected)
    image = random.random((20, 31))
    assert np.array_equal(mirrored_region(image, -9, 25, 3, 40), np.pad(image, 9, mode="reflect")[0:34, 12:49])


@pytest.mark.parametrize(
    ("section", "sides", "message"),
    [
        (np.zeros(4), (0, 1, 0, 1), "a section of shape .4,.; expected"),
        (5, (0, 1, 0, 1), "a section of shape ..; expected"),
        (None, (0, 1, 0, 1), "a section of shape ..; expected"),
        (np.zeros((1, 4, 4)), (0, 1, 0, 1), "a section of shape .1, 4, 4."),
        (np.zeros((0, 4)), (0, 1, 0, 1), "a section of shape .0, 4."),
        (np.zeros((4, 4)), (3, 1, 0, 2), "rows 3 to 1 and columns 0 to 2 are an empty part"),
        (np.zeros((4, 4)), (0.0, 1, 0, 2), "give whole numbers, px"),
        (np.zeros((4, 4)), (None, 1, 0, "2"), "give whole numbers, px"),
        (np.zeros((4, 4)), (10**30, 10**30 + 2, 0, 2), r"more than 1e\+18 px away from the section; give nearer ones"),
        (np.zeros((4, 4)), (0, 2, -(10**5000), 0), r"more than 1e\+18 px away from the section; give nearer ones"),
        (
            np.zeros((4, 4)),
            (-(10**9), 10**9, 0, 10**9),
            "a part of 2,000,000,000 x 1,000,000,000 px takes .* GiB of mem",
        ),
        (np.zeros((4, 1)), (0, 1, 0, 10**13), "a part of 1 x 10,000,000,000,000 px takes .* GiB of memory"),
        (sparse.eye_array(4), (0, 1, 0, 1), "a section of shape ..; expected"),
        (sparse.csr_array(np.eye(4)), (0, 1, 0, 1), "a section of shape ..; expected"),
    ],
)
def test_what_is_no_part_of_a_section(section, sides, message):
    with pytest.raises(BadInput, match=message):
        mirrored_region(section, *sides)


class Frame:
    """A table, as pandas has it: it has a shape, and brackets look up a column by name."""

    shape = (2, 2)

    def __getitem__(self, column):
        raise KeyError(column)

    def __array__(self, dtype=None, copy=None):
        return np.array([[1, 2], [3, 4]])


@pytest.mark.parametrize("section", [Frame(), memoryview(np.array([[1, 2], [3, 4]]))])
def test_a_part_of_what_can_be_made_an_array(section):
    assert mirrored_region(section, -1, 1, 0, 1).tolist() == [[3], [1]]


def test_a_part_of_a_list_and_by_numpys_numbers():
    assert mirrored_region([[1, 2], [3, 4]], *map(np.int8, (-1, 1, 0, 1))).tolist() == [[3], [1]]
    with pytest.raises(BadInput, match="rows 3 to 1"):
        mirrored_region(np.zeros((4, 4)), np.uint8(3), np.uint8(1), 0, 2)


def test_a_part_of_masked_pixels_or_of_a_tensor_with_a_gradient_is_refused():
    masked = np.ma.array(np.eye(4), mask=np.eye(4) > 0)
    for section, said in ((masked, "are masked"), (torch.ones((4, 4), requires_grad=True), "NumPy makes no array")):
        with pytest.raises(BadInput, match=said):
            mirrored_region(section, -1, 3, 0, 4)


def test_the_pixels_that_are_said_to_be_needed_are_enough():
    with pytest.raises(BadInput, match="are needed; allow more memory") as told:
        plan_blocks(40, 40, views("none"), largest_pixels=1)
    needed = int(str(told.value).split(" but ")[1].split(" px")[0].replace(",", ""))
    assert math.prod(plan_blocks(40, 40, views("none"), largest_pixels=needed).tile) == needed
