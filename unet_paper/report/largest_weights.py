"""Where a weight map is largest: between which cells, in words and as circles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

APART = 4.0  # sigma between two places that are told
FAR = 6.0  # sigma that a cell may be away from the background between it and another
LEAST = 0.01  # a border term that is told; a lower one is not seen in two decimals
PLURALS = {"cell": "cells", "class": "classes"}


@dataclass(frozen=True)
class LargeWeight:
    """One place of a section where the weight is larger than around it."""

    weight: float
    x: int  # px
    y: int
    cells: tuple[int, ...]  # the numbers of the nearest two parts, or of as many as are near; one cell's are alike
    what: str = "cell"  # a key of PLURALS

    def __str__(self) -> str:
        between = ""
        if len(self.cells) == 2:
            one, other = self.cells
            parted = f"{PLURALS[self.what]} {one} and {other}" if one != other else f"two parts of {self.what} {one}"
            between = f" between {parted}"
        return f"{self.weight:.2f} at x {self.x}, y {self.y}{between}"


def largest_weights(
    weights: np.ndarray,
    parts: np.ndarray,
    numbers: np.ndarray,
    sigma: float,
    background: float,
    what: str = "cell",
    count: int = 3,
) -> list[LargeWeight]:
    """The places of the largest weights between the parts of a section, the largest first; places are APART sigma from
    each other. None where no border term counts, as no two parts are near.

    weights : (H, W) float; parts : (H, W), the connected ones, numbered as `label_cells` does; numbers : (H, W), what
    they are called, 0 = background; sigma : of equation 2, px; background : its class weight w_c; what : is numbered, a
    key of PLURALS.
    """
    left = np.where(parts == 0, np.asarray(weights, np.float64), -np.inf)  # inside there is no border term
    least = float(np.float32(background)) + LEAST  # as a weight map holds it
    return list(_places(left, parts, numbers, sigma, least, what, count))


def _places(
    left: np.ndarray, parts: np.ndarray, numbers: np.ndarray, sigma: float, least: float, what: str, count: int
) -> Iterator[LargeWeight]:
    y, x = np.ogrid[: left.shape[0], : left.shape[1]]
    for _ in range(count):
        row, column = (int(index) for index in np.unravel_index(int(np.argmax(left)), left.shape))
        weight = float(left[row, column])
        if weight < least:
            return
        yield LargeWeight(weight, column, row, _nearest_two(parts, numbers, row, column, sigma), what)
        left[(y - row) ** 2 + (x - column) ** 2 < (APART * sigma) ** 2] = -np.inf


def _nearest_two(parts: np.ndarray, numbers: np.ndarray, row: int, column: int, sigma: float) -> tuple[int, ...]:
    """What the parts nearest to a pixel are called, two at most, the smaller number first."""
    reach = int(FAR * sigma) + 1
    top, before = max(row - reach, 0), max(column - reach, 0)
    window = np.s_[top : row + reach + 1, before : column + reach + 1]
    rows, columns = np.nonzero(parts[window])
    nearest = np.argsort((rows + top - row) ** 2 + (columns + before - column) ** 2, kind="stable")
    rows, columns = rows[nearest], columns[nearest]
    _, first = np.unique(parts[window][rows, columns], return_index=True)
    two = np.sort(first)[:2]
    return tuple(sorted(int(number) for number in numbers[window][rows[two], columns[two]]))
