"""Warping error: what is left of the truth's topology errors after it was warped towards the proposal.

The truth may be bent freely as long as no object or hole appears, vanishes, splits or merges: only simple points are
flipped. Of the pixels that still differ, those that split or merge objects are counted.
"""

from typing import NamedTuple

import numpy as np

from unet_paper.compute.numba_jit import compiled

WINDOW = 20  # half of the 41 x 41 px window in which a white pixel's role as a bridge is tested


class WarpingCounts(NamedTuple):
    """Pixels left after warping, by the kind of topological error they make. In a map of kinds, the first is 1."""

    split: int = 0
    merge: int = 0
    hole_addition: int = 0
    hole_deletion: int = 0
    object_addition: int = 0
    object_deletion: int = 0

    @property
    def error_pixels(self) -> int:
        """The pixels that the challenge counts."""
        return self.split + self.merge


SPLIT, MERGE, HOLE_ADDITION, HOLE_DELETION, OBJECT_ADDITION, OBJECT_DELETION = range(1, 7)


def yokoi_number(code: int) -> int:
    """Yokoi's connectivity number for a 4-connected foreground, of an 8-bit neighbourhood code (1 = foreground).

    Bit k is neighbour k of the eight, counterclockwise from the east.
    """
    x = [code >> k & 1 for k in range(8)]
    return sum(x[k] - x[k] * x[k + 1] * x[(k + 2) % 8] for k in (0, 2, 4, 6))


SIMPLE = np.array([yokoi_number(code) == 1 for code in range(256)])


def warping_kinds(truth_segments: np.ndarray, proposal: np.ndarray, threshold: float) -> np.ndarray:
    """The pixels left after warping, by kind.

    truth_segments : (H, W) int32, the truth's 4-connected components, 0 = background.
    proposal : (H, W) float64, 0 to 1.

    Returns (H, W) uint8: 0 where the warped truth agrees with `proposal > threshold`, else the index, counted from 1,
    of the kind in WarpingCounts.
    """
    return classify(warp(truth_segments, proposal, threshold), proposal > threshold)


def counts_of(kinds: np.ndarray) -> WarpingCounts:
    """The WarpingCounts of a map of kinds of any shape."""
    return WarpingCounts(*np.bincount(kinds.ravel(), minlength=7)[1:].tolist())


def warp(truth_segments: np.ndarray, proposal: np.ndarray, threshold: float) -> np.ndarray:
    """Flip simple points of the truth towards `proposal > threshold` until none is left that helps.

    (H, W) int32 components, (H, W) float64 and a float -> the warped components, (H, W) int32, each with the number
    that it had: simple flips keep them apart and whole. Pixels farthest from the threshold go first; the order is part
    of the metric's definition. Outside the image counts as background.
    """
    warped = np.pad(truth_segments, 1)
    mismatches, urgency = _mismatches(truth_segments, proposal, threshold)
    _sweep(warped.ravel(), warped.shape[1], mismatches[_largest_first(urgency)], SIMPLE)
    return warped[1:-1, 1:-1]


def _largest_first(urgency: np.ndarray) -> np.ndarray:
    """np.argsort(-urgency, kind="stable") of non-negative float32, whose bits sort as they do: two radix passes."""
    bits = ~urgency.view(np.uint32)
    order = np.argsort((bits & 0xFFFF).astype(np.uint16), kind="stable")
    return order[np.argsort((bits >> 16).astype(np.uint16)[order], kind="stable")]


@compiled
def _mismatches(truth_segments: np.ndarray, proposal: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Where truth and proposal differ, and by how much it is from the threshold; column by column (x outer, y inner).

    Returns positions in the image framed by one pixel, int32, and float32.
    """
    height, width = truth_segments.shape
    positions = np.empty(truth_segments.size, dtype=np.int32)
    urgency = np.empty(truth_segments.size, dtype=np.float32)
    count = 0
    for column in range(width):
        for row in range(height):
            value = proposal[row, column]
            if (truth_segments[row, column] > 0) != (value > threshold):
                positions[count] = (row + 1) * (width + 2) + column + 1
                urgency[count] = abs(value - threshold)
                count += 1
    return positions[:count].copy(), urgency[:count].copy()


@compiled
def _sweep(warped: np.ndarray, width: int, mismatches: np.ndarray, simple: np.ndarray) -> None:
    """Flip the simple points among `mismatches`, in their order, sweep after sweep, in place."""
    left = mismatches.size
    while True:
        kept = 0
        for k in range(left):
            pixel = mismatches[k]
            east, west = warped[pixel + 1], warped[pixel - 1]
            north, south = warped[pixel - width], warped[pixel + width]
            code = (east > 0) | (north > 0) << 2 | (west > 0) << 4 | (south > 0) << 6
            code |= (warped[pixel - width + 1] > 0) << 1 | (warped[pixel - width - 1] > 0) << 3
            code |= (warped[pixel + width - 1] > 0) << 5 | (warped[pixel + width + 1] > 0) << 7
            if not simple[code]:
                mismatches[kept] = pixel
                kept += 1
            elif warped[pixel]:
                warped[pixel] = 0
            else:  # a simple point touches one object only
                warped[pixel] = max(max(east, north), max(west, south))
        if kept == left:
            return
        left = kept  # their order is that of a list sorted anew


@compiled
def classify(warped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The kinds, as in `warping_kinds`, of the pixels in which the (H, W) int32 warped components differ from the
    (H, W) bool target.
    """
    height, width = warped.shape
    kinds = np.zeros((height, width), dtype=np.uint8)
    seen = np.zeros((height, width), dtype=np.int32)  # by which search last, in _parts_around
    searches = 0
    stack = np.empty((2 * WINDOW + 1) ** 2, dtype=np.int32)
    for row in range(height):
        for column in range(width):
            white = warped[row, column] > 0
            if white == target[row, column]:
                continue
            # Two numbers suffice to tell one, two and more distinct neighbours apart.
            first = second = -1
            several = False
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    if y == row and x == column:
                        continue
                    number = warped[y, x]
                    if first == -1:
                        first = number
                    elif number != first and second == -1:
                        second = number
                    elif number != first and number != second:
                        several = True
            if several:
                kind = SPLIT if white else MERGE
            elif second != -1:
                kind = HOLE_ADDITION
                if white:
                    searches += 1
                    bridge = _is_bridge(warped, row, column, seen, searches, stack)
                    kind = SPLIT if bridge else HOLE_DELETION
            elif first > 0:
                kind = HOLE_ADDITION if white else HOLE_DELETION
            else:  # no neighbour but background, or none at all
                kind = OBJECT_DELETION if white else OBJECT_ADDITION
            kinds[row, column] = kind
    return kinds


@compiled
def _is_bridge(warped: np.ndarray, row: int, column: int, seen: np.ndarray, search: int, stack: np.ndarray) -> bool:
    """Whether the white neighbours of a white pixel fall into two or more 4-connected parts once it is cleared, within
    the 41 x 41 window around it. `seen` and `stack` are working space.
    """
    height, width = warped.shape
    top, bottom = max(row - WINDOW, 0), min(row + WINDOW + 1, height)
    left, right = max(column - WINDOW, 0), min(column + WINDOW + 1, width)
    seen[row, column] = search  # cleared
    parts = 0
    for y in range(max(row - 1, 0), min(row + 2, height)):
        for x in range(max(column - 1, 0), min(column + 2, width)):
            if warped[y, x] == 0 or seen[y, x] == search:
                continue
            if parts:
                return True
            parts = 1
            seen[y, x] = search
            stack[0] = y * width + x
            waiting = 1
            while waiting:
                waiting -= 1
                pixel_row, pixel_column = stack[waiting] // width, stack[waiting] % width
                for down, across in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                    next_row, next_column = pixel_row + down, pixel_column + across
                    if (
                        top <= next_row < bottom
                        and left <= next_column < right
                        and warped[next_row, next_column]
                        and seen[next_row, next_column] != search
                    ):
                        seen[next_row, next_column] = search
                        stack[waiting] = next_row * width + next_column
                        waiting += 1
    return False
