"""The distances of every background pixel to its nearest and its second nearest cell, exactly and fast."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.compute.numba_jit import compiled
from unet_paper.support.arguments import as_array, holds, is_number
from unet_paper.support.errors import BadInput

BAND = 512  # px, rows at a time, at least
FARTHEST = 1e9  # px, farther than any pixel of any image


def bands_of_distances(cells: np.ndarray, reach: float) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """What `distances_to_two_nearest_cells` returns, a band of rows at a time: (rows, d1, d2) from top to bottom.

    Each band is searched together with all that is within reach of it, so that large images need not fit the caches.
    """
    margin = math.ceil(reach)
    height = max(BAND, margin)
    for top in range(0, len(cells), height):
        first = max(top - margin, 0)
        d1, d2 = distances_to_two_nearest_cells(cells[first : top + height + margin], reach)
        yield slice(top, top + height), d1[top - first :][:height], d2[top - first :][:height]


def distances_to_two_nearest_cells(cells: ArrayLike, reach: float = math.inf) -> tuple[np.ndarray, np.ndarray]:
    """d1 and d2 of equation 2, exactly, as far as they are within reach.

    Parameters
    ----------
    cells : (H, W) integer array
        0 = background, each cell a positive number, however large.
    reach : float
        Largest d1, and largest d1 + d2, of interest, in px: a short one saves time in images that are mostly empty.

    Returns
    -------
    d1, d2 : (H, W) float64 arrays
        Euclidean distances in px to the nearest pixel of the nearest and of the second nearest cell, exact or inf.
        Inside cells both are 0. d1 is inf where it is above `reach` or there is no cell, d2 where d1 + d2 is above
        `reach` or there is no second cell.

    Raises
    ------
    BadInput
        For arrays of another shape or type, numbers below 0, and a reach that is none.

    Notes
    -----
    One pass for all cells instead of one distance transform per cell: the cost grows with the area, whatever the
    number of cells. Every pixel's two nearest cells within its own column are prepared; each background pixel then
    looks sideways, one column further at a time, until no further column can be nearer. Two cells per column are
    enough, as only one of them can be the nearest cell of all.
    """
    cells = as_array(cells, "the cells")
    if cells.ndim != 2 or cells.dtype.kind not in "bui":
        raise BadInput(
            f"cells of shape {cells.shape} and type {cells.dtype}; expected (H, W) integers, section by section"
        )
    if cells.min(initial=0) < 0:
        raise BadInput(f"the cells hold {cells.min()}; a cell's number is above 0, and 0 is background")
    if not is_number(reach) or not holds(lambda: float(reach) >= 0):
        raise BadInput(f"reach is {reach!r}; it must be a number, 0 or above, in px")
    if cells.size and cells.max() > np.iinfo(np.int32).max:
        places = np.unique(cells, return_inverse=True)[1].reshape(cells.shape)
        cells = np.where(cells == 0, 0, places + 1)
    cells = np.ascontiguousarray(cells, dtype=np.int32)
    d1 = np.empty(cells.shape)
    d2 = np.empty(cells.shape)
    _search_sideways(cells, *_two_nearest_in_column(cells), min(float(reach), FARTHEST), d1, d2)
    return d1, d2


@compiled
def _two_nearest_in_column(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel's nearest cell in its column and the nearest other one: (H, W, 2) int32 cells (0 where there is
    none) and (H, W, 2) int32 vertical distances in px.
    """
    height, width = cells.shape
    nearest = np.zeros((height, width, 2), dtype=np.int32)
    distances = np.zeros((height, width, 2), dtype=np.int32)
    for upwards in (False, True):
        # The last cell met in each column, the one before it, and the rows in which they were met last.
        last, before = np.zeros(width, dtype=np.int32), np.zeros(width, dtype=np.int32)
        last_row, before_row = np.zeros(width, dtype=np.int32), np.zeros(width, dtype=np.int32)
        for step in range(height):
            row = height - 1 - step if upwards else step
            for column in range(width):
                cell = cells[row, column]
                if cell:
                    if cell != last[column]:
                        before[column], before_row[column] = last[column], last_row[column]
                        last[column] = cell
                    last_row[column] = row
                for cell, met in ((last[column], last_row[column]), (before[column], before_row[column])):
                    if cell:
                        _keep_two_nearest(nearest[row, column], distances[row, column], cell, abs(row - met))
    return nearest, distances


@compiled
def _keep_two_nearest(cells: np.ndarray, distances: np.ndarray, cell: int, distance: int) -> None:
    """Put a cell at a distance among the two nearest ones, in place; 0 is no cell yet."""
    if cell == cells[0]:
        distances[0] = min(distances[0], distance)
    elif cells[0] == 0 or distance < distances[0]:
        cells[1], distances[1] = cells[0], distances[0]
        cells[0], distances[0] = cell, distance
    elif cell == cells[1]:
        distances[1] = min(distances[1], distance)
    elif cells[1] == 0 or distance < distances[1]:
        cells[1], distances[1] = cell, distance


@compiled
def _search_sideways(
    cells: np.ndarray,
    column_cells: np.ndarray,
    column_distances: np.ndarray,
    reach: float,
    d1: np.ndarray,
    d2: np.ndarray,
) -> None:
    """Fill in d1 and d2 from the two nearest cells in every column."""
    height, width = cells.shape
    nearest = np.zeros(2, dtype=np.int32)
    squared = np.zeros(2, dtype=np.int64)
    for row in range(height):
        for column in range(width):
            d1[row, column] = d2[row, column] = 0 if cells[row, column] else np.inf
            if cells[row, column]:
                continue
            nearest[:] = 0
            for offset in range(max(column + 1, width - column)):
                if offset > reach or (nearest[1] and offset * offset >= squared[1]):
                    break
                # The nearest cell is known once no further column can be nearer; then d2 <= reach - d1 is looked for.
                if nearest[0] and offset * offset >= squared[0] and offset > reach - math.sqrt(squared[0]):
                    break
                for x in (column - offset, column + offset):
                    if not 0 <= x < width:
                        continue
                    for k in range(2):
                        vertical = np.int64(column_distances[row, x, k])
                        if column_cells[row, x, k]:
                            _keep_two_nearest(nearest, squared, column_cells[row, x, k], vertical**2 + offset**2)
            if nearest[0] and math.sqrt(squared[0]) <= reach:  # a farther one may not be the nearest
                d1[row, column] = math.sqrt(squared[0])
            if nearest[1] and d1[row, column] + math.sqrt(squared[1]) <= reach:
                d2[row, column] = math.sqrt(squared[1])
