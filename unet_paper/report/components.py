"""Components of a probability or a truth, in colours that tell neighbours apart, and circles around spots."""

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from unet_paper.report.colours import COMPONENTS

NEAR = 8  # px: components that are closer get different colours, as far as there are colours


def components(probability: np.ndarray, threshold: float) -> np.ndarray:
    """The 4-connected components above a threshold, as numbers of colours from 1 on; 0 elsewhere: (H, W) uint8.

    A component's first choice of colour hangs on where it is most probable, so that it mostly stays when the threshold
    changes; it takes another where a neighbour has it already, as long as there are others.
    """
    labels, count = ndimage.label(probability.astype(np.float64) > threshold)
    if not count:
        return np.zeros(labels.shape, np.uint8)
    summits = np.array(ndimage.maximum_position(probability, labels, np.arange(1, count + 1)))
    scattered = (summits[:, 0] * 2_654_435_761 + summits[:, 1] * 40_503) >> 7
    return different_colours(labels, scattered)


def different_colours(labels: np.ndarray, preferred: np.ndarray) -> np.ndarray:
    """Colours, numbers from 1 on, for (H, W) labels from 1 on, 0 = none: neighbours' differ where colours suffice.

    preferred : a whole number for each label, which says (modulo the colours there are) which it takes if it can.
    """
    there_are = len(COMPONENTS)
    choices = [[(first + step) % there_are for step in range(there_are)] for first in range(there_are)]
    near, colours = neighbours(labels, len(preferred)), [0] * (len(preferred) + 1)
    for number, first in enumerate((preferred % there_are).tolist(), 1):
        taken = [0] * (there_are + 1)
        for other in near[number]:
            taken[colours[other]] += 1
        colours[number] = 1 + min(choices[first], key=lambda choice: taken[choice + 1])
    return np.array(colours, np.uint8)[labels]


def neighbours(labels: np.ndarray, count: int) -> dict[int, list[int]]:
    """The numbers of the components that lie within NEAR px of each, roughly: {number: [others]}."""
    grown = expand_labels(labels, NEAR / 2)
    touching = []
    for one, other in ((grown[1:], grown[:-1]), (grown[:, 1:], grown[:, :-1])):
        touch = (one != other) & (one > 0) & (other > 0)
        touching.append(one[touch].astype(np.int64) * (count + 1) + other[touch])  # both in one number
    pairs = np.divmod(np.unique(np.concatenate(touching)), count + 1)
    others: dict[int, list[int]] = {number: [] for number in range(1, count + 1)}
    for one, other in zip(*(numbers.tolist() for numbers in pairs), strict=True):
        others[one].append(other)
        others[other].append(one)
    return others


def spots(pixels: np.ndarray) -> list[list[float]]:
    """A circle around each 8-connected group of an (H, W) bool array: [[x, y, radius], ...] in px."""
    labels, _ = ndimage.label(pixels, structure=np.ones((3, 3)))
    circles = []
    for rows, across in ndimage.find_objects(labels):
        radius = 7 + max(rows.stop - rows.start, across.stop - across.start) / 2
        circles.append([(across.start + across.stop - 1) / 2, (rows.start + rows.stop - 1) / 2, radius])
    return circles
