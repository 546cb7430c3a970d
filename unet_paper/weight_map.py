"""The weight map (section 3, equation 2, figure 3): w = w_c + w_0 exp(-(d1 + d2)^2 / (2 sigma^2)).

d1 and d2 are the distances of a background pixel to the nearest and to the second nearest cell, so that the
background between two close cells weighs most.
"""

import numpy as np
from scipy import ndimage

from unet_paper.errors import BadInput

REACH = 10.0  # in sigma: exp(-10^2 / 2) = 2e-22 is lost beside w_c even in double precision
CELL_BITS = 32  # a (row, cell) pair in one 64-bit number, ordered by its row
CELL_MASK = (1 << CELL_BITS) - 1
FOUR_CONNECTED = ndimage.generate_binary_structure(2, 1)


def weight_map(labels, class_weights, w_0=10.0, sigma=5.0):
    """Equation 2 for one section.

    Parameters
    ----------
    labels : (H, W) bool or integer array
        Truth: 0 = background (membrane); see `label_cells` for what counts as a cell.
    class_weights : (background, foreground) pair of float
        w_c, as `balancing_class_weights` gives it.
    w_0 : float
        Height of the border term (the paper's: 10).
    sigma : float
        Width of the border term in px (the paper's: about 5).

    Returns
    -------
    (H, W) float32 array. The border term is 0 inside cells, and everywhere where there are fewer than two cells.
    """
    cells = label_cells(labels)
    balance = np.where(cells > 0, class_weights[1], class_weights[0])
    d1, d2 = distances_to_two_nearest_cells(cells, reach=REACH * sigma)
    border = np.where(cells > 0, 0.0, w_0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2)))
    return (balance + border).astype(np.float32)


def weight_maps(labels, w_0=10.0, sigma=5.0):
    """Equation 2 for a (Z, H, W) stack of labels, w_c balanced over the whole stack: (Z, H, W) float32."""
    labels = separate_touching_cells(labels)
    class_weights = balancing_class_weights(labels)
    return np.stack([weight_map(section, class_weights, w_0, sigma) for section in labels])


def balancing_class_weights(labels):
    """w_c: inverse class frequency over all of `labels`, scaled to mean 1 over its pixels.

    Takes any integer or bool array (0 = background), returns (background, foreground) floats. With K = 2 classes of
    frequency f each weighs 1 / (2 f). A class that does not occur weighs 0, the other then 1.
    """
    foreground = np.count_nonzero(labels) / labels.size
    if foreground in (0.0, 1.0):
        return (1.0 - foreground, foreground)
    return (0.5 / (1.0 - foreground), 0.5 / foreground)


def label_cells(labels):
    """The cells of a section: the 4-connected components of the foreground, once touching cells are separated.

    (H, W) bool or integer labels -> (H, W) int32, 0 = background, cells 1, 2, ... Raises BadInput for other arrays.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise BadInput(f"labels of shape {labels.shape} and type {labels.dtype}; expected (H, W) bool or integers")
    return ndimage.label(separate_touching_cells(labels), FOUR_CONNECTED)[0]


def separate_touching_cells(labels):
    """Put a background line between touching numbered cells (section 3: by morphological operations).

    (..., H, W) bool or integer labels -> the same type. Of two 4-connected neighbours with different numbers above 0,
    both become background: a line two pixels wide, symmetric in the cells. Two cells that touch by a corner only are
    separate already. Labels with one value for all cells come back as they are.
    """
    separated = labels.copy()
    for axis in (-2, -1):
        first = np.moveaxis(labels, axis, 0)[:-1]
        second = np.moveaxis(labels, axis, 0)[1:]
        touching = (first != second) & (first != 0) & (second != 0)
        view = np.moveaxis(separated, axis, 0)
        view[:-1][touching] = 0
        view[1:][touching] = 0
    return separated


def distances_to_two_nearest_cells(cells, reach=np.inf):
    """d1 and d2 of equation 2, exactly, for the background pixels with d1 + d2 <= reach.

    Parameters
    ----------
    cells : (H, W) integer array
        0 = background, each cell a positive number.
    reach : float
        Largest d1 + d2 of interest, in px: a short one saves time in images that are mostly empty.

    Returns
    -------
    d1, d2 : (H, W) float64 arrays
        Euclidean distances in px to the nearest pixel of the nearest and of the second nearest cell. Inside cells
        both are 0; d2 is inf where d1 + d2 > reach or there is no second cell, d1 where there is no cell.

    Notes
    -----
    One pass for all cells instead of one distance transform per cell. The distance transform of the foreground gives
    d1 and the nearest cell. For d2, every pixel's two nearest cells within its own column are prepared; each
    background pixel then looks sideways, one column further at a time, for the nearest that is not its nearest cell,
    until no further column can be nearer. Two cells per column are enough, as only one of them can be excluded.
    """
    height, width = cells.shape
    d1 = np.full((height, width), np.inf)
    d2 = np.full((height, width), np.inf)
    d1[cells > 0] = d2[cells > 0] = 0
    if not cells.any():
        return d1, d2

    d1, nearest = ndimage.distance_transform_edt(cells == 0, return_indices=True)
    pixels = np.flatnonzero((cells == 0) & (d1 <= reach / 2))  # d2 >= d1
    nearest_cell = cells[tuple(axis.ravel()[pixels] for axis in nearest)]
    column_cell, column_squared, column_squared_other = (
        values.ravel() for values in _two_nearest_cells_in_column(cells)
    )

    def squared_in_column(index, excluded_cell):
        return np.where(column_cell[index] == excluded_cell, column_squared_other[index], column_squared[index])

    farthest = (reach - d1.ravel()[pixels]) ** 2 if np.isfinite(reach) else np.full(pixels.size, np.inf)
    squared = squared_in_column(pixels, nearest_cell)
    searching = np.arange(pixels.size)
    for offset in range(1, width):
        searching = searching[offset**2 < np.minimum(squared, farthest)[searching]]
        if searching.size == 0:
            break
        x = pixels[searching] % width
        for side in (-offset, offset):
            inside = searching[(x + side >= 0) & (x + side < width)]
            found = squared_in_column(pixels[inside] + side, nearest_cell[inside]) + offset**2
            squared[inside] = np.minimum(squared[inside], found)

    squared[squared > farthest] = np.inf
    d2.ravel()[pixels] = np.sqrt(squared)
    return d1, d2


def _two_nearest_cells_in_column(cells):
    """Along each pixel's column: the nearest cell, its squared distance, and that of the nearest other cell.

    (H, W) integer cells -> (H, W) cells, (H, W) and (H, W) float64 squared distances in px^2, inf where there is none.
    """
    height = cells.shape[0]
    rows = np.arange(height)[:, None]

    def nearest_above(cells):
        """The nearest foreground pixel at or above each pixel and the nearest of another cell, as (row, cell) codes."""
        codes = np.where(cells > 0, rows << CELL_BITS | cells, -1)
        nearest = np.maximum.accumulate(codes, axis=0)
        previous = np.vstack([np.full_like(nearest[:1], -1), nearest[:-1]])
        changes = (cells > 0) & (previous >= 0) & (previous & CELL_MASK != cells)
        return nearest, np.maximum.accumulate(np.where(changes, previous, -1), axis=0)

    def cell_and_squared(codes):
        row = codes >> CELL_BITS
        return codes & CELL_MASK, np.where(row >= 0, (rows - row).astype(np.float64) ** 2, np.inf)

    above, other_above = (cell_and_squared(codes) for codes in nearest_above(cells))
    below, other_below = (
        (cell[::-1], squared[::-1]) for cell, squared in (cell_and_squared(c) for c in nearest_above(cells[::-1]))
    )
    above_is_nearer = above[1] <= below[1]
    cell = np.where(above_is_nearer, above[0], below[0])
    squared = np.where(above_is_nearer, above[1], below[1])
    farther_cell = np.where(above_is_nearer, below[0], above[0])
    farther_squared = np.where(above_is_nearer, below[1], above[1])
    squared_other = np.where(farther_cell == cell, np.inf, farther_squared)
    for candidate, candidate_squared in (other_above, other_below):
        squared_other = np.minimum(squared_other, np.where(candidate == cell, np.inf, candidate_squared))
    return cell, squared, squared_other
