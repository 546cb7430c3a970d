"""Studies: several runs each, their table and plot. Stops and resumes at any moment.

python -m reproduce.studies NAME --data DIR [--minutes M] [--profile P] [--optimiser O] [--set NAME=VALUE ...]
                            [--seeds N] [--only WORD] [--part K/N | --scheduler ADDRESS] [--out FOLDER]

NAME is one of
  hyper-parameter-search  what the paper leaves open, short runs scored on fold 1/6
  folds                   contiguous 5-fold cross-validation of the training stack
  full-fold               fold 6/6 alone, for the full network on two CPU cores
  seeds                   the same run with other seeds
  ablations               one thing changed at a time; and, with SGD as first tried, sections left out
  interventions           against what the metrics show, by settings alone; scored on fold 1/6 as the search is
  adam-rate               Adam's learning rate for a quarter of the channels and for all; scored on fold 1/6
  budgets                 error against tiles and minutes, for three widths and both optimisers; scored on fold 6/6
  release                 a network trained on all sections, its weights in half precision, and the test sections'
                          probabilities
  arms                    the same of the quarter network, with either optimiser, and of the full one, with Adam:
                          branches of one training
  cells-ablations         without the border term, elastic deformation, class balance, or turning and mirroring, on
                          cells; DIR is one data set of the cell tracking challenge, and results go to
                          results/cells/NAME/DATASET
  all                     folds, ablations, interventions and release, one after the other

DIR holds the challenge's stacks. Each run is trained, predicted, scored and reported in results/isbi/NAME/RUN (with the
profile `paper`: results/isbi/NAME-paper, with --optimiser adam NAME-adam, and with --optimiser sgd, where the study
began by SGD as first tried, NAME-sgd; with --out: in FOLDER), and kept in the study's records.jsonl, runs.csv and
histories.csv; one that is kept is not made again, and other settings or data than its own are refused. After M minutes
the training in hand keeps its step and the study ends with exit code 75: the same command resumes it. A training that
diverges is tried once more from its last checkpoint, and then left out. With --part K/N only part K of the runs is
made; N such commands, on machines that share FOLDER, make the study in the time of one part, and the last one to end
writes the tables. With --scheduler the workers of a cluster of dask.distributed make the runs, each a task that resumes
from its own checkpoint (extra `volumes`). The tables are written of the runs that are done; when all are,
results/isbi/table1.md is renewed.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reproduce import ROOT
from reproduce.cell_recipe import cell_changes
from reproduce.studies import archive, budgets, cells, model_cards, plot, release, search, table_1, tables
from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import (
    BY_EITHER,
    CONTROLS,
    RELEASES,
    SEEDS,
    SEEDS_OF_SEEDS,
    STUDIES,
    Run,
    folder_of,
    require_own_settings,
    runs_of,
    usual_seeds,
    with_word,
)
from reproduce.studies.groups import same_training
from reproduce.studies.kept import require_as_planned, require_same_data, require_shorter_branches
from reproduce.studies.runner import NOT_DONE, OutOfTime, command, is_left_out, lacks_trunk, make
from reproduce.studies.spread import Task, spread
from unet_paper.cli.values import above_zero, changed_config, chosen_optimiser, positive
from unet_paper.config import OPTIMISERS, PROFILES
from unet_paper.datasets.cell_tracking import DATASETS, cell_dataset_name
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.parts import Part

COMPARED_WITH_NONE = ("hyper-parameter-search", "budgets", "seeds")  # in which no run is the others' control
ALL = ("folds", "ablations", "interventions", "release")


def gather(folder: Path, runs: Sequence[Run]) -> dict[str, StudyRun]:
    """The finished runs of a study by name, in the study's order: those that are kept, and those that have a folder.
    Raises BadInput where what is kept is damaged.
    """
    kept = {run.name: run for run in archive.read(folder)}
    for run in runs:
        of_run = RunFolder(folder / run.name)
        if of_run.table.is_file() or of_run.own_table.is_file():
            kept[run.name] = archive.from_folder(folder / run.name)
    return {run.name: replace(kept[run.name], group=run.group) for run in runs if run.name in kept}


def carry_out(name: str, arguments: argparse.Namespace, deadline: float | None) -> None:
    """All runs of one study, and its table."""
    profile = arguments.profile
    results = ROOT / "results" / "isbi"
    folder = arguments.out or results
    if name not in RELEASES and (arguments.study == "all" or not arguments.out):  # a release is a folder of its own
        folder = folder / folder_of(name, profile, arguments.optimiser)
    folder = folder.absolute()
    changes = given_changes(arguments)
    data = arguments.data.absolute()
    runs, wanted = planned(name, arguments)
    part = Part.parse(arguments.part) if arguments.part else None
    if part is not None:
        wanted = of_part(wanted, part)
    finished = {} if name in RELEASES else gather(folder, runs)
    require_as_planned(folder, finished, runs, changes)
    require_same_data(folder, finished, data)
    require_shorter_branches(folder, finished, runs, wanted)
    done_before = {run.name for run in runs if name in RELEASES and release.is_committed(RunFolder(folder / run.name))}
    done_before |= finished.keys()
    text: str | None = None
    is_left_to_others = is_whole = False
    try:
        if arguments.scheduler:
            remaining = with_their_trunks([run for run in wanted if run.name not in done_before])
            tasks = [Task(group, folder, data, profile, changes) for group in remaining]
            spread(tasks, arguments.scheduler, deadline)
        given_up: set[str | None] = set()  # trunks that diverged just now
        for number, run in enumerate(() if arguments.scheduler else wanted, 1):
            print(f"\n{name} [{number} of {len(wanted)}] {run.name}", flush=True)
            if run.name not in done_before and run.trunk not in given_up:
                make(run, RunFolder(folder / run.name), data, profile, changes, deadline)
                given_up |= {run.trunk} if lacks_trunk(run, folder) else set()
        is_whole = True
    finally:  # also of what is done when the minutes are over, a run fails or the study is stopped
        done = {} if name in RELEASES else gather(folder, runs)
        diverged = [run.name for run in runs if run.name not in done and is_left_out(run, folder)]
        is_new = not (folder / "README.md").exists() or done.keys() > finished.keys()
        if name not in RELEASES and (is_whole or is_new):
            is_left_to_others = part is not None and {run.name for run in runs} > {*diverged, *done}
            text = None if is_left_to_others else write(folder, name, runs, arguments.optimiser)
    if is_left_to_others:
        print(f"Part {part} is done; the last part to end writes the tables.")
        return
    if diverged:
        print(f"Diverged: {', '.join(diverged)}")
        if text is None:
            sys.exit(1)  # nothing to resume, or to compare with
    if name in RELEASES:
        for folder_of_run in (RunFolder(folder / run.name) for run in wanted):
            if folder_of_run.weights.is_file():
                release.finish(folder_of_run, data, lambda *words: command(deadline, *words))
            else:
                print(f"{folder_of_run.path} is this repository's own, and not made again; --out FOLDER makes yours")
    elif text is not None:
        print(text)
    if arguments.out is None:
        print(table_1.write(results))
        model_cards.write(results)


def planned(name: str, arguments: argparse.Namespace) -> tuple[list[Run], list[Run]]:
    """All runs of a study, and those that --only wants. Raises BadInput where there is none, and where --set would make
    two of them alike.
    """
    runs = runs_of(name, arguments.seeds or usual_seeds(name), arguments.profile, arguments.optimiser)
    of_all = arguments.study == "all"  # of which some studies may have no such run
    wanted = [run for run in runs if arguments.only in run.name] if of_all else with_word(runs, arguments.only)
    require_own_settings(runs, wanted, given_changes(arguments))
    return runs, wanted


def require_optimiser_taken(arguments: argparse.Namespace) -> None:
    """Raise BadInput where --optimiser is given for a study that says itself by which it trains, and where --set names
    another one than the study's.
    """
    if arguments.optimiser and arguments.study not in (*BY_EITHER, "all"):
        raise BadInput(
            f"--optimiser {arguments.optimiser}: {arguments.study} trains by its own; leave the option out, or give it "
            f"to one of {', '.join(BY_EITHER)}"
        )
    usual = arguments.optimiser or "sgd"
    named = chosen_optimiser(arguments.optimiser, arguments.changes) or usual
    has_rate = any(change.partition("=")[0] == "learning_rate" for change in arguments.changes)
    if named != usual and not has_rate and arguments.study in (*BY_EITHER, "all"):
        raise BadInput(
            f"--set optimiser={named}: {arguments.study} would train at {usual}'s rate; leave that setting out, or "
            "give --optimiser"
        )


def given_changes(arguments: argparse.Namespace) -> dict[str, str]:
    """{name: text} of --set. Raises BadInput for what is no setting of the profile."""
    changed_config(PROFILES[arguments.profile], arguments.changes)
    return {change.partition("=")[0]: change.partition("=")[2] for change in arguments.changes}


def with_their_trunks(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that must be made one after the other: branches of one trunk, as only one of them can train it."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.trunk or run.name, []).append(run)
    return list(groups.values())


def of_part(runs: Sequence[Run], part: Part) -> list[Run]:
    """A part's runs."""
    return [run for group in part.of(with_their_trunks(runs)) for run in group]


def write(folder: Path, name: str, runs: Sequence[Run], optimiser: str | None = None) -> str | None:
    """The records, README.md and plot of a study, of those of its runs that are done. Returns the table's text; None,
    and nothing is written, where none is, or the first is not done, which others are compared with.

    optimiser : that was asked for
    """
    finished = gather(folder, runs)
    if not finished or (name not in COMPARED_WITH_NONE and runs[0].name not in finished):
        return None
    others = [run for run in archive.read(folder) if run.name not in finished]  # of more seeds than now are asked for
    archive.write(folder, [*finished.values(), *others])
    done = [run for run in runs if run.name in finished]
    if name == "hyper-parameter-search":
        text = search.text(finished, ROOT / "results" / "isbi")  # which holds the seeds, wherever the search is
    elif name == "budgets":
        text = budgets.text([finished[run.name] for run in done])
        budgets.draw(folder / "plot.png", [finished[run.name] for run in done])
    else:
        seeds = (
            same_training(folder.parent, finished[runs[0].name], same_fold=runs[0].group == CONTROLS[0])
            if runs[0].group in CONTROLS
            else []
        )
        diverged = [run.name for run in runs if run.name not in finished and is_left_out(run, folder)]
        text = tables.table(name, done, finished, len(runs), diverged, seeds, optimiser)
        if runs[0].profile is None:  # else the runs differ in more than what a plot would compare
            plot.draw(folder / "plot.png", done, finished, seeds)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def main() -> int:
    """Carry out a study."""
    parser = argparse.ArgumentParser(
        prog="python -m reproduce.studies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=(*STUDIES, cells.STUDY, "all"), metavar="NAME")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=above_zero, metavar="M", help="then stop; the same command resumes")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help=f"of {', '.join(BY_EITHER)}; SGD, by the recipe that the study began with, unless given; sgd: by today's",
    )
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help=f"of each ablation, intervention, rate and budget ({SEEDS}), and of the study `seeds` ({SEEDS_OF_SEEDS})",
    )
    parser.add_argument("--only", default="", metavar="WORD", help="runs whose names have it")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--part", metavar="K/N", help="make part K of N of the runs")
    who.add_argument("--scheduler", metavar="ADDRESS", help="of a cluster of dask.distributed, whose workers make them")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/isbi/NAME")
    arguments = parser.parse_args()
    deadline = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    try:
        require_optimiser_taken(arguments)
        if arguments.study == cells.STUDY:
            changes = given_changes(arguments)
            data, seeds = arguments.data.absolute(), arguments.seeds or usual_seeds(cells.STUDY)
            name = cell_dataset_name(data)
            dataset = name if name in DATASETS else os.path.basename(os.path.realpath(data))
            usual = ROOT / "results" / "cells" / f"{cells.STUDY}-{arguments.profile}" / dataset
            folder = (arguments.out or usual).absolute()
            if arguments.part:
                raise BadInput(f"{cells.STUDY} takes no --part; --scheduler and --only spread it")
            runs = cells.cell_runs(seeds)
            require_own_settings(runs, with_word(runs, arguments.only), changes)
            finished = {run.name: run for run in cells.gather(folder, runs)}
            of_cells = dict(change.split("=", 1) for change in cell_changes(arguments.profile))
            require_as_planned(folder, finished, runs, of_cells | changes)
            require_same_data(folder, finished, data)
            given = folder, data, arguments.profile, changes, seeds, arguments.only, deadline
            cells.carry_out(*given, arguments.scheduler)
            return 0
        names = ALL if arguments.study == "all" else (arguments.study,)
        for name in names:  # before the first is carried out
            planned(name, arguments)
        for name in names:
            carry_out(name, arguments, deadline)
    except OutOfTime:
        print("The minutes are over; the same command resumes the study.")
        return NOT_DONE
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("Stopped; the same command resumes the study.", file=sys.stderr)
        return getattr(stop, "exit_code", 128 + signal.SIGINT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
