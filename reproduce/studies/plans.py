"""How the runs of each study are planned, and which of them a command asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reproduce.studies.definitions import (
    ABLATIONS,
    ACROSS_GAP,
    ADAM_ABLATIONS,
    ARMS,
    AS_THE_PAPER,
    BUDGETS,
    CELL_ABLATIONS,
    FIRST_SGD,
    FLOAT32,
    FULL_ARMS,
    GAP,
    GAP_FOLDS,
    ONE_PASS,
    ONE_PASS_AND_D4,
    RATES_OF_ADAM,
    REGISTERED,
    SCORED_FOLD,
    SEARCH,
    SEARCH_FOLD,
    SEEDS_IN_FLOAT32,
    TILES,
    WITH_ADAM,
    WITH_SGD,
    Run,
)
from unet_paper.config import DECAY_PARTS, SGD_RATES
from unet_paper.datasets.cell_tracking import SEQUENCES
from unet_paper.support.errors import BadInput

ALL_SECTIONS = "all 30 sections"  # the group of the networks that are released


@dataclass(frozen=True)
class Asked:
    """What a plan is made for. Where a study takes either optimiser, its settings are added to the plan's runs."""

    seeds: int  # of whatever the study repeats
    profile: str
    optimiser: str | None  # that was asked for; None: the paper's, or the runs' own


def folds(_asked: Asked) -> list[Run]:
    """Each fifth of the training stack held out."""
    return [Run(f"fold-{n}", "5 folds", f"{n}/5", subgroup=_unseen(n)) for n in range(1, 6)]


def registered_folds(_asked: Asked) -> list[Run]:
    """The same, with the labels registered."""
    group = "5 folds, labels registered"
    return [Run(f"registered-fold-{n}", group, f"{n}/5", REGISTERED, subgroup=_unseen(n)) for n in range(1, 6)]


def _unseen(fold: int) -> str | None:
    """The subgroup of the folds whose sections had no say in a rate or in the decay; None for the others."""
    return "folds 2 to 4, whose sections chose no rate and no decay" if 1 < fold < 5 else None


def seeds(asked: Asked) -> list[Run]:
    """A run for each seed; of Adam two in float32 too."""
    runs = [Run(f"seed-{seed}", "fold 6/6", SCORED_FOLD, {"seed": seed}) for seed in range(asked.seeds)]
    exact = [
        replace(run, name=f"float32-{run.name}", group=f"{run.group}, float32", changes=run.changes | FLOAT32)
        for run in runs
        if asked.optimiser == "adam" and run.changes["seed"] in SEEDS_IN_FLOAT32
    ]
    return runs + exact


def search(_asked: Asked) -> list[Run]:
    """What was tried for each choice; settings that several choices share are one run."""
    runs = {}
    for title, choice in SEARCH.items():
        usual = {} if choice.profile == "paper" else {"learning_rate": SGD_RATES[choice.profile], "steps": 1000}
        for name, changes in choice.tried.items():
            settings = FIRST_SGD | usual | changes | ONE_PASS
            runs[name] = Run(name, title, SEARCH_FOLD, settings, profile=choice.profile)
    return list(runs.values())


def adam_rate(asked: Asked) -> list[Run]:
    """Every rate of each width, seed by seed."""
    return [
        Run(_named(group, seed), group, SEARCH_FOLD, changes | {"seed": seed} | ONE_PASS, profile=of_group)
        for seed in range(asked.seeds)
        for group, (of_group, changes) in RATES_OF_ADAM.items()
    ]


def budgets(asked: Asked) -> list[Run]:
    """The branches of every trunk, shorter ones first, as the trunk must stand where a branch begins."""
    runs = []
    for seed in range(asked.seeds):
        for group, changes in BUDGETS.items():
            settings = changes | {"seed": seed, "warmup": 125.0}
            runs += _branches(Run(_named(group, seed), group, SCORED_FOLD, settings), TILES)
    return runs


def gap(asked: Asked) -> list[Run]:
    """What is tried across a gap, by Adam with registered labels, the released network's recipe: all of one end, then
    of the other.
    """
    return [
        Run(
            _named(f"{group}, fold {fold[0]}", seed),
            group,
            fold,
            REGISTERED | ONE_PASS_AND_D4 | changes | {"seed": seed},
            leave_out=left_out.get(group, left_out[GAP]),
        )
        for seed in range(asked.seeds)
        for fold, left_out in GAP_FOLDS.items()
        for group, changes in ACROSS_GAP.items()
    ]


def ablations(asked: Asked) -> list[Run]:
    """Every ablation by an optimiser, seed by seed."""
    return [
        Run(
            _named(group, seed),
            group,
            SCORED_FOLD,
            settings | {"seed": seed},
            zeros_too=group == AS_THE_PAPER,
        )
        for seed in range(asked.seeds)
        for group, settings in _settings_of_ablations(asked).items()
    ]


def _settings_of_ablations(asked: Asked) -> dict[str, dict[str, Any]]:
    """What each ablation by an optimiser is called, and its settings."""
    if asked.optimiser != "adam":
        return {group: ABLATIONS[group] for group in WITH_SGD}
    return {group: ABLATIONS[group] for group in WITH_ADAM} | (ADAM_ABLATIONS if asked.profile == "quick" else {})


def release(_asked: Asked) -> list[Run]:
    """One training on all sections."""
    return [Run("final", ALL_SECTIONS, None)]


def arms(_asked: Asked) -> list[Run]:
    """Each arm's training on all sections, and the branches of the full network's trunks."""
    runs = [Run(name, ALL_SECTIONS, None, changes, profile=of_arm) for name, (of_arm, changes) in ARMS.items()]
    for name, (changes, every) in FULL_ARMS.items():
        runs += _branches(Run(name, ALL_SECTIONS, None, changes, profile="paper"), every)
    return runs


def cell_ablations(asked: Asked) -> list[Run]:
    """Every ablation on cells, trained on each of the two sequences, seed by seed."""
    return [
        Run(f"{_named(group, seed)}-trained-on-{trained}", group, None, settings | {"seed": seed}, trained_on=trained)
        for seed in range(asked.seeds)
        for group, settings in CELL_ABLATIONS.items()
        for trained in SEQUENCES
    ]


def _branches(run: Run, every: Sequence[int]) -> list[Run]:
    """A run for each number of tiles, off one trunk of constant rate that ends where the last fifth begins."""
    return [
        replace(
            run,
            name=f"{run.name}-{tiles}",
            group=f"{run.group}, {tiles:,} tiles",
            trunk=f"{run.name}-trunk",
            trunk_steps=tiles * (DECAY_PARTS - 1) // DECAY_PARTS,
        )
        for tiles in every
    ]


def _named(group: str, seed: int) -> str:
    return f"{'-'.join(group.replace(',', '').split())}-seed-{seed}"


def with_word(runs: Sequence[Run], word: str) -> list[Run]:
    """The runs whose names have a word. Raises BadInput where none has."""
    wanted = [run for run in runs if word in run.name]
    if not wanted:
        raise BadInput(f"--only {word}: no run of the study has that in its name; there is {runs[0].name}, for example")
    return wanted


def require_own_settings(runs: Sequence[Run], wanted: Sequence[Run], changes: Mapping[str, str]) -> None:
    """Raise BadInput where --set would take from one of the wanted runs what tells it from the study's first run."""
    for run in wanted:
        for name in changes:
            if run.changes.get(name) != runs[0].changes.get(name):
                raise BadInput(
                    f"--set {name}={changes[name]}: {run.name} is told from {runs[0].name} by its own {name}; leave "
                    "that setting out, or such runs, by --only"
                )
