"""Thinning of a proposal's borders to one pixel, which the challenge's scores of 2016 are taken after."""

import numpy as np

from unet_paper.compute.numba_jit import compiled

BACKGROUND, WAITING = -1, -2  # beside 0 for a dam and the segments' numbers
UNDECIDED, SOFT_DAM, HARD_DAM = -1, 0, -2


def thinned(segments: np.ndarray) -> np.ndarray:
    """Segments grown into the background until one-pixel dams part them.

    (H, W) int32, 0 = background -> the same with 0 = dam. A section without any segment becomes one segment.
    """
    if not segments.any():
        return np.ones_like(segments)
    grown = np.pad(np.where(segments, segments, np.int32(BACKGROUND)), 1, constant_values=WAITING)
    _grow(grown.ravel(), *grown.shape)
    return grown[1:-1, 1:-1]


@compiled
def _grow(grown: np.ndarray, height: int, width: int) -> None:
    """Grow in place. `grown` is framed by pixels that wait for ever, which nothing looks at twice."""
    queue = np.empty(grown.size, dtype=np.int32)
    queued = 0
    for column in range(1, width - 1):
        for pixel in range(column + width, column + (height - 1) * width, width):
            if grown[pixel] == BACKGROUND and (
                grown[pixel - 1] > 0 or grown[pixel - width] > 0 or grown[pixel + 1] > 0 or grown[pixel + width] > 0
            ):
                queue[queued] = pixel
                queued += 1
    for position in range(queued):
        grown[queue[position]] = WAITING
    position = 0
    while position < queued:
        pixel = queue[position]
        position += 1
        result = UNDECIDED
        for neighbour in (pixel - 1, pixel - width, pixel + 1, pixel + width):  # west, north, east, south
            value = grown[neighbour]
            if value == BACKGROUND:
                grown[neighbour] = WAITING
                queue[queued] = neighbour
                queued += 1
            elif value > 0:
                if result == UNDECIDED or result == SOFT_DAM:
                    result = value
                elif result != value:
                    result = HARD_DAM
            elif value == 0 and result == UNDECIDED:
                result = SOFT_DAM
        grown[pixel] = max(result, 0)
