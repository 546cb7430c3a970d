"""The ISBI 2012 challenge's scores of a probability stack against a truth stack (section 4)."""

import numpy as np

from unet_paper.scores.common import THRESHOLDS, WARPING_THRESHOLDS
from unet_paper.scores.pixel_error import pixel_f1_per_threshold
from unet_paper.scores.rand_error import rand_f_per_threshold
from unet_paper.scores.warping_error import WarpingCounts, warping_counts_per_threshold


def score(labels, proposal):
    """All scores of a proposal, each at its own best threshold.

    Parameters
    ----------
    labels : (Z, H, W) array
        Truth: > 0 is cell, 0 is membrane.
    proposal : (Z, H, W) float array
        Probability of cell, 0 to 1.

    Returns
    -------
    dict of plain values: `pixel_error`, `rand_error`, `warping_error`; `best_threshold` of each; `warping_counts`, the
    six counts over the stack at the best threshold; and the curves `pixel_f1`, `rand_f`, `warping` over `thresholds`.

    Raises BadInput for shapes that differ, probabilities outside [0, 1] or NaN, and a truth without any cell.
    """
    pixel = pixel_f1_per_threshold(labels, proposal)
    rand = rand_f_per_threshold(labels, proposal)
    counts = [
        WarpingCounts(*np.sum(sections, axis=0).tolist()) for sections in warping_counts_per_threshold(labels, proposal)
    ]
    warping = [total.error_pixels / np.asarray(labels).size for total in counts]
    best_warping = int(np.argmin(warping))
    return {
        "pixel_error": 1 - max(pixel),
        "rand_error": 1 - max(rand),
        "warping_error": warping[best_warping],
        "best_threshold": {
            "pixel_error": THRESHOLDS[int(np.argmax(pixel))],
            "rand_error": THRESHOLDS[int(np.argmax(rand))],
            "warping_error": WARPING_THRESHOLDS[best_warping],
        },
        "warping_counts": counts[best_warping]._asdict(),
        "thresholds": list(THRESHOLDS),
        "pixel_f1": pixel,
        "rand_f": rand,
        "warping": warping,
        "sections": int(np.asarray(labels).shape[0]),
    }
