"""From a file of the probabilities of several classes to the class of each pixel."""

from pathlib import Path

from unet_paper.config import MOST_CLASSES
from unet_paper.io.image_files import open_stack
from unet_paper.io.made_with import described
from unet_paper.io.numbered_cells import write_cells
from unet_paper.io.stack import read_most_probable
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger


def write_class_image(probability: Path, classes: int, out: Path) -> None:
    """Write the most probable of so many classes of each pixel as a TIFF of 16 bits, which Fiji shows in colours.

    Raises BadInput for values that are no probabilities, and for more than MOST_CLASSES.
    """
    if classes > MOST_CLASSES:
        raise BadInput(f"{probability} holds probabilities of {classes} classes; there may be {MOST_CLASSES}")
    found = read_most_probable(probability, classes)
    of_file = open_stack(probability, 0, kind="probabilities")
    told = {name: value for name, value in of_file.made_with.items() if name not in ("values", "shape")}
    write_cells(out, found, described("most probable class", told), of_file.pixel_size)
    logger.info(f"wrote the most probable of {classes} classes of each pixel to {out}")
