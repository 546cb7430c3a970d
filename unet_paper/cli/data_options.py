"""What `data` and `phantom` take."""

import argparse

from unet_paper.cli.shared_options import add_force
from unet_paper.cli.values import path, positive


def add_data(command: argparse.ArgumentParser) -> None:
    """What `data` takes."""
    command.add_argument("--to", type=path, required=True, metavar="DIR", help="The folder of the stacks.")
    command.add_argument(
        "--from",
        dest="source",
        type=path,
        metavar="PATH",
        help="A local archive or folder to take the stacks from, instead of the download.",
    )
    command.add_argument("--check", action="store_true", help="Only verify what is in DIR.")


def add_phantom(command: argparse.ArgumentParser) -> None:
    """What `phantom` takes."""
    command.add_argument("--to", type=path, required=True, metavar="DIR", help="The folder of the stacks.")
    for name, default, meaning in (
        ("train-sections", 20, "Sections of the training stack"),
        ("test-sections", 10, "Sections of the test stack"),
        ("size", 512, "Height and width of a section in px"),
    ):
        metavar = "PX" if name == "size" else "N"
        help = f"{meaning}; %(default)s unless given."
        command.add_argument(f"--{name}", type=positive, default=default, metavar=metavar, help=help)
    command.add_argument("--seed", type=int, default=0, help="Seed of the volumes; %(default)s unless given.")
    add_force(command)
