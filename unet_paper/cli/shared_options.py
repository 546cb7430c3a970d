"""Options that several commands have."""

import argparse

from unet_paper.cli.values import channel, labels_meaning
from unet_paper.datasets.labels import LABELS_ARE


def add_force(command: argparse.ArgumentParser, but: str = "") -> None:
    """Add --force. but : a sentence about what it does not replace."""
    meaning = "Replace a file that is there already."
    command.add_argument("--force", action="store_true", help=f"{meaning} {but}".strip())


def add_labels_are(command: argparse.ArgumentParser, default: str) -> None:
    """Add --labels-are."""
    command.add_argument(
        "--labels-are", type=labels_meaning, choices=LABELS_ARE, help=f"What the labels' values mean; {default}"
    )


def add_ignore(command: argparse.ArgumentParser, what: str) -> None:
    """Add --ignore."""
    command.add_argument(
        "--ignore",
        type=int,
        metavar="VALUE",
        help=f"The labels' value of pixels of which the truth is not known. {what}",
    )


def add_channel(command: argparse.ArgumentParser) -> None:
    """Add --channel."""
    command.add_argument(
        "--channel",
        type=channel,
        metavar="C",
        help="The channel of an image that has several: 0, 1, ... or gray. It must be given for such an image.",
    )


def add_device(command: argparse.ArgumentParser) -> None:
    """Add --device."""
    command.add_argument("--device", choices=("cpu", "cuda"), help="Where to compute; cuda where there is a GPU.")
