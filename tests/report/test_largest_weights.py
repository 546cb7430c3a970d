"""Where a weight map is largest, in words."""

import numpy as np

from unet_paper.report.largest_weights import largest_weights


def test_places_are_apart_and_between_the_nearest_cells():
    """Four sigma at least; a lower one that is nearer to the first is not told."""
    weights, cells = np.ones((40, 60)), np.zeros((40, 60), np.uint16)
    weights[20, 20], weights[20, 27], weights[20, 29] = 9, 8, 7
    cells[15:25, 10:18], cells[15:25, 22:26], cells[15:25, 33:40] = 5, 2, 3
    found = largest_weights(weights, cells, sigma=2.0)
    assert [(place.weight, place.x, place.y, place.cells) for place in found] == [
        (9, 20, 20, (2, 5)),
        (7, 29, 20, (2, 3)),
    ]
    assert str(found[0]) == "9.00 at x 20, y 20 between cells 2 and 5"
    assert [str(place) for place in largest_weights(weights, cells * 0, 2.0, count=1)] == ["9.00 at x 20, y 20"]
