"""Pixel error: 1 - the best F1 score of the cell pixels, pooled over the stack."""

import numpy as np

from unet_paper.scores.common import THRESHOLDS, checked


def pixel_f1_per_threshold(labels, proposal):
    """F1 of the cell pixels at each of the 11 thresholds, over a (Z, H, W) truth and proposal in [0, 1]."""
    truth, proposal = checked(labels, proposal)
    scores = []
    for threshold in THRESHOLDS:
        positive = proposal > threshold
        true_positive = np.count_nonzero(positive & truth)
        false_positive = np.count_nonzero(positive) - true_positive
        false_negative = np.count_nonzero(truth) - true_positive
        precision = true_positive / (true_positive + false_positive) if false_positive else 1.0
        recall = true_positive / (true_positive + false_negative) if false_negative else 1.0
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return scores
