"""Foreground-restricted Rand error: 1 - the best F score of the pixel pairs put together, over the stack."""

import numpy as np

FORMS = ("squares", "pairs")  # the challenge's from 2013 on; that of its first server


def rand_sums(overlap, form="squares"):
    """(together in both, in the truth, in the proposal) of one section's Overlap, as ints.

    Truth background is left out; every background pixel of the proposal is a segment of its own. `form`: the squares
    of the segments' sizes, or the unordered pairs of pixels in them.
    """
    truth, proposal, shared, alone = overlap
    if form == "squares":
        sums = (shared**2).sum() + alone, (truth**2).sum(), (proposal**2).sum() + alone
    else:
        sums = tuple((sizes * (sizes - 1) // 2).sum() for sizes in (shared, truth, proposal))
    return tuple(int(value) for value in sums)


def rand_f(sums):
    """The Rand F score of the sums over the sections, a (Z, 3) array. 1 where neither puts any pair together."""
    together, in_truth, in_proposal = np.sum(sums, axis=0).tolist()
    return 2 * together / (in_truth + in_proposal) if in_truth + in_proposal else 1.0
