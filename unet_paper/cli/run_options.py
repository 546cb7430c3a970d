"""What `train`, `predict`, `publish` and `report` take."""

import argparse

from unet_paper.cli.segmentation_options import add_segmentation_options
from unet_paper.cli.shared_options import add_channel, add_device, add_force, add_ignore, add_labels_are
from unet_paper.cli.values import above_zero, path, positive, sections
from unet_paper.config import COMPILE_CHOICES, EXTRAPOLATIONS, OPTIMISERS, PROFILES, TTA
from unet_paper.datasets.cell_tracking import SEQUENCES
from unet_paper.io.ome_zarr import WRITTEN_VERSIONS as ZARR_VERSIONS

DATA_HELP = "A folder with train-volume.tif and train-labels.tif, or, with --sequence, of the cell tracking challenge."
PREVIEW_EVERY = 100  # steps


def add_train(command: argparse.ArgumentParser) -> None:
    """What `train` takes."""
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=path, metavar="DIR", help=DATA_HELP)
    source.add_argument(
        "--images",
        type=path,
        nargs="+",
        metavar="A",
        help="Your own gray-value images: a TIFF stack, images of any sizes, or a folder of them.",
    )
    command.add_argument(
        "--labels",
        type=path,
        nargs="+",
        metavar="B",
        help="The labels of --images, in files of the same shapes. Of folders and of several files a pair has the same "
        "name but for the ending, or for a word such as _mask.",
    )
    add_labels_are(command, "it must be given with --images.")
    add_ignore(command, "They weigh 0 in the loss and count in no metric.")
    add_channel(command)
    command.add_argument("--out", type=path, required=True, metavar="RUN", help="The folder of the run.")
    command.add_argument(
        "--profile", choices=PROFILES, help="The set of settings; paper where there is a GPU, else quick."
    )
    command.add_argument(
        "--fold",
        metavar="K/N",
        help="Hold out block K of N contiguous blocks of sections, for `predict` and `score`. Without it these take "
        "the test stack, where there is one with labels, or nothing.",
    )
    command.add_argument(
        "--sequence",
        choices=SEQUENCES,
        help="Of a --data folder of the cell tracking challenge, the sequence to train on; `predict` and `score` take "
        "the other one.",
    )
    command.add_argument(
        "--leave-out", type=sections, metavar="A-B,C", help="Sections, counted from 0, that are not trained on; none."
    )
    _add_recipe(command)
    command.add_argument(
        "--branch-of",
        type=path,
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
        type=path,
        metavar="WEIGHTS",
        help="Start from trained weights, a run's or published ones: the network is theirs, and so are optimiser, "
        "learning rate and momentum_warmup, unless one of these is given. Gray values are standardised by your images.",
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
    add_device(command)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help="The paper's gradient descent, its momentum rising to 0.99, or Adam; as the profile unless given.",
    )
    command.add_argument(
        "--minutes",
        type=above_zero,
        metavar="M",
        help="Train for M minutes, whatever the machine, instead of for steps.",
    )


def add_predict(command: argparse.ArgumentParser) -> None:
    """What `predict` takes."""
    command.add_argument(
        "--weights",
        type=path,
        metavar="FILE",
        help="A run's weights.pt, or published weights; those of this repository for EM membranes unless given.",
    )
    command.add_argument(
        "images",
        type=path,
        nargs="+",
        metavar="IN",
        help="The image: a TIFF stack, another image file, or an OME-Zarr. Or several files, or a folder of them.",
    )
    command.add_argument(
        "out",
        type=path,
        metavar="OUT",
        help="The probabilities, 32-bit floats: 0 = membrane, 1 = cell. A TIFF, or an OME-Zarr with a name that ends "
        "in .zarr; of several images a folder. A folder's images are the sections of one OME-Zarr.",
    )
    command.add_argument(
        "--tta", choices=TTA, help="The test-time augmentation; as in training unless given, which usually is d4."
    )
    command.add_argument(
        "--extrapolation", choices=EXTRAPOLATIONS, help="What lies beyond the image; as in training unless given."
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
        type=path,
        metavar="CELLS.tif",
        help="Also write numbered cells, and a table of them, CELLS.csv; see segment --help.",
    )
    add_segmentation_options(command, "with --instances", "as the run beside the weights was scored")
    add_channel(command)
    command.add_argument(
        "--float32", action="store_true", help="Compute in float32, even where bfloat16 would be faster."
    )
    command.add_argument(
        "--registered",
        action="store_true",
        help="The map lies where the labels that were trained on lay (registration_x, registration_y), as the maps of "
        "a run's own sections do, and not on the image.",
    )
    add_device(command)
    _add_distribution(command)
    add_force(command, "Of several images, and with --instances, probabilities that the same prediction has made stay.")


def _add_distribution(command: argparse.ArgumentParser) -> None:
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


def add_publish(command: argparse.ArgumentParser) -> None:
    """What `publish` takes."""
    command.add_argument("weights", type=path, metavar="WEIGHTS", help="A run's weights.pt, or published weights.")
    command.add_argument("out", type=path, metavar="OUT", help="The file to write; its ending says what it becomes.")
    command.add_argument(
        "--same-size",
        action="store_true",
        help="ONNX whose output is as large as its input, and a probability. Without it the network is that of the "
        "paper's figure 1.",
    )
    command.add_argument("--author", action="append", metavar="NAME", help="Of a package: who made the weights.")
    command.add_argument("--licence", metavar="SPDX", help="Of a package: its name in SPDX's list; MIT unless given.")
    add_force(command)


def add_report(command: argparse.ArgumentParser) -> None:
    """What `report` takes."""
    command.add_argument("runs", type=path, nargs="+", metavar="RUN", help="Folders of runs.")
    command.add_argument("--figures", action="store_true", help="Also draw the paper's figures from each run.")
    command.add_argument(
        "--compare", type=path, metavar="FILE", help="Also write all runs into one table (.md) or page (.html)."
    )
    add_force(command)
