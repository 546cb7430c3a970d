"""Training (section 3): stochastic gradient descent with momentum 0.99, one large tile a step."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.compute.callers_torch import callers_random_numbers_kept, callers_settings_set_aside
from unet_paper.compute.cpu_kernels import use_cpu_kernels
from unet_paper.compute.precision import autocast, fastest_algorithms, float32_unrounded
from unet_paper.compute.torch_compile import compiled_network, should_compile
from unet_paper.config import ADAM_BETAS, ADAM_EPSILON, COMPILE_CHOICES, Config
from unet_paper.datasets.training_set import TrainingSet, draw_tile
from unet_paper.loss import weighted_cross_entropy
from unet_paper.network import UNet
from unet_paper.schedule import is_complete, learning_rate_at, minutes_left, schedule_after, set_rates
from unet_paper.support.arguments import require_choice
from unet_paper.support.progress import progress_bar
from unet_paper.support.signals import Interrupted, stop_requests
from unet_paper.support.stopwatch import Stopwatch
from unet_paper.support.training_log import HISTORY_EVERY, TrainingLog


def new_optimiser(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Gradient descent with momentum (the paper's), or Adam; PyTorch's fused kernels.

    Parameters
    ----------
    network : nn.Module
    config : Config

    Returns
    -------
    torch.optim.SGD or torch.optim.Adam
        Over all weights in one group, or, where `bias_rate` is not 1, in two, of which the second holds the biases. The
        `rate` of a group is what `set_rates` multiplies its learning rate by.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3.
    """
    named, rate, decay = list(network.named_parameters()), config.learning_rate, config.weight_decay
    groups: list[dict[str, Any]] = [{"params": [values for _, values in named], "rate": 1.0}]
    if config.bias_rate != 1:  # one group otherwise, as the first checkpoints have it
        weights = [values for name, values in named if not name.endswith("bias")]
        biases = [values for name, values in named if name.endswith("bias")]
        groups = [{"params": weights, "rate": 1.0}, {"params": biases, "rate": config.bias_rate}]
    if config.optimiser == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=ADAM_BETAS, eps=ADAM_EPSILON, weight_decay=decay, fused=True)
    return torch.optim.SGD(groups, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)


def new_training_network(config: Config, device: torch.device | str) -> UNet:
    """A network with initial weights, ready to be trained on a device.

    Parameters
    ----------
    config : Config
    device : torch.device or str

    Returns
    -------
    UNet
        On the device, in training mode, channels last, and on a CPU with the kernels of `compute.cpu_kernels`.

    Raises
    ------
    ValueError
        As `UNet` does.
    """
    network = checkpoints.new_network(config).to(device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
    if torch.device(device).type == "cpu":
        use_cpu_kernels(network)
    return network


def training_step(
    network: Callable[[torch.Tensor], torch.Tensor],
    optimiser: torch.optim.Optimizer,
    config: Config,
    tile: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    stopwatch: Stopwatch | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One step of gradient descent on one tile, a batch as `draw_tile` gives it.

    Parameters
    ----------
    network : callable
        A UNet, compiled or not: (B, 1, S, S) tile -> (B, K, s, s) logits, s = S - 184.
    optimiser : torch.optim.Optimizer
        Of the network's weights, which are changed in place.
    config : Config
    tile : (B, 1, S, S) float32 tensor
        Standardised gray values.
    labels : (B, s, s) int64 tensor
        Class numbers, 0 to K - 1.
    weights : (B, s, s) float32 tensor
        The weight map, 0 or above.
    stopwatch : Stopwatch or None
        Counts the time of the parts "forward", "backward" and "optimiser".

    Returns
    -------
    loss : scalar float32 tensor
        Before the step.
    tile_error : scalar float32 tensor
        The part of the tile's pixels that weigh anything whose class was wrong, 0 to 1.
    spread : scalar float32 tensor
        How far the logits went from their map's mean at most.

    Raises
    ------
    InvalidTileSize, RuntimeError or IndexError
        As `UNet` and `weighted_cross_entropy` do.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3. That long gradients are shortened is ours.
    """
    stopwatch = stopwatch or Stopwatch()
    optimiser.zero_grad(set_to_none=True)
    with float32_unrounded(tile.device):
        with stopwatch.part("forward"):
            with autocast(tile.device, config.bfloat16):
                logits = network(tile.contiguous(memory_format=torch.channels_last))
            loss = weighted_cross_entropy(logits, labels, weights)
        with stopwatch.part("backward"):
            loss.backward()
    with stopwatch.part("optimiser"):
        # Not in the paper: the first steps' gradients are far larger than those that follow, and the momentum of 0.99
        # would keep them for a hundred steps.
        parameters = [values for group in optimiser.param_groups for values in group["params"]]
        nn.utils.clip_grad_norm_(parameters, config.gradient_clip)
        optimiser.step()
    logits = logits.detach()
    counted = weights > 0  # the others are ignored
    wrong = ((logits.argmax(1) != labels) & counted).sum() / counted.sum().clamp(min=1)
    return loss.detach(), wrong, (logits - logits.mean((2, 3), keepdim=True)).abs().max()


def train(
    config: Config,
    training_set: TrainingSet,
    folder: Path | str | None = None,
    data: Mapping[str, str] | None = None,
    resume: Checkpoint | None = None,
    after_step: Callable[[int, UNet], None] | None = None,
    torch_compile: str = "off",
    start: Checkpoint | None = None,
    when_compiled: Callable[[], None] | None = None,
) -> Checkpoint:
    """Train a network, keeping its history and checkpoints in a folder.

    Parameters
    ----------
    config : Config
    training_set : TrainingSet
        Training happens on its device.
    folder : path or None
        Unless None, gets `history.csv`, `checkpoint.pt` and the one before it, `checkpoint-before.pt`, while training,
        and `weights.pt` at the end.
    data : mapping or None
        Name -> SHA-256 of the stacks, kept in the checkpoints.
    resume : Checkpoint or None
        Where to resume; it stays as it is. Every step seeds its own random numbers, so a resumed run equals one that
        was never stopped. Those of the caller, PyTorch's global ones, go on as if nothing had drawn from them; of two
        trainings in threads of one process one waits for the other.
    after_step : callable or None
        Called with the number of steps done and the network, after each. It must leave the network as it is.
    torch_compile : "auto", "on" or "off"
        Whether to compile the network; see `compute.torch_compile`.
    start : Checkpoint or None
        A trained network whose weights a training that is not resumed starts from, of the same settings of the network.
    when_compiled : callable or None
        Called before the first step if the network has been compiled: that may fail, and training goes on without it.

    Returns
    -------
    Checkpoint
        Of the last step, without the optimiser. Its `config.steps` are the steps done, also where `minutes` ended it.

    Raises
    ------
    BadInput
        For another `torch_compile`, a `resume` without an optimiser, a `start` that does not fit, and a folder that
        cannot be written.
    InvalidTileSize
        For a `tile_size` that the network cannot take.
    Diverged
        When the loss or a weight stops being finite, or the output is the same everywhere for FLAT_STEPS steps or in
        the last one; `checkpoint.pt` then is the last good one.
    Interrupted
        On Ctrl-C and SIGTERM; after a checkpoint, where a folder is given and the output is not the same everywhere.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3.
    """
    require_choice("torch_compile", torch_compile, COMPILE_CHOICES)
    folder = None if folder is None else Path(folder)
    with callers_settings_set_aside(), callers_random_numbers_kept():
        return _trained(
            config, training_set, folder, data or {}, resume, after_step, torch_compile, start, when_compiled
        )


def seeds_of_step(config: Config, step: int) -> tuple[int, int]:
    """What a step's tile and dropout are drawn with, whatever was drawn before: a resumed training goes on alike.

    Parameters
    ----------
    config : Config
    step : int
        From 0 on.

    Returns
    -------
    tuple of int
        Of the tile and of dropout, 0 to 2^63 - 1.
    """
    tile_seed, dropout_seed = np.random.SeedSequence([config.seed, step]).generate_state(2, np.uint64)
    return int(tile_seed >> 1), int(dropout_seed >> 1)


def _trained(
    config: Config,
    training_set: TrainingSet,
    folder: Path | None,
    data: Mapping[str, str],
    resume: Checkpoint | None,
    after_step: Callable[[int, UNet], None] | None,
    torch_compile: str,
    start: Checkpoint | None,
    when_compiled: Callable[[], None] | None,
) -> Checkpoint:
    """See `train`; seeds PyTorch's global random numbers."""
    device = training_set.device
    torch.manual_seed(config.seed)
    network = new_training_network(config, device)
    optimiser = new_optimiser(network, config)
    log, done = TrainingLog(folder, device), 0
    if start is not None:
        start.initialise(network)
    if resume is not None:
        resume.restore(network, optimiser)
        log, done = resume.resumed_log(folder, device), resume.step
    complete = is_complete(done, log.seconds, config)
    schedule = schedule_after(done, log.seconds, config, log.pace if config.minutes else None)
    described = training_set.standardisation, data

    def keep() -> None:
        if log.is_worth_keeping(done, complete, network.parameters()) and folder is not None:
            log.kept_step = done
            with log.stopwatch.part("checkpoints"):
                state = Checkpoint.of(done, config, *described, network, optimiser, log)
                checkpoints.save(folder / "checkpoint.pt", state, folder / "checkpoint-before.pt")
                log.write_history()

    forward: Callable[[torch.Tensor], torch.Tensor] = network
    if should_compile(torch_compile, device, schedule.steps - done, minutes_left(log.seconds, config)):
        tile = draw_tile(training_set, config, torch.Generator())[0]
        forward = compiled_network(network, tile, config.bfloat16)
        if forward is not network and when_compiled is not None:
            when_compiled()
    generator = torch.Generator()
    with (
        fastest_algorithms(device),
        progress_bar(total=schedule.steps, initial=done, unit="tile", desc="train") as bar,
        stop_requests() as request,
    ):
        while not complete:
            step = done
            if config.minutes:
                schedule = schedule_after(done, log.seconds, config, log.pace)
            tile_seed, dropout_seed = seeds_of_step(config, step)
            generator.manual_seed(tile_seed)
            torch.manual_seed(dropout_seed)
            set_rates(optimiser, schedule, step)
            with log.stopwatch.part("tiles"):
                batch = draw_tile(training_set, config, generator)
            log.add(*training_step(forward, optimiser, config, *batch, log.stopwatch))

            done, seconds = step + 1, log.seconds
            complete = is_complete(done, seconds, config)
            is_kept = done % config.checkpoint_every == 0 or complete
            if done % HISTORY_EVERY == 0 or is_kept:
                loss = log.add_row(done, learning_rate_at(step, schedule), seconds)
                bar.total = done if complete else schedule.steps
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            if is_kept:
                keep()
            bar.update()
            if after_step is not None:
                after_step(done, network)
            if request.number and not complete:
                if not is_kept:
                    keep()
                raise Interrupted(log.kept(schedule.steps), request.number)
        final = Checkpoint.of(done, replace(config, steps=done), *described, network, None, log)
        if folder is not None:
            log.write_history()
            checkpoints.save(folder / "weights.pt", final)
        if request.number:
            raise Interrupted(log.kept(done), request.number)
    return final
