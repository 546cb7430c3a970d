"""Foreground-restricted Rand error: 1 - the best F score of the pixel pairs put together, over the stack."""

import numpy as np

from unet_paper.scores.common import THRESHOLDS, checked, components


def rand_f_per_threshold(labels, proposal):
    """The Rand F score at each of the 11 thresholds, over a (Z, H, W) truth and proposal in [0, 1].

    Truth background is left out; every background pixel of the proposal is a segment of its own.
    """
    truth, proposal = checked(labels, proposal)
    true_segments = [components(section) for section in truth]
    scores = []
    for threshold in THRESHOLDS:
        sums = np.zeros(3, dtype=np.int64)
        for segments, section in zip(true_segments, proposal > threshold, strict=True):
            sums += rand_sums(segments, components(section))
        together, in_truth, in_proposal = sums.tolist()
        scores.append(2 * together / (in_truth + in_proposal))
    return scores


def rand_sums(true_segments, proposed_segments):
    """Sums of squares (AB, A, B) of one section: together in both, in the truth, in the proposal.

    Takes two (H, W) integer segmentations with 0 = background; returns a tuple of ints.
    """
    counts = contingency(true_segments, proposed_segments)[1:]
    alone = counts[:, 0].sum()
    together = (counts[:, 1:] ** 2).sum() + alone
    in_truth = (counts.sum(axis=1) ** 2).sum()
    in_proposal = (counts[:, 1:].sum(axis=0) ** 2).sum() + alone
    return int(together), int(in_truth), int(in_proposal)


def contingency(true_segments, proposed_segments):
    """c[i, j]: the pixels in truth segment i and proposal segment j. (H, W) twice -> (I + 1, J + 1) int64."""
    shape = int(true_segments.max()) + 1, int(proposed_segments.max()) + 1
    pairs = true_segments.ravel().astype(np.int64) * shape[1] + proposed_segments.ravel()
    return np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
