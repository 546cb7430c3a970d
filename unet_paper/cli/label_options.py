"""What `weights`, `segment` and `score` take."""

import argparse

from unet_paper.cli.segmentation_options import add_segmentation_options
from unet_paper.cli.shared_options import add_channel, add_force, add_ignore, add_labels_are
from unet_paper.cli.values import numbers, path
from unet_paper.config import Config


def add_weights(command: argparse.ArgumentParser) -> None:
    """What `weights` takes."""
    command.add_argument(
        "labels", type=path, nargs="+", metavar="LABELS", help="The labels: a TIFF stack, images, or a folder of them."
    )
    command.add_argument(
        "out", type=path, metavar="OUT", help="The weight maps, a TIFF of 32-bit floats; of several files a folder."
    )
    command.add_argument(
        "--png", type=path, metavar="DIR", help="Also draw figure 3 of every section, into this folder."
    )
    command.add_argument(
        "--image",
        type=path,
        metavar="IMAGE",
        help="The labels' image for these pictures; of a folder of labels a folder, paired by name.",
    )
    add_channel(command)
    add_labels_are(command, "instances unless given, which fits 0 and 255 too.")
    add_ignore(command, "They weigh 0.")
    command.add_argument(
        "--class-weights",
        type=numbers,
        metavar="B,C",
        help="w_c of background and cell, or, where --labels-are classes, one for each class; the inverse class "
        "frequencies unless given.",
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
    add_force(command)


def add_segment(command: argparse.ArgumentParser) -> None:
    """What `segment` takes."""
    command.add_argument(
        "probability",
        type=path,
        metavar="PROBABILITY.tif",
        help="What `predict` wrote, one file; of a folder of images predict --instances numbers the cells.",
    )
    command.add_argument(
        "out",
        type=path,
        metavar="INSTANCES.tif",
        help="The cells, numbered from 1, 0 = background; Fiji shows each in a colour of its own.",
    )
    add_segmentation_options(command)
    add_force(command)


def add_score(command: argparse.ArgumentParser) -> None:
    """What `score` takes."""
    command.add_argument("labels", type=path, metavar="LABELS", help="The truth, a file or a folder.")
    command.add_argument(
        "probability",
        type=path,
        metavar="RESULT",
        help="What `predict` wrote, or, with seg, numbered cells, or, with --labels-are classes, numbers of classes; "
        "of a folder, files of the same names.",
    )
    add_labels_are(
        command,
        "unless given, the larger of two values is cell, and of more each is a cell, touching ones separated. Of "
        "probabilities of several classes they are classes.",
    )
    add_ignore(command, "They count in no metric.")
    command.add_argument(
        "--metrics",
        choices=("challenge", "seg", "all"),
        default="challenge",
        help="The EM challenge's; or SEG, the cell tracking challenge's, with F1 and counts of cells; or all, which a "
        "report on your own data takes; %(default)s unless given. Of more than two classes: IoU and Dice of each.",
    )
    add_segmentation_options(command, "with seg or all, for probabilities")
    command.add_argument(
        "--unknown",
        type=path,
        metavar="FILE",
        help="A file, or a folder of files, above 0 where the truth is not known: such pixels count in no metric. With "
        "seg, where cells may be that have no mask: segments of no cell that lie mostly there are left out of F1, and "
        "SEG is as without.",
    )
    command.add_argument("--segments", type=path, metavar="OUT.tif", help="With seg, also write the segments.")
    command.add_argument("--json", type=path, metavar="FILE", help="Also write the metrics, with curves or counts.")
    add_force(command)
