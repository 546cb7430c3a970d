"""Where a weight map is largest: between which cells, in words and as circles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

APART = 4.0  # sigma between two places that are told
FAR = 6.0  # sigma that a cell may be away from the background between it and another


@dataclass(frozen=True)
class LargeWeight:
    """One place of a section where the weight is larger than around it."""

    weight: float
    x: int  # px
    y: int
    cells: tuple[int, ...]  # the numbers of the nearest two, or of as many as are near

    def __str__(self) -> str:
        between = f" between cells {self.cells[0]} and {self.cells[1]}" if len(self.cells) == 2 else ""
        return f"{self.weight:.2f} at x {self.x}, y {self.y}{between}"


def largest_weights(weights: np.ndarray, cells: np.ndarray, sigma: float, count: int = 3) -> list[LargeWeight]:
    """The places of the largest weights of a section, the largest first; places are APART sigma from each other.

    weights : (H, W) float; cells : (H, W) numbers, 0 = background; sigma : of equation 2, px.
    """
    return list(_places(np.asarray(weights, np.float64), cells, sigma, count))


def _places(weights: np.ndarray, cells: np.ndarray, sigma: float, count: int) -> Iterator[LargeWeight]:
    left = weights.copy()
    y, x = np.ogrid[: weights.shape[0], : weights.shape[1]]
    for _ in range(count):
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        weight = left[row, column]
        if weight <= weights.min():
            return
        yield LargeWeight(float(weight), int(column), int(row), _nearest_two(cells, int(row), int(column), sigma))
        left[(y - row) ** 2 + (x - column) ** 2 < (APART * sigma) ** 2] = -np.inf


def _nearest_two(cells: np.ndarray, row: int, column: int, sigma: float) -> tuple[int, ...]:
    """The numbers of the cells nearest to a pixel, two at most, the smaller number first."""
    reach = int(FAR * sigma) + 1
    top, before = max(row - reach, 0), max(column - reach, 0)
    window = cells[top : row + reach + 1, before : column + reach + 1]
    rows, columns = np.nonzero(window)
    numbers, distance = window[rows, columns], (rows + top - row) ** 2 + (columns + before - column) ** 2
    _, first = np.unique(numbers[np.argsort(distance, kind="stable")], return_index=True)
    nearest = numbers[np.argsort(distance, kind="stable")][np.sort(first)[:2]]
    return tuple(sorted(int(number) for number in nearest))
