"""From a probability map to numbered cells (section 4, Table 2): connected components of what is surely enough cell."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage import measure
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed as flooded

from unet_paper.config import setting
from unet_paper.io.sections import require_no_colours
from unet_paper.separation_border import is_connectivity
from unet_paper.support.arguments import as_array, is_number, is_whole
from unet_paper.support.errors import BadInput

THRESHOLD = 0.5  # the argmax over two classes
NECK = 0.75  # px: by how much a neck must be narrower, on each side, than what it joins, or nothing is cut


@dataclass(frozen=True)
class CellSegmentation:
    """How the probabilities of a section become numbered cells."""

    threshold: float = setting(THRESHOLD, "release", "a pixel with more than this is cell; 0.5 is the argmax")
    connectivity: int = setting(4, "ours", "whether pixels that touch at a corner (8) or a side (4) are of one cell")
    min_size: int = setting(0, "ours", "px; smaller segments are dropped")
    outer: int = setting(0, "ours", "px; segments that lie wholly in so wide a frame around the image are dropped")
    fill_holes: bool = setting(False, "release", "whether the holes of segments are filled")
    watershed: bool = setting(False, "ours", "whether segments that are joined by a neck are cut")

    def check(self) -> None:
        """Raise BadInput for a value of another type or out of range."""
        is_share = is_number(self.threshold) and 0 <= self.threshold <= 1
        if not (is_share and is_whole(self.min_size) and self.min_size >= 0):
            raise BadInput(
                f"threshold {self.threshold!r}, min_size {self.min_size!r}; they must be numbers, 0 to 1, and 0 or "
                "above, a whole one, px"
            )
        if not (is_whole(self.outer) and self.outer >= 0):
            raise BadInput(f"outer {self.outer!r}; it must be a whole number, 0 or above, px")
        if not is_connectivity(self.connectivity):
            raise BadInput(f"connectivity {self.connectivity}; it must be 4 or 8")
        for name in ("fill_holes", "watershed"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise BadInput(f"{name} is {type(getattr(self, name)).__name__}; it must be True or False")

    def described(self) -> dict[str, dict[str, Any]]:
        """{name: {value, source, meaning}}; what is not the released scripts' (RELEASED) is ours."""
        described = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            is_released = entry.name not in UNNAMED and value == getattr(RELEASED, entry.name)
            source = "release" if is_released else "ours"
            described[entry.name] = {"value": value, "source": source, "meaning": entry.metadata["meaning"]}
        return described

    def __str__(self) -> str:
        return (
            f"above {self.threshold:g}, {self.connectivity}-connected"
            + ", cut by watershed" * self.watershed
            + (f", of {self.min_size} px at least" if self.min_size > 1 else "")
            + (f", those wholly in the outer {self.outer} px dropped" if self.outer else "")
            + ", holes filled" * self.fill_holes
        )


# Of the authors' scripts for PhC-C2DH-U373, but for what they do not name.
RELEASED = CellSegmentation(connectivity=8, min_size=501, outer=50)
UNNAMED = ("connectivity", "watershed")


def segment(
    probability: ArrayLike,
    threshold: float = THRESHOLD,
    min_size: int = 0,
    *,
    watershed: bool = False,
    connectivity: int = 4,
) -> np.ndarray:
    """The cells of a probability map, numbered.

    Parameters
    ----------
    probability : (H, W) or (Z, H, W) float array
        Probability of cell, 0 to 1, as `predict` gives it.
    threshold : float
        0 to 1; a pixel with more than this is cell. 0.5 is the argmax over the two classes.
    min_size : int
        Cells of fewer pixels are left out; px, 0 or above.
    watershed : bool
        Cut cells that are joined by a neck: watershed of the distance to the background, from its maxima. Without it
        cells that touch are one.
    connectivity : int
        Whether pixels that touch at a corner (8) or only at a side (4) are of one cell.

    Returns
    -------
    int32 array of the same shape
        0 = background, cells 1, 2, ... A cell is a connected component of its section, or a part of one that the
        watershed cut. Numbers run on through the sections of a stack, so that no two cells share one.

    Raises
    ------
    BadInput
        For arrays of another shape or type, values outside 0 to 1, and settings out of range.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 4. The paper does not say how its maps were made into
    segments; argmax and components are those of the authors' released scripts for Table 2. What holds a component
    together, and the watershed, are ours: the scripts name neither.
    """
    maps = as_array(probability, "probabilities")
    require_no_colours(maps, "probabilities")
    return segment_stack(maps, CellSegmentation(threshold, connectivity, min_size, watershed=watershed))


def segment_stack(probability: ArrayLike, segmentation: CellSegmentation) -> np.ndarray:
    """The cells of a probability map, numbered; see `segment`.

    Parameters
    ----------
    probability : (H, W) or (Z, H, W) float array
        Probability of cell, 0 to 1.
    segmentation : CellSegmentation

    Returns
    -------
    int32 array of the same shape

    Raises
    ------
    BadInput
        As `segment` does.
    """
    maps = as_array(probability, "probabilities")
    if maps.ndim not in (2, 3) or maps.size == 0 or maps.dtype.kind != "f":
        raise BadInput(f"a map of shape {maps.shape} and type {maps.dtype}; expected (H, W) or (Z, H, W) floats")
    if not (maps.min() >= 0 and maps.max() <= 1):  # also where one is no number
        raise BadInput("the map holds values outside 0 to 1; give probabilities of cell")
    segmentation.check()
    cells = np.zeros(maps.shape, np.int32)
    count = 0
    for numbered, section in zip(cells.reshape(-1, *maps.shape[-2:]), maps.reshape(-1, *maps.shape[-2:]), strict=True):
        segments = segment_section(section, segmentation)
        numbered[...] = np.where(segments > 0, segments + count, 0)
        count += int(segments.max(initial=0))
    return cells


def segment_section(probability: np.ndarray, segmentation: CellSegmentation) -> np.ndarray:
    """The cells of one section.

    Parameters
    ----------
    probability : (H, W) float array
        Probability of cell, 0 to 1; neither it nor the segmentation is checked.
    segmentation : CellSegmentation

    Returns
    -------
    (H, W) int32 array
        0 = background, numbered from 1 on.
    """
    # in the map's own precision, whatever the threshold's type
    pieces = _pieces(probability > probability.dtype.type(segmentation.threshold), segmentation)
    kept = np.bincount(pieces.ravel()) >= max(segmentation.min_size, 1)
    if segmentation.outer:
        outer = int(segmentation.outer)  # of NumPy's numbers without a sign, minus one is none
        inner = pieces[outer:-outer, outer:-outer]
        kept &= np.bincount(inner.ravel(), minlength=len(kept)) > 0
    kept[0] = False
    cells = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[pieces]
    if segmentation.fill_holes:
        _fill_holes(cells)
    return cells


def _pieces(mask: np.ndarray, segmentation: CellSegmentation) -> np.ndarray:
    """The numbered components of an (H, W) bool mask, cut where that is wished; all of them, however small."""
    connectivity = segmentation.connectivity // 4
    components = measure.label(mask, connectivity=connectivity)
    if not segmentation.watershed or not mask.any():
        return components
    distance = ndimage.distance_transform_edt(mask)
    level = reconstruction(distance - NECK, distance)  # h-maxima; skimage's own are inexact for floats
    markers = measure.label(np.where(local_maxima(level), components, 0), connectivity=2)
    unmarked = np.isin(components, np.unique(components[markers > 0]), invert=True) & mask  # beside a larger one
    markers[unmarked] = markers.max() + components[unmarked]
    return flooded(-distance, markers, connectivity=connectivity, mask=mask)


def _fill_holes(cells: np.ndarray) -> None:
    for number, box in enumerate(ndimage.find_objects(cells), 1):
        of_cell = cells[box]
        of_cell[ndimage.binary_fill_holes(of_cell == number) & (of_cell == 0)] = number


@dataclass(frozen=True)
class Cell:
    """Where a cell is and how large; in px, x from the left and y from the top, from 0."""

    cell: int  # its number
    section: int
    area: int
    centroid_x: float
    centroid_y: float
    left: int  # of the bounding box
    top: int
    width: int
    height: int


CELL_COLUMNS = ("cell", "section", "area_px", "centroid_x", "centroid_y", "left", "top", "width", "height")


def measured_cells(cells: np.ndarray) -> Iterator[Cell]:
    """The cells of numbered sections, by section and number; each section is measured by itself.

    Parameters
    ----------
    cells : (Z, H, W) integer array
        0 = background, each cell a positive number.

    Returns
    -------
    iterator of Cell

    Raises
    ------
    TypeError
        scikit-image's, when the first cell is asked for, unless the array holds integers.
    """
    for section, numbered in enumerate(cells):
        for region in measure.regionprops(numbered):
            top, left, bottom, right = region.bbox
            y, x = region.centroid
            box = left, top, right - left, bottom - top
            yield Cell(int(region.label), section, int(region.num_pixels), float(x), float(y), *map(int, box))
