"""Every study: what it is, how its runs are planned, and in what it differs from the others."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from reproduce.studies import plans
from reproduce.studies.definitions import AS_THE_PAPER, GAP, NO_GAP, Run
from reproduce.studies.plans import Asked
from unet_paper.config import PROFILES, optimiser_settings

SEEDS = 3  # of whatever a study repeats


@dataclass(frozen=True)
class Study:
    """One study. What the command, the pages and the folders make of it they ask here, and not its name."""

    name: str  # of the command, and of its folder
    summary: str  # for the command's help
    plan: Callable[[Asked], list[Run]]
    seeds: int = SEEDS  # unless --seeds says another number
    takes_optimiser: bool = False  # by SGD unless Adam is asked for; the runs of other studies say by which they train
    control: str | None = None  # the group, that of its first run, with which the others are compared
    paired_with: str | None = None  # the group whose run of the same fold and seed each of the others is compared with
    waits_for_first: bool = True  # whether there is no page before the first run is done
    page: Literal["table", "search", "budgets"] = "table"  # which module writes it
    note_on_rows: str = ""  # on its page, of what the mean of a row is over
    of_one_profile: bool = False  # its folder is named without the profile
    is_release: bool = False  # of networks trained on all sections, a folder each beside the studies'; none is scored
    of_cells: bool = False  # of data sets of the cell tracking challenge; cells.py writes its page
    in_all: bool = False  # one of those that `all` carries out


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            "hyper-parameter-search",
            "what the paper leaves open, short runs scored on fold 1/6",
            plans.search,
            waits_for_first=False,
            page="search",
            of_one_profile=True,
        ),
        Study(
            "folds",
            "contiguous 5-fold cross-validation of the training stack",
            plans.folds,
            takes_optimiser=True,
            note_on_rows=", each a fold with one seed",
            in_all=True,
        ),
        Study(
            "registered-folds",
            "the same folds, with labels registered: moved to where what they mark lies in the image",
            plans.registered_folds,
            takes_optimiser=True,
        ),
        Study(
            "seeds",
            "the same run with other seeds",
            plans.seeds,
            seeds=5,
            takes_optimiser=True,
            waits_for_first=False,
        ),
        Study(
            "ablations",
            "one thing changed at a time",
            plans.ablations,
            takes_optimiser=True,
            control=AS_THE_PAPER,
            in_all=True,
        ),
        Study(
            "gap",
            "what helps from one stack to another: sections between those trained on and those scored are left out",
            plans.gap,
            seeds=1,
            paired_with=GAP,
            note_on_rows=", each scored on the third of the sections at one end of the stack; of the others the five "
            f"nearest to these are left out or, with `{NO_GAP}`, the five furthest from them",
        ),
        Study(
            "adam-rate",
            "Adam's learning rate for a quarter of the channels and for all; scored on fold 1/6",
            plans.adam_rate,
        ),
        Study(
            "budgets",
            "error against tiles and minutes, for three widths and both optimisers; scored on fold 6/6",
            plans.budgets,
            waits_for_first=False,
            page="budgets",
        ),
        Study(
            "release",
            "a network trained on all sections, its weights in half precision, and the test sections' probabilities",
            plans.release,
            of_one_profile=True,
            is_release=True,
            in_all=True,
        ),
        Study(
            "arms",
            "what `release` makes, of the quarter network with either optimiser, and of the full one with Adam, as "
            "branches of a training; with Adam with registered labels too",
            plans.arms,
            of_one_profile=True,
            is_release=True,
        ),
        Study(
            "cells-ablations",
            "without the border term, elastic deformation, class balance, or turning and mirroring, on cells; DIR is "
            "one data set of the cell tracking challenge, and results go to results/cells/NAME-PROFILE/DATASET",
            plans.cell_ablations,
            of_cells=True,
        ),
    )
}


def usual_seeds(study: str) -> int:
    """How many seeds a study has, unless --seeds says another number."""
    return STUDIES[study].seeds


def runs_of(study: str, seeds: int, profile: str = "quick", optimiser: str | None = None) -> list[Run]:
    """The runs of a study with a profile; so many `seeds` of whatever it repeats (`usual_seeds`).

    optimiser : of the studies that take either (None: the paper's); the other studies say by which they train.
    """
    of_study = STUDIES[study]
    trained = optimiser_settings(optimiser or "sgd", profile)
    runs = of_study.plan(Asked(seeds, profile, optimiser))
    return [replace(run, changes=trained | run.changes) for run in runs] if of_study.takes_optimiser else runs


def folder_of(study: str, profile: str, optimiser: str | None, steps: int | None = None) -> str:
    """Where a study's results are, within those of the ISBI stack.

    steps : of its runs (None: the profile's); of `quick` each length has a folder of its own
    """
    of_study = STUDIES[study]
    name = study if profile == "quick" or of_study.of_one_profile else f"{study}-{profile}"
    asked_for = optimiser if of_study.takes_optimiser and optimiser != "sgd" else None  # which is by SGD anyway
    is_of_usual_length = profile != "quick" or steps in (None, PROFILES[profile].steps)
    return "-".join([name, *filter(None, [asked_for]), *([] if is_of_usual_length else [f"{steps}-tiles"])])
