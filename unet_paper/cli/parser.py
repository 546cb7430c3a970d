"""The arguments of the command line: what each command takes, and how its values are read."""

import argparse
import math
import re
from dataclasses import fields, replace
from pathlib import Path

from unet_paper.config import COMPILE_CHOICES, EXTRAPOLATIONS, PROFILES, TTA, Config
from unet_paper.support.errors import BadInput

KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
FIXED = ("profile", "classes")  # settings that a run is not told but finds


class Parser(argparse.ArgumentParser):
    """Bad arguments end in one sentence and exit code 2."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser():
    """The parser of all eight commands."""
    parser = Parser(prog="python -m unet_paper", description="The U-Net paper, reproduced.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    command = commands.add_parser("data", help="fetch and verify the ISBI 2012 stacks")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the stacks")
    command.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="a local archive or folder instead of the download"
    )
    command.add_argument("--check", action="store_true", help="only verify what is in DIR")

    command = commands.add_parser("phantom", help="make the built-in synthetic stack")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the stacks")
    command.add_argument("--train-sections", type=positive, default=20, metavar="N")
    command.add_argument("--test-sections", type=positive, default=10, metavar="N")
    command.add_argument("--size", type=positive, default=512, metavar="PX")
    command.add_argument("--seed", type=int, default=0)
    add_force(command)

    command = commands.add_parser("weights", help="weight maps (equation 2) of a label stack")
    command.add_argument("labels", type=Path, metavar="LABELS.tif", help="0 = background; cells 255 or numbered")
    command.add_argument("out", type=Path, metavar="OUT.tif", help="32-bit float weight maps")
    command.add_argument("--png", type=Path, metavar="DIR", help="also draw every section in colour")
    add_labels_are(command)
    command.add_argument("--class-weights", type=numbers, metavar="B,C", help="w_c of background and cell (balanced)")
    command.add_argument("--connectivity", type=int, choices=(4, 8), default=4, help="what holds a cell together (4)")
    command.add_argument("--w0", type=float, default=Config.w_0, help="height of the border term (%(default)s)")
    command.add_argument("--sigma", type=float, default=Config.sigma, help="its width in px (%(default)s)")
    add_force(command)

    command = commands.add_parser("train", help="train a network")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="folder with train-volume.tif and train-labels.tif")
    source.add_argument("--images", type=Path, metavar="A.tif", help="your own gray-value stack, and")
    command.add_argument("--labels", type=Path, metavar="B.tif", help="its labels")
    add_labels_are(command)
    command.add_argument("--channel", type=channel, metavar="C", help="of images with several: 0, 1, ... or gray")
    command.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    command.add_argument("--profile", choices=PROFILES, help="paper with a GPU, quick without one")
    command.add_argument("--fold", metavar="K/N", help="hold out block K of N contiguous blocks of sections")
    command.add_argument("--leave-out", type=sections, metavar="A-B,C", help="sections, from 0, not to train on")
    command.add_argument("--resume", action="store_true", help="go on from RUN's checkpoint")
    command.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the profile",
    )
    command.add_argument(
        "--compile", choices=COMPILE_CHOICES, default="auto", help="the network first (auto: if it pays)"
    )
    add_device(command)

    command = commands.add_parser("predict", help="overlap-tile prediction of a stack")
    command.add_argument("--weights", type=Path, required=True, metavar="FILE", help="weights.pt, or published")
    command.add_argument("image", type=Path, metavar="IN.tif")
    command.add_argument("out", type=Path, metavar="OUT.tif", help="32-bit float, 0 = membrane, 1 = cell")
    command.add_argument("--tta", choices=TTA, default=Config.primary, help="test-time augmentation (%(default)s)")
    command.add_argument("--average", dest="tta", choices=TTA, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    command.add_argument("--tile", type=positive, metavar="PX", help="largest input tile, to save memory")
    command.add_argument("--memory", type=gibibytes, metavar="GIB", help="that a tile may take (what pays)")
    command.add_argument("--channel", type=channel, metavar="C", help="of an image with several: 0, 1, ... or gray")
    add_force(command)
    command.add_argument("--float32", action="store_true", help="also where bfloat16 would be faster")
    command.add_argument(
        "--extrapolation", choices=EXTRAPOLATIONS, help="what lies beyond the image (as trained: mirror)"
    )
    add_device(command)

    command = commands.add_parser("publish", help="weights for handing on: half precision, safetensors")
    command.add_argument("weights", type=Path, metavar="WEIGHTS.pt", help="a run's weights.pt")
    command.add_argument("out", type=Path, metavar="OUT.safetensors")
    add_force(command)

    command = commands.add_parser("score", help="the challenge's scores of a probability stack")
    command.add_argument("labels", type=Path, metavar="LABELS.tif")
    command.add_argument("probability", type=Path, metavar="PROBABILITY.tif")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the scores and their curves")
    add_force(command)

    command = commands.add_parser("report", help="table 1 and the pictures of runs")
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    command.add_argument("--figures", action="store_true", help="also draw the paper's figures from each run")
    command.add_argument(
        "--compare", type=Path, metavar="FILE", help="also all runs in one table (.md) or page (.html)"
    )
    add_force(command)
    return parser


def add_force(command):
    """The option of every command that is told which file to write."""
    command.add_argument("--force", action="store_true", help="replace a file that is there already")


def add_labels_are(command):
    """The option of every command that takes labels of people's own."""
    command.add_argument(
        "--labels-are",
        type=labels_meaning,
        choices=("cells", "membranes", "instances", "classes"),
        help="what they mean",
    )


def labels_meaning(text: str) -> str:
    """argparse type: a key of LABELS_ARE, of which "numbers" is an older name of one."""
    return "instances" if text == "numbers" else text


def numbers(text):
    """argparse type: numbers from 0 on, parted by commas."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (-1.0,)
    if not all(0 <= value <= 1e6 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers from 0 to 1e6, parted by commas")
    return values


def sections(text):
    """argparse type: numbers of sections, from 0, such as 3,10-12."""
    found = set()
    for part in text.split(","):
        ends = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part)
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of sections such as 3,10-12")
        found.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return tuple(sorted(found))


def add_device(command):
    """The option that every command with a network has."""
    command.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is a GPU, else cpu")


def positive(text):
    """argparse type: a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def gibibytes(text):
    """argparse type: an amount of memory above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def channel(text):
    """argparse type: a channel's number, or "gray"."""
    if text != "gray" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor gray")
    return text if text == "gray" else int(text)


def changed_config(config, changes):
    """A Config with NAME=VALUE changes. Raises BadInput for an unknown name or a value of the wrong type."""
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config) if field.name not in FIXED}
    values = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in kinds:
            raise BadInput(f"--set {change}: there is no setting {name!r}; the settings are {', '.join(kinds)}")
        try:
            if kinds[name] is bool:
                values[name] = {"true": True, "false": False}[text.lower()]
            elif kinds[name] is tuple:
                values[name] = tuple(text.split(","))
            else:
                values[name] = kinds[name](text)
        except (KeyError, ValueError):
            wanted = KINDS.get(kinds[name], "a text")
            raise BadInput(
                f"--set {change}: {text!r} is not {wanted}; the profile has {getattr(config, name)}"
            ) from None
    return replace(config, **values)
