"""The schedule of a training (section 3 leaves it open): learning rate and momentum of each step, and where it ends.

A training by time (`minutes`) follows the schedule of a training of as many steps as it will turn out to have, which is
estimated anew before every step: those done, and those for which there is time left if each takes a typical step's
time. Time that goes elsewhere, compiling or into a slow first step, leaves fewer steps but is not taken for their pace.
"""

import math
from dataclasses import replace

import torch

from unet_paper.config import DECAY_PARTS, FIRST_MOMENTUM, Config


def in_steps(share: float, steps: int) -> float:
    """`warmup` or `momentum_warmup` in steps: below 1 it is a part of them, else their number.

    Parameters
    ----------
    share : float
        0 or above.
    steps : int
        All of them.

    Returns
    -------
    float
        Not rounded.
    """
    return share * steps if share < 1 else share


def learning_rate_at(step: int, config: Config) -> float:
    """Learning rate of step 0 ... steps - 1: a linear rise over `warmup`, then the decay (ours).

    Parameters
    ----------
    step : int
    config : Config

    Returns
    -------
    float
        0 to `config.learning_rate`.
    """
    rising = in_steps(config.warmup, config.steps)
    if step < rising:
        return config.learning_rate * min(1.0, (step + 1) / rising)
    if config.decay == "constant":
        return config.learning_rate
    if config.decay == "trapezoid":
        return config.learning_rate * min(1.0, (config.steps - step) / max(config.steps / DECAY_PARTS, 1))
    progress = (step - rising) / max(config.steps - rising, 1)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def momentum_at(step: int, config: Config) -> float:
    """Momentum of step 0 ... steps - 1: a linear rise from 0.9 over `momentum_warmup` (ours), then `config.momentum`.

    Parameters
    ----------
    step : int
    config : Config

    Returns
    -------
    float
        Does not rise where `config.momentum` is 0.9 or below.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3: a momentum of 0.99.
    """
    rising = in_steps(config.momentum_warmup, config.steps)
    if step >= rising:
        return config.momentum
    first = min(FIRST_MOMENTUM, config.momentum)
    return first + (config.momentum - first) * step / rising


def schedule_after(step: int, seconds: float, config: Config, pace: float | None = None) -> Config:
    """The Config whose `steps` are all that there will be: those done, and as many as fit what is left of `minutes`.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Spent in training, whatever on; above 0 once there are any steps.
    config : Config
    pace : float or None
        Seconds that a further step takes, above 0; the mean of those done unless given.

    Returns
    -------
    Config
        With step + 1 steps at least. `config` itself where it has no `minutes`, and before the first step where no
        `pace` is given.
    """
    if not config.minutes or (pace is None and not step):
        return config
    further = (60 * config.minutes - seconds) / (seconds / step if pace is None else pace)
    return replace(config, steps=step + max(1, round(further)))


def minutes_left(seconds: float, config: Config) -> float | None:
    """How long a training by time goes on.

    Parameters
    ----------
    seconds : float
        Spent in training, whatever on.
    config : Config

    Returns
    -------
    float or None
        Minutes; None for a training by steps.
    """
    return config.minutes - seconds / 60 if config.minutes else None


def is_complete(step: int, seconds: float, config: Config) -> bool:
    """Whether a training is at its end: after `steps`, or after `minutes` where these are given.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Spent in training, whatever on.
    config : Config

    Returns
    -------
    bool
    """
    return step > 0 and seconds >= 60 * config.minutes if config.minutes else step >= config.steps


def set_rates(optimiser: torch.optim.Optimizer, config: Config, step: int) -> None:
    """Put the learning rate and, of gradient descent, the momentum of a step into the optimiser.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        Changed in place.
    config : Config
    step : int
        0 to steps - 1.
    """
    for group in optimiser.param_groups:
        group["lr"] = learning_rate_at(step, config) * group.get("rate", 1.0)
        if config.optimiser == "sgd":
            group["momentum"] = momentum_at(step, config)
