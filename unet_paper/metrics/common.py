"""What the challenge's metrics share: thresholds, a guard for bad input, binarisation."""

from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.support.errors import BadInput

# Accumulated in double precision as the challenge's scorer does: 0.0, 0.1, ... 0.9999999999999999.
THRESHOLDS = tuple(accumulate([0.0] + [0.1] * 10))  # T11; the last one leaves a value of 1.0 positive
WARPING_THRESHOLDS = THRESHOLDS[:10]  # T10


def checked(
    labels: ArrayLike, proposal: ArrayLike, ignore: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """A truth, a proposal and pixels to ignore, (Z, H, W) or one (H, W) section each, as arrays to take metrics of.

    Returns the truth, (Z, H, W) bool; the proposal, (Z, H, W) of its type; and how many pixels are ignored. Both are
    membrane at these, which leaves them out of all sums: no metric counts pixels that are membrane in truth and
    proposal.

    The challenge's scorer rescales labels by their extremes, which goes wrong for values above 255 and for a constant
    section, and leaves NaN and values outside [0, 1] undefined. Here the truth is `cells(labels)`, and BadInput is
    raised for shapes that differ or are not those above, a stack without pixels, an `ignore` that is not bool, a
    proposal that is not numbers from 0 to 1, and whatever `cells` refuses.
    """
    labels, proposal = np.asarray(labels), np.asarray(proposal)
    if labels.shape != proposal.shape:
        raise BadInput(
            f"the labels have shape {labels.shape} and the probabilities {proposal.shape}; both must be of the same "
            "sections, (Z, H, W)"
        )
    ignored = np.zeros(labels.shape, bool) if ignore is None else np.asarray(ignore)
    if ignored.shape != labels.shape or ignored.dtype != bool:
        raise BadInput(
            f"the pixels to ignore have shape {ignored.shape} and type {ignored.dtype}; they must be bool, of the "
            f"labels' shape {labels.shape}"
        )
    if labels.ndim == 2:
        labels, proposal, ignored = labels[None], proposal[None], ignored[None]
    if labels.ndim != 3 or labels.size == 0:
        raise BadInput(f"labels and probabilities have shape {labels.shape}; give at least one section, (Z, H, W)")
    if proposal.dtype.kind not in "fbui":
        raise BadInput(f"the probabilities are of type {proposal.dtype}; they must be numbers from 0 to 1")
    if ignore is not None:
        proposal = np.where(ignored, proposal.dtype.type(0), proposal)
    if np.isnan(proposal).any():
        raise BadInput("the probabilities hold NaN; they must be numbers from 0 (membrane) to 1 (cell)")
    if proposal.min() < 0 or proposal.max() > 1:
        raise BadInput(
            f"the probabilities run from {proposal.min():g} to {proposal.max():g}, outside 0 to 1; they must run from "
            "0 (membrane) to 1 (cell), so divide 8-bit maps by 255"
        )
    if ignore is None:
        return cells(labels), proposal, 0
    if ignored.all():
        raise BadInput("all pixels are to be ignored; leave some that count")
    truth = np.zeros(labels.shape, bool)
    truth[~ignored] = cells(labels[~ignored])
    return truth, proposal, int(np.count_nonzero(ignored))


def cells(labels: np.ndarray) -> np.ndarray:
    """Where a truth of any shape is cell, as bool.

    labels : whole numbers of any type. Above 0 is cell, whatever the value, as in the challenge's definition. Where
    the whole array holds exactly two values, the larger one is cell: {0, 1}, {0, 300}, but {1, 2} and {-1, 0} too.

    Raises BadInput for values that are not whole numbers, negative ones among more than two, and labels without any
    cell, of which no score can be taken. A single section without a cell is fine.
    """
    if labels.dtype.kind not in "bui":
        bounded = labels.dtype.kind == "f" and (np.abs(labels) < 2**53).all()
        whole = labels.astype(np.int64) if bounded else None
        if whole is None or (whole != labels).any():
            raise BadInput("the labels hold values that are not whole numbers; membranes must be 0 and cells above 0")
        labels = whole
    smallest, largest = labels.min(), labels.max()
    if ((labels == smallest) | (labels == largest)).all() and smallest != largest:
        return labels == largest
    if smallest < 0:
        raise BadInput(
            f"the labels run from {smallest} to {largest}; of more than two values none may be negative: membranes "
            "must be 0 and cells above 0"
        )
    if largest == 0:
        raise BadInput("the labels hold no cell at all; membranes must be 0 and cells above 0")
    return labels > 0


def levels(proposal: ArrayLike) -> np.ndarray:
    """At how many of the 11 thresholds each value is positive, 0 to 11: `proposal > THRESHOLDS[k]` is `levels > k`.

    Any float array -> uint8 of its shape. Values are compared in double precision, or 0.1 in float32 and in float64
    would not differ as they do in the challenge's scorer.
    """
    proposal = np.asarray(proposal, dtype=np.float64)
    level = np.zeros(proposal.shape, dtype=np.uint8)
    for threshold in THRESHOLDS:
        level += proposal > threshold
    return level
