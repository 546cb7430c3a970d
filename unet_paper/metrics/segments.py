"""The segments of a section: its components at all thresholds, and how two segmentations overlap."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from unet_paper.compute.numba_jit import compiled
from unet_paper.metrics.common import THRESHOLDS


def components_at_thresholds(level: np.ndarray) -> Iterator[np.ndarray]:
    """The 4-connected components of `level > k` for k = 10 down to 0, one (H, W) int32 array at a time.

    level : (H, W) uint8, see `common.levels`. 0 is background, the components are numbered from 1 in the order of their
    first pixels. The array is overwritten by the next one.

    Components at a lower threshold are unions of those at the higher ones, so every pair of neighbours is joined once.
    """
    height, width = level.shape
    parents = np.arange(height * width, dtype=np.int32)
    components = np.zeros((height, width), dtype=np.int32)
    for k in reversed(range(len(THRESHOLDS))):
        _join(level.ravel(), width, k, parents, components.ravel())
        yield components


@compiled
def _root(parents: np.ndarray, pixel: int) -> int:
    while parents[pixel] != pixel:
        parents[pixel] = parents[parents[pixel]]
        pixel = parents[pixel]
    return pixel


@compiled
def _join(level: np.ndarray, width: int, k: int, parents: np.ndarray, components: np.ndarray) -> None:
    """Join the neighbours whose lower level is k + 1, all higher ones having been joined; number what is above k."""
    for pixel in range(level.size):
        if level[pixel] <= k:
            continue
        if pixel % width and min(level[pixel], level[pixel - 1]) == k + 1:
            _unite(parents, pixel, pixel - 1)
        if pixel >= width and min(level[pixel], level[pixel - width]) == k + 1:
            _unite(parents, pixel, pixel - width)
    count = 0
    for pixel in range(level.size):
        if level[pixel] <= k:
            components[pixel] = 0
        elif pixel % width and level[pixel - 1] > k:
            components[pixel] = components[pixel - 1]
        elif parents[pixel] == pixel:
            count += 1
            components[pixel] = count
        else:  # a root is the first pixel of its component
            components[pixel] = components[_root(parents, pixel)]


@compiled
def _unite(parents: np.ndarray, a: int, b: int) -> None:
    a, b = _root(parents, a), _root(parents, b)
    parents[max(a, b)] = min(a, b)


class Overlap(NamedTuple):
    """How a proposal's segments overlap the truth's, c[i, j] over i >= 1: truth background is left out."""

    truth_sizes: np.ndarray  # sum_j c[i, j] of every truth segment, int64
    proposal_sizes: np.ndarray  # sum_i c[i, j] of every proposal segment j >= 1 that meets one, int64
    shared: np.ndarray  # the c[i, j] above 0 with j >= 1, int64
    alone: int  # z = sum_i c[i, 0]: pixels of the proposal's background, each a segment of its own


def overlap(truth_segments: np.ndarray, truth_sizes: np.ndarray, proposed_segments: np.ndarray) -> Overlap:
    """The Overlap of two (H, W) int32 segmentations, 0 = background.

    truth_sizes : pixels of truth segments 1, 2, ...
    """
    truth, proposed = truth_segments.ravel(), proposed_segments.ravel()
    shared, sizes = _shared_pixels(truth, proposed, len(truth_sizes), int(proposed.max()))
    return Overlap(truth_sizes, sizes, shared, int(truth_sizes.sum() - sizes.sum()))


@compiled
def _shared_pixels(
    truth: np.ndarray, proposed: np.ndarray, truth_count: int, highest: int
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels shared by each pair of segments, and by each proposed segment with all; in no order of note."""
    # Runs of pixels that lie in the same pair, and how many runs each proposed segment has.
    run_truth = np.empty(truth.size, dtype=np.int32)
    run_proposed = np.empty(truth.size, dtype=np.int32)
    run_length = np.empty(truth.size, dtype=np.int32)
    starts = np.zeros(highest + 2, dtype=np.int32)
    runs, first = 0, 0
    for pixel in range(1, truth.size + 1):
        ended = pixel == truth.size or truth[pixel] != truth[first] or proposed[pixel] != proposed[first]
        if ended:
            if truth[first] and proposed[first]:
                run_truth[runs], run_proposed[runs], run_length[runs] = truth[first], proposed[first], pixel - first
                starts[proposed[first] + 1] += 1
                runs += 1
            first = pixel
    # The runs in order of their proposed segment.
    for segment in range(1, highest + 2):
        starts[segment] += starts[segment - 1]
    grouped = np.empty(runs, dtype=np.int32)
    free = starts[:-1].copy()
    for run in range(runs):
        grouped[free[run_proposed[run]]] = run
        free[run_proposed[run]] += 1

    tally = np.zeros(truth_count + 1, dtype=np.int64)
    shared = np.empty(runs, dtype=np.int64)
    sizes = np.zeros(runs, dtype=np.int64)
    pairs = segments = 0
    for segment in range(1, highest + 1):
        members = grouped[starts[segment] : starts[segment + 1]]
        if not members.size:
            continue
        for run in members:
            tally[run_truth[run]] += run_length[run]
            sizes[segments] += run_length[run]
        for run in members:
            if tally[run_truth[run]]:
                shared[pairs] = tally[run_truth[run]]
                tally[run_truth[run]] = 0
                pairs += 1
        segments += 1
    return shared[:pairs].copy(), sizes[:segments].copy()
