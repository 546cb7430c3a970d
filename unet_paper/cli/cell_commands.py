"""`segment`: numbered cells, or the class of each pixel."""

from argparse import Namespace
from pathlib import Path

from unet_paper.cli.checks import must_be_tiff, must_be_writable, must_differ, must_fit
from unet_paper.cli.segmentation_options import NAMES, given_segmentation
from unet_paper.support.errors import BadInput


def do_segment(arguments: Namespace) -> None:
    """`segment`"""
    from unet_paper.io.image_files import class_count
    from unet_paper.io.image_folder import is_folder
    from unet_paper.runs.class_image import write_class_image
    from unet_paper.runs.instances import segment_file
    from unet_paper.segmentation import CellSegmentation

    if is_folder(arguments.probability):
        raise BadInput(
            f"{arguments.probability} is a folder, and segment takes one file; predict --instances numbers the cells "
            "of a folder of images"
        )
    classes = class_count(arguments.probability)
    if classes is not None:
        if given_segmentation(arguments) is not None:
            raise BadInput(
                f"{NAMES} are of cells, and {arguments.probability} holds probabilities of {classes} classes"
            )
        _must_be_writable(arguments.out, (arguments.probability,), arguments.force, "the classes")
        write_class_image(arguments.probability, classes, arguments.out)
        return
    cells_must_be_writable(arguments.out, (arguments.probability,), arguments.force)
    segmentation = given_segmentation(arguments) or CellSegmentation()
    segment_file(arguments.probability, arguments.out, segmentation, arguments.force)


def cells_must_be_writable(out: Path, others: tuple[Path, ...], force: bool) -> None:
    """Raise BadInput where numbered cells and their table cannot be made at `out`, or would replace others, but for
    a table without its cells, which an interruption leaves; `segment_file` compares it with the new one.
    """
    from unet_paper.io.image_files import TIFF_SUFFIXES
    from unet_paper.runs.instances import is_table, table_of

    _must_be_writable(out, others, force, "the cells")
    table = table_of(out)
    beside = out.parent.iterdir() if out.parent.is_dir() else ()
    has_cells = any(path.stem == out.stem and path.suffix.lower() in TIFF_SUFFIXES for path in beside)
    must_be_writable(table, force or (table.is_file() and not has_cells and is_table(table)))


def _must_be_writable(out: Path, others: tuple[Path, ...], force: bool, what: str) -> None:
    must_be_tiff(out)
    must_fit(out)
    must_differ(out, others, what)
    must_be_writable(out, force)
