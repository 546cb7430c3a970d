"""The schedule of a training (section 3 leaves it open): learning rate and momentum of each step, and where it ends."""

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


def schedule_after(step: int, seconds: float, config: Config) -> Config:
    """The Config whose `steps` are all that there will be: as many as fit `minutes`, at the pace so far.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Spent on them; above 0 once there are any.
    config : Config

    Returns
    -------
    Config
        With step + 1 steps at least. `config` itself where it has no `minutes`, and before the first step.
    """
    if not config.minutes or not step:
        return config
    return replace(config, steps=max(step + 1, round(step * 60 * config.minutes / seconds)))


def is_complete(step: int, seconds: float, config: Config) -> bool:
    """Whether a training is at its end: after `steps`, or after `minutes` where these are given.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Spent on them.
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
