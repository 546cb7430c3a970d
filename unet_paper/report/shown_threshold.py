"""The one threshold at which the pictures, the figures and the viewer of a run show what was found."""

from unet_paper.metrics.registry import WARPING_ERROR
from unet_paper.metrics.scores import Scores

THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(1, 10))  # that the viewer can show
USUAL_THRESHOLD = 0.5


def shown_threshold(scores: Scores | None) -> float:
    """Of THRESHOLDS, the nearest to the one where the warping error, by which table 1 is sorted, is least; the middle
    one where there are no metrics.

    scores : of the primary test-time augmentation.
    """
    best = scores.best_threshold.get(WARPING_ERROR.key, USUAL_THRESHOLD) if scores else USUAL_THRESHOLD
    return nearest_shown(best)


def nearest_shown(threshold: float) -> float:
    """Of THRESHOLDS, the nearest to one."""
    return min(THRESHOLDS, key=lambda shown: abs(shown - threshold))


def why_shown(scores: Scores | None) -> str:
    """Why it is that threshold, in words."""
    return f"the {WARPING_ERROR.title} is least" if scores else "there are no metrics to choose by"
