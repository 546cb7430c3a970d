"""The settings of a run as options give them: a profile, an optimiser, minutes, and NAME=VALUE changes."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from unet_paper.config import KINDS, Config, optimiser_settings, without_effect
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

FIXED = ("profile", "classes")  # settings that a run is not told but finds


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


def note_idle_settings(config: Config, changes: Sequence[str]) -> None:
    """Say which NAME=VALUE changes have no effect. They are no mistake that ends a command: older records, and the
    studies that go on from them, have such settings.
    """
    idle = without_effect(config, (change.partition("=")[0] for change in changes))
    if idle:
        settings = f"the setting{'s' * (len(idle) > 1)} {' and '.join(idle)}"
        logger.warning(f"note: of {config.optimiser}, {settings} {'have' if len(idle) > 1 else 'has'} no effect")
