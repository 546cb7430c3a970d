"""Foreground-restricted Rand error: 1 - the best F score of the pixel pairs put together, over the stack."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from unet_paper.metrics.segments import Overlap

RandSums = tuple[int, int, int]  # together in both, in the truth, in the proposal


def rand_sums(overlap: Overlap, form: Literal["squares", "pairs"] = "squares") -> RandSums:
    """(together in both, in the truth, in the proposal) of one section's Overlap, as ints.

    Truth background is left out; every background pixel of the proposal is a segment of its own. `form`: the squares
    of the segments' sizes, the challenge's from 2013 on, or the unordered pairs of pixels in them, its first server's.
    """
    truth, proposal, shared, alone = overlap
    if form == "squares":
        return int((shared**2).sum()) + alone, int((truth**2).sum()), int((proposal**2).sum()) + alone
    together, in_truth, in_proposal = (int((sizes * (sizes - 1) // 2).sum()) for sizes in (shared, truth, proposal))
    return together, in_truth, in_proposal


def rand_f(sums: Sequence[RandSums] | np.ndarray) -> float:
    """The Rand F score of the sums over the sections, a (Z, 3) array. 1 where neither puts any pair together."""
    together, in_truth, in_proposal = np.sum(sums, axis=0).tolist()
    return 2 * together / (in_truth + in_proposal) if in_truth + in_proposal else 1.0
