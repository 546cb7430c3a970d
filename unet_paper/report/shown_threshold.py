"""The one threshold at which the pictures, the figures and the viewer of a run show what was found."""

from unet_paper.metrics.registry import PIXEL_ERROR, WARPING_ERROR
from unet_paper.metrics.scores import Scores
from unet_paper.runs.cell_segmentation import segmentation_of
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import cells_of_run, is_tessellation
from unet_paper.runs.record import RunRecord

VIEWER_THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(1, 10))  # that the viewer can show
USUAL_THRESHOLD = 0.5
LEAST_F = 0.5  # of the pixels of cell


def how_shown(run: RunFolder, record: RunRecord, scores: Scores | None) -> tuple[float, str]:
    """One of VIEWER_THRESHOLDS, at which a run is shown, and why that one, in words.

    It is where cells are numbered, for runs that are judged by numbered cells, else where `shown_threshold` says.

    scores : the challenge's, of the primary test-time augmentation, where they fit.
    """
    numbered = _numbering_threshold(run, record)
    if numbered is None:
        return shown_threshold(scores), why_shown(scores)
    shown = nearest_shown(numbered)
    return shown, "cells are numbered" + (f" (at {numbered:g})" if numbered != shown else "")


def _numbering_threshold(run: RunFolder, record: RunRecord) -> float | None:
    if record.protocol.sequences is not None:
        return segmentation_of(record).threshold
    if is_tessellation(record):
        return None
    cell_scores = cells_of_run(run, record).get(record.config.primary)
    return cell_scores.segmentation.threshold if cell_scores and cell_scores.segmentation else None


def shown_threshold(scores: Scores | None) -> float:
    """Of VIEWER_THRESHOLDS, the nearest to the one where the warping error, by which table 1 is sorted, is least; the
    middle one where there are no metrics.

    A map with hardly any cell left has hardly any split or merger, so its warping error is small. A threshold at which
    the pixels' F score is below LEAST_F is not taken.

    scores : of the primary test-time augmentation.
    """
    return nearest_shown(_chosen(scores) if scores else USUAL_THRESHOLD)


def nearest_shown(threshold: float) -> float:
    """Of VIEWER_THRESHOLDS, the nearest to one."""
    return min(VIEWER_THRESHOLDS, key=lambda shown: abs(shown - threshold))


def why_shown(scores: Scores | None) -> str:
    """Why it is that threshold, in words."""
    if not scores:
        return "both classes are equally probable"
    least = f"the {WARPING_ERROR.title} is least"
    return least if _chosen(scores) == _best(scores) else f"{least}, with most of the cells left"


def _best(scores: Scores) -> float:
    return scores.best_threshold.get(WARPING_ERROR.key, USUAL_THRESHOLD)


def _chosen(scores: Scores) -> float:
    """The best of the thresholds that leave cells; that of all where the record has no curves."""
    if not scores.is_complete:
        return _best(scores)
    curves = scores.curve(WARPING_ERROR), scores.curve(PIXEL_ERROR)  # an error, and an F score
    fitting = [
        (error, threshold)
        for error, f, threshold in zip(*curves, scores.thresholds, strict=False)
        if error is not None and f is not None and f >= LEAST_F
    ]
    return min(fitting)[1] if fitting else _best(scores)
