"""The weight map (section 3, equation 2, figure 3): w = w_c + w_0 exp(-(d1 + d2)^2 / (2 sigma^2)).

d1 and d2 are the distances of a background pixel to the nearest and to the second nearest cell, so that the
background between two close cells weighs most.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.config import CLASS_WEIGHT, PAPER, SIGMA, W_0
from unet_paper.io.sections import lone_label, require_no_colours
from unet_paper.separation_border import is_connectivity, label_cells, separate_touching_cells
from unet_paper.support.arguments import as_array, holds
from unet_paper.support.errors import BadInput

REACH = 10.0  # in sigma: exp(-10^2 / 2) = 2e-22 is lost beside w_c even in double precision
HIGHEST_CLASS = 65_535  # of semantic labels; larger numbers are cells'


def weight_map(
    labels: ArrayLike,
    w_0: float = PAPER.w_0,
    sigma: float = PAPER.sigma,
    *,
    connectivity: int = 4,
    class_weights: Sequence[float] | None = None,
    semantic: bool = False,
    ignore: ArrayLike | int | None = None,
) -> np.ndarray:
    """Equation 2 for one section.

    Parameters
    ----------
    labels : (H, W) bool or integer array
        Truth: 0 = background (membrane); see `label_cells` for what counts as a cell. Cells with different numbers
        that touch are separated first, see `separate_touching_cells`.
    w_0 : float
        Height of the border term, 0 to 1e6 (the paper's: 10).
    sigma : float
        Width of the border term in px, above 0, at most 1e4 (the paper's: about 5).
    connectivity : 4 or 8
        What holds a cell together: sides, or sides and corners.
    class_weights : sequence of float, or None
        w_c: (background, cell), or one for each class of semantic labels, also for those that do not occur in `labels`.
        0 to 1e30; balanced over `labels` unless given, see `balancing_class_weights`.
    semantic : bool
        Whether the labels are class numbers instead of cells' numbers. Then what touches is one cell, whatever its
        classes: a cell whose rim is a class of its own is not two that are to be kept apart.
    ignore : bool array of the labels' shape, an int, or None
        True for pixels of which the truth is not known, or the label that such pixels have. They weigh 0, are neither
        cell nor background for w_c, and no cell's: nothing is kept away from them. With `class_weights` all of a
        section may be ignored, as of a stack whose other sections count.

    Returns
    -------
    (H, W) float32 array
        0 or above. The border term is 0 inside cells, and everywhere where there are fewer than two cells.

    Raises
    ------
    BadInput
        For labels of another shape or type, labels below 0, settings out of range, an `ignore` that does not fit or
        leaves nothing to balance the classes over, fewer class weights than semantic labels have classes, and for cells
        another number than two.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3, equation 2 and figure 3.
    """
    labels = as_array(labels, "labels")
    if labels.ndim != 2:
        raise BadInput(f"labels of shape {labels.shape}; expected one section, (H, W), or use weight_maps")
    if ignore is not None and lone_label(ignore) is None:
        ignore = as_array(ignore, "pixels to ignore")[None]
    return weight_maps(
        labels[None],
        w_0,
        sigma,
        connectivity=connectivity,
        class_weights=class_weights,
        semantic=semantic,
        ignore=ignore,
    )[0]


def weight_maps(
    labels: ArrayLike,
    w_0: float = PAPER.w_0,
    sigma: float = PAPER.sigma,
    *,
    connectivity: int = 4,
    class_weights: Sequence[float] | None = None,
    semantic: bool = False,
    ignore: ArrayLike | int | None = None,
) -> np.ndarray:
    """Equation 2 for a stack of sections.

    Parameters
    ----------
    labels : (Z, H, W) bool or integer array
        Truth, as of `weight_map`; so are the other parameters. An array `ignore` has this shape.

    Returns
    -------
    (Z, H, W) float32 array
        As of `weight_map`, but w_c balances the classes over the whole stack, unless it is given.

    Raises
    ------
    BadInput
        As `weight_map` does.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, equation 2.
    """
    labels = as_array(labels, "labels")
    require_no_colours(labels, "labels")
    if labels.ndim != 3 or labels.size == 0:
        raise BadInput(f"labels of shape {labels.shape}; expected (Z, H, W)")
    if labels.dtype.kind not in "bui":
        raise BadInput(f"the labels hold {labels.dtype} values; give whole numbers or bool")
    if not holds(lambda: W_0.allow(w_0) and SIGMA.allow(sigma) and is_connectivity(connectivity)):
        raise BadInput(
            f"w_0 {w_0!r}, sigma {sigma!r}, connectivity {connectivity!r}: w_0 must be 0 or above and at most "
            f"{W_0.highest:g}, sigma {SIGMA} px, connectivity 4 or 8, all of them numbers"
        )
    if not isinstance(semantic, (bool, np.bool_)):
        raise BadInput(f"semantic is {semantic!r}; it must be True or False")
    labels = labels.astype(labels.dtype.newbyteorder("="), copy=False)
    ignored = ignored_pixels(labels, ignore)
    if ignored is not None:
        labels = np.where(ignored, labels.dtype.type(0), labels)
    require_no_negatives(labels, "the labels hold")
    if not semantic:
        labels = separate_touching_cells(labels, connectivity)
    elif labels.max() > HIGHEST_CLASS:
        raise BadInput(
            f"the labels hold {labels.max()}; classes are numbered 0, 1, 2, ... {HIGHEST_CLASS} at most, and for "
            "numbered cells leave semantic out"
        )
    if class_weights is None:
        class_weights = balancing_class_weights(labels, semantic, ignored=ignored)
    w_c = _checked_class_weights(class_weights, labels, semantic)
    weights = np.empty(labels.shape, np.float32)
    for section, of_section in zip(weights, labels, strict=True):
        cells = label_cells(of_section > 0 if semantic else of_section, connectivity)
        classes = of_section if semantic else cells > 0
        for rows, border in border_terms(cells, w_0, sigma):
            section[rows] = w_c[classes[rows].astype(np.intp)] + border
    if ignored is not None:
        weights[ignored] = 0
    return weights


def _checked_class_weights(class_weights: Sequence[float], labels: np.ndarray, semantic: bool) -> np.ndarray:
    """w_c, (K,) float64, for labels as in `weight_maps`. Raises BadInput as it does."""
    try:
        w_c = np.asarray(class_weights, dtype=np.float64)
    except (TypeError, ValueError):
        w_c = np.empty(())
    if w_c.ndim != 1:
        raise BadInput(f"class_weights is {class_weights!r}; it must be a list of numbers, one for each class")
    needed = max(int(labels.max()) + 1, 2) if semantic else 2
    # a section may lack the highest of a stack's classes
    if len(w_c) < needed or (len(w_c) > needed and not semantic):
        raise BadInput(f"there are {len(w_c)} class weights, but the labels have {needed} classes")
    if not (np.isfinite(w_c) & (w_c >= 0)).all():
        raise BadInput(f"the class weights are {tuple(w_c.tolist())}; they must be finite, and 0 or above")
    if (w_c > CLASS_WEIGHT.highest).any():
        raise BadInput(f"the class weights are {tuple(w_c.tolist())}; they must be at most {CLASS_WEIGHT.highest:g}")
    return w_c


def require_no_negatives(labels: np.ndarray, what: str) -> None:
    """Raise BadInput for labels below 0, which no cell and no class has.

    Parameters
    ----------
    labels : bool or integer array
        Of any shape.
    what : str
        How the message begins.

    Raises
    ------
    BadInput
        Names the lowest label.
    """
    lowest = labels.min(initial=0)
    if lowest < 0:
        raise BadInput(
            f"{what} {lowest}; cells and classes have numbers from 0 (background) on, and where {lowest} marks pixels "
            f"of which the truth is not known, give ignore={lowest}"
        )


def border_terms(cells: np.ndarray, w_0: float, sigma: float) -> Iterator[tuple[slice, np.ndarray]]:
    """The second term of equation 2, a band of rows at a time.

    Parameters
    ----------
    cells : (H, W) integer array
        0 = background, each cell a positive number.
    w_0 : float
        Height of the term, 0 or above.
    sigma : float
        Width of the term in px, above 0.

    Returns
    -------
    iterator of (rows, border)
        A slice, and (h, W) float64, 0 to w_0: 0 inside cells, where there is no second cell, and where
        d1 + d2 > REACH sigma.

    Raises
    ------
    BadInput
        With the first band, for arrays of another shape or type.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3, equation 2.
    """
    from unet_paper.compute.nearest_cells import bands_of_distances  # Numba is slow to import

    w_0, sigma = float(w_0), float(sigma)  # of NumPy's small types a square overflows
    for rows, d1, d2 in bands_of_distances(cells, REACH * sigma):
        border = np.zeros(d1.shape)
        near = (cells[rows] == 0) & np.isfinite(d2)
        border[near] = w_0 * np.exp(-((d1[near] + d2[near]) ** 2) / (2 * sigma**2))
        yield rows, border


def balancing_class_weights(
    labels: np.ndarray, semantic: bool = False, power: float = 1.0, ignored: np.ndarray | None = None
) -> tuple[float, ...]:
    """w_c: inverse class frequency over all of `labels`, to a power, scaled to mean 1 over its pixels.

    Parameters
    ----------
    labels : bool or integer array
        Of any shape; 0 = background, all others cell.
    semantic : bool
        Whether the labels are class numbers, 0 or above, instead.
    power : float
        With K classes of frequency f and power 1 each weighs 1 / (K f); with power 0 all weigh 1.
    ignored : bool array of the labels' shape, or None
        Pixels that do not count.

    Returns
    -------
    tuple of float
        One weight for each class, 0 or above. A class that does not occur weighs 0 and does not count.

    Raises
    ------
    BadInput
        Where no pixel counts.
    ValueError
        NumPy's, for class numbers below 0.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3: w_c balances the class frequencies; how is ours.
    """
    counted = labels.ravel() if ignored is None else labels[~ignored]
    if not counted.size:
        raise BadInput("all pixels are to be ignored; leave some that count")
    numbers = counted if semantic else counted != 0
    frequencies = np.bincount(numbers.astype(np.intp), minlength=2) / counted.size
    present = frequencies > 0
    weights = np.zeros(len(frequencies))
    weights[present] = frequencies[present] ** -power
    weights /= (frequencies * weights).sum()
    return tuple(weights.tolist())


def ignored_pixels(labels: np.ndarray, ignore: ArrayLike | int | None) -> np.ndarray | None:
    """Where the pixels are of which the truth is not known.

    Parameters
    ----------
    labels : bool or integer array
        Of any shape.
    ignore : bool array of the labels' shape, an int, or None
        True for such pixels, or the label that they have.

    Returns
    -------
    bool array of the labels' shape, or None
        None for None; an array as it is.

    Raises
    ------
    BadInput
        For an array of another shape or type.
    """
    if ignore is None:
        return None
    label = lone_label(ignore)
    if label is not None:
        return labels == label
    given = as_array(ignore, "pixels to ignore")
    if given.dtype != bool or given.shape != labels.shape:
        raise BadInput(
            f"the pixels to ignore have shape {given.shape} and type {given.dtype}; they must be bool, of the labels' "
            f"shape {labels.shape}, or one whole number, the label that they have"
        )
    return given
