"""Equation 2: closed forms, and the fast distances against one distance transform per cell."""

import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from unet_paper.support.errors import BadInput
from unet_paper.weight_map import (
    balancing_class_weights,
    distances_to_two_nearest_cells,
    label_cells,
    separate_touching_cells,
    weight_map,
    weight_maps,
)


def slow_distances(cells):
    """The obvious way: one distance transform per cell, over the whole image."""
    distances = [ndimage.distance_transform_edt(cells != cell) for cell in range(1, cells.max() + 1)]
    distances += [np.full(cells.shape, np.inf)] * max(0, 2 - len(distances))
    return np.sort(np.stack(distances), axis=0)[:2]


def random_cells(random):
    height, width = random.integers(3, 40, 2)
    labels = np.zeros((height, width), np.uint8)
    for cell in range(1, random.integers(0, 9)):
        y, x = random.integers(0, height), random.integers(0, width)
        labels[y : y + random.integers(1, 7), x : x + random.integers(1, 7)] = cell
    return relabel_sequential(labels)[0]


@pytest.mark.parametrize("reach", [np.inf, 9.5])
def test_distances_equal_one_transform_per_cell(random, reach):
    for _ in range(200):
        cells = random_cells(random)
        d1, d2 = distances_to_two_nearest_cells(cells, reach)
        slow1, slow2 = slow_distances(cells)
        near = (cells == 0) & (slow1 + slow2 <= reach)
        assert np.array_equal(d1[near], slow1[near]) and np.array_equal(d2[near], slow2[near])
        far = (cells == 0) & ~near
        assert np.isinf(d1 + d2)[far].all()
        assert (d1 <= d2).all() and not d1[cells > 0].any()


def test_distances_on_a_whole_section_and_their_speed(sections):
    cells = label_cells(sections[1][0])
    started = time.perf_counter()
    slow1, slow2 = slow_distances(cells)
    slow_seconds = time.perf_counter() - started
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        d1, d2 = distances_to_two_nearest_cells(cells)
        seconds.append(time.perf_counter() - started)
    background = cells == 0
    assert np.array_equal(d1[background], slow1[background])
    assert np.array_equal(d2[background], slow2[background])
    assert slow_seconds / min(seconds) > 5, "one transform per cell is the slow way"


def test_two_cells_in_closed_form():
    labels = np.zeros((1, 9), np.uint8)
    labels[0, [0, 1, 7, 8]] = 255
    weights = weight_map(labels, (2.0, 3.0), w_0=10, sigma=5)
    # Background columns 2 ... 6 lie x - 1 and 7 - x from the cells: d1 + d2 = 6 everywhere.
    assert weights[0, [0, 1, 7, 8]] == pytest.approx([3, 3, 3, 3])
    assert weights[0, 2:7] == pytest.approx([2 + 10 * np.exp(-36 / 50)] * 5)


def test_border_term_where_the_two_distances_differ():
    labels = np.zeros((5, 12), np.uint8)
    labels[2, 0] = labels[2, 4] = labels[2, 11] = 1
    d1, d2 = distances_to_two_nearest_cells(label_cells(labels))
    assert (d1[2, 1], d2[2, 1]) == (1, 3)
    assert (d1[2, 8], d2[2, 8]) == (3, 4)
    assert (d1[0, 2], d2[0, 2]) == pytest.approx((8**0.5, 8**0.5))
    weights = weight_map(labels, (0.0, 0.0), w_0=7, sigma=3)
    assert weights[2, 8] == pytest.approx(7 * np.exp(-49 / 18))


@pytest.mark.parametrize("cells", [0, 1])
def test_no_border_term_with_fewer_than_two_cells(cells):
    labels = np.zeros((20, 20), np.uint8)
    labels[5:9, 5:9] = cells
    assert np.unique(weight_map(labels, (0.5, 0.25))).tolist() == ([0.25, 0.5] if cells else [0.5])


def test_no_border_term_inside_cells(sections):
    labels = sections[1][0]
    weights = weight_map(labels, (1.5, 0.75))
    assert (weights[labels > 0] == np.float32(0.75)).all() and (weights[labels == 0] >= 1.5).all()


def test_cells_are_4_connected():
    corner = np.array([[1, 0], [0, 1]], np.uint8)
    assert label_cells(corner).max() == 2
    assert weight_map(corner, (0, 0))[0, 1] == pytest.approx(10 * np.exp(-4 / 50))


def test_class_weights_are_inverse_frequencies_of_mean_one(sections):
    labels = sections[1]
    background, foreground = balancing_class_weights(labels)
    part = (labels > 0).mean()
    assert background / foreground == pytest.approx(part / (1 - part))
    assert np.where(labels > 0, foreground, background).mean() == pytest.approx(1)
    assert balancing_class_weights(np.ones((2, 2))) == (0, 1) and balancing_class_weights(np.zeros((2, 2))) == (1, 0)


def test_touching_instances_get_a_background_line():
    labels = np.zeros((6, 8), np.int32)
    labels[1:5, 1:4], labels[1:5, 4:7] = 7, 9
    separated = separate_touching_cells(labels)
    assert not separated[1:5, 3:5].any()
    assert (separated[1:5, [1, 2]] == 7).all() and (separated[1:5, [5, 6]] == 9).all()
    assert ndimage.label(separated)[1] == 2
    assert np.array_equal(separate_touching_cells(labels[:, ::-1]), separated[:, ::-1])
    weights = weight_maps(labels[None])[0]
    background, _ = balancing_class_weights(separated)
    assert weights[2, 3] == pytest.approx(background + 10 * np.exp(-9 / 50))


def test_separated_cells_never_touch(random):
    for _ in range(50):
        separated = separate_touching_cells(random_cells(random))
        for first, second in ((separated[1:], separated[:-1]), (separated[:, 1:], separated[:, :-1])):
            assert not ((first != second) & (first > 0) & (second > 0)).any()


def test_binary_and_numbered_labels_agree(sections):
    labels = sections[1][0]
    assert np.array_equal(weight_map(labels, (2, 1)), weight_map(label_cells(labels), (2, 1)))


def test_weights_are_exact_despite_their_reach(sections):
    labels = sections[1][1]
    cells = label_cells(labels)
    d1, d2 = slow_distances(cells)
    exact = np.where(cells > 0, 1.0, 2.0 + 10 * np.exp(-((d1 + d2) ** 2) / 50)).astype(np.float32)
    assert np.array_equal(weight_map(labels, (2.0, 1.0)), exact)


def test_bands_of_rows_change_nothing(sections, monkeypatch):
    labels = sections[1][0][:, :200]
    whole = weight_map(labels, (2.0, 1.0), sigma=3)
    for band in (1, 37, 100):
        monkeypatch.setattr("unet_paper.weight_map.BAND", band)
        assert np.array_equal(weight_map(labels, (2.0, 1.0), sigma=3), whole)


def test_connectivity():
    """With 8, corners hold a cell together, and numbered cells that touch by a corner are parted too."""
    corner = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.uint8)
    assert label_cells(corner, 4).max() == 3 and label_cells(corner, 8).max() == 2
    # The background beside the diagonal is 1 px from two cells, or 1 px from one and farther from the other.
    assert weight_map(corner, (0, 0))[0, 1] == pytest.approx(10 * np.exp(-4 / 50))
    assert weight_map(corner, (0, 0), connectivity=8)[0, 1] == pytest.approx(10 * np.exp(-((1 + 8**0.5) ** 2) / 50))
    numbers = np.array([[1, 0], [0, 2]], np.uint8)
    assert np.array_equal(separate_touching_cells(numbers, 4), numbers)
    assert not separate_touching_cells(numbers, 8).any() and not separate_touching_cells(numbers[:, ::-1], 8).any()


def test_class_weights_may_be_given():
    labels = np.array([[[0, 0, 1, 1]]], np.uint8)
    assert weight_maps(labels, class_weights=(3, 7))[0].tolist() == [[3, 3, 7, 7]]
    with pytest.raises(BadInput, match="1 class weights"):
        weight_maps(labels, class_weights=(3,))


def test_k_classes_are_balanced_and_bordered():
    """Class numbers: frequencies balanced over all classes; no line is drawn between touching classes."""
    labels = np.array([[[2, 2, 1, 0, 0, 0, 1, 1]]], np.uint8)
    weights = balancing_class_weights(labels, semantic=True)
    assert weights == pytest.approx((8 / 9, 8 / 9, 8 / 6))
    found = weight_maps(labels, semantic=True)[0, 0]
    assert found[[0, 1]] == pytest.approx([8 / 6] * 2) and found[[2, 6, 7]] == pytest.approx([8 / 9] * 3)
    assert found[4] == pytest.approx(8 / 9 + 10 * np.exp(-16 / 50))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5])
def test_balance_to_a_power(power):
    """The weights' ratio is the frequencies' to that power, and their mean over the pixels is 1."""
    labels = np.array([0] * 10 + [1] * 70 + [2] * 20)
    weights = balancing_class_weights(labels, semantic=True, power=power)
    assert weights[0] / weights[1] == pytest.approx(7**power) and weights[2] / weights[0] == pytest.approx(0.5**power)
    assert np.mean(np.array(weights)[labels]) == pytest.approx(1)
    assert balancing_class_weights(np.array([1, 1]), power=power) == (0, 1)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_equals_the_direct_definition_on_drawn_labels(random, connectivity):
    """Numbered, binary, empty and full images, against a distance transform for every cell."""
    bits = random.random((1, 9, 9)) > 0.5
    assert np.array_equal(weight_maps(bits, semantic=True), weight_maps(bits.astype(np.uint8), semantic=True))
    for _ in range(40):
        labels = random_cells(random) if random.random() < 0.6 else (random.random((17, 23)) < random.random())
        found = weight_maps(labels[None].astype(np.uint8), connectivity=connectivity)[0]
        cells = label_cells(separate_touching_cells(labels, connectivity), connectivity)
        background, cell = balancing_class_weights(cells)
        d1, d2 = slow_distances(cells) if cells.any() else (np.inf, np.inf)
        direct = np.where(cells > 0, cell, background + 10 * np.exp(-((d1 + d2) ** 2) / 50))
        assert np.abs(found - direct).max() < 1e-5


@pytest.mark.slow
def test_thirty_times_faster_than_the_direct_form(sections):
    from reproduce.scaling import weight_maps_beside_the_direct_form

    measured = weight_maps_beside_the_direct_form(sections[1])
    assert measured["largest_difference"] < 1e-5
    assert measured["seconds"]["direct"] / measured["seconds"]["ours"] > 30


def test_bad_labels():
    with pytest.raises(BadInput, match="float64"):
        label_cells(np.zeros((3, 3)))
