"""The fast search for the two nearest cells against one distance transform per cell."""

import numpy as np
import pytest
import torch

from unet_paper.compute.nearest_cells import bands_of_distances, distances_to_two_nearest_cells
from unet_paper.separation_border import label_cells
from unet_paper.support.errors import BadInput


@pytest.mark.parametrize("reach", [np.inf, 9.5])
def test_distances_equal_one_transform_per_cell(drawn_cells, slow_distances, reach):
    for _ in range(200):
        cells = drawn_cells()
        d1, d2 = distances_to_two_nearest_cells(cells, reach)
        slow1, slow2 = slow_distances(cells)
        near = (cells == 0) & (slow1 + slow2 <= reach)
        assert np.array_equal(d1[near], slow1[near]) and np.array_equal(d2[near], slow2[near])
        far = (cells == 0) & ~near
        assert np.isinf(d2[far]).all()
        within = slow1 <= reach
        assert np.array_equal(d1[within], slow1[within]) and np.isinf(d1[~within]).all()
        assert (d1 <= d2).all() and not d1[cells > 0].any()


def test_a_distance_is_exact_or_infinite():
    """90 px up and 30 px to the left are cells, neither within reach: which of them is nearer is not looked for."""
    cells = np.zeros((100, 100), int)
    cells[0, 50], cells[90, 20] = 1, 2
    for reach, expected in ((20, (np.inf, np.inf)), (30, (30, np.inf)), (120, (30, 90)), (np.inf, (30, 90))):
        d1, d2 = distances_to_two_nearest_cells(cells, reach)
        assert (d1[90, 50], d2[90, 50]) == expected


@pytest.mark.parametrize("cells", [np.zeros((3, 5, 5), int), np.zeros(5, int), np.full((2, 2), 0.5)])
def test_arrays_that_hold_no_cells_of_a_section(cells):
    with pytest.raises(BadInput, match=r"cells of shape \(.*\) and type .*; expected \(H, W\) integers"):
        distances_to_two_nearest_cells(cells)


@pytest.mark.parametrize(
    ("cells", "reach", "message"),
    [
        ([[-1, 0, 1]], 9, "the cells hold -1"),
        ([[1, 0], [1]], 9, "the cells are arrays of several shapes; give them one by one"),
        ([[1, 0, 2]], -1, "reach is -1; it must be a number, 0 or above"),
        ([[1, 0, 2]], float("nan"), "reach is nan"),
        ([[1, 0, 2]], None, "reach is None"),
        ([[1, 0, 2]], np.array([3]), "reach is array"),
        ([[1, 0, 2]], 10**400, "reach is 1000"),
        (np.ma.array([[1, 0, 2]], mask=[[0, 0, 1]]), np.inf, "the cells are masked; give their .filled"),
        (torch.ones(2, 2, requires_grad=True), np.inf, "the cells are given as torch.Tensor, of which NumPy makes no"),
        ("cells.tif", np.inf, "the cells are given as a path, 'cells.tif'; read the file first"),
    ],
)
def test_what_is_no_cell_and_no_reach(cells, reach, message):
    with pytest.raises(BadInput, match=message):
        distances_to_two_nearest_cells(cells, reach)


def test_a_list_will_do():
    d1, d2 = distances_to_two_nearest_cells([[1, 0, 0, 2]])
    assert d1.tolist() == [[0, 1, 1, 0]] and d2.tolist() == [[0, 2, 2, 0]]


@pytest.mark.parametrize(("kind", "most"), [("uint32", 2**32), ("uint64", 2**63), ("int64", 2**40)])
def test_numbers_may_be_large(drawn_cells, kind, most):
    """Also such as are alike in their last 32 bits, and where there is no background."""
    few = np.array([[1, 0, 0, 2], [1, 1, 2, 3]])
    for cells in (few, few + 1, drawn_cells()):
        large = np.where(cells > 0, (most // 8) * cells.astype(kind), 0).astype(kind)
        assert np.array_equal(distances_to_two_nearest_cells(large), distances_to_two_nearest_cells(cells))


@pytest.mark.long
def test_distances_on_a_whole_section(sections, slow_distances):
    cells = label_cells(sections[1][0])
    slow1, slow2 = slow_distances(cells)
    d1, d2 = distances_to_two_nearest_cells(cells)
    background = cells == 0
    assert np.array_equal(d1[background], slow1[background])
    assert np.array_equal(d2[background], slow2[background])


def test_a_sum_of_just_the_reach_is_within_it():
    d1, d2 = distances_to_two_nearest_cells([[1, 0, 0, 0, 0, 2]], 5)
    assert d1.tolist() == [[0, 1, 2, 2, 1, 0]] and d2.tolist() == [[0, 4, 3, 3, 4, 0]]
    assert not np.isfinite(distances_to_two_nearest_cells([[1, 0, 0, 0, 0, 2]], 4.9)[1][0, 1:5]).any()


@pytest.mark.parametrize("band", [1, 7, 50, 512])
def test_bands_are_those_of_the_whole(drawn_cells, monkeypatch, band):
    monkeypatch.setattr("unet_paper.compute.nearest_cells.BAND", band)
    for _ in range(20):
        cells = drawn_cells()
        d1, d2 = distances_to_two_nearest_cells(cells, 6.5)
        covered = 0
        for rows, band_d1, band_d2 in bands_of_distances(cells, 6.5):
            near = np.isfinite(d2[rows])
            assert np.array_equal(near, np.isfinite(band_d2))
            assert np.array_equal(band_d1[near], d1[rows][near]) and np.array_equal(band_d2[near], d2[rows][near])
            covered += len(band_d1)
        assert covered == len(cells)
