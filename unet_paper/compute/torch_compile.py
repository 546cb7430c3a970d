"""Compiling the network (torch.compile) for long trainings: it costs about a minute, a C++ compiler, and on a GPU
Triton, so it is left out where it costs more than it saves or does not work.
"""

from collections.abc import Callable

import torch
from torch import nn

from unet_paper.compute.precision import autocast, float32_unrounded
from unet_paper.support.errors import first_line
from unet_paper.support.logs import logger

SHORTEST = 5000  # steps from which a GPU should earn the minute back: a guess, not measured yet
SHORTEST_MINUTES = 30  # of a training by time, for the same: the minute is then at most a thirtieth of it


def should_compile(choice: str, device: torch.device | str, steps: int, minutes: float | None = None) -> bool:
    """Whether to compile for this many steps. By itself only on a GPU: on a CPU, where nearly all of the time is
    spent in the convolutions, which stay as they are, it gains nothing (measured, results/benchmarks).

    minutes : what is left of a training by time, which decides then, as its steps are not known; None: one by steps.
    """
    left, shortest = (steps, SHORTEST) if minutes is None else (minutes, SHORTEST_MINUTES)
    return left > 0 and (
        choice == "on" or (choice == "auto" and torch.device(device).type == "cuda" and left >= shortest)
    )


def compiled_network(network: nn.Module, tile: torch.Tensor, bfloat16: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network compiled for tiles like this one, tried out forward and backward; itself where that fails.

    tile : (1, 1, S, S) float tensor. The network's weights and statistics stay as they are.
    """
    logger.info("compiling the network, about a minute; --compile off (from Python torch_compile='off') leaves it out")
    before = [(values, values.clone()) for values in network.buffers()]
    try:
        faster: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network)
        with float32_unrounded(tile.device), autocast(tile.device, bfloat16):
            faster(tile).sum().backward()
    except Exception as error:  # of many kinds: no compiler, no Triton, an unsupported platform
        logger.warning(f"compilation failed, training runs without it ({first_line(error)})")
        return network
    finally:
        network.zero_grad(set_to_none=True)
        for values, kept in before:  # batch normalisation's, which the trial has moved
            values.copy_(kept)
    return faster
