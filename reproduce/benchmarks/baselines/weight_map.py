"""Equation 2 as one writes it: a distance transform of the whole section for every cell, the two smallest kept. The
baseline of the benchmarks; it shares no code with `unet_paper.weight_map`.
"""

import numpy as np
from scipy import ndimage


def weight_map(
    labels: np.ndarray, class_weights: tuple[float, ...], w_0: float = 10.0, sigma: float = 5.0
) -> np.ndarray:
    """(H, W) labels, 0 = background -> (H, W) float32; class_weights : (background, cell)."""
    cells, count = ndimage.label(labels > 0)
    weights = np.where(cells > 0, class_weights[1], class_weights[0])
    if count >= 2:
        distances = np.sort([ndimage.distance_transform_edt(cells != cell) for cell in range(1, count + 1)], axis=0)
        border = w_0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
        weights = weights + np.where(cells > 0, 0, border)
    return weights.astype(np.float32)
