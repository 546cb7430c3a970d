"""The benchmark's rows that have a network in them, and the machine's limit for them."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from unet_paper import checkpoint
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.compute.torch_compile import compiled_network
from unet_paper.config import PAPER, PROFILES, TTA
from unet_paper.datasets.training_set import TrainingSet, draw_tile
from unet_paper.network import UNet, multiply_adds
from unet_paper.normalisation import Standardisation
from unet_paper.overlap_tile import Block
from unet_paper.prediction import Predictor
from unet_paper.training import new_optimiser, new_training_network, train, training_step

PASSES = {"none": 1, "rot7": 7, "d4": 8}


@dataclass(frozen=True)
class Row:
    """What is measured: our function, and a task of the baseline's process with its arguments."""

    name: str
    ours: Callable[[], Any]
    baseline: tuple[Any, ...]
    multiply_adds: float | None = None
    precision: str | None = None


def finished(function: Callable[[], Any], device: str | torch.device) -> Callable[[], Any]:
    """The function, and a wait for what it left the GPU to do."""
    if torch.device(device).type != "cuda":
        return function

    def wait() -> None:
        function()
        torch.cuda.synchronize()

    return wait


def peak(dtype: torch.dtype, device: str) -> float:
    """The machine's matrix product, multiply-adds a second: the best of several sizes and calls."""
    rates = []
    for size in (4096, 8192, 16384) if device == "cuda" else (1024, 2048, 4096):
        a, b = torch.randn(2, size, size, device=device).to(dtype)
        multiply = finished(partial(torch.matmul, a, b), device)
        multiply()
        for _ in range(6):
            started = time.perf_counter()
            multiply()
            rates.append(size**3 / (time.perf_counter() - started))
    return max(rates)


def precision(bfloat16: bool, device: str | torch.device) -> str:
    """The name of what is computed in."""
    return "bfloat16" if bfloat16 and computes_in_bfloat16(device) else "float32"


def training(name: str, base_channels: int, training_set: TrainingSet) -> Iterator[Row]:
    """A step on a 572 px tile, as it is and compiled, and in float32 too where it is in bfloat16."""
    usual, device = replace(PAPER, base_channels=base_channels), training_set.device
    tile = draw_tile(training_set, usual, torch.Generator().manual_seed(0))
    baseline = ("training_step", device.type, base_channels, *(values.cpu().numpy() for values in tile))
    bfloat16 = computes_in_bfloat16(device)
    for compiled, exact in ((False, not bfloat16), (True, not bfloat16), *([(False, True)] if bfloat16 else [])):
        config = replace(usual, bfloat16=not exact)
        network = new_training_network(config, device)
        optimiser = new_optimiser(network, replace(config, learning_rate=1e-6))
        forward = compiled_network(network, tile[0], config.bfloat16) if compiled else network
        if compiled and forward is network:
            continue  # no compiler here
        ours = finished(partial(training_step, forward, optimiser, config, *tile), device)
        title = f"training step, 572 px tile, {name} network{', compiled' * compiled}"
        yield Row(title, ours, baseline, 3 * multiply_adds(572, 572, base_channels), precision(not exact, device))


def predict(
    network: UNet, standardisation: Standardisation, tta: str, bfloat16: bool, section: np.ndarray
) -> np.ndarray:
    """The map of a whole section in one tile."""
    predictor = Predictor(network, standardisation, tta, bfloat16)
    return predictor.predict_block(section, Block(0, section.shape[0], 0, section.shape[1]))


def predictions(name: str, base_channels: int, section: np.ndarray, device: str) -> list[Row]:
    """A 512 x 512 section with each test-time augmentation, in both precisions."""
    network, standardisation = (
        checkpoint.new_network(replace(PAPER, base_channels=base_channels)),
        Standardisation(0.5, 0.2, "uint8"),
    )
    network = network.to(device)
    values = standardisation(section.astype("float32") / 255)
    return [
        Row(
            f"512 px section, {tta}, {name} network",
            partial(predict, network, standardisation, tta, bfloat16, section),
            ("prediction", device, base_channels, tta, values),
            PASSES[tta] * multiply_adds(700, 700, base_channels),
            precision(bfloat16, device),
        )
        for tta in TTA
        for bfloat16 in ((True, False) if computes_in_bfloat16(device) else (False,))
    ]


def where_the_time_goes(training_set: TrainingSet) -> dict[str, Any]:
    """A short training as `quick` trains: its seconds, and of these by part (not on a GPU)."""
    steps = 100
    config = replace(PROFILES["quick"], steps=steps, checkpoint_every=steps // 2)
    with tempfile.TemporaryDirectory() as folder:
        final = train(config, training_set, folder, {})
    return {"steps": steps, "seconds": final.seconds, "parts": final.parts}
