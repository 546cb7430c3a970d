"""What the challenge's metrics share: thresholds, a guard for bad input, binarisation."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.io.sections import (
    Sections,
    as_sections,
    described,
    joined,
    like,
    lone_label,
    require_no_colours,
    shapes,
    stacked,
)
from unet_paper.separation_border import separate_touching_cells, warn_of_other_meanings
from unet_paper.support.arguments import as_array
from unet_paper.support.errors import BadInput

# Accumulated in double precision as the challenge's scorer does: 0.0, 0.1, ... 0.9999999999999999.
THRESHOLDS = tuple(accumulate([0.0] + [0.1] * 10))  # T11; the last one leaves a value of 1.0 positive
WARPING_THRESHOLDS = THRESHOLDS[:10]  # T10


def checked(
    labels: ArrayLike | Sequence[ArrayLike],
    proposal: ArrayLike | Sequence[ArrayLike],
    ignore: int | ArrayLike | Sequence[ArrayLike] | None = None,
) -> tuple[Sections, Sections, int]:
    """A truth, a proposal and pixels to ignore, as sections to take metrics of: (Z, H, W), one (H, W) section each, or
    sequences of (H, W) sections of any sizes.

    Returns the truth, bool, touching cells with numbers of their own separated as `train` does; the proposal, of its
    type; and how many pixels are ignored, which `ignore` marks or which have it as their label. Both are membrane at
    these, which leaves them out of all sums: no metric counts pixels that are membrane in truth and proposal.

    The challenge's scorer rescales labels by their extremes, which goes wrong for values above 255 and for a constant
    section, and leaves NaN and values outside [0, 1] undefined. Here the truth is `cells(labels)`, and BadInput is
    raised for shapes that differ or are not those above, a stack without pixels, an `ignore` that is not bool, a
    proposal that is not numbers from 0 to 1, and whatever `cells` refuses.
    """
    of_labels, of_proposal = _given(labels), _given(proposal)
    if described(of_labels) != described(of_proposal) or shapes(of_labels) != shapes(of_proposal):
        raise BadInput(
            f"the labels have shape {described(of_labels)} and the probabilities {described(of_proposal)}; both must "
            "be of the same sections, (Z, H, W)"
        )
    ignored = ignored_pixels(of_labels, ignore)
    of_labels, of_proposal = _stack_of_one(of_labels), _stack_of_one(of_proposal)
    if isinstance(of_labels, np.ndarray) and (of_labels.ndim != 3 or of_labels.size == 0):
        raise BadInput(f"labels and probabilities have shape {of_labels.shape}; give at least one section, (Z, H, W)")
    truth, pixels = joined(of_labels), joined(of_proposal)
    if pixels.dtype.kind not in "fbui":
        raise BadInput(f"the probabilities are of type {pixels.dtype}; they must be numbers from 0 to 1")
    if ignore is not None:
        pixels = np.where(ignored, pixels.dtype.type(0), pixels)
    if np.isnan(pixels).any():
        raise BadInput("the probabilities hold NaN; they must be numbers from 0 (membrane) to 1 (cell)")
    if pixels.min() < 0 or pixels.max() > 1:
        raise BadInput(
            f"the probabilities run from {pixels.min():g} to {pixels.max():g}, outside 0 to 1; they must run from "
            "0 (membrane) to 1 (cell), so divide 8-bit maps by 255"
        )
    if ignored.all():
        raise BadInput("all pixels are to be ignored; leave some that count")
    is_cell = np.zeros(truth.shape, bool)
    is_cell[~ignored] = cells(truth[~ignored])
    return _apart(of_labels, is_cell), like(pixels, of_proposal), int(np.count_nonzero(ignored))


def _apart(labels: Sections, is_cell: np.ndarray) -> Sections:
    """Where labels are cell, bool, with background between touching cells of different numbers.

    is_cell : bool, of all pixels, one after the other.
    """
    numbers = joined(labels)
    if numbers.dtype == bool or not ((numbers != numbers[is_cell.argmax()]) & is_cell).any():
        return like(is_cell, labels)  # masks, whose cells are apart already
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(np.int64)
    whole = like(np.where(is_cell, numbers, numbers.dtype.type(0)), labels)
    warn_of_other_meanings(whole, "the labels", may_be_said=False)
    return stacked([separate_touching_cells(section) > 0 for section in whole])


def _given(values: ArrayLike | Sequence[ArrayLike]) -> Sections:
    """An array, or a sequence of sections of several sizes."""
    name = "labels and probabilities"
    if isinstance(values, (list, tuple)) and len({as_array(section, name).shape for section in values}) > 1:
        return as_sections(values, name)
    array = np.atleast_1d(as_array(values, name))  # of a lone value too messages tell shape and type
    require_no_colours(array, "labels or probabilities")
    return array


def _stack_of_one(sections: Sections) -> Sections:
    """One section as a stack, others as they are."""
    return sections[None] if isinstance(sections, np.ndarray) and sections.ndim == 2 else sections


def ignored_pixels(labels: Sections, ignore: int | ArrayLike | Sequence[ArrayLike] | None) -> np.ndarray:
    """Which of all pixels, one after the other, are to be ignored: bool."""
    if ignore is None:
        return np.zeros(joined(labels).shape, bool)
    label = lone_label(ignore)
    if label is not None:
        return joined(labels) == label
    given = _given(ignore)
    pixels = joined(given)
    if shapes(given) != shapes(labels) or pixels.dtype != bool:
        raise BadInput(
            f"the pixels to ignore have shape {described(given)} and type {pixels.dtype}; they must be bool, of the "
            f"labels' shape {described(labels)}, or one whole number, the label that they have"
        )
    return pixels


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
