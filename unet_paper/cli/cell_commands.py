"""`segment`: numbered cells."""

from argparse import Namespace
from pathlib import Path

from unet_paper.cli.checks import must_be_writable
from unet_paper.cli.segmentation_options import given_segmentation
from unet_paper.support.errors import BadInput


def do_segment(arguments: Namespace) -> None:
    """`segment`"""
    from unet_paper.runs.instances import segment_file
    from unet_paper.segmentation import CellSegmentation

    cells_must_be_writable(arguments.out, (arguments.probability,), arguments.force)
    segment_file(arguments.probability, arguments.out, given_segmentation(arguments) or CellSegmentation())


def cells_must_be_writable(out: Path, others: tuple[Path, ...], force: bool) -> None:
    """Raise BadInput where numbered cells and their table cannot be made at `out`, or would replace other files."""
    from unet_paper.io.image_files import TIFF_SUFFIXES

    if out.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{out} must be a TIFF, with a name that ends in .tif")
    for other in others:
        if out.absolute() == other.absolute() or (out.exists() and other.exists() and out.samefile(other)):
            raise BadInput(f"{out} is named twice, and {other} would be lost; give another name for the cells")
    for path in (out, out.with_suffix(".csv")):
        must_be_writable(path, force)
