"""An elastically deformed sample as people make it: `elasticdeform` where it is installed, and SciPy's
`map_coordinates`. Baselines of the benchmarks; they share no code with `unet_paper.augmentation`.
"""

from importlib import import_module
from types import ModuleType

import numpy as np
from scipy import ndimage

elasticdeform: ModuleType | None
try:
    elasticdeform = import_module("elasticdeform")
except ImportError:  # its wheel does not go with NumPy 2; a build from source does
    elasticdeform = None


def by_elasticdeform(
    random: np.random.Generator,
    image: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    size: int = 572,
    sigma: float = 10,
) -> list[np.ndarray]:
    """Image, labels and weights (H, W) through one random 3 x 3 grid; (size, size) parts of the mirrored section."""
    assert elasticdeform is not None
    parts = [cut(values, size) for values in (image, labels, weights)]
    return elasticdeform.deform_random_grid(parts, sigma=sigma, points=3, order=[3, 0, 0], mode="mirror")


def by_map_coordinates(
    random: np.random.Generator,
    image: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    size: int = 572,
    sigma: float = 10,
) -> list[np.ndarray]:
    """The same by SciPy: the grid interpolated by cubic splines, the image by cubic ones, the rest by nearest."""
    coordinates = np.mgrid[:size, :size].astype(np.float64)
    grid = np.mgrid[: 2 : size * 1j, : 2 : size * 1j]
    for axis in range(2):
        coordinates[axis] += ndimage.map_coordinates(random.normal(0, sigma, (3, 3)), grid, order=3)
    orders = zip((image, labels, weights), (3, 0, 0), strict=True)
    return [
        ndimage.map_coordinates(cut(values, size), coordinates, order=order, mode="mirror") for values, order in orders
    ]


def cut(values: np.ndarray, size: int) -> np.ndarray:
    """A mirrored (size, size) part of a smaller section."""
    more = size - values.shape[0]
    return np.pad(values, (more // 2, more - more // 2), mode="reflect")
