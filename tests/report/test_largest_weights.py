"""Where a weight map is largest, in words."""

import numpy as np
import pytest

from unet_paper.report.largest_weights import largest_weights
from unet_paper.separation_border import label_cells
from unet_paper.weight_map import balancing_class_weights, weight_map


def test_places_are_apart_and_between_the_nearest_cells():
    """Four sigma at least; a lower one that is nearer to the first is not told."""
    weights, cells = np.ones((40, 60)), np.zeros((40, 60), np.uint16)
    weights[20, 20], weights[20, 27], weights[20, 29] = 9, 8, 7
    cells[15:25, 10:18], cells[15:25, 22:26], cells[15:25, 33:40] = 5, 2, 3
    found = largest_weights(weights, label_cells(cells), cells, sigma=2.0, background=1.0)
    assert [(place.weight, place.x, place.y, place.cells) for place in found] == [
        (9, 20, 20, (2, 5)),
        (7, 29, 20, (2, 3)),
    ]
    assert str(found[0]) == "9.00 at x 20, y 20 between cells 2 and 5"
    nothing = cells * 0
    places = largest_weights(weights, nothing, nothing, 2.0, 1.0, count=1)
    assert [str(place) for place in places] == ["9.00 at x 20, y 20"]


@pytest.mark.parametrize(("what", "said"), [("cell", "two parts of cell 2"), ("class", "two parts of class 2")])
def test_a_border_may_lie_between_two_parts_of_one_cell(what, said):
    """And cell 9, which is farther away, has nothing to do with it."""
    cells = np.zeros((40, 80), np.uint8)
    cells[5:20, 10:20], cells[5:20, 23:33], cells[5:20, 45:60] = 2, 2, 9
    background = balancing_class_weights(cells)[0]
    first, *_ = largest_weights(weight_map(cells), label_cells(cells), cells, 5.0, background, what)
    assert 20 <= first.x < 23 and str(first).endswith(f" between {said}")


@pytest.mark.parametrize("cells", [{1: np.s_[5:15, 5:15]}, {1: np.s_[5:15, 5:15], 2: np.s_[5:15, 70:80]}])
def test_where_no_two_cells_are_near_no_place_is_told(cells):
    """The cells themselves, of which there are fewer pixels, weigh most then."""
    labels = np.zeros((40, 90), np.uint8)
    for number, place in cells.items():
        labels[place] = number
    weights, background = weight_map(labels), balancing_class_weights(labels)[0]
    assert weights.max() == weights[10, 10] > weights[30, 40]
    assert largest_weights(weights, label_cells(labels), labels, 5.0, background) == []
