"""A training step in every precision, with this package's kernels and with PyTorch's alone, all in turn."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from reproduce.benchmarks.baselines.process import BaselineProcess
from reproduce.benchmarks.measuring import all_in_turn, seconds_of
from unet_paper.checkpoint import new_network
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.config import PAPER, PROFILES, Config
from unet_paper.datasets.training_set import TrainingSet, draw_tile
from unet_paper.network import UNet
from unet_paper.training import new_optimiser, new_training_network, training_step

ROUNDS = {"quick": 12, "full": 4}
BASELINE = "PyTorch as people write it, float32"


def measure(training_set: TrainingSet, quick_only: bool) -> dict[str, Any]:
    """The whole part of the record, of the CPU."""
    networks = {"quick": PROFILES["quick"].base_channels} | ({} if quick_only else {"full": PAPER.base_channels})
    return {
        "bfloat16": computes_in_bfloat16("cpu"),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "load": os.getloadavg()[0],
        "seconds": {name: seconds(training_set, channels, ROUNDS[name]) for name, channels in networks.items()},
    }


def seconds(
    training_set: TrainingSet, base_channels: int, rounds: int, with_baseline: bool = True
) -> dict[str, list[float]]:
    """Of a step on a 572 px tile, by what takes it; in every round each has its turn."""
    config = replace(PAPER, base_channels=base_channels, learning_rate=1e-6)
    tile = draw_tile(training_set, config, torch.Generator().manual_seed(0))
    exact = replace(config, bfloat16=False)
    programs: dict[str, Callable[[], float]] = {}
    for of_precision in (config, exact) if computes_in_bfloat16("cpu") else (exact,):
        precision = "bfloat16" if of_precision.bfloat16 else "float32"
        programs[precision] = _step(new_training_network(of_precision, "cpu"), of_precision, tile)
        plain = new_network(of_precision).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        programs[f"{precision}, PyTorch's kernels"] = _step(plain, of_precision, tile)
    baseline = None
    if with_baseline:
        baseline = BaselineProcess("training_step", "cpu", base_channels, *(values.numpy() for values in tile))
        programs[BASELINE] = baseline.seconds
    for program in programs.values():
        program()
    times = all_in_turn(programs, rounds)
    if baseline is not None:
        baseline.close()
    return times


def _step(network: UNet, config: Config, tile: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> Callable[[], float]:
    return partial(seconds_of, partial(training_step, network, new_optimiser(network, config), config, *tile))
