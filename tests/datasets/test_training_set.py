"""Sections of any sizes, and pixels whose truth is not known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper.config import PROFILES
from unet_paper.datasets.phantom import make_phantom
from unet_paper.datasets.training_set import draw_tile, prepare_training_set
from unet_paper.support.errors import BadInput
from unet_paper.training import train, training_step
from unet_paper.weight_map import balancing_class_weights, weight_maps

TINY = replace(PROFILES["smoke"], base_channels=2, steps=4, tile_size=188)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(3, 96, seed=2)


def same(first, second):
    return all(
        torch.equal(one, other)
        for name in ("images", "labels", "weights")
        for one, other in zip(getattr(first, name), getattr(second, name), strict=True)
    )


def test_a_stack_and_a_list_of_its_sections_are_the_same(phantom):
    images, labels = phantom
    first = prepare_training_set(images, labels, TINY, "cpu")
    second = prepare_training_set(list(images), list(labels), TINY, "cpu")
    assert same(first, second) and first.standardisation == second.standardisation
    assert np.array_equal(torch.stack(first.weights), weight_maps(labels, TINY.w_0, TINY.sigma))


def test_sections_of_different_sizes(phantom):
    images, labels = phantom
    cuts = np.s_[:, :], np.s_[:31, :], np.s_[5:60, 10:17]
    parts = [[stack[section][cut] for section, cut in enumerate(cuts)] for stack in (images, labels)]
    found = prepare_training_set(*parts, TINY, "cpu")
    assert [tuple(section.shape) for section in found.weights] == [(96, 96), (31, 96), (55, 7)]
    gray = np.concatenate([part.ravel() for part in parts[0]]) / 255
    assert found.standardisation.mean == pytest.approx(gray.mean()) == pytest.approx(gray.mean())
    assert found.standardisation.deviation == pytest.approx(gray.std(), rel=1e-5)
    assert found.class_weights == balancing_class_weights(np.concatenate([part.ravel() for part in parts[1]]))
    alone = weight_maps(parts[1][1][None], class_weights=found.class_weights)[0]
    assert np.array_equal(found.weights[1], alone)
    drawn = {draw_tile(found, TINY, torch.Generator().manual_seed(seed))[0].shape for seed in range(6)}
    assert drawn == {(1, 1, 188, 188)}
    assert train(TINY, found).step == 4


def test_every_section_is_drawn_as_often_as_any_other(phantom):
    """The last one too: of sections of one gray value each, a tile tells which it is of."""
    images, labels = phantom
    found = prepare_training_set(images, labels, TINY, "cpu")
    flat = replace(found, images=tuple(torch.full((96, 96), float(section)) for section in range(3)))
    config, generator = replace(TINY, contrast=0.0, brightness=0.0), torch.Generator().manual_seed(0)
    drawn = [float(draw_tile(flat, config, generator)[0].mean().round()) for _ in range(150)]
    assert set(drawn) == {0, 1, 2} and min(map(drawn.count, range(3))) > 30


def test_what_labels_hold_at_ignored_pixels_does_not_count(phantom, random):
    images, labels = phantom
    ignore = random.random(labels.shape) < 0.4
    other = labels.copy()
    other[ignore] = random.integers(0, 256, ignore.sum())
    found = prepare_training_set(images, labels, TINY, "cpu", ignore)
    assert same(found, prepare_training_set(images, other, TINY, "cpu", ignore))
    weights = torch.stack(found.weights).numpy()
    assert not weights[ignore].any() and weights[~ignore].min() > 0
    assert found.class_weights == balancing_class_weights(labels, ignored=ignore)


def test_nothing_ignored_changes_nothing(phantom):
    images, labels = phantom
    nothing = np.zeros(labels.shape, bool)
    assert same(prepare_training_set(images, labels, TINY, "cpu", nothing), prepare_training_set(*phantom, TINY, "cpu"))


def test_ignored_pixels_of_many_classes(phantom):
    images, labels = phantom
    classes = (labels > 0).astype(np.uint8)
    classes[:, :30] = 2
    ignore = np.zeros(labels.shape, bool)
    ignore[:, :, :40] = True
    found = prepare_training_set(images, np.where(ignore, 7, classes), replace(TINY, classes=3), "cpu", ignore)
    assert len(found.class_weights) == 3 and torch.stack(found.labels).max() == 2


@pytest.mark.parametrize("classes", [2, 3])
def test_negative_labels_must_be_ignored(phantom, classes):
    images, labels = phantom
    given = (labels > 0).astype(np.int16) * (classes - 1)
    given[:, :5] = -1
    with pytest.raises(BadInput, match="labels hold -1; .* ignore=-1"):
        prepare_training_set(images, given, replace(TINY, classes=classes), "cpu")
    prepare_training_set(images, given, replace(TINY, classes=classes), "cpu", given == -1)


def test_a_section_without_the_highest_class(phantom):
    images, labels = phantom
    classes = (labels > 0).astype(np.uint8)
    classes[1, :30] = 2
    found = prepare_training_set(images, classes, replace(TINY, classes=3), "cpu")
    whole = weight_maps(classes, class_weights=found.class_weights, semantic=True)
    assert len(found.class_weights) == 3 and np.array_equal(torch.stack(found.weights), whole)


def test_a_trained_network_does_not_depend_on_ignored_labels(phantom, random):
    images, labels = phantom
    ignore = random.random(labels.shape) < 0.4
    one, other = (
        train(TINY, prepare_training_set(images, np.where(ignore, value, labels), TINY, "cpu", ignore))
        for value in (0, 255)
    )
    assert all(torch.equal(values, other.network[name]) for name, values in one.network.items())
    assert one.history[-1]["tile_error"] == other.history[-1]["tile_error"]


def test_the_error_of_a_tile_by_hand():
    """Of four pixels one is ignored; of the other three one is wrong."""
    logits = torch.tensor([[[[2.0, 2.0, -2.0, -2.0]], [[0.0, 0.0, 0.0, 0.0]]]], requires_grad=True)
    labels, weights = torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[1.0, 1.0, 2.0, 0.0]]])
    optimiser = torch.optim.SGD([logits], lr=0.0)
    loss, wrong, _ = training_step(lambda tile: logits * 1, optimiser, TINY, torch.zeros(1, 1, 1, 4), labels, weights)
    assert float(wrong) == pytest.approx(1 / 3)
    right, missed = -np.log(1 / (1 + np.exp(-2))), -np.log(1 / (1 + np.exp(2)))
    assert float(loss) == pytest.approx((right + missed + 2 * right) / 4, rel=1e-6)
    assert not logits.grad[..., 3].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, labels: (images, labels[:2]), r"shape \(3, 96, 96\) with labels of shape \(2, 96, 96\)"),
        (
            lambda images, labels: ([images[0], images[1][:9]], labels[:2]),
            r"\(96, 96\), \(9, 96\) \(2 sections\) with labels",
        ),
        (lambda images, labels: ([images[0], images[1] * 1.0], labels[:2]), "hold float64 and uint8 values"),
        (lambda images, labels: (images, labels, np.ones(labels.shape, bool)), "all pixels are to be ignored"),
        (lambda images, labels: (images, labels, np.zeros((2, 96, 96), bool)), "with pixels to ignore of shape"),
    ],
)
def test_what_does_not_fit(phantom, change, message):
    images, labels, *ignore = change(*phantom)
    with pytest.raises(BadInput, match=message):
        prepare_training_set(images, labels, TINY, "cpu", *ignore)


def test_a_tile_that_is_ignored_whole_has_no_error():
    logits = torch.zeros((1, 2, 1, 4), requires_grad=True)
    optimiser, labels = torch.optim.SGD([logits], lr=0.0), torch.ones((1, 1, 4), dtype=torch.long)
    tile = torch.zeros(1, 1, 1, 4), labels, torch.zeros(1, 1, 4)
    loss, wrong, _ = training_step(lambda _: logits * 1, optimiser, TINY, *tile)
    assert float(loss) == 0 and float(wrong) == 0
