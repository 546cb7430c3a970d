"""The arguments of the command line: what each command takes, and what its help says."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from unet_paper import __version__
from unet_paper.cli import help_text
from unet_paper.cli.program import program_name
from unet_paper.cli.segmentation_options import add_segmentation_options
from unet_paper.cli.values import above_zero, channel, labels_meaning, numbers, positive, sections
from unet_paper.config import COMPILE_CHOICES, EXTRAPOLATIONS, OPTIMISERS, PROFILES, TTA, Config
from unet_paper.datasets.cell_tracking import SEQUENCES
from unet_paper.datasets.labels import LABELS_ARE
from unet_paper.io.ome_zarr import WRITTEN_VERSIONS as ZARR_VERSIONS

DATA_HELP = "A folder with train-volume.tif and train-labels.tif, or, with --sequence, of the cell tracking challenge."
PREVIEW_EVERY = 100  # steps


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


def _add_data(command: Parser) -> None:
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="The folder of the stacks.")
    command.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="A local archive or folder to take the stacks from, instead of the download.",
    )
    command.add_argument("--check", action="store_true", help="Only verify what is in DIR.")


def _add_phantom(command: Parser) -> None:
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="The folder of the stacks.")
    for name, default, meaning in (
        ("train-sections", 20, "Sections of the training stack"),
        ("test-sections", 10, "Sections of the test stack"),
        ("size", 512, "Height and width of a section in px"),
    ):
        metavar = "PX" if name == "size" else "N"
        help = f"{meaning}; %(default)s unless given."
        command.add_argument(f"--{name}", type=positive, default=default, metavar=metavar, help=help)
    command.add_argument("--seed", type=int, default=0, help="Seed of the volumes; %(default)s unless given.")
    _add_force(command)


def _add_weights(command: Parser) -> None:
    command.add_argument(
        "labels", type=Path, nargs="+", metavar="LABELS", help="The labels: a TIFF stack, images, or a folder of them."
    )
    command.add_argument(
        "out", type=Path, metavar="OUT", help="The weight maps, a TIFF of 32-bit floats; of several files a folder."
    )
    command.add_argument(
        "--png", type=Path, metavar="DIR", help="Also draw figure 3 of every section, into this folder."
    )
    command.add_argument("--image", type=Path, metavar="IMAGE", help="The labels' image, for these pictures.")
    _add_channel(command)
    _add_labels_are(command, "instances unless given, which fits 0 and 255 too.")
    _add_ignore(command, "They weigh 0.")
    command.add_argument(
        "--class-weights",
        type=numbers,
        metavar="B,C",
        help="w_c of background and cell; the inverse class frequencies unless given.",
    )
    command.add_argument(
        "--connectivity",
        type=int,
        choices=(4, 8),
        default=4,
        help="Whether pixels that touch at a corner (8) or only at a side (4) are of one cell; 4 unless given.",
    )
    command.add_argument(
        "--w0", type=float, default=Config.w_0, help="Height of the border term; %(default)s unless given."
    )
    command.add_argument(
        "--sigma", type=float, default=Config.sigma, help="Width of the border term in px; %(default)s unless given."
    )
    _add_force(command)


def _add_recipe(command: Parser) -> None:
    command.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help="The paper's gradient descent with momentum 0.99, or Adam; as the profile unless given.",
    )
    command.add_argument(
        "--minutes", type=above_zero, metavar="M", help="Train for so long, whatever the machine, instead of for steps."
    )


def _add_train(command: Parser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help=DATA_HELP)
    source.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="A",
        help="Your own gray-value images: a TIFF stack, images of any sizes, or a folder of them.",
    )
    command.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="B",
        help="The labels of --images, in files of the same shapes. Of folders and of several files a pair has the same "
        "name but for the ending, or for a word such as _mask.",
    )
    _add_labels_are(command, "it must be given with --images.")
    _add_ignore(command, "They weigh 0 in the loss and count in no metric.")
    _add_channel(command)
    command.add_argument("--out", type=Path, required=True, metavar="RUN", help="The folder of the run.")
    command.add_argument(
        "--profile", choices=PROFILES, help="The set of settings; paper where there is a GPU, else quick."
    )
    command.add_argument(
        "--fold",
        metavar="K/N",
        help="Hold out and score block K of N contiguous blocks of sections. Without it the test stack is scored, "
        "where there is one with labels, or nothing.",
    )
    command.add_argument(
        "--sequence",
        choices=SEQUENCES,
        help="Of a --data folder of the cell tracking challenge, the sequence to train on; the other one is scored.",
    )
    command.add_argument(
        "--leave-out", type=sections, metavar="A-B,C", help="Sections, counted from 0, that are not trained on; none."
    )
    _add_recipe(command)
    command.add_argument(
        "--branch-of",
        type=Path,
        metavar="TRUNK",
        help="End the training of the run TRUNK, which has --set decay=constant, where it stands: from its last "
        "checkpoint on the rate falls to 0. Give the same data and fold; the settings are TRUNK's.",
    )
    command.add_argument(
        "--preview",
        type=positive,
        nargs="?",
        const=PREVIEW_EVERY,
        metavar="N",
        help="Every N steps, %(const)s unless given, write a small picture of what the network finds in one held-out "
        "section, into RUN/preview. What is trained stays the same.",
    )
    command.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="WEIGHTS",
        help="Start from trained weights, a run's or published ones: the network is theirs, and unless they are given, "
        "so are optimiser and learning rate. Gray values are standardised by your images.",
    )
    command.add_argument("--resume", action="store_true", help="Resume from RUN's checkpoint, where there is one.")
    command.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Change a setting of the profile. It can be given several times.",
    )
    command.add_argument(
        "--compile",
        choices=COMPILE_CHOICES,
        default="auto",
        help="Whether to compile the network first; auto, unless given, does so where it saves time.",
    )
    _add_device(command)


def _add_predict(command: Parser) -> None:
    command.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="A run's weights.pt, or published weights; those of this repository for EM membranes unless given.",
    )
    command.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IN",
        help="The image: a TIFF stack, another image file, or an OME-Zarr. Or several files, or a folder of them.",
    )
    command.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="The probabilities, 32-bit floats: 0 = membrane, 1 = cell. A TIFF, or an OME-Zarr with a name that ends "
        "in .zarr; of several images a folder.",
    )
    command.add_argument(
        "--tta", choices=TTA, default=Config.primary, help="The test-time augmentation; %(default)s unless given."
    )
    command.add_argument("--average", dest="tta", choices=TTA, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    command.add_argument(
        "--extrapolation", choices=EXTRAPOLATIONS, help="What lies beyond the image; as in training unless given."
    )
    command.add_argument(
        "--border", dest="extrapolation", choices=EXTRAPOLATIONS, default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    command.add_argument(
        "--tile",
        type=positive,
        metavar="PX",
        help="The largest input tile; chosen by the memory unless given. The result is the same but for rounding.",
    )
    command.add_argument(
        "--memory",
        type=above_zero,
        metavar="GIB",
        help="What a tile may take, in GiB; at most half of what is free unless given.",
    )
    command.add_argument(
        "--instances",
        type=Path,
        metavar="CELLS.tif",
        help="Also write numbered cells, and a table of them, CELLS.csv; see segment --help.",
    )
    add_segmentation_options(command, "with --instances")
    _add_channel(command)
    command.add_argument(
        "--float32", action="store_true", help="Compute in float32, even where bfloat16 would be faster."
    )
    _add_device(command)
    _add_distribution(command)
    _add_force(command)


def _add_distribution(command: Parser) -> None:
    who = command.add_mutually_exclusive_group()
    who.add_argument(
        "--workers", type=positive, metavar="N", help="Of an OME-Zarr: the processes on this machine that share it."
    )
    who.add_argument(
        "--scheduler", metavar="ADDRESS", help="Of an OME-Zarr: the scheduler of a dask.distributed cluster."
    )
    who.add_argument(
        "--part",
        metavar="K/N",
        help="Of an OME-Zarr: do part K of N alone. The N commands share nothing but the folder; the last one to end "
        "completes the result.",
    )
    command.add_argument(
        "--ome-zarr",
        choices=ZARR_VERSIONS,
        help="The version of OME-Zarr that is written: the image's unless given, else the newest.",
    )


def _add_segment(command: Parser) -> None:
    command.add_argument("probability", type=Path, metavar="PROBABILITY.tif", help="What `predict` wrote.")
    command.add_argument(
        "out",
        type=Path,
        metavar="INSTANCES.tif",
        help="The cells, numbered from 1, 0 = background; Fiji shows each in a colour of its own.",
    )
    add_segmentation_options(command)
    _add_force(command)


def _add_publish(command: Parser) -> None:
    command.add_argument("weights", type=Path, metavar="WEIGHTS", help="A run's weights.pt, or published weights.")
    command.add_argument("out", type=Path, metavar="OUT", help="The file to write; its ending says what it becomes.")
    command.add_argument(
        "--same-size",
        action="store_true",
        help="ONNX whose output is as large as its input, and a probability. Without it the network is that of the "
        "paper's figure 1.",
    )
    command.add_argument("--author", action="append", metavar="NAME", help="Of a package: who made the weights.")
    command.add_argument("--licence", metavar="SPDX", help="Of a package: its name in SPDX's list; MIT unless given.")
    _add_force(command)


def _add_score(command: Parser) -> None:
    command.add_argument("labels", type=Path, metavar="LABELS", help="The truth, a file or a folder.")
    command.add_argument(
        "probability",
        type=Path,
        metavar="RESULT",
        help="What `predict` wrote, or, with seg, numbered cells; of a folder, files of the same names.",
    )
    _add_labels_are(
        command,
        "unless given, the larger of two values is cell, and of more each is a cell, touching ones separated.",
    )
    _add_ignore(command, "They count in no metric.")
    command.add_argument(
        "--metrics",
        choices=("challenge", "seg", "all"),
        default="challenge",
        help="The EM challenge's; or SEG, the cell tracking challenge's, with F1 and counts of cells; or all, which a "
        "report on your own data takes; %(default)s unless given.",
    )
    add_segmentation_options(command, "with seg or all, for probabilities")
    command.add_argument(
        "--unknown",
        type=Path,
        metavar="FILE",
        help="A file, or a folder of files, above 0 where the truth is not known: such pixels count in no metric. With "
        "seg, where cells may be that have no mask.",
    )
    command.add_argument("--segments", type=Path, metavar="OUT.tif", help="With seg, also write the segments.")
    command.add_argument("--json", type=Path, metavar="FILE", help="Also write the metrics and their curves.")
    _add_force(command)


def _add_report(command: Parser) -> None:
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="Folders of runs.")
    command.add_argument("--figures", action="store_true", help="Also draw the paper's figures from each run.")
    command.add_argument(
        "--compare", type=Path, metavar="FILE", help="Also write all runs into one table (.md) or page (.html)."
    )
    _add_force(command)


def _add_force(command: Parser) -> None:
    command.add_argument("--force", action="store_true", help="Replace a file that is there already.")


def _add_labels_are(command: Parser, default: str) -> None:
    command.add_argument(
        "--labels-are", type=labels_meaning, choices=LABELS_ARE, help=f"What the labels' values mean; {default}"
    )


def _add_ignore(command: Parser, what: str) -> None:
    command.add_argument(
        "--ignore",
        type=int,
        metavar="VALUE",
        help=f"The labels' value of pixels of which the truth is not known. {what}",
    )


def _add_channel(command: Parser) -> None:
    command.add_argument(
        "--channel",
        type=channel,
        metavar="C",
        help="The channel of an image that has several: 0, 1, ... or gray. It must be given for such an image.",
    )


def _add_device(command: Parser) -> None:
    command.add_argument("--device", choices=("cpu", "cuda"), help="Where to compute; cuda where there is a GPU.")


# name -> summary, description, parts of the epilog, what adds its arguments
COMMANDS = {
    "data": ("Fetch and verify the ISBI 2012 stacks", "Each stack is compared with the official one.", (), _add_data),
    "phantom": ("Make a synthetic stack", "It stands in where the real stacks cannot be had.", (), _add_phantom),
    "weights": (
        "Compute the weight maps (equation 2) of labels",
        "Touching numbered cells are separated first.",
        (help_text.labels_are,),
        _add_weights,
    ),
    "train": (
        "Train a network",
        "The folder RUN gets the weights, the weight maps, the record, and the sections that were held out.",
        (help_text.profiles, help_text.labels_are, help_text.settings),
        _add_train,
    ),
    "predict": (
        "Predict a stack of any size, tile by tile",
        "An interrupted prediction resumes with the same command.",
        (help_text.test_time_augmentations, help_text.extrapolations),
        _add_predict,
    ),
    "segment": (
        "Number the cells of a probability stack",
        "INSTANCES.csv gets area, centroid and bounding box of each cell, in px, x from the left and y from the top.",
        (),
        _add_segment,
    ),
    "publish": (
        "Write a run's network for handing on",
        "What is written is said by the ending of its name.",
        (help_text.published,),
        _add_publish,
    ),
    "score": (
        "Take the challenge's metrics of a probability stack",
        "Each metric is taken at its own best threshold, as the challenge does.",
        (help_text.labels_are,),
        _add_score,
    ),
    "report": (
        "Write the table and the page of runs",
        "They are written into each run's folder: table1.md (metrics.md of your own data), index.html, pictures.",
        (),
        _add_report,
    ),
}
