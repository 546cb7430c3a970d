"""The separation border (section 3): a line of background between touching cells, by morphological operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its parts, and scikit-image's, are loaded when they are first used
from numpy.typing import ArrayLike
from skimage import measure

from unet_paper.io.sections import Sections
from unet_paper.support.arguments import as_array, labels_option
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

SPECK = 4  # px; most cells are larger
MOST_SPECKS, LEAST_SPECKS = 0.95, 1000  # share of the cells that specks may have, and from how many on
PIECES = 3  # of a number, on average, from which it is hardly a cell's


def label_cells(labels: ArrayLike, connectivity: int = 4) -> np.ndarray:
    """The cells of a section: the connected parts of the foreground that have the same number.

    Parameters
    ----------
    labels : (H, W) bool or integer array
        0 = background. Foreground of one value only, such as 255, falls into its connected components.
    connectivity : 4 or 8
        8 lets corners hold a cell together.

    Returns
    -------
    (H, W) int32 array
        0 = background, cells 1, 2, ...

    Raises
    ------
    BadInput
        For arrays of another shape or type, and another connectivity.
    """
    labels = as_array(labels, "labels")
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise BadInput(f"labels of shape {labels.shape} and type {labels.dtype}; expected (H, W) bool or integers")
    _require_connectivity(connectivity)
    if labels.min(initial=0) == 0 and ((labels == 0) | (labels == labels.max(initial=0))).all():
        return scipy.ndimage.label(labels, scipy.ndimage.generate_binary_structure(2, connectivity // 4))[0]
    return measure.label(labels, background=0, connectivity=connectivity // 4).astype(np.int32)


def separate_touching_cells(labels: ArrayLike, connectivity: int = 4) -> np.ndarray:
    """Put a background line between touching numbered cells (section 3: by morphological operations).

    Parameters
    ----------
    labels : (..., H, W) bool or integer array
        0 = background, every cell a number of its own. Labels with one value for all cells come back as they are.
    connectivity : 4 or 8
        Neighbours touch by a side; with 8, where corners hold a cell together, by a corner too.

    Returns
    -------
    Array of the same shape and type
        Of two neighbours with different numbers above 0, both are background: a line two pixels wide, symmetric in the
        cells.

    Raises
    ------
    BadInput
        For arrays of another shape or type, numbers below 0, and another connectivity.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3. A cell that would vanish, being at most two pixels wide,
    is kept: its neighbours alone make room. Where several such cells touch each other, each keeps the pixels that touch
    no other, or else the one nearest to its middle that is free. Where not even that is left the cell is lost:
    `lost_cells` counts.
    """
    labels = as_array(labels, "labels")
    if labels.ndim < 2 or labels.dtype.kind not in "bui":
        raise BadInput(f"labels of shape {labels.shape} and type {labels.dtype}; expected (..., H, W) bool or integers")
    _require_connectivity(connectivity)
    lowest = labels.min(initial=0)
    if lowest < 0:
        raise BadInput(f"the labels hold {lowest}; cells have numbers above 0, and all that is no cell must be 0")
    separated = labels.copy()
    if not labels.size:
        return separated
    for first, second in _neighbours(labels.shape, connectivity):
        touching = (labels[first] != labels[second]) & (labels[first] != 0) & (labels[second] != 0)
        separated[first][touching] = 0
        separated[second][touching] = 0
    sections = zip(labels.reshape(-1, *labels.shape[-2:]), separated.reshape(-1, *labels.shape[-2:]), strict=True)
    for before, after in sections:
        if not np.array_equal(before, after):
            _restore_lost_cells(before, after, connectivity)
    return separated


def lost_cells(before: np.ndarray, after: np.ndarray, connectivity: int = 4) -> int:
    """How many cells of the labels `before` have no pixel left in `after`, section by section.

    Parameters
    ----------
    before, after : (..., H, W) bool or integer array
        Of one shape. Cells are those of `label_cells`; a pixel is left where `after` is not 0.
    connectivity : 4 or 8
        See `label_cells`.

    Returns
    -------
    int
        Of all sections together.

    Raises
    ------
    BadInput
        For a `before` of another shape or type, and another connectivity.
    """
    if not before.size:
        return 0
    count = 0
    for section, left in zip(
        before.reshape(-1, *before.shape[-2:]), after.reshape(-1, *before.shape[-2:]), strict=True
    ):
        count += len(_lost(label_cells(section, connectivity), left))
    return count


def is_connectivity(value: Any) -> bool:
    """Whether a value is 4 or 8, what holds the pixels of a cell together: sides, or sides and corners.

    Parameters
    ----------
    value : any

    Returns
    -------
    bool
    """
    return isinstance(value, (int, np.integer)) and value in (4, 8)


def _require_connectivity(connectivity: int) -> None:
    """Raise BadInput for a connectivity that is none."""
    if not is_connectivity(connectivity):
        raise BadInput(f"connectivity {connectivity!r}; it must be 4 or 8")


def _neighbours(shape: tuple[int, ...], connectivity: int) -> Iterator[tuple[tuple, tuple]]:
    """Index pairs that lay the pixels of (..., H, W) arrays beside their neighbours, every pair of neighbours once."""
    height, width = shape[-2:]
    for down, right in [(0, 1), (1, 0), (1, 1), (1, -1)][: connectivity // 2]:
        first = np.s_[..., : height - down, max(-right, 0) : width - max(right, 0)]
        second = np.s_[..., down:, max(right, 0) : width + min(right, 0)]
        yield first, second


def _lost(cells: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The numbers of the (H, W) cells that have no pixel in `left`."""
    remaining = np.bincount(cells[left != 0], minlength=cells.max() + 1)
    return 1 + np.flatnonzero(remaining[1:] == 0)


def _restore_lost_cells(before: np.ndarray, after: np.ndarray, connectivity: int) -> None:
    """Give the cells of the (H, W) labels `before` that vanished from `after` some of their pixels back, in place."""
    cells = label_cells(before, connectivity)
    lost = np.where(np.isin(cells, _lost(cells, after)), cells, 0)
    crowded = np.zeros(cells.shape, bool)  # pixels that touch another lost cell
    for first, second in _neighbours(cells.shape, connectivity):
        touching = (lost[first] != lost[second]) & (lost[first] != 0) & (lost[second] != 0)
        crowded[first] |= touching
        crowded[second] |= touching
    free = (lost > 0) & ~crowded
    after[free] = before[free]
    around = scipy.ndimage.generate_binary_structure(2, connectivity // 4)
    still_lost = _lost(cells, after).tolist()
    boxes = scipy.ndimage.find_objects(cells) if still_lost else []
    for number in still_lost:
        box = boxes[number - 1]
        rows, columns = np.nonzero(cells[box] == number)
        rows, columns = rows + box[0].start, columns + box[1].start
        from_middle = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        for index in np.argsort(from_middle, kind="stable").tolist():
            row, column = rows[index], columns[index]
            top, left = max(row - 1, 0), max(column - 1, 0)
            window = after[top : row + 2, left : column + 2]
            structure = around[top - row + 1 :, left - column + 1 :][: window.shape[0], : window.shape[1]]
            if not window[structure].any():
                after[row, column] = before[row, column]
                break


def areas_of_parts(labels: Sections) -> np.ndarray:
    """The sizes of the pieces that cells are in.

    Parameters
    ----------
    labels : (Z, H, W) integer array, or a sequence of (H, W) sections
        0 = background, every cell a number of its own.

    Returns
    -------
    (N,) integer array
        Px, of every 4-connected part of every number.
    """
    return np.concatenate([np.bincount(label_cells(section).ravel())[1:] for section in labels])


def warn_of_specks(areas: np.ndarray, name: Path | str) -> bool:
    """Say so, and return True, where most cells are of a few pixels, as gray levels are.

    Parameters
    ----------
    areas : (N,) integer array
        Px, of every connected part of a number.
    name : path or str
        Of the cells, for the message.

    Returns
    -------
    bool
    """
    specks = int((areas <= SPECK).sum())
    if specks <= 10 or specks <= len(areas) / 2:
        return False
    logger.warning(
        f"note: {specks} of the {len(areas)} cells of {name} have at most {SPECK} px; these may be gray levels of "
        "a smoothed mask, and no cells"
    )
    return True


def require_no_gray_levels(labels: Sections, name: Path | str) -> None:
    """Refuse what is read as numbered cells where nearly all of very many are specks, most of which touch others.

    Annotated spots may be as small, but lie apart.

    Parameters
    ----------
    labels : (Z, H, W) integer array, or a sequence of (H, W) sections
        0 = background, every cell a number of its own.
    name : path or str
        Of the labels, for the message.

    Raises
    ------
    BadInput
        For such labels.
    """
    cells, specks, crowded = 0, 0, 0
    for section in labels:
        parts = label_cells(section)
        touching = np.zeros(parts.shape, bool)
        for first, second in _neighbours(parts.shape, 4):
            touch = (parts[first] != parts[second]) & (parts[first] != 0) & (parts[second] != 0)
            touching[first] |= touch
            touching[second] |= touch
        areas = np.bincount(parts.ravel())[1:]
        cells += len(areas)
        specks += int(np.count_nonzero(areas <= SPECK))
        crowded += int(np.count_nonzero(areas[np.unique(parts[touching]) - 1] <= SPECK))
    if specks >= LEAST_SPECKS and specks > MOST_SPECKS * cells and 2 * crowded > specks:
        raise BadInput(
            f"{specks:,} of the {cells:,} cells of {name} have at most {SPECK} px, as gray levels do; threshold it if "
            "it is a mask that was smoothed or saved as JPEG, and see whether images and labels are swapped"
        )


def warn_of_other_meanings(labels: Sections, name: Path | str, may_be_said: bool = True) -> bool:
    """Say so, and return True, where most cells are of a few pixels, as gray levels of a smoothed or compressed mask
    are, and where most numbers are in several pieces, as classes are.

    Parameters
    ----------
    labels : (Z, H, W) integer array, or a sequence of (H, W) sections
        0 = background, every cell a number of its own.
    name : path or str
        Of the labels, for the message.
    may_be_said : bool
        Whether the caller is asked what labels mean.

    Returns
    -------
    bool
    """
    areas = areas_of_parts(labels)
    appearances = sum(np.count_nonzero(np.unique(section)) for section in labels)
    if warn_of_specks(areas, name):
        return True
    like_classes = bool(len(areas) >= PIECES * appearances)
    if like_classes:
        advice = f", so if these are classes, give {labels_option('classes')}" if may_be_said else ""
        logger.warning(
            f"note: the cells of {name} are in {len(areas)} pieces, for {appearances} numbers in all of its sections; "
            f"a cell is one piece{advice}"
        )
    return like_classes


def note_cells_in_pieces(labels: Sections, name: Path | str, connectivity: int = 4) -> None:
    """Say how many cells are in several pieces, as each of these is a cell of the weight map.

    Parameters
    ----------
    labels : (Z, H, W) integer array, or a sequence of (H, W) sections
        0 = background, every cell a number of its own, touching ones separated.
    name : path or str
        Of the labels, for the message.
    connectivity : 4 or 8
        See `label_cells`.
    """
    counts: list[tuple[int, int]] = []  # the number of a cell, and of its pieces
    for section in labels:
        _, first = np.unique(label_cells(section, connectivity), return_index=True)
        numbers, pieces = np.unique(section.ravel()[first], return_counts=True)
        counts += [pair for pair in zip(numbers.tolist(), pieces.tolist(), strict=True) if pair[0] and pair[1] > 1]
    if counts:
        number, _ = max(counts, key=lambda pair: pair[1])
        several = f"{len(counts)} cells of {name} ({number}, ...) are"
        which = several if len(counts) > 1 else f"cell {number} of {name} is"
        logger.warning(f"note: {which} in several pieces, each taken as a cell, with border weight between them")
