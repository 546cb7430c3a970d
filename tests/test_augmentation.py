"""Section 3.1: one sampling that keeps image, labels and weights together, smooth, and mirrored beyond the image."""

import math

import numpy as np
import pytest
import torch

from unet_paper.augmentation import (
    Deformation,
    GrayVariation,
    augmented_tile,
    draw_deformation,
    draw_gray_variation,
    sample,
    source_coordinates,
)

STILL = torch.zeros(2, 3, 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tile_of(image, deformation, size, mode="bicubic"):
    return sample(torch.as_tensor(image, dtype=torch.float32)[None], source_coordinates(deformation, size), mode)[
        0
    ].numpy()


@pytest.mark.parametrize("mode", ["bicubic", "bilinear", "nearest"])
def test_no_deformation_gives_the_mirrored_image(random, mode):
    image = random.normal(size=(40, 50)).astype(np.float32)
    deformation = Deformation((24.0, 19.0), 0.0, False, STILL)
    expected = np.pad(image, 60, mode="reflect")[60 + 19 - 50 : 60 + 19 + 51, 60 + 24 - 50 : 60 + 24 + 51]
    assert np.allclose(tile_of(image, deformation, 101, mode), expected, atol=1e-3)


def test_quarter_turn_and_flip_are_exact(random):
    image = random.normal(size=(31, 31)).astype(np.float32)
    turned = tile_of(image, Deformation((15.0, 15.0), math.pi / 2, False, STILL), 31)
    assert np.allclose(turned, np.rot90(image), atol=1e-3)
    flipped = tile_of(image, Deformation((15.0, 15.0), 0.0, True, STILL), 31)
    assert np.allclose(flipped, image[:, ::-1], atol=1e-3)


def test_grid_spans_the_tile_and_is_interpolated_smoothly():
    grid = torch.randn(2, 3, 3, generator=generator()) * 10
    still = source_coordinates(Deformation((100.0, 100.0), 0.0, False, STILL), 201)
    moved = source_coordinates(Deformation((100.0, 100.0), 0.0, False, grid), 201)
    displacement = (moved - still).permute(2, 0, 1)
    assert torch.allclose(displacement[:, ::100, ::100], grid, atol=1e-4)
    # Smooth: no jump between neighbours, and no kink between the grid's cells.
    first = displacement.diff(dim=1)
    assert first.abs().max() < 1.5 and first.diff(dim=1).abs().max() < 0.05


def test_displacements_have_the_papers_deviation():
    source = generator()
    grids = torch.stack([draw_deformation((512, 512), source).grid for _ in range(2000)])
    assert grids.shape[1:] == (2, 3, 3)
    assert grids.std(dim=0) == pytest.approx(torch.full((2, 3, 3), 10.0), rel=0.1)
    assert abs(float(grids.mean())) < 0.2


def test_draws_cover_the_image_the_circle_and_both_sides():
    source = generator()
    draws = [draw_deformation((300, 500), source) for _ in range(2000)]
    x, y = np.array([draw.centre for draw in draws]).T
    assert 0 <= x.min() < 10 and 489 < x.max() <= 499 and 0 <= y.min() < 10 and 289 < y.max() <= 299
    angles = np.histogram([draw.angle for draw in draws], bins=8, range=(0, 2 * math.pi))[0]
    assert angles.sum() == 2000 and angles.min() > 180
    assert 0.4 < np.mean([draw.flip for draw in draws]) < 0.6
    assert draw_deformation((9, 9), source, rotate=False, flip=False).angle == 0
    assert not any(draw_deformation((9, 9), source, flip=False).flip for _ in range(20))


def test_what_is_drawn_for_a_tile_is_drawn_independently():
    """Centre, angle, side, all displacements, contrast and brightness: no two of them go together."""
    source = generator()
    rows = []
    for _ in range(2000):
        drawn, gray = draw_deformation((300, 500), source), draw_gray_variation(source)
        shape = [*drawn.centre, drawn.angle, drawn.flip, *drawn.grid.flatten().tolist()]
        rows.append([*shape, gray.contrast, gray.brightness])
    correlation = np.corrcoef(np.array(rows).T)
    assert np.abs(correlation - np.eye(4 + 18 + 2)).max() < 0.1


def test_without_shifts_a_tile_lies_on_the_middle_of_its_section(random):
    source = generator()
    draws = [draw_deformation((300, 501), source, shift=False) for _ in range(5)]
    assert {draw.centre for draw in draws} == {(250.0, 149.5)} and len({draw.angle for draw in draws}) == 5
    image = torch.from_numpy(random.normal(size=(40, 60)).astype(np.float32))
    deformation = draw_deformation((40, 60), source, displacement_sigma=0.0, rotate=False, flip=False, shift=False)
    tile = augmented_tile(image, image, image, deformation, None, 20, 0)[0]
    assert np.allclose(tile[0], image[10:30, 20:40], atol=1e-4)


def cubic_weights(fraction):
    """Keys' kernel with a = -0.75, PyTorch's, for the four pixels around a place, `fraction` px after the second."""
    a, distance = -0.75, np.abs(np.array([-1.0, 0.0, 1.0, 2.0]) - fraction)
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, far)


@pytest.mark.parametrize("shift", [(0.5, 0.5), (0.25, 0.7)])
def test_gray_values_are_sampled_bicubically(random, shift):
    """Away from the edges, each is a weighted mean of 4 x 4 pixels: noise tells that from any other interpolation."""
    image = random.normal(size=(40, 60)).astype(np.float32)
    deformation = Deformation((29.5 + shift[0], 19.5 + shift[1]), 0.0, False, STILL)
    given = torch.from_numpy(image)
    tile = augmented_tile(given, given, given, deformation, None, 20, 0)[0][0]
    windows = np.lib.stride_tricks.sliding_window_view(image, (4, 4))[9:29, 19:39]  # from the pixel before each
    expected = np.einsum("yxij,i,j->yx", windows, cubic_weights(shift[1]), cubic_weights(shift[0]))
    assert np.allclose(tile, expected, atol=1e-4)


def test_image_labels_and_weights_stay_together():
    """Three copies of one smooth picture must come out as one, whatever the deformation."""
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    picture = torch.sin(x / 23) * 40 + torch.cos(y / 31) * 40 + 100
    source = generator(4)
    for _ in range(5):
        deformation = draw_deformation((256, 256), source)
        tile, labels, weights = augmented_tile(picture, picture, picture, deformation, None, 220, 92)
        inner = tile[0, 92:-92, 92:-92]
        assert labels.shape == weights.shape == inner.shape == (36, 36)
        steepest = 40 / 23 + 40 / 31
        assert (inner - weights).abs().max() < steepest  # nearest neighbour: at most 0.71 px off
        assert torch.equal(labels, weights.long())


def test_labels_and_weights_are_never_interpolated(sections):
    labels = torch.from_numpy((sections[1][0] > 0).astype(np.float32))
    weights = labels * 3 + 7
    source = generator(1)
    deformation = draw_deformation((512, 512), source)
    _, out, out_weights = augmented_tile(weights, labels, weights, deformation, None, 572, 92)
    assert out.shape == (388, 388) and out.dtype == torch.int64
    assert set(out.unique().tolist()) == {0, 1}
    assert torch.equal(out_weights, out * 3.0 + 7)


def test_gray_variation_changes_gray_values_only():
    image = torch.randn(256, 256, generator=generator())
    labels, weights = (image > 0).float(), image.abs()
    deformation = draw_deformation((256, 256), generator(2))
    plain = augmented_tile(image, labels, weights, deformation, None, 188, 92)
    varied = augmented_tile(image, labels, weights, deformation, GrayVariation(1.3, -0.2), 188, 92)
    assert torch.allclose(varied[0], plain[0] * 1.3 - 0.2, atol=1e-5)
    assert torch.equal(varied[1], plain[1]) and torch.equal(varied[2], plain[2])
    drawn = [draw_gray_variation(generator(seed), 0.2, 0.3) for seed in range(200)]
    assert 0.8 <= min(g.contrast for g in drawn) < 0.83 and 1.17 < max(g.contrast for g in drawn) <= 1.2
    assert -0.3 <= min(g.brightness for g in drawn) < -0.27 and 0.27 < max(g.brightness for g in drawn) <= 0.3


def test_same_seed_same_tile():
    first, second = (draw_deformation((512, 512), generator(9)) for _ in range(2))
    assert first.centre == second.centre and first.angle == second.angle and torch.equal(first.grid, second.grid)
    assert draw_deformation((512, 512), generator(10)).centre != first.centre
