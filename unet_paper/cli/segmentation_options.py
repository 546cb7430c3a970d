"""The options that say how probabilities become numbered cells, of `segment`, `predict` and `score`."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from unet_paper.cli.values import from_zero, share
from unet_paper.datasets.cell_tracking import DATASETS, PHANTOM

if TYPE_CHECKING:
    from unet_paper.segmentation import CellSegmentation

OPTIONS = ("threshold", "min_size", "watershed", "connectivity")
NAMES = "--segmentation, --threshold, --min-size, --watershed and --connectivity"


def add_segmentation_options(command: argparse.ArgumentParser, when: str = "", usual: str = "") -> None:
    """Add the options to a command. `when`: with what else they may be given; `usual`: where their values come from
    first, unless they are given.
    """
    start, usual = f"{when}, " if when else "", f"{usual}, else " if usual else ""
    command.add_argument(
        "--segmentation",
        choices=(*DATASETS, PHANTOM),
        help=_sentence(f"{start}as for this data set; the options below change single parts of it."),
    )
    command.add_argument(
        "--threshold",
        type=share,
        metavar="T",
        help=_sentence(f"{start}a pixel of more than this probability is cell; {usual}0.5 unless given."),
    )
    command.add_argument(
        "--min-size",
        type=from_zero,
        metavar="PX",
        help=_sentence(f"{start}leave out cells of fewer pixels; {usual}none is left out unless given."),
    )
    command.add_argument(
        "--watershed",
        action="store_true",
        default=None,
        help=_sentence(f"{start}cut cells that are joined by a neck: a watershed of the distance to the background."),
    )
    command.add_argument(
        "--connectivity",
        type=int,
        choices=(4, 8),
        help=_sentence(
            f"{start}whether pixels that touch at a corner (8) or only at a side (4) are of one cell; {usual}4 unless "
            "given."
        ),
    )


def given_segmentation(
    arguments: argparse.Namespace, usual: "CellSegmentation | None" = None
) -> "CellSegmentation | None":
    """What the options say, or None where none was given. usual : what they change, unless --segmentation is given."""
    from unet_paper.runs.cell_segmentation import SEGMENTATIONS
    from unet_paper.segmentation import CellSegmentation

    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    if arguments.segmentation is None and not given:
        return None
    base = usual or CellSegmentation()
    if arguments.segmentation is not None:
        base = SEGMENTATIONS[arguments.segmentation]
    return replace(base, **given)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
