"""Cells apart: the separation border between touching cells, and what counts as a cell."""

import time

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.separation_border import label_cells, lost_cells, separate_touching_cells, warn_of_specks
from unet_paper.support.errors import BadInput


def test_separated_cells_never_touch(drawn_cells):
    for _ in range(50):
        separated = separate_touching_cells(drawn_cells())
        for first, second in ((separated[1:], separated[:-1]), (separated[:, 1:], separated[:, :-1])):
            assert not ((first != second) & (first > 0) & (second > 0)).any()


def test_bad_labels():
    with pytest.raises(BadInput, match="float64"):
        label_cells(np.zeros((3, 3)))
    with pytest.raises(BadInput, match="labels are arrays of several shapes"):
        label_cells([[1, 2], [3]])


@pytest.mark.parametrize("connectivity", [6, "4", None, [4, 8], np.array([4])])
@pytest.mark.parametrize("function", [label_cells, separate_touching_cells])
def test_connectivity_is_4_or_8(function, connectivity):
    with pytest.raises(BadInput, match="connectivity .*; it must be 4 or 8"):
        function(np.eye(3, dtype=int), connectivity)


def touching(labels: np.ndarray, connectivity: int) -> bool:
    """Whether pixels of different numbers above 0 are neighbours."""
    padded = np.pad(labels, 1)
    steps = [(0, 1), (1, 0)] + [(1, 1), (1, -1)] * (connectivity == 8)
    shifted = (np.roll(padded, step, (0, 1)) for step in steps)
    return any(((padded != other) & (padded > 0) & (other > 0)).any() for other in shifted)


def plainly_separated(labels: np.ndarray, connectivity: int) -> np.ndarray:
    """Both sides of every contact become background, whatever vanishes."""
    padded = np.pad(labels, 1)
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    if connectivity == 4:
        steps = [step for step in steps if 0 in step]
    shifted = [np.roll(padded, step, (0, 1)) for step in steps]
    contact = np.any([(padded != other) & (padded > 0) & (other > 0) for other in shifted], axis=0)
    return np.where(contact, 0, padded)[1:-1, 1:-1]


def test_a_thin_cell_between_two_others_is_kept():
    """Cells 1 and 3 make room for cell 2, which is two pixels wide; between 1 and 3 themselves the line is as ever."""
    labels = np.zeros((7, 12), np.uint8)
    labels[:, :5], labels[:4, 5:7], labels[:, 7:] = 1, 2, 3
    labels[4:, 5], labels[4:, 6] = 1, 3
    separated = separate_touching_cells(labels)
    assert separated[0].tolist() == [1, 1, 1, 1, 0, 2, 2, 0, 3, 3, 3, 3]
    assert separated[-1].tolist() == [1, 1, 1, 1, 1, 0, 0, 3, 3, 3, 3, 3]
    assert lost_cells(labels, separated) == 0 and not touching(separated, 4)
    assert lost_cells(labels, plainly_separated(labels, 4)) == 1
    assert np.array_equal(separate_touching_cells(labels[:, ::-1]), separated[:, ::-1])


@pytest.mark.parametrize("labels", [np.zeros(5, int), np.zeros((2, 2)), 3])
def test_arrays_that_cannot_be_separated(labels):
    with pytest.raises(BadInput, match=r"labels of shape \(.*\) and type .*; expected \(..., H, W\) bool or integers"):
        separate_touching_cells(labels)


def test_numbers_below_0_are_no_cells():
    with pytest.raises(BadInput, match="labels hold -1; cells have numbers above 0"):
        separate_touching_cells([[0, -1, 2, 2]])


def test_a_list_is_separated_too():
    assert separate_touching_cells(np.zeros((0, 3), int)).shape == (0, 3)
    assert separate_touching_cells([[1, 1, 2, 2]], np.int64(8)).tolist() == [[1, 0, 0, 2]]
    assert separate_touching_cells([[1, 1, 2, 2]]).tolist() == [[1, 0, 0, 2]]


def test_thin_cells_side_by_side_share_the_line_between_them():
    labels = np.repeat([[1, 1, 1, 2, 2, 3, 3, 4, 4, 4]], 5, axis=0)
    assert separate_touching_cells(labels)[2].tolist() == [1, 1, 0, 2, 0, 0, 3, 0, 4, 4]


def test_cells_one_pixel_wide_keep_a_pixel_near_their_middle():
    labels = np.repeat([[1, 2, 3, 4]], 5, axis=0)
    separated = separate_touching_cells(labels)
    assert lost_cells(labels, separated) == 0 and not touching(separated, 4)
    assert separated[2, 0] == 1 and separated[2, 2] == 3 and (separated[[1, 3], 1] == 2).any()


def separated_cell_by_cell(labels: np.ndarray, connectivity: int) -> np.ndarray:
    """The rule in plain words, each lost cell looked for in the whole section."""
    around = ndimage.generate_binary_structure(2, connectivity // 4)
    cells, separated = label_cells(labels, connectivity), plainly_separated(labels, connectivity)
    lost = np.where(np.isin(cells, cells[separated > 0]), 0, cells)
    free = (lost > 0) & (plainly_separated(lost, connectivity) > 0)
    separated[free] = labels[free]
    for number in np.setdiff1d(cells, [0, *cells[separated > 0]]):
        rows, columns = np.nonzero(cells == number)
        from_middle = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        for index in np.argsort(from_middle, kind="stable"):
            pixel = np.zeros(cells.shape, bool)
            pixel[rows[index], columns[index]] = True
            if not separated[ndimage.binary_dilation(pixel, around)].any():
                separated[pixel] = labels[pixel]
                break
    return separated


@pytest.mark.parametrize("connectivity", [4, 8])
def test_noise_is_separated_as_if_each_cell_were_looked_for_everywhere(random, connectivity):
    for _ in range(40):
        labels = random.integers(0, random.integers(2, 90), random.integers(1, 22, 2))
        expected = separated_cell_by_cell(labels, connectivity)
        assert np.array_equal(separate_touching_cells(labels, connectivity), expected)


def test_the_cost_of_many_tiny_cells_grows_with_the_area(random):
    """As those of a gray picture: 9 times the area takes about 9 times as long, not 81 times."""
    seconds = []
    for side in (64, 192):
        labels = random.integers(0, 256, (side, side))
        begun = time.process_time()
        separate_touching_cells(labels)
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 27 * seconds[0]


def test_cells_that_cannot_all_be_kept_are_counted():
    labels = np.arange(1, 10).reshape(3, 3)
    separated = separate_touching_cells(labels)
    assert separated.tolist() == [[1, 0, 3], [0, 5, 0], [7, 0, 9]] and lost_cells(labels, separated) == 4
    stack = np.stack([labels, np.zeros_like(labels), labels])
    assert np.array_equal(separate_touching_cells(stack)[2], separated)
    assert lost_cells(stack, separate_touching_cells(stack)) == 8
    assert lost_cells(labels, separate_touching_cells(labels, 8), 8) == 5


@pytest.mark.parametrize("connectivity", [4, 8])
def test_drawn_cells_are_separated_as_ever_where_none_vanishes(random, connectivity):
    """No cell that could be kept vanishes, none touches another, and all others are as the plain rule leaves them."""
    vanished = 0
    for _ in range(150):
        points = random.integers(0, 24, (random.integers(1, 40), 2))
        y, x = np.mgrid[:24, :24]
        labels = 1 + np.argmin([(y - row) ** 2 + 2 * (x - column) ** 2 for row, column in points], axis=0)
        labels *= ndimage.gaussian_filter(random.standard_normal(labels.shape), 2) > -0.1
        plain, separated = plainly_separated(labels, connectivity), separate_touching_cells(labels, connectivity)
        cells = label_cells(labels, connectivity)
        gone = np.setdiff1d(cells, [0, *cells[plain > 0]])
        kept = ~np.isin(cells, gone)
        assert np.array_equal(separated[kept], plain[kept])
        assert not touching(separated, connectivity)
        assert set(np.unique(separated[~kept])) <= {0, *np.unique(labels[~kept])}
        assert ((separated == labels) | (separated == 0)).all()
        assert lost_cells(labels, plain, connectivity) == len(gone)
        assert lost_cells(labels, separated, connectivity) <= len(gone) // 2
        assert np.array_equal(separate_touching_cells(separated, connectivity), separated)
        vanished += len(gone)
    assert vanished > 100


@pytest.mark.parametrize(
    ("specks", "px", "larger", "said"),
    [(11, 4, 10, True), (11, 4, 11, False), (10, 1, 0, False), (11, 5, 10, False), (300, 1, 400, False)],
)
def test_specks_are_told_where_most_cells_are_some(caplog, specks, px, larger, said):
    """Of 4 px at most, and more than ten of them: a few lie in any mask, and many in a large one."""
    assert warn_of_specks(np.array([px] * specks + [50] * larger), "mask.tif") == said
    assert (f"{specks} of the {specks + larger} cells of mask.tif have at most 4 px" in caplog.text) == said
