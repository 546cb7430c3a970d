"""From a probability map to numbered cells (section 4, Table 2): connected components of what is surely enough cell."""

import numpy as np
from numpy.typing import ArrayLike
from skimage import measure

from unet_paper.support.errors import BadInput


def segment(probability: ArrayLike, threshold: float = 0.5, min_size: int = 0) -> np.ndarray:
    """The cells of a probability map, numbered.

    Parameters
    ----------
    probability : (H, W) or (Z, H, W) float array
        Probability of cell, 0 to 1, as `predict` gives it.
    threshold : float
        0 to 1; a pixel with more than this is cell. 0.5 is the argmax over the two classes.
    min_size : int
        Cells of fewer pixels are left out; px, 0 or above.

    Returns
    -------
    int32 array of the same shape
        0 = background, cells 1, 2, ... A cell is a 4-connected component of its section. Numbers run on through the
        sections of a stack, so that no two cells share one.

    Raises
    ------
    BadInput
        For arrays of another shape or type, values outside 0 to 1, and settings out of range.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 4. The paper does not say how its maps were made into
    segments; argmax and components are those of the authors' released scripts for Table 2.
    """
    maps = np.asarray(probability)
    if maps.ndim not in (2, 3) or maps.size == 0 or maps.dtype.kind != "f":
        raise BadInput(f"a map of shape {maps.shape} and type {maps.dtype}; expected (H, W) or (Z, H, W) floats")
    if not (maps.min() >= 0 and maps.max() <= 1):  # also where one is no number
        raise BadInput("the map holds values outside 0 to 1; give probabilities of cell")
    if not 0 <= threshold <= 1 or min_size < 0:
        raise BadInput(f"threshold {threshold}, min_size {min_size}; they must be 0 to 1, and 0 or above")
    cells = np.zeros(maps.shape, np.int32)
    count = 0
    for numbered, section in zip(cells.reshape(-1, *maps.shape[-2:]), maps.reshape(-1, *maps.shape[-2:]), strict=True):
        components = measure.label(section > threshold, connectivity=1)
        kept = np.bincount(components.ravel()) >= max(min_size, 1)
        kept[0] = False
        numbers = np.where(kept, count + np.cumsum(kept), 0)
        numbered[...] = numbers[components]
        count += int(kept.sum())
    return cells
