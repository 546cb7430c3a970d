"""Section 4: the metrics that segmentations are judged by."""

from unet_paper.metrics.challenge import score, warping_errors
from unet_paper.metrics.common import THRESHOLDS, WARPING_THRESHOLDS
from unet_paper.metrics.scores import Scores
from unet_paper.metrics.seg import InstanceScores, score_instances

__all__ = [
    "THRESHOLDS",
    "WARPING_THRESHOLDS",
    "InstanceScores",
    "Scores",
    "score",
    "score_instances",
    "warping_errors",
]
