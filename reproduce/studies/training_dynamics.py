"""Why SGD with momentum 0.99 struggles: what happens in the first steps, level by level, for several seeds.

python -m reproduce.studies.training_dynamics [--data DIR] --out FOLDER [--seeds N] [--steps N] [--arms A;B]

Trains the `quick` network on all sections but those of fold 1/6. steps.csv has a row for each arm, seed and step:
loss, and norm of the gradient before it is clipped. levels.csv has one for each tenth step and level: norm of the
gradient, share of dead ReLUs (channels of its second convolution that are 0 all over the tile; those of its first are
not watched), and size of the update over size of the weights. An arm and seed that is done is not done again, so that
the same command resumes a study that was stopped; several at once, of other arms each, may share FOLDER.
Without --data, only the table and the figure of what is there are written anew.
"""

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reproduce.studies import dynamics_summary
from reproduce.studies.definitions import FIRST_ADAM, FIRST_SGD, SEARCH_FOLD, UNCLIPPED
from unet_paper.checkpoint import new_network
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path, positive
from unet_paper.compute.precision import autocast
from unet_paper.config import PROFILES, SGD_RATES, Config
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_set import TrainingSet, draw_tile, prepare_training_set
from unet_paper.datasets.training_stacks import load
from unet_paper.loss import weighted_cross_entropy
from unet_paper.network import UNet
from unet_paper.schedule import set_rates
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write, write_rows
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.progress import progress_bar
from unet_paper.training import new_optimiser, seeds_of_step

STEPS, LEVELS = "steps.csv", "levels.csv"
EVERY = 10  # steps between rows of levels.csv
WAIT = 30.0  # seconds for which another process may write rows
BLOB = {"up_convolution_fan_in": "blob"}
ARMS: dict[str, dict] = {
    "as is": {},
    "blob": BLOB,
    "blob, momentum rises": BLOB | {"momentum_warmup": 0.2},
    "blob, warmup of 500 steps": BLOB | {"warmup": 0.2},
    "blob, half the rate": BLOB | {"learning_rate": 0.008},
    "blob, biases twice": BLOB | {"bias_rate": 2.0},
    "blob, no clipping, 0.002": BLOB | {"gradient_clip": UNCLIPPED, "learning_rate": 0.002},
    "Adam": FIRST_ADAM,
    "Adam, blob": FIRST_ADAM | BLOB,
    "Adam, half the rate": FIRST_ADAM | {"learning_rate": 0.0005},
    "Adam, warmup of 500 steps": FIRST_ADAM | {"warmup": 0.2},
}
Row = Mapping[str, Any]
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
    """The first `steps` steps of a training, as `training.train` makes them: (row of steps.csv, rows of levels.csv).
    In bfloat16 on a CPU dropout's masks are others than there, where the project's own kernels draw them.
    """
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
        tile_seed, dropout_seed = seeds_of_step(config, step)
        generator.manual_seed(tile_seed)
        torch.manual_seed(dropout_seed)
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
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> int:
    """All arms of each seed in turn, so that a study that is stopped has as many seeds of each."""
    parser = Parser(
        prog="python -m reproduce.studies.training_dynamics",
        description=__doc__,
    )
    parser.add_argument("--data", type=path, metavar="DIR")
    parser.add_argument("--out", type=path, required=True, metavar="FOLDER")
    parser.add_argument("--seeds", type=positive, default=10, metavar="N")
    parser.add_argument("--steps", type=positive, default=300, metavar="N")
    parser.add_argument("--arms", default=";".join(ARMS), metavar="A;B", help="parted by semicolons (all)")
    arguments = parser.parse_args()
    try:
        require_arms(arguments.arms.split(";"))
        if arguments.data is not None:
            watch_all(arguments)
        write_page(arguments.out)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def require_arms(names: Sequence[str]) -> None:
    """Raise BadInput where one is no arm."""
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise BadInput(f"--arms: there is no arm {unknown[0]!r}; choose from {'; '.join(ARMS)}")


def require_same_steps(kept: Sequence[Row], arguments: argparse.Namespace) -> None:
    """Raise BadInput where an arm and seed that is done has another number of steps than is wanted now. One that
    diverged, whose last loss is no number, has fewer.
    """
    for arm, of_seeds in dynamics_summary.by_seed(kept).items():
        for seed, rows in of_seeds.items():
            has_diverged = not math.isfinite(float(rows[-1]["loss"])) and len(rows) < arguments.steps
            is_wanted = arm in arguments.arms.split(";") and int(seed) < arguments.seeds
            if is_wanted and len(rows) != arguments.steps and not has_diverged:
                raise BadInput(
                    f"{arguments.out} holds {arm}, seed {seed}, with {len(rows)} steps, and {arguments.steps} are "
                    f"planned; give another --out, or --steps {len(rows)}"
                )


def write_page(folder: Path) -> None:
    """The table and the figure of what is there. Raises BadInput where nothing is."""
    of_steps, of_levels = read_rows(folder / STEPS), read_rows(folder / LEVELS)
    if not of_steps:
        raise BadInput(f"{folder} holds no {STEPS}; give --data, with which it is made")
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(dynamics_summary.text(of_steps, of_levels), encoding="utf-8")
    dynamics_summary.draw(folder / "plot.png", of_steps, of_levels)


def watch_all(arguments: argparse.Namespace) -> None:
    """Train every arm and seed that is not there yet. Raises BadInput for data that is none, and where what is there
    has another number of steps.
    """
    require_same_steps(read_rows(arguments.out / STEPS), arguments)
    usual = replace(PROFILES["quick"], **FIRST_SGD, learning_rate=SGD_RATES["quick"])
    stacks = load(arguments.data, Fold.parse(SEARCH_FOLD))
    training_set = prepare_training_set(stacks.volume, stacks.labels, usual, "cpu")
    for seed in range(arguments.seeds):
        for arm in arguments.arms.split(";"):
            if is_kept(arguments.out, arm, seed):
                continue
            of_steps, of_levels = [], []
            watched = train_and_watch(replace(usual, seed=seed, **ARMS[arm]), training_set, arguments.steps)
            for row, levels in progress_bar(watched, total=arguments.steps, desc=f"{arm}, seed {seed}", unit="tile"):
                of_steps.append({"arm": arm, "seed": seed, **row})
                of_levels += [{"arm": arm, "seed": seed, **level} for level in levels]
            keep(arguments.out, of_steps, of_levels)


def is_kept(folder: Path, arm: str, seed: int) -> bool:
    """Whether steps.csv has an arm and seed."""
    return any((row["arm"], row["seed"]) == (arm, str(seed)) for row in read_rows(folder / STEPS))


def keep(folder: Path, of_steps: Sequence[Row], of_levels: Sequence[Row]) -> None:
    """Add the rows of one arm and seed to those that are there now, which other processes may have added to, unless
    one of them has added the same. Raises BadInput where the folder cannot be written, or not for WAIT seconds.
    """
    ends = time.monotonic() + WAIT
    while True:
        try:
            with exclusive_lock(folder / "rows.lock", folder):
                arm, seed = of_steps[0]["arm"], of_steps[0]["seed"]
                if not is_kept(folder, arm, seed):  # of its levels there may be rows of one killed between the files
                    others = [r for r in read_rows(folder / LEVELS) if (r["arm"], r["seed"]) != (arm, str(seed))]
                    write_rows(folder / LEVELS, LEVEL_COLUMNS, [*others, *of_levels])
                    write_rows(folder / STEPS, STEP_COLUMNS, [*read_rows(folder / STEPS), *of_steps])
            return
        except BadInput:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
