"""Pixel error: 1 - the best F1 score of the cell pixels, pooled over the stack."""

import numpy as np

from unet_paper.metrics.common import THRESHOLDS


def pixel_sums(truth: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(true positives, positives) at each threshold: (11, 2) int64. Takes a bool truth and `levels` of its shape."""
    histograms = np.bincount((level + np.uint8(16) * truth).ravel(), minlength=32).reshape(2, 16)
    # Positive at threshold k is what lies above level k.
    above = histograms.sum(axis=1, keepdims=True) - histograms.cumsum(axis=1)
    positives = above[:, : len(THRESHOLDS)]
    return np.stack([positives[1], positives.sum(axis=0)], axis=1)


def pixel_f1(true_positives: int, positives: int, cell_pixels: int) -> float:
    """F1 of the cell pixels from their counts over the whole stack.

    Precision is 1 without false positives, recall is 1 without false negatives, F1 is 0 where both are 0.
    """
    precision = true_positives / positives if positives > true_positives else 1.0
    recall = true_positives / cell_pixels if cell_pixels > true_positives else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
