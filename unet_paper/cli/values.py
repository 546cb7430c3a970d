"""How the values of options are read."""

import argparse
import os
import re
from pathlib import Path

from unet_paper.config import CLASS_WEIGHT, MANY


def labels_meaning(text: str) -> str:
    """argparse type: a key of LABELS_ARE, of which "numbers" is an older name of one."""
    return "instances" if text == "numbers" else text


def path(text: str) -> Path:
    """argparse type: a path, whose ~ is the home folder also where a shell leaves it, as in --out=~/run."""
    return Path(os.path.expanduser(text))


def numbers(text: str) -> tuple[float, ...]:
    """argparse type: class weights, numbers from 0 on, parted by commas."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (-1.0,)
    if not all(CLASS_WEIGHT.allow(value) for value in values):
        highest = f"{CLASS_WEIGHT.highest:g}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers from 0 to {highest}, parted by commas")
    return values


def sections(text: str) -> tuple[int, ...]:
    """argparse type: numbers of sections, from 0, such as 3,10-12."""
    indices: set[int] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part)
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of sections such as 3,10-12")
        indices.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return tuple(sorted(indices))


def positive(text: str) -> int:
    """argparse type: a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def from_zero(text: str) -> int:
    """argparse type: a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def share(text: str) -> float:
    """argparse type: a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def above_zero(text: str) -> float:
    """argparse type: a number above 0, of minutes or GiB."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MANY:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most {MANY:g}")
    return number


def channel(text: str) -> int | str:
    """argparse type: a channel's number, or "gray"."""
    if text != "gray" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor gray")
    return text if text == "gray" else int(text)
