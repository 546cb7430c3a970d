"""Labels that lie beside what they show: measured, and undone in training and in prediction."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from unet_paper.augmentation import Deformation, augmented_tile, sample
from unet_paper.config import PROFILES
from unet_paper.datasets.registration import measure
from unet_paper.datasets.training_set import draw_tile, prepare_training_set
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import Block, mirrored_region
from unet_paper.prediction import predict_stack
from unet_paper.support.errors import BadInput
from unet_paper.test_time_augmentation import bicubic_weights, moved, views
from unet_paper.volumes.work import region_of

AS_IT_IS = Standardisation(0.0, 1.0, "float32")
STILL = torch.zeros(2, 3, 3)


def cells(seed: int, size: int = 300) -> np.ndarray:
    """Smooth values, above 0 in cells, of no preferred direction."""
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 5, mode="wrap")


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.15, 0.55), (-1.4, 0.3), (3.0, -2.0)])
@pytest.mark.parametrize("brighter", [True, False])
def test_a_shift_is_measured_to_a_tenth_of_a_pixel(x, y, brighter):
    values = [cells(seed) for seed in range(3)]
    images = [ndimage.shift(each, (y, x), mode="grid-wrap") * (1 if brighter else -1) + 7 for each in values]
    found = measure(images, [each > 0 for each in values])
    assert found.shape == (3, 2) and np.abs(found - [x, y]).max() < 0.1
    assert np.array_equal(measure(np.array(images), np.array(values) > 0), found)


def test_numbered_cells_are_measured_as_a_mask_is():
    values = cells(4)
    numbers, count = ndimage.label(values > 0)
    image = ndimage.shift(values, (0.5, -1.0), mode="grid-wrap")
    assert count > 5 and np.array_equal(measure([image], [numbers]), measure([image], [values > 0]))


def test_what_cannot_be_measured_is_refused():
    values = cells(0)
    with pytest.raises(BadInput, match="section 1 has one class alone, so that its labels cannot be registered"):
        measure([values, values], [values > 0, values > 99])
    with pytest.raises(BadInput, match="section 0 has one gray value alone"):
        measure([np.ones_like(values)], [values > 0])
    with pytest.raises(BadInput, match="section 0 is below 256"):
        measure([values[:250]], [values[:250] > 0])
    with pytest.raises(BadInput, match="section 0 is below 256"):
        measure([values[:, :250]], [values[:, :250] > 0])
    for number in (np.nan, np.inf):
        with pytest.raises(BadInput, match="section 0 of the images holds values that are no finite real numbers"):
            measure([np.where(values > 0, number, values)], [values > 0])
    for elsewhere in (np.roll(values, 11, 0), np.random.default_rng(0).random(values.shape)):
        with pytest.raises(
            BadInput, match="labels of section 0 lie 8 px or more beside what they show, or show something"
        ):
            measure([elsewhere], [values > 0])
    with pytest.raises(BadInput, match="images"):
        measure(values[None], values[None, 1:] > 0)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("far", [8, -8])
def test_labels_that_may_lie_farther_away_than_is_looked_are_refused(far, axis):
    """The correlation is largest at the end of what is looked at, on each of the four sides; 7 px are found."""
    values = cells(0)
    with pytest.raises(BadInput, match="labels of section 0 lie 8 px or more beside"):
        measure([np.roll(values, far, axis)], [values > 0])
    near = measure([np.roll(values, far * 7 // 8, axis)], [values > 0])[0]
    assert np.abs(near - (0, far * 7 // 8)[:: 1 if axis == 0 else -1]).max() < 0.2


@pytest.mark.parametrize("registration", [(2.0, 0.0), (-3.0, 5.0), (0.0, -40.0)])
def test_whole_pixels_are_read_elsewhere(registration):
    section = np.random.default_rng(1).random((30, 40), np.float32)

    def read(*sides: int) -> torch.Tensor:
        return torch.from_numpy(mirrored_region(section, *sides))

    x, y = map(int, registration)
    for sides in ((0, 30, 0, 40), (-20, 10, 35, 90)):
        elsewhere = (sides[0] + y, sides[1] + y, sides[2] + x, sides[3] + x)
        assert torch.equal(moved(read, registration)(*sides), read(*elsewhere))


def test_a_part_of_a_pixel_is_read_between():
    """Of a straight slope bicubic sampling gives the value there; whatever the part, the whole's is the same."""
    slope = np.add.outer(3 * np.arange(60.0), 2 * np.arange(50.0)).astype(np.float32)
    noise = np.random.default_rng(2).random((60, 50), np.float32)

    def reader(section, registration):
        return moved(lambda *sides: torch.from_numpy(mirrored_region(section, *sides)), registration)

    inner = reader(slope, (0.5, -0.5))(10, 40, 10, 30)
    assert torch.allclose(inner, torch.from_numpy(slope[10:40, 10:30]) + 2 * 0.5 - 3 * 0.5, atol=1e-3)
    whole, part = (reader(noise, (0.25, -0.6))(*sides) for sides in ((-5, 60, -8, 50), (10, 20, 10, 22)))
    assert torch.equal(whole[15:25, 18:30], part)


def test_between_pixels_lies_what_pytorchs_bicubic_sampling_gives():
    noise = torch.rand(60, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for x, y in ((0.15, 0.6), (-0.3, 2.7), (-1.5, 0.0)):
        rows, columns = torch.arange(10.0, 40) + y, torch.arange(10.0, 30) + x
        places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).double()
        found = moved(lambda *sides: noise[slice(*sides[:2]), slice(*sides[2:])], (x, y))(10, 40, 10, 30)
        assert torch.allclose(found, sample(noise[None], places, "bicubic")[0], atol=1e-5)
    assert bicubic_weights(0.0) == (0, 1, 0, 0) and sum(bicubic_weights(0.3)) == pytest.approx(1)


def test_a_tile_shows_what_its_labels_show():
    """Labels drawn 3 px above and 2 px left of what they show come out on it, also in a turned and mirrored tile."""
    picture = torch.from_numpy(ndimage.gaussian_filter(np.random.default_rng(3).random((160, 160)) * 1000, 4)).float()
    labels = picture.roll((-3, -2), (0, 1))
    for angle, flip in ((0.0, False), (1.0, True)):
        deformation = Deformation((80.0, 80.0), angle, flip, STILL)
        tile, _, truth = augmented_tile(picture, labels, labels, deformation, None, 220, 92, (2.0, 3.0))
        beside = augmented_tile(picture, labels, labels, deformation, None, 220, 92)[0]
        errors = [float((each[0, 92:-92, 92:-92] - truth).abs().mean()) for each in (tile, beside)]
        assert errors[0] < 0.3 * errors[1]


def test_training_tiles_are_drawn_with_the_settings():
    images = [ndimage.shift(cells(seed), (0.55, 0.15), mode="grid-wrap").astype(np.float32) for seed in range(2)]
    labels = [(cells(seed) > 0).astype(np.uint8) for seed in range(2)]
    still = replace(
        PROFILES["smoke"],
        **{"tile_size": 476, "rotate": False, "flip": False, "shift": False, "displacement_sigma": 0.0},
        **{"contrast": 0.0, "brightness": 0.0},
    )
    left = []
    for config in (still, replace(still, registration_x=0.15, registration_y=0.55)):
        training_set = prepare_training_set(images, labels, config, "cpu")
        tile, truth, _ = draw_tile(training_set, config, torch.Generator().manual_seed(0))
        left.append(measure(tile[:, 0, 92:-92, 92:-92].numpy(), truth.numpy())[0])
    assert np.abs(left[0] - [0.15, 0.55]).max() < 0.15 and np.abs(left[1]).max() < 0.15


@pytest.mark.parametrize("tta", ["none", "d4"])
def test_a_prediction_is_that_of_the_moved_image_whatever_its_tiles(tta):
    """By whole pixels to the last digit but for rounding, and by parts of one the same for each cut into tiles."""
    torch.manual_seed(4)
    network = UNet(base_channels=2).eval()
    section = np.random.default_rng(5).normal(size=(204, 208)).astype(np.float32)
    there = mirrored_region(section, 3, 207, -2, 206)
    inner = (slice(96, -96), slice(96, -96))  # which does not see what lies beyond the ends
    expected = predict_stack(network, AS_IT_IS, there, tta)[inner]
    found = predict_stack(network, AS_IT_IS, section, tta, registration=(-2.0, 3.0))[inner]
    assert found.size and np.allclose(found, expected, atol=1e-4)
    corner = section[:90, :80]
    between = predict_stack(network, AS_IT_IS, corner, tta, registration=(0.15, 0.55))
    tiled = predict_stack(network, AS_IT_IS, corner, tta, largest_tile=240, registration=(0.15, 0.55))
    assert np.allclose(between, tiled, atol=1e-6)
    assert np.abs(between - predict_stack(network, AS_IT_IS, corner, tta)).max() > 1e-3


@pytest.mark.parametrize("registration", [(0.0,), (0.0, 0.0, 0.0), (float("nan"), 0.0), ("a", 0.0), None])
def test_a_registration_is_two_numbers(registration):
    section = np.zeros((20, 20), np.float32)
    with pytest.raises(BadInput, match="it must be \\(x, y\\), two numbers in px"):
        predict_stack(UNet(base_channels=2), AS_IT_IS, section, registration=registration)


def test_a_block_of_a_volume_is_read_with_what_its_registration_reaches():
    block, shape, seen = Block(0, 60, 300, 400), (2000, 2000), views("d4")
    usual, moved_far = (region_of(block, shape, seen, registration) for registration in ((0.0, 0.0), (9.5, -3.2)))
    assert moved_far.right == usual.right + 9 + 2 and moved_far.left == usual.left + 9 - 1  # the kernel's pixels
    assert moved_far.bottom == usual.bottom - 4 + 2
    assert region_of(block, shape, seen, (0.0, 8.5)).bottom == usual.bottom + 8 + 2
