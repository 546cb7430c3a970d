"""Why SGD with momentum 0.99 struggles: what happens in the first steps, level by level, for several seeds.

python -m reproduce.studies.training_dynamics [--data DIR] --out FOLDER [--seeds N] [--steps N] [--arms A;B]

Trains the `quick` network on all sections but those of fold 1/6. steps.csv has a row for each arm, seed and step:
loss, and norm of the gradient before it is clipped. levels.csv has one for each tenth step and level: norm of the
gradient, share of dead ReLUs (channels that are 0 all over the tile), and size of the update over size of the
weights. An arm and seed that is done is not done again, so that the same command resumes a study that was stopped.
Without --data, only the table and the figure of what is there are written anew.
"""

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reproduce.studies import dynamics_summary
from reproduce.studies.definitions import FIRST_SGD
from unet_paper.checkpoint import new_network
from unet_paper.compute.precision import autocast
from unet_paper.config import ADAM, PROFILES, SGD_RATES, Config
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_set import TrainingSet, draw_tile, prepare_training_set
from unet_paper.datasets.training_stacks import load
from unet_paper.loss import weighted_cross_entropy
from unet_paper.network import UNet
from unet_paper.schedule import set_rates
from unet_paper.support.files import atomic_write
from unet_paper.support.progress import progress_bar
from unet_paper.training import new_optimiser

FOLD = "1/6"  # on which choices are made
EVERY = 10  # steps between rows of levels.csv
UNCLIPPED = 1e9
BLOB = {"up_convolution_fan_in": "blob"}
ARMS: dict[str, dict] = {
    "as is": {},
    "blob": BLOB,
    "blob, momentum rises": BLOB | {"momentum_warmup": 0.2},
    "blob, warmup of 500 steps": BLOB | {"warmup": 0.2},
    "blob, half the rate": BLOB | {"learning_rate": 0.008},
    "blob, biases twice": BLOB | {"bias_rate": 2.0},
    "blob, no clipping, 0.002": BLOB | {"gradient_clip": UNCLIPPED, "learning_rate": 0.002},
    "Adam": ADAM,
    "Adam, blob": ADAM | BLOB,
    "Adam, half the rate": ADAM | {"learning_rate": 0.0005},
    "Adam, warmup of 500 steps": ADAM | {"warmup": 0.2},
}
STEP_COLUMNS = ("arm", "seed", "step", "loss", "gradient_norm")
LEVEL_COLUMNS = ("arm", "seed", "step", "level", "gradient_norm", "dead_share", "update_over_weight")


def levels_of(network: UNet) -> dict[str, nn.Module]:
    """The parts of the network that are looked at by themselves, in the order of the forward pass."""
    parts: dict[str, nn.Module] = {f"contracting {depth}": part for depth, part in enumerate(network.contracting)}
    for index, (up, part) in enumerate(zip(network.up_convolutions, network.expanding, strict=True)):
        depth = len(network.expanding) - 1 - index
        parts |= {f"up-convolution {depth}": up, f"expanding {depth}": part}
    return parts | {"classifier": network.classifier}


def norm(values: list[torch.Tensor]) -> float:
    """Euclidean norm of several tensors together."""
    return math.sqrt(sum(float(value.detach().double().square().sum()) for value in values))


def train_and_watch(
    config: Config, training_set: TrainingSet, steps: int
) -> Iterator[tuple[dict[str, float], list[dict[str, float | str]]]]:
    """The first `steps` steps of a training, as `training.train` makes them: (row of steps.csv, rows of levels.csv)."""
    torch.manual_seed(config.seed)
    network = new_network(config).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser, generator = new_optimiser(network, config), torch.Generator()
    levels = levels_of(network)
    dead: dict[str, float] = {}

    def watch(name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def hook(_layer: nn.Module, _given: object, maps: torch.Tensor) -> None:
            dead[name] = float((maps.detach().amax((0, 2, 3)) <= 0).float().mean())

        return hook

    for name, part in levels.items():
        if not isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            part.register_forward_hook(watch(name))
    for step in range(steps):
        seeds = np.random.SeedSequence([config.seed, step]).generate_state(2, np.uint64)
        generator.manual_seed(int(seeds[0] >> 1))
        torch.manual_seed(int(seeds[1] >> 1))
        set_rates(optimiser, config, step)
        tile, labels, weights = draw_tile(training_set, config, generator)
        optimiser.zero_grad(set_to_none=True)
        with autocast("cpu", config.bfloat16):
            logits = network(tile.contiguous(memory_format=torch.channels_last))
        loss = weighted_cross_entropy(logits, labels, weights)
        loss.backward()
        watched = (step + 1) % EVERY == 0
        gradients, before = {}, {}
        if watched:
            gradients = {
                name: norm([p.grad for p in part.parameters() if p.grad is not None]) for name, part in levels.items()
            }
            before = {name: [p.detach().clone() for p in part.parameters()] for name, part in levels.items()}
        total = float(nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip))
        optimiser.step()
        rows: list[dict[str, float | str]] = []
        for name, old in before.items():
            new = [p.detach() for p in levels[name].parameters()]
            moved = norm([after - earlier for after, earlier in zip(new, old, strict=True)])
            rows.append(
                {
                    "step": step + 1,
                    "level": name,
                    "gradient_norm": gradients[name],
                    "dead_share": dead.get(name, ""),
                    "update_over_weight": moved / norm(old),
                }
            )
        yield {"step": step + 1, "loss": float(loss.detach()), "gradient_norm": total}, rows
        if not math.isfinite(float(loss.detach())):
            return


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none where there is no such file."""
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    """A CSV, whole or not at all."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """All arms of each seed in turn, so that a study that is stopped has as many seeds of each."""
    parser = argparse.ArgumentParser(
        prog="python -m reproduce.studies.training_dynamics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--steps", type=int, default=300, metavar="N")
    parser.add_argument("--arms", default=";".join(ARMS), metavar="A;B", help="parted by semicolons (all)")
    arguments = parser.parse_args()
    if arguments.data is not None:
        watch_all(arguments)
    of_steps, of_levels = read_rows(arguments.out / "steps.csv"), read_rows(arguments.out / "levels.csv")
    if not of_steps:
        sys.exit(f"{arguments.out} holds no steps.csv; give --data, with which it is made")
    with atomic_write(arguments.out / "README.md") as temporary:
        temporary.write_text(dynamics_summary.text(of_steps, of_levels))
    dynamics_summary.draw(arguments.out / "plot.png", of_steps, of_levels)


def watch_all(arguments: argparse.Namespace) -> None:
    """Train every arm and seed that is not there yet."""
    usual = replace(PROFILES["quick"], **FIRST_SGD, learning_rate=SGD_RATES["quick"])
    stacks = load(arguments.data, Fold.parse(FOLD))
    training_set = prepare_training_set(stacks.volume, stacks.labels, usual, "cpu")
    steps_csv, levels_csv = arguments.out / "steps.csv", arguments.out / "levels.csv"
    for seed in range(arguments.seeds):
        for arm in arguments.arms.split(";"):
            of_steps: list[dict[str, Any]] = read_rows(steps_csv)
            of_levels: list[dict[str, Any]] = read_rows(levels_csv)
            if any((row["arm"], row["seed"]) == (arm, str(seed)) for row in of_steps):
                continue
            config = replace(usual, seed=seed, **ARMS[arm])
            watched = train_and_watch(config, training_set, arguments.steps)
            for row, levels in progress_bar(watched, total=arguments.steps, desc=f"{arm}, seed {seed}", unit="tile"):
                of_steps.append({"arm": arm, "seed": seed, **row})
                of_levels += [{"arm": arm, "seed": seed, **level} for level in levels]
            write_rows(levels_csv, LEVEL_COLUMNS, of_levels)
            write_rows(steps_csv, STEP_COLUMNS, of_steps)


if __name__ == "__main__":
    main()
