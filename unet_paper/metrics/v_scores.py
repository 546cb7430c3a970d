"""V_rand and V_info, the challenge's scores of 2016, of a section whose proposal has been thinned."""

import math
from collections.abc import Sequence

import numpy as np

from unet_paper.metrics.rand_error import rand_sums
from unet_paper.metrics.segments import Overlap


def v_rand(overlap: Overlap) -> float | None:
    """V_rand of one section's Overlap, 0 to 1. None for a section whose truth has no cell."""
    together, in_truth, in_proposal = rand_sums(overlap)
    return 2 * together / (in_truth + in_proposal) if in_truth else None


def v_info(overlap: Overlap) -> float | None:
    """V_info of one section's Overlap, 0 to 1. None for a section whose truth has no cell; NaN where truth and proposal
    share no information at all though both are divided, which the challenge's scorer leaves undefined.
    """
    cell_pixels = int(overlap.truth_sizes.sum())
    if not cell_pixels:
        return None
    alone = overlap.alone / cell_pixels * math.log(cell_pixels)
    truth = _sum_p_log_p(overlap.truth_sizes / cell_pixels)
    proposal = _sum_p_log_p(overlap.proposal_sizes / cell_pixels) - alone
    together = _sum_p_log_p(overlap.shared / cell_pixels) - alone
    information = together - truth - proposal
    if not proposal:
        precision, recall = 1.0, 0.0
    elif not truth:
        precision, recall = 0.0, 1.0
    else:
        precision, recall = information / -truth, information / -proposal
    return 2 * precision * recall / (precision + recall) if precision + recall else math.nan


def _sum_p_log_p(p: np.ndarray) -> float:
    return float((p * np.log(p)).sum())


def mean_over_sections(scores: Sequence[float | None]) -> float | None:
    """The mean of (Z,) scores of sections, those without a cell left out. None when one of them is NaN: the threshold
    is dropped."""
    mean = float(np.mean([score for score in scores if score is not None]))
    return None if math.isnan(mean) else mean
