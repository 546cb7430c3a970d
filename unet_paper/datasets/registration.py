"""Registration of labels with their image (ours): by how much they lie beside what they show.

The labels of the ISBI 2012 stack lie above the membranes that they show, each section's by about 0.6 px. A network that
sees turned and mirrored tiles cannot learn that, as the direction turns with them. A registration is (x, y): what a
pixel of the labels shows lies x px to its right and y px below it in the image.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates
from skimage.feature import match_template

from unet_paper.io.sections import as_sections, require_same_shapes
from unet_paper.support.errors import BadInput

FARTHEST = 8  # px: labels farther away than this are not found
SMALLEST = 256  # px: height and width of sections in which they are looked for; smaller ones tell too little
LEAST_CORRELATION = 0.1  # of labels with what they show; that of ISBI's is 0.4 to 0.6, that of noise 0.01
PARTS = 100  # of a px, to which a registration is measured


def measure(images: ArrayLike | Sequence[ArrayLike], labels: ArrayLike | Sequence[ArrayLike]) -> np.ndarray:
    """By how much the labels of each section lie beside what they show.

    Parameters
    ----------
    images : (Z, H, W) array, or a sequence of (H, W) arrays of any sizes
        Gray values.
    labels : the same of integers
        Labels above 0 are cell.

    Returns
    -------
    (Z, 2) float64 array
        (x, y) in px, to a hundredth, beyond 5 px to some tenths: where the correlation of the gray values, but for
        those near the section's ends, with the labels that lie there is largest.

    Raises
    ------
    BadInput
        For arrays that do not fit, and a section below 256 px, of one class or one gray value, or whose labels lie 8 px
        or more beside what they show or hardly correlate with it.

    Notes
    -----
    Means something where what is cell is brighter, or darker, than what is not: not for shaded relief, as of DIC, whose
    bright and dark sides lie beside the cells.
    """
    images, labels = as_sections(images, "images"), as_sections(labels, "labels")
    require_same_shapes(images, labels, ("images", "labels"))
    return np.array([_of_section(*pair, number) for number, pair in enumerate(zip(images, labels, strict=True))])


def _of_section(image: np.ndarray, labels: np.ndarray, number: int) -> tuple[float, float]:
    if image.dtype.kind == "c" or not np.isfinite(image).all():
        raise BadInput(f"section {number} of the images holds values that are no finite real numbers; give gray values")
    cells, inner = (labels > 0).astype(np.float64), image[FARTHEST:-FARTHEST, FARTHEST:-FARTHEST].astype(np.float64)
    why = None
    if min(image.shape) < SMALLEST:
        why = f"is below {SMALLEST} px in height or width"
    elif len(np.unique(cells)) == 1:
        why = "has one class alone"
    elif inner.min() == inner.max():
        why = "has one gray value alone"
    if why is not None:
        raise BadInput(f"section {number} {why}, so that its labels cannot be registered; leave it out")
    correlation = np.abs(match_template(cells, inner))
    row, column = np.unravel_index(correlation.argmax(), correlation.shape)
    if not {0, 2 * FARTHEST}.isdisjoint((row, column)) or correlation.max() < LEAST_CORRELATION:
        raise BadInput(
            f"the labels of section {number} lie {FARTHEST} px or more beside what they show, or show something else; "
            "give those of this image"
        )
    around = np.linspace(-1, 1, 2 * PARTS + 1)
    rows, columns = np.meshgrid(row + around, column + around, indexing="ij")
    finer = map_coordinates(correlation, [rows, columns], order=3)
    best = np.unravel_index(finer.argmax(), finer.shape)
    return FARTHEST - float(columns[best]), FARTHEST - float(rows[best])
