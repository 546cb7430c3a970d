"""What the challenge's three metrics share: thresholds, binarisation, components, and a guard for bad input."""

from itertools import accumulate

import numpy as np
from scipy import ndimage

from unet_paper.errors import BadInput

# Accumulated in double precision as the challenge's scorer does: 0.0, 0.1, ... 0.9999999999999999.
THRESHOLDS = tuple(accumulate([0.0] + [0.1] * 10))  # T11; the last one leaves a value of 1.0 positive
WARPING_THRESHOLDS = THRESHOLDS[:10]  # T10


def checked(labels, proposal):
    """(Z, H, W) truth (any integers, > 0 is cell) and proposal (float in [0, 1]) as bool and float64 arrays.

    A float32 proposal must be widened before it is compared, or 0.1 in float32 and in float64 would differ.
    Raises BadInput for other shapes, NaN, values outside [0, 1] and a truth without any cell: the challenge's scorer
    leaves these undefined.
    """
    labels, proposal = np.asarray(labels), np.asarray(proposal, dtype=np.float64)
    if labels.ndim != 3 or labels.shape != proposal.shape:
        raise BadInput(
            f"labels of shape {labels.shape}, probabilities of shape {proposal.shape}; both must be (Z, H, W)"
        )
    if not (proposal.size and proposal.min() >= 0 and proposal.max() <= 1):
        raise BadInput("the probabilities hold values outside 0 to 1; they must run from 0 (membrane) to 1 (cell)")
    truth = labels > 0
    if not truth.any():
        raise BadInput("the labels hold no cell at all; membranes must be 0 and cells above 0")
    return truth, proposal


def components(foreground):
    """4-connected components of one (H, W) bool section: (H, W) int32, 0 = background."""
    return ndimage.label(foreground)[0]
