"""From a probability file to a file of numbered cells and their table."""

from collections.abc import Iterator
from dataclasses import astuple
from filecmp import cmp
from pathlib import Path

import numpy as np

from unet_paper.io.image_files import open_stack
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.made_with import described
from unet_paper.io.numbered_cells import scattered, write_cells, write_table
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_probabilities
from unet_paper.segmentation import CELL_COLUMNS, Cell, CellSegmentation, measured_cells, segment_stack
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.logs import logger
from unet_paper.support.words import counted

SQUARE_NANOMETRES = 1e6  # in a square micrometre


def made_with(probability: ImageStack, segmentation: CellSegmentation) -> dict[str, str]:
    """What numbered cells depend on: the segmentation, and all that the probabilities do."""
    told = {name: value for name, value in probability.made_with.items() if name != "values"}  # cells are none
    return {"segmentation": f"probability {segmentation}", **told}


def is_numbered(probability: Path, cells: Path, segmentation: CellSegmentation) -> bool:
    """Whether `segment_file` has made these cells of these probabilities."""
    if not cells.is_file():
        return False
    try:
        recorded = open_stack(cells, kind="labels").made_with
    except BadInput:
        return False
    return recorded == made_with(open_stack(probability, kind="probabilities"), segmentation)


def table_of(cells: Path) -> Path:
    """Where the table of numbered cells lies."""
    return cells.with_suffix(".csv")


def is_table(path: Path) -> bool:
    """Whether a file begins as the tables do that `segment_file` writes."""
    with open(path, "rb") as file:
        return file.read(1000).startswith(",".join(CELL_COLUMNS).encode())


def segment_file(probability: Path, out: Path, segmentation: CellSegmentation, force: bool = False) -> int:
    """Number the cells of a probability stack into a TIFF, and measure them into a CSV beside it. Returns their count.

    Raises BadInput for a file that holds no probabilities of two classes and, unless `force` replaces it, for a table
    of other cells; the same one is what an interruption leaves.
    """
    stack = read_probabilities(probability)
    cells = scattered(segment_stack(stack.pixels, segmentation))
    measured = list(measured_cells(cells))
    table = table_of(out)
    size = stack.pixel_size
    info = described("numbered cells", made_with(stack, segmentation))
    with atomic_write(out) as new_cells, atomic_write(table) as new_table:
        write_table(new_table, (*CELL_COLUMNS, *(("area_um2",) if size else ())), _rows(measured, size))
        if not force and table.is_file() and not cmp(table, new_table, shallow=False):
            raise BadInput(f"{table} is there already, of other cells; give another name, or --force to replace it")
        write_cells(new_cells, cells, info, size)
        out.unlink(missing_ok=True)  # so that no other cells lie beside the new table; the new ones come last
    if not measured:
        logger.warning(f"note: no cell is left (probability {segmentation}); {_why_none(stack.pixels, segmentation)}")
    else:
        middle = np.median([cell.area for cell in measured])
        areas = f"half of them have {middle:.0f} px or more" if len(measured) > 1 else f"it has {middle:.0f} px"
        logger.info(f"numbered {counted(len(measured), 'cell')} (probability {segmentation}); {areas}")
    logger.info(f"wrote them to {out}, area, centroid and bounding box of each to {table}")
    return len(measured)


def _why_none(probabilities: np.ndarray, segmentation: CellSegmentation) -> str:
    """What dropped all cells of a stack, and what to give instead."""
    if len(probabilities) and (largest := probabilities.max()) <= segmentation.threshold:
        return f"the largest is {largest:.3f}, so give a lower --threshold"
    if not segmentation.outer:
        return "what lies above is in smaller pieces, so give a lower --min-size"
    return "what lies above is in smaller pieces, or wholly in the outer frame: another --segmentation has none"


def _rows(cells: list[Cell], size: PixelSize | None) -> Iterator[tuple[int | float, ...]]:
    for cell in cells:
        yield (*astuple(cell), *((cell.area * size.x * size.y / SQUARE_NANOMETRES,) if size else ()))
