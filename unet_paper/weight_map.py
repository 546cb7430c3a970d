"""The weight map (section 3, equation 2, figure 3): w = w_c + w_0 exp(-(d1 + d2)^2 / (2 sigma^2)).

d1 and d2 are the distances of a background pixel to the nearest and to the second nearest cell, so that the
background between two close cells weighs most.
"""

import math

import numpy as np
from scipy import ndimage
from scipy.ndimage import generate_binary_structure
from skimage import measure

from unet_paper.compute.numba_jit import compiled
from unet_paper.support.errors import BadInput

BAND = 512  # px, at least
FARTHEST = 1e9  # px, farther than any pixel of any image
REACH = 10.0  # in sigma: exp(-10^2 / 2) = 2e-22 is lost beside w_c even in double precision


def weight_map(labels, class_weights, w_0=10.0, sigma=5.0, connectivity=4, semantic=False):
    """Equation 2 for one section.

    Parameters
    ----------
    labels : (H, W) bool or integer array
        Truth: 0 = background (membrane); see `label_cells` for what counts as a cell.
    class_weights : sequence of float
        w_c as `balancing_class_weights` gives it: (background, cell), or one for each class of semantic labels.
    w_0 : float
        Height of the border term (the paper's: 10).
    sigma : float
        Width of the border term in px (the paper's: about 5).
    connectivity : 4 or 8
        What holds a cell together.
    semantic : bool
        Whether the labels are class numbers instead of cells' numbers.

    Returns
    -------
    (H, W) float32 array. The border term is 0 inside cells, and everywhere where there are fewer than two cells.
    """
    if not semantic:
        labels = separate_touching_cells(np.asarray(labels), connectivity)
    cells = label_cells(labels, connectivity)
    numbers = labels if semantic else (cells > 0).astype(np.uint8)
    class_weights = np.asarray(class_weights, dtype=np.float64)
    weights = np.empty(cells.shape, np.float32)
    # A band of rows at a time, with all that is within reach of it: large images need not fit the caches.
    reach = REACH * sigma
    margin = math.ceil(reach)
    height = max(BAND, margin)
    for top in range(0, len(cells), height):
        first, rows = max(top - margin, 0), slice(top, top + height)
        d1, d2 = distances_to_two_nearest_cells(cells[first : top + height + margin], reach)
        d1, d2 = (distances[top - first :][:height] for distances in (d1, d2))
        band = class_weights[numbers[rows].astype(np.intp)]
        border = (cells[rows] == 0) & np.isfinite(d2)
        band[border] += w_0 * np.exp(-((d1[border] + d2[border]) ** 2) / (2 * sigma**2))
        weights[rows] = band
    return weights


def weight_maps(labels, w_0=10.0, sigma=5.0, connectivity=4, class_weights=None, semantic=False):
    """Equation 2 for a (Z, H, W) stack of labels: (Z, H, W) float32.

    w_c is balanced over the whole stack unless given; the other parameters are those of `weight_map`. Raises BadInput
    for another number of class weights than the labels have classes.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.size == 0 or labels.dtype.kind not in "bui":
        raise BadInput(f"labels of shape {labels.shape} and type {labels.dtype}; expected (Z, H, W) bool or integers")
    if sigma <= 0 or connectivity not in (4, 8):
        raise BadInput(f"sigma {sigma}, connectivity {connectivity}: sigma must be above 0, connectivity 4 or 8")
    labels = labels.astype(labels.dtype.newbyteorder("="), copy=False)
    if not semantic:
        labels = separate_touching_cells(labels, connectivity)
    if class_weights is None:
        class_weights = balancing_class_weights(labels, semantic)
    needed = int(labels.max()) + 1 if semantic else 2
    if len(class_weights) != needed:
        raise BadInput(f"there are {len(class_weights)} class weights, but the labels have {needed} classes")
    return np.stack([weight_map(section, class_weights, w_0, sigma, connectivity, semantic) for section in labels])


def balancing_class_weights(labels, semantic=False, power=1.0):
    """w_c: inverse class frequency over all of `labels`, to a power, scaled to mean 1 over its pixels.

    Takes any integer or bool array (0 = background, all others cell; or class numbers, `semantic`) and returns a tuple
    of floats, one for each class. With K classes of frequency f and power 1 each weighs 1 / (K f); with power 0 all
    weigh 1. A class that does not occur weighs 0 and does not count.
    """
    numbers = labels.ravel() if semantic else (labels != 0).ravel()
    frequencies = np.bincount(numbers.astype(np.intp), minlength=2) / labels.size
    present = frequencies > 0
    weights = np.zeros(len(frequencies))
    weights[present] = frequencies[present] ** -power
    weights /= (frequencies * weights).sum()
    return tuple(weights.tolist())


def label_cells(labels, connectivity=4):
    """The cells of a section: the connected parts of the foreground that have the same number.

    (H, W) bool or integer labels -> (H, W) int32, 0 = background, cells 1, 2, ... Foreground of one value only, such as
    255, falls into its connected components. connectivity : 4, or 8 to let corners hold a cell together.

    Raises BadInput for other arrays.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise BadInput(f"labels of shape {labels.shape} and type {labels.dtype}; expected (H, W) bool or integers")
    if labels.min(initial=0) == 0 and ((labels == 0) | (labels == labels.max(initial=0))).all():
        return ndimage.label(labels, generate_binary_structure(2, connectivity // 4))[0]
    return measure.label(labels, background=0, connectivity=connectivity // 4).astype(np.int32)


def separate_touching_cells(labels, connectivity=4):
    """Put a background line between touching numbered cells (section 3: by morphological operations).

    (..., H, W) bool or integer labels -> the same type. Of two neighbours with different numbers above 0, both become
    background: a line two pixels wide, symmetric in the cells. Neighbours touch by a side; where corners hold a cell
    together (connectivity 8), by a corner too. Labels with one value for all cells come back as they are.
    """
    separated = labels.copy()
    steps = [(0, 1), (1, 0)] + [(1, 1), (1, -1)] * (connectivity == 8)
    height, width = labels.shape[-2:]
    for down, right in steps:
        first = np.s_[..., : height - down, max(-right, 0) : width - max(right, 0)]
        second = np.s_[..., down:, max(right, 0) : width + min(right, 0)]
        touching = (labels[first] != labels[second]) & (labels[first] != 0) & (labels[second] != 0)
        separated[first][touching] = 0
        separated[second][touching] = 0
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
        both are 0. Where d1 + d2 > reach, or there is no second cell, d2 is inf; where there is no cell, d1 too.

    Notes
    -----
    One pass for all cells instead of one distance transform per cell: the cost grows with the area, whatever the
    number of cells. Every pixel's two nearest cells within its own column are prepared; each background pixel then
    looks sideways, one column further at a time, until no further column can be nearer. Two cells per column are
    enough, as only one of them can be the nearest cell of all.
    """
    cells = np.ascontiguousarray(cells, dtype=np.int32)
    d1 = np.empty(cells.shape)
    d2 = np.empty(cells.shape)
    _search_sideways(cells, *_two_nearest_in_column(cells), min(float(reach), FARTHEST), d1, d2)
    return d1, d2


@compiled
def _two_nearest_in_column(cells):
    """Every pixel's nearest cell in its column and the nearest other one: (H, W, 2) int32 cells (0 where there is
    none) and (H, W, 2) int32 vertical distances in px.
    """
    height, width = cells.shape
    found = np.zeros((height, width, 2), dtype=np.int32)
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
                        _keep_two_nearest(found[row, column], distances[row, column], cell, abs(row - met))
    return found, distances


@compiled
def _keep_two_nearest(cells, distances, cell, distance):
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
def _search_sideways(cells, column_cells, column_distances, reach, d1, d2):
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
            if nearest[0]:
                d1[row, column] = math.sqrt(squared[0])
            if nearest[1] and d1[row, column] + math.sqrt(squared[1]) <= reach:
                d2[row, column] = math.sqrt(squared[1])
