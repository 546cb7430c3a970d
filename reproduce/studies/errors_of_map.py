"""What a map misses: the Rand error by threshold, how thick membranes are, and at which cells it merges and splits."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from unet_paper.io.sections import Sections
from unet_paper.metrics.challenge import section_overlaps
from unet_paper.metrics.common import THRESHOLDS, levels
from unet_paper.metrics.rand_error import rand_f, rand_sums
from unet_paper.metrics.warping_error import MERGE, SPLIT

AREAS = (100, 500, 2000)  # px², limits of cells' sizes
SMALL = 500  # px², below which a segment may be part of a cell instead of one: the outline of an organelle
AROUND = 12  # px around a small segment, in which its neighbours are looked for
WIDTHS = (3, 6)  # px, limits of a cell's half width where it is split
REACH = 3  # px around a merger, in which the cells that it joins are looked for


class RandRow(NamedTuple):
    """One threshold; `thinned`: the error after the proposal's membranes were thinned to lines."""

    threshold: float
    error: float
    precision: float
    recall: float
    thinned: float


def rand_by_threshold(truth: np.ndarray, probability: np.ndarray) -> list[RandRow]:
    """The Rand error at each threshold, and what it is made of.

    Precision falls where cells are merged; recall where they are split, and where membranes are thick, as every pixel
    of the proposal's membranes that lies in a cell of the truth counts as a segment of its own.
    """
    plain, thin = [], []
    for of_truth, of_probability in zip(truth, probability, strict=True):
        overlaps = section_overlaps(of_truth, levels(of_probability))
        plain.append([rand_sums(overlap) for overlap, _ in overlaps])
        thin.append([rand_sums(overlap) for _, overlap in overlaps])
    rows = []
    for number, threshold in enumerate(THRESHOLDS[:10]):
        sums = np.array([of_section[number] for of_section in plain], dtype=float)
        together, in_truth, in_proposal = sums.sum(0)
        thinned = rand_f([of_section[number] for of_section in thin])
        rows.append(RandRow(threshold, 1 - rand_f(sums), together / in_proposal, together / in_truth, 1 - thinned))
    return rows


def thickness(membrane: np.ndarray) -> float:
    """Mean thickness in px of the membranes of a (Z, H, W) bool stack: their area by the length of their skeleton."""
    length = sum(np.count_nonzero(skeletonize(section)) for section in membrane)
    return np.count_nonzero(membrane) / length if length else 0.0


def by_size(truth: Sections, kinds: Sections) -> tuple[np.ndarray, int, np.ndarray]:
    """Merger pixels by the area of the smallest cell that a merger joins (limits AREAS; the last: no cell near); how
    many of them are at small segments inside one cell; split pixels by the cell's half width there (limits WIDTHS).
    """
    mergers, splits, inside = np.zeros(len(AREAS) + 2, int), np.zeros(len(WIDTHS) + 1, int), 0
    for section, of_section in zip(truth, kinds, strict=True):
        cells, count = ndimage.label(section)
        areas = np.bincount(cells.ravel(), minlength=count + 1)
        groups, _ = ndimage.label(of_section == MERGE, structure=np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(groups), 1):
            box = _larger(box, REACH)
            here = groups[box] == number
            near = [cell for cell in np.unique(cells[box][_grown(here, REACH)]) if cell]
            pixels = int(np.count_nonzero(here))
            if not near:
                mergers[-1] += pixels
                continue
            smallest = min(near, key=lambda cell: areas[cell])
            mergers[np.searchsorted(AREAS, areas[smallest], side="right")] += pixels
            if areas[smallest] < SMALL and len(large_neighbours(cells, areas, smallest)) == 1:
                inside += pixels
        widths = ndimage.distance_transform_edt(section)
        local = ndimage.maximum_filter(widths, 2 * REACH + 1)[of_section == SPLIT]
        for width in np.searchsorted(WIDTHS, local, side="right"):
            splits[width] += 1
    return mergers, inside, splits


def large_neighbours(cells: np.ndarray, areas: np.ndarray, number: int) -> list[int]:
    """The cells that are not small and lie around cell `number` of a labelled section."""
    box = _larger(ndimage.find_objects(cells)[number - 1], AROUND)
    around = np.unique(cells[box][_grown(cells[box] == number, AROUND)])
    return [cell for cell in around if cell and cell != number and areas[cell] >= SMALL]


def _larger(box: tuple[slice, ...], by: int) -> tuple[slice, ...]:
    """A box with a margin."""
    return tuple(slice(max(part.start - by, 0), part.stop + by) for part in box)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """All pixels up to `by` px away."""
    return ndimage.distance_transform_edt(~mask) <= by


def thicker_membranes(truth: np.ndarray, by: int) -> np.ndarray:
    """The truth with every cell taken back by `by` px on all sides, so that membranes are 2 `by` px thicker."""
    cross = ndimage.generate_binary_structure(2, 1)
    return np.stack([ndimage.binary_erosion(cells, cross, by, border_value=1) if by else cells for cells in truth])
