"""How the values of options are read."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from unet_paper.config import CLASS_WEIGHT, KINDS, MANY, Config, optimiser_settings, without_effect
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

FIXED = ("profile", "classes")  # settings that a run is not told but finds


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


def note_idle_settings(config: Config, changes: Sequence[str]) -> None:
    """Say which NAME=VALUE changes have no effect. They are no mistake that ends a command: older records, and the
    studies that go on from them, have such settings.
    """
    idle = without_effect(config, (change.partition("=")[0] for change in changes))
    if idle:
        settings = f"the setting{'s' * (len(idle) > 1)} {' and '.join(idle)}"
        logger.warning(f"note: of {config.optimiser}, {settings} {'have' if len(idle) > 1 else 'has'} no effect")


def chosen_optimiser(option: str | None, changes: Sequence[str]) -> str | None:
    """The optimiser that --optimiser or a NAME=VALUE of --set names; None for neither. Raises BadInput for two."""
    given = next((change for change in reversed(changes) if change.partition("=")[0] == "optimiser"), None)
    named = None if given is None else given.partition("=")[2]
    if option is not None and named is not None and option != named:
        raise BadInput(f"--optimiser {option} and --set {given} name two optimisers; give one of them")
    return option if named is None else named


def recipe(profile: str, optimiser: str | None, minutes: float | None) -> list[str]:
    """NAME=VALUE changes that the options --optimiser and --minutes make to a profile."""
    changes = optimiser_settings(optimiser, profile) if optimiser else {}
    return [f"{name}={value}" for name, value in (changes | ({"minutes": minutes} if minutes else {})).items()]


def channel(text: str) -> int | str:
    """argparse type: a channel's number, or "gray"."""
    if text != "gray" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor gray")
    return text if text == "gray" else int(text)


def changed_config(config: Config, changes: Sequence[str]) -> Config:
    """A Config with NAME=VALUE changes; an optimiser brings its own rate, unless that is given too. Raises BadInput
    for an unknown name or a value of the wrong type.
    """
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config) if field.name not in FIXED}
    values: dict[str, Any] = {}
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
            raise BadInput(
                f"--set {change}: {text!r} is not {KINDS[kinds[name]]}; the profile has {getattr(config, name)}"
            ) from None
    of_optimiser = optimiser_settings(str(values.get("optimiser")), config.profile)
    return replace(config, **(of_optimiser | values))
