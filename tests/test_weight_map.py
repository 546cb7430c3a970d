"""Equation 2: closed forms, and against one distance transform per cell."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from unet_paper.compute.nearest_cells import distances_to_two_nearest_cells
from unet_paper.separation_border import label_cells, separate_touching_cells
from unet_paper.support.errors import BadInput
from unet_paper.weight_map import balancing_class_weights, weight_map, weight_maps


def test_two_cells_in_closed_form():
    labels = np.zeros((1, 9), np.uint8)
    labels[0, [0, 1, 7, 8]] = 255
    weights = weight_map(labels, class_weights=(2.0, 3.0), w_0=10, sigma=5)
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
    weights = weight_map(labels, class_weights=(0.0, 0.0), w_0=7, sigma=3)
    assert weights[2, 8] == pytest.approx(7 * np.exp(-49 / 18))


@pytest.mark.parametrize("cells", [0, 1])
def test_no_border_term_with_fewer_than_two_cells(cells):
    labels = np.zeros((20, 20), np.uint8)
    labels[5:9, 5:9] = cells
    assert np.unique(weight_map(labels, class_weights=(0.5, 0.25))).tolist() == ([0.25, 0.5] if cells else [0.5])


def test_no_border_term_inside_cells(sections):
    labels = sections[1][0]
    weights = weight_map(labels, class_weights=(1.5, 0.75))
    assert (weights[labels > 0] == np.float32(0.75)).all() and (weights[labels == 0] >= 1.5).all()


def test_cells_are_4_connected():
    corner = np.array([[1, 0], [0, 1]], np.uint8)
    assert label_cells(corner).max() == 2
    assert weight_map(corner, class_weights=(0, 0))[0, 1] == pytest.approx(10 * np.exp(-4 / 50))


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


def test_binary_and_numbered_labels_agree(sections):
    labels = sections[1][0]
    assert np.array_equal(
        weight_map(labels, class_weights=(2, 1)), weight_map(label_cells(labels), class_weights=(2, 1))
    )


@pytest.mark.long
def test_weights_are_exact_despite_their_reach(sections, slow_distances):
    labels = sections[1][1]
    cells = label_cells(labels)
    d1, d2 = slow_distances(cells)
    exact = np.where(cells > 0, 1.0, 2.0 + 10 * np.exp(-((d1 + d2) ** 2) / 50)).astype(np.float32)
    assert np.array_equal(weight_map(labels, class_weights=(2.0, 1.0)), exact)


def test_bands_of_rows_change_nothing(sections, monkeypatch):
    labels = sections[1][0][:, :200]
    whole = weight_map(labels, class_weights=(2.0, 1.0), sigma=3)
    for band in (1, 37, 100):
        monkeypatch.setattr("unet_paper.compute.nearest_cells.BAND", band)
        assert np.array_equal(weight_map(labels, class_weights=(2.0, 1.0), sigma=3), whole)


def test_connectivity():
    """With 8, corners hold a cell together, and numbered cells that touch by a corner are parted too."""
    corner = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.uint8)
    assert label_cells(corner, 4).max() == 3 and label_cells(corner, 8).max() == 2
    # The background beside the diagonal is 1 px from two cells, or 1 px from one and farther from the other.
    assert weight_map(corner, class_weights=(0, 0))[0, 1] == pytest.approx(10 * np.exp(-4 / 50))
    assert weight_map(corner, class_weights=(0, 0), connectivity=8)[0, 1] == pytest.approx(
        10 * np.exp(-((1 + 8**0.5) ** 2) / 50)
    )
    numbers = np.array([[1, 0], [0, 2]], np.uint8)
    assert np.array_equal(separate_touching_cells(numbers, 4), numbers)
    blocks = np.kron(numbers, np.ones((2, 2), np.uint8))
    parted = separate_touching_cells(blocks, 8)
    assert np.argwhere(parted != blocks).tolist() == [[1, 1], [2, 2]] and not parted[[1, 2], [1, 2]].any()
    assert np.array_equal(separate_touching_cells(blocks[:, ::-1], 8), parted[:, ::-1])


def test_class_weights_may_be_given():
    labels = np.array([[[0, 0, 1, 1]]], np.uint8)
    assert weight_maps(labels, class_weights=(3, 7))[0].tolist() == [[3, 3, 7, 7]]
    with pytest.raises(BadInput, match="1 class weights"):
        weight_maps(labels, class_weights=(3,))
    with pytest.raises(BadInput, match="3 class weights"):
        weight_maps(labels, class_weights=(3, 7, 9))


def test_one_pixel_of_a_cell_in_a_large_stack_is_balanced_too():
    labels = np.zeros((8, 512, 520), np.uint8)
    labels[0, 100, 100] = 1
    assert weight_maps(labels)[0, 100, 100] == labels.size / 2


def test_a_section_may_lack_the_highest_class():
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    assert weight_map(labels, class_weights=(3, 7, 9), semantic=True).tolist() == [[3, 3, 7, 7]]
    with pytest.raises(BadInput, match="2 class weights, but the labels have 3 classes"):
        weight_map(labels + 1, class_weights=(3, 7), semantic=True)
    with pytest.raises(BadInput, match="1 class weights, but the labels have 2 classes"):
        weight_map(labels * 0, class_weights=(3,), semantic=True)


def test_a_cell_whose_rim_is_a_class_is_one_cell():
    """As labels of background, cell and border have it: there is no border term around a lone cell."""
    y, x = np.mgrid[:60, :100]
    rim, inside = ((y - 30) ** 2 + (x - 30) ** 2 < radius**2 for radius in (20, 18))
    labels = rim + rim * ~inside * np.uint8(1)
    background = weight_map(labels, class_weights=(1, 1, 1), semantic=True)
    assert (background == 1).all()
    labels[20:40, 55:70] = 2
    of_classes = weight_map(labels, class_weights=(1, 1, 1), semantic=True)
    of_cells = weight_map(labels > 0, class_weights=(1, 1))
    assert np.array_equal(of_classes, of_cells) and of_cells[30, 52] > 5


def test_the_highest_class_that_there_may_be():
    assert (weight_map(np.array([[0, 65_535]]), semantic=True) > 0).all()
    with pytest.raises(BadInput, match="labels hold 65536; classes are numbered 0, 1, 2, ... 65535 at most"):
        weight_map(np.array([[0, 65_536]]), semantic=True)


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
def test_equals_the_direct_definition_on_drawn_labels(random, drawn_cells, slow_distances, connectivity):
    """Numbered, binary, empty and full images, against a distance transform for every cell."""
    bits = random.random((1, 9, 9)) > 0.5
    assert np.array_equal(weight_maps(bits, semantic=True), weight_maps(bits.astype(np.uint8), semantic=True))
    for _ in range(40):
        labels = drawn_cells() if random.random() < 0.6 else (random.random((17, 23)) < random.random())
        found = weight_maps(labels[None].astype(np.uint8), connectivity=connectivity)[0]
        cells = label_cells(separate_touching_cells(labels, connectivity), connectivity)
        background, cell = balancing_class_weights(cells)
        d1, d2 = slow_distances(cells) if cells.any() else (np.inf, np.inf)
        direct = np.where(cells > 0, cell, background + 10 * np.exp(-((d1 + d2) ** 2) / 50))
        assert np.abs(found - direct).max() < 1e-5


@pytest.mark.slow
def test_thirty_times_faster_than_the_baseline(sections):
    from reproduce.benchmarks.scaling import weight_maps_beside_the_baseline

    measured = weight_maps_beside_the_baseline(sections[1])
    assert measured["largest_difference"] < 1e-5
    assert measured["seconds"]["baseline"] / measured["seconds"]["ours"] > 30


def test_one_call_on_an_array_is_enough(sections):
    """Without settings: the paper's, with class weights balanced over the array."""
    labels = sections[1][0]
    weights = weight_map(labels)
    assert weights.shape == labels.shape and weights.dtype == np.float32
    assert np.array_equal(weights, weight_maps(labels[None])[0])
    assert np.array_equal(weights, weight_map(labels, 10, 5, class_weights=balancing_class_weights(labels)))
    assert np.array_equal(weight_map((labels > 0).tolist()), weights)


def test_ignored_pixels_weigh_nothing_and_are_not_counted():
    labels = np.array([[1, 1, 1, 0, 0, 9, 9, 9, 9, 9]], np.uint8)
    ignore = labels == 9
    weights = weight_map(labels, ignore=ignore)
    # Of the five pixels that count three are cell: 5 / (2 * 3) and 5 / (2 * 2); the ignored ones are no second cell.
    assert weights[0, :3] == pytest.approx([5 / 6] * 3) and weights[0, 3:5] == pytest.approx([5 / 4] * 2)
    assert not weights[ignore].any()
    assert np.array_equal(weight_map(labels, ignore=9), weights)
    assert balancing_class_weights(labels, ignored=ignore) == pytest.approx((5 / 4, 5 / 6))


def test_the_label_to_ignore_may_be_an_array_and_the_mask_a_tensor():
    labels = np.array([[1, 1, 1, 0, 0, 9, 9, 9]], np.uint8)
    expected = weight_map(labels, ignore=9)
    for label in (np.int64(9), np.array(9), np.array(9, np.uint8), torch.tensor(9)):
        assert np.array_equal(weight_map(labels, ignore=label), expected)
        assert np.array_equal(weight_maps(labels[None], ignore=label)[0], expected)
    for mask in (labels == 9, torch.from_numpy(labels == 9), (labels == 9).tolist()):
        assert np.array_equal(weight_map(labels, ignore=mask), expected)
    for wrong in (True, np.array(True), 9.0, (labels == 9)[None]):
        with pytest.raises(BadInput, match=r"pixels to ignore have shape .*must be bool, of the labels' shape"):
            weight_map(labels, ignore=wrong)


def test_a_section_may_be_ignored_whole_where_the_class_weights_are_given():
    """As one section of a stack in which others count; there is nothing to balance then."""
    labels = np.array([[0, 1]], np.uint8)
    assert not weight_map(labels, class_weights=(2, 3), ignore=labels < 2).any()
    with pytest.raises(BadInput, match="all pixels are to be ignored"):
        weight_map(labels, ignore=labels < 2)


@pytest.mark.parametrize("semantic", [False, True])
def test_what_stands_at_ignored_pixels_does_not_count(random, drawn_cells, semantic):
    for _ in range(20):
        labels = drawn_cells()
        ignore = random.random(labels.shape) < 0.3
        other = np.where(ignore, random.integers(0, 9, labels.shape), labels)
        hidden = np.where(ignore, labels.max() + 1, labels)
        if semantic and labels[~ignore].max(initial=0) < labels.max():
            continue
        weights = weight_map(labels, semantic=semantic, ignore=ignore)
        assert np.array_equal(weight_map(other, semantic=semantic, ignore=ignore), weights)
        assert np.array_equal(weight_map(hidden, semantic=semantic, ignore=int(labels.max()) + 1), weights)
        assert not weights[ignore].any() and (weights[~ignore] > 0).all()
        assert np.array_equal(
            weight_map(labels, semantic=semantic, ignore=np.zeros_like(ignore)), weight_map(labels, semantic=semantic)
        )


def test_an_ignored_object_repels_nothing():
    """Between a cell and an object to ignore there is no border term; beside another cell there is."""
    labels = np.zeros((5, 20), np.uint8)
    labels[:, :3], labels[:, 5:9], labels[:, 12:15] = 1, 255, 2
    weights = weight_map(labels, class_weights=(0, 0), ignore=255)
    assert weights[2, 3] == pytest.approx(10 * np.exp(-(10**2) / 50)) and not weights[:, 5:9].any()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"sigma": 0}, "sigma above 0"),
        ({"w_0": -1}, "w_0 must be 0 or above"),
        ({"sigma": np.inf}, "sigma above 0 and at most 10000 px"),
        ({"sigma": 1e300}, "sigma above 0 and at most 10000 px"),
        ({"sigma": np.nan}, "sigma above 0 and at most 10000 px"),
        ({"w_0": np.inf}, "w_0 must be 0 or above and at most 1e.06"),
        ({"w_0": 10**400}, "w_0 must be 0 or above and at most 1e.06"),
        ({"class_weights": (1, np.nan)}, r"class weights are \(1.0, nan\); they must be finite, and 0 or above"),
        ({"class_weights": (np.inf, 1)}, "class weights are"),
        ({"class_weights": (1, -1)}, "class weights are"),
        ({"class_weights": (1, 1e31)}, "they must be at most 1e.30"),
        ({"connectivity": 6}, "connectivity 4 or 8"),
        ({"ignore": np.zeros((2, 3), bool)}, "pixels to ignore have shape"),
        ({"ignore": np.zeros((3, 3))}, "must be bool"),
        ({"ignore": np.ones((3, 3), bool)}, "all pixels are to be ignored"),
    ],
)
def test_bad_settings(settings, match):
    with pytest.raises(BadInput, match=match):
        weight_map(np.eye(3, dtype=int), **settings)


@pytest.mark.parametrize("semantic", [False, True])
def test_negative_labels_must_be_ignored(semantic):
    labels = np.array([[1, 1, 0, 0, -1]])
    with pytest.raises(BadInput, match="labels hold -1; .* ignore=-1"):
        weight_map(labels, semantic=semantic)
    assert weight_map(labels, semantic=semantic, ignore=-1)[0, 4] == 0


def test_a_stack_is_no_section():
    with pytest.raises(BadInput, match="use weight_maps"):
        weight_map(np.ones((2, 3, 3), int))
    with pytest.raises(BadInput, match=r"expected \(Z, H, W\)"):
        weight_maps(np.ones((3, 3), int))


@pytest.mark.parametrize("number", [np.uint8, np.int8, np.int16])
def test_numpys_small_numbers_do_not_overflow(number):
    labels = np.zeros((1, 60), np.uint8)
    labels[0, 0], labels[0, 50] = 1, 2
    expected = weight_map(labels, w_0=10, sigma=20)
    assert np.array_equal(weight_map(labels, w_0=number(10), sigma=number(20)), expected)


def test_the_largest_class_weight_is_taken():
    assert weight_map(np.eye(4, dtype=np.uint8), class_weights=(1e30, 1.0)).max() == np.float32(1e30)
