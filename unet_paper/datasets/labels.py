"""What the values of people's own labels mean."""

import numpy as np

from unet_paper.support.errors import BadInput
from unet_paper.weight_map import separate_touching_cells

LABELS_ARE = {
    "cells": "of two values, the larger is cell, the other background",
    "membranes": "of two values, the larger is membrane, the other cell",
    "numbers": "0 is background, every cell has a number of its own",
    "classes": "every value is a class: 0, 1, 2, ...",
}


def interpret_labels(labels, labels_are, name):
    """Labels by their meaning, a key of LABELS_ARE: (labels, classes).

    (Z, H, W) whole numbers -> with two classes, 0 = background and cells above 0, touching ones separated; with more,
    class numbers. `name` is the file's, for messages.

    Raises BadInput where the meaning is not said, cannot be, or leaves one class only.
    """
    found = np.unique(labels)
    if labels_are not in LABELS_ARE:
        shown = ", ".join(map(str, found[:5])) + ", ..." * (len(found) > 5)
        choices = "; ".join(f"{meant} ({meaning})" for meant, meaning in LABELS_ARE.items())
        raise BadInput(f"{name} holds {shown}; say with --labels-are what they mean: {choices}")
    if len(found) < 2:
        raise BadInput(f"{name} holds {found[0]} only; there must be two classes at least")
    if labels_are == "classes":
        if not np.array_equal(found, np.arange(len(found))):
            raise BadInput(
                f"{name} holds {len(found)} values from {found[0]} to {found[-1]}; classes must be numbered 0, 1, 2, "
                "... without gaps"
            )
        return labels, len(found)
    if labels_are == "numbers":
        labels = separate_touching_cells(labels)
    else:
        if len(found) > 2:
            raise BadInput(
                f"{name} holds {len(found)} values; labels that are {labels_are} hold two, and cells that have numbers "
                "of their own are --labels-are numbers"
            )
        marked = labels == found[1]
        labels = (marked if labels_are == "cells" else ~marked).astype(np.uint8) * 255
    if not labels.any() or labels.all():
        left = "background" if labels.all() else "cell"
        raise BadInput(f"{name}, read as {labels_are}, leaves no {left}; there must be both")
    return labels, 2
