"""The command line's parser, and what its help says of each command."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from unet_paper import __version__
from unet_paper.cli import help_text
from unet_paper.cli.data_options import add_data, add_phantom
from unet_paper.cli.label_options import add_score, add_segment, add_weights
from unet_paper.cli.program import program_name
from unet_paper.cli.run_options import add_predict, add_publish, add_report, add_train


class Parser(argparse.ArgumentParser):
    """Bad arguments end in one sentence and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """End with one sentence that names this command's own help."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line. An option that a command does not have points to that command's help."""
    parser, commands = build_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands[parsed.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return parsed


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The program's parser, and that of each command."""
    parser = Parser(prog=program_name(), description="The U-Net paper (Ronneberger et al., MICCAI 2015), reproduced.")
    parser.add_argument("--version", action="version", version=f"unet-paper {__version__}")
    group = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    commands = {}
    for name, (summary, description, epilog, add) in COMMANDS.items():
        commands[name] = group.add_parser(
            name, help=summary, description=f"{summary}. {description}", epilog="\n\n".join(part() for part in epilog)
        )
        add(commands[name])
    return parser, commands


# name -> summary, description, parts of the epilog, what adds its arguments
COMMANDS = {
    "data": ("Fetch and verify the ISBI 2012 stacks", "Each stack is compared with the official one.", (), add_data),
    "phantom": ("Make a synthetic stack", "It stands in where the real stacks cannot be had.", (), add_phantom),
    "weights": (
        "Compute the weight maps (equation 2) of labels",
        "Touching numbered cells are separated first.",
        (help_text.labels_are,),
        add_weights,
    ),
    "train": (
        "Train a network",
        "The folder RUN gets the weights, the weight maps, the record, and the sections that were held out.",
        (help_text.profiles, help_text.labels_are, help_text.settings),
        add_train,
    ),
    "predict": (
        "Predict a stack of any size, tile by tile",
        "An interrupted prediction resumes with the same command.",
        (help_text.test_time_augmentations, help_text.extrapolations),
        add_predict,
    ),
    "segment": (
        "Number the cells of a probability stack",
        "INSTANCES.csv gets area, centroid and bounding box of each cell, in px, x from the left and y from the top. "
        "Of probabilities of more than two classes, write the most probable class of each pixel instead.",
        (),
        add_segment,
    ),
    "publish": (
        "Write a run's network for handing on",
        "What is written is said by the ending of its name.",
        (help_text.published,),
        add_publish,
    ),
    "score": (
        "Score a result against its truth: the challenge's metrics, cells or classes",
        "Each of the challenge's metrics is taken at its own best threshold, as the challenge does.",
        (help_text.labels_are,),
        add_score,
    ),
    "report": (
        "Write the table and the page of runs",
        "They are written into each run's folder: table1.md (metrics.md of your own data), index.html, pictures.",
        (),
        add_report,
    ),
}
