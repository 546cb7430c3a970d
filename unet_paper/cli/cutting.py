"""The options that say how a probability map is cut into cells, of `segment`, `predict` and `score`."""

import argparse
from typing import TYPE_CHECKING

from unet_paper.cli.values import from_zero, share

if TYPE_CHECKING:
    from unet_paper.segmentation import Cutting

OPTIONS = ("threshold", "min_size", "watershed", "connectivity")


def add_cutting(command: argparse.ArgumentParser, when: str = "") -> None:
    """Add the options to a command. `when`: with what else they may be given."""
    note = f" ({when})" if when else ""
    command.add_argument(
        "--threshold",
        type=share,
        metavar="T",
        help=f"A pixel of more than this probability is cell; 0.5 unless given{note}.",
    )
    command.add_argument(
        "--min-size",
        type=from_zero,
        metavar="PX",
        help=f"Leave out cells of fewer pixels; none is left out unless given{note}.",
    )
    command.add_argument(
        "--watershed",
        action="store_true",
        default=None,
        help=f"Cut cells that are joined by a neck, by a watershed of the distance to the background{note}.",
    )
    command.add_argument(
        "--connectivity",
        type=int,
        choices=(4, 8),
        help=f"Whether pixels that touch at a corner (8) or only at a side (4) are of one cell; 4 unless given{note}.",
    )


def given_cutting(arguments: argparse.Namespace) -> "Cutting | None":
    """What the options say, or None where none was given."""
    from unet_paper.segmentation import Cutting

    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    return Cutting(**given) if given else None
