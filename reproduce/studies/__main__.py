"""Studies: several runs each, their table and plot. Stops and resumes at any moment.

python -m reproduce.studies NAME --data DIR [--minutes M] [--profile P] [--optimiser O] [--set NAME=VALUE ...]
                            [--seeds N] [--only WORD] [--part K/N | --scheduler ADDRESS] [--out FOLDER]

NAME is one of
{studies}

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
import textwrap
import time
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from reproduce import ROOT
from reproduce.cell_recipe import cell_changes
from reproduce.studies import archive, budgets, cells, model_cards, plot, release, search, table_1, tables
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import SEEDS, STUDIES, Study, folder_of, runs_of, usual_seeds
from reproduce.studies.definitions import SCORED_FOLD, Run
from reproduce.studies.groups import same_training
from reproduce.studies.kept import require_as_planned, require_same_data, require_shorter_branches
from reproduce.studies.plans import require_own_settings, with_word
from reproduce.studies.runner import NOT_DONE, OutOfTime, command, is_left_out, lacks_trunk, make
from reproduce.studies.spread import Task, spread
from unet_paper.cli.values import above_zero, changed_config, chosen_optimiser, path, positive
from unet_paper.config import OPTIMISERS, PROFILES
from unet_paper.datasets.cell_tracking import DATASETS, cell_dataset_name
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.parts import Part

ALL = [study for study in STUDIES.values() if study.in_all]
BY_EITHER = [study.name for study in STUDIES.values() if study.takes_optimiser]


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


def carry_out(study: Study, arguments: argparse.Namespace, deadline: float | None) -> None:
    """All runs of one study, and its table."""
    results = ROOT / "results" / "isbi"
    if study.is_release:  # a folder of its own
        carry_out_release(study, (arguments.out or results).absolute(), arguments, deadline)
    else:
        folder = arguments.out or results
        if arguments.study == "all" or not arguments.out:
            folder = folder / folder_of(study.name, arguments.profile, arguments.optimiser)
        if not carry_out_scored(study, folder.absolute(), arguments, deadline):
            return
    if arguments.out is None:
        print(table_1.write(results))
        model_cards.write(results)


def carry_out_scored(study: Study, folder: Path, arguments: argparse.Namespace, deadline: float | None) -> bool:
    """All runs of a study that are scored, and its table. Returns whether this is the part that has written it."""
    changes, data = given_changes(arguments), arguments.data.absolute()
    runs, wanted = planned(study, arguments)
    finished = gather(folder, runs)
    require_as_planned(folder, finished, runs, changes)
    require_same_data(folder, finished, data)
    require_shorter_branches(folder, finished, runs, wanted)
    text: str | None = None
    is_left_to_others = is_whole = False
    try:
        make_wanted(study, wanted, finished, folder, arguments, deadline)
        is_whole = True
    finally:  # also of what is done when the minutes are over, a run fails or the study is stopped
        done = gather(folder, runs)
        diverged = [run.name for run in runs if run.name not in done and is_left_out(run, folder)]
        if is_whole or not (folder / "README.md").exists() or done.keys() > finished.keys():
            is_left_to_others = bool(arguments.part) and {run.name for run in runs} > {*diverged, *done}
            text = None if is_left_to_others else write(folder, study.name, runs, arguments.optimiser)
    if is_left_to_others:
        print(f"Part {Part.parse(arguments.part)} is done; the last part to end writes the tables.")
        return False
    end_without_table(diverged, text)
    if text is not None:
        print(text)
    return True


def carry_out_release(study: Study, folder: Path, arguments: argparse.Namespace, deadline: float | None) -> None:
    """Networks trained on all sections, and what is published of each."""
    data = arguments.data.absolute()
    runs, wanted = planned(study, arguments)
    require_shorter_branches(folder, {}, runs, wanted)
    committed = {run.name for run in runs if release.is_committed(RunFolder(folder / run.name))}
    make_wanted(study, wanted, committed, folder, arguments, deadline)
    end_without_table([run.name for run in runs if is_left_out(run, folder)], None)
    for of_run in (RunFolder(folder / run.name) for run in wanted):
        if of_run.weights.is_file():
            release.finish(of_run, data, lambda *words: command(deadline, *words))
        else:
            print(f"{of_run.path} is this repository's own, and not made again; --out FOLDER makes yours")


def end_without_table(diverged: Sequence[str], text: str | None) -> None:
    """Name the runs that diverged; where no table is left of the others, end the command."""
    if diverged:
        print(f"Diverged: {', '.join(diverged)}")
        if text is None:
            sys.exit(1)  # nothing to resume, or to compare with


def make_wanted(
    study: Study,
    wanted: Sequence[Run],
    done_before: Container[str],
    folder: Path,
    arguments: argparse.Namespace,
    deadline: float | None,
) -> None:
    """Make the wanted runs, in this process or by the workers of --scheduler, but those that were done before."""
    data, changes = arguments.data.absolute(), given_changes(arguments)
    if arguments.scheduler:
        remaining = with_their_trunks([run for run in wanted if run.name not in done_before])
        tasks = [Task(group, folder, data, arguments.profile, changes) for group in remaining]
        spread(tasks, arguments.scheduler, deadline)
        return
    given_up: set[str | None] = set()  # trunks that diverged just now
    for number, run in enumerate(wanted, 1):
        print(f"\n{study.name} [{number} of {len(wanted)}] {run.name}", flush=True)
        if run.name not in done_before and run.trunk not in given_up:
            make(run, RunFolder(folder / run.name), data, arguments.profile, changes, deadline)
            given_up |= {run.trunk} if lacks_trunk(run, folder) else set()


def carry_out_cells(study: Study, arguments: argparse.Namespace, deadline: float | None) -> None:
    """All runs of a study on a data set of cells, and its table."""
    changes, data = given_changes(arguments), arguments.data.absolute()
    name = cell_dataset_name(data)
    dataset = name if name in DATASETS else os.path.basename(os.path.realpath(data))
    usual = ROOT / "results" / "cells" / f"{study.name}-{arguments.profile}" / dataset
    folder = (arguments.out or usual).absolute()
    if arguments.part:
        raise BadInput(f"{study.name} takes no --part; --scheduler and --only spread it")
    runs, _ = planned(study, arguments)
    finished = {run.name: run for run in cells.gather(folder, runs)}
    of_cells = dict(change.split("=", 1) for change in cell_changes(arguments.profile))
    require_as_planned(folder, finished, runs, of_cells | changes)
    require_same_data(folder, finished, data)
    seeds = arguments.seeds or study.seeds
    cells.carry_out(folder, data, arguments.profile, changes, seeds, arguments.only, deadline, arguments.scheduler)


def planned(study: Study, arguments: argparse.Namespace) -> tuple[list[Run], list[Run]]:
    """All runs of a study, and those that --only and --part want. Raises BadInput where there is none of that word, and
    where --set would make two of them alike.
    """
    runs = runs_of(study.name, arguments.seeds or study.seeds, arguments.profile, arguments.optimiser)
    of_all = arguments.study == "all"  # of which some studies may have no such run
    wanted = [run for run in runs if arguments.only in run.name] if of_all else with_word(runs, arguments.only)
    require_own_settings(runs, wanted, given_changes(arguments))
    return runs, of_part(wanted, Part.parse(arguments.part)) if arguments.part else wanted


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
    study = STUDIES[name]
    if not finished or (study.waits_for_first and runs[0].name not in finished):
        return None
    others = [run for run in archive.read(folder) if run.name not in finished]  # of more seeds than now are asked for
    archive.write(folder, [*finished.values(), *others])
    done = [run for run in runs if run.name in finished]
    if study.page == "search":
        text = search.text(finished, ROOT / "results" / "isbi")  # which holds the seeds, wherever the search is
    elif study.page == "budgets":
        text = budgets.text([finished[run.name] for run in done])
        budgets.draw(folder / "plot.png", [finished[run.name] for run in done])
    else:
        seeds = (
            same_training(folder.parent, finished[runs[0].name], same_fold=runs[0].fold == SCORED_FOLD)
            if study.control
            else []
        )
        diverged = [run.name for run in runs if run.name not in finished and is_left_out(run, folder)]
        text = tables.table(name, done, finished, len(runs), diverged, seeds, optimiser)
        if runs[0].profile is None:  # else the runs differ in more than what a plot would compare
            plot.draw(folder / "plot.png", done, finished, seeds)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def summaries() -> str:
    """A line or more for each NAME."""
    *first, last = (study.name for study in ALL)
    told = {study.name: study.summary for study in STUDIES.values()}
    told["all"] = f"{', '.join(first)} and {last}, one after the other"
    width = max(map(len, told)) + 4
    return "\n".join(
        textwrap.fill(summary, 120, initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width)
        for name, summary in told.items()
    )


def main() -> int:
    """Carry out a study."""
    parser = argparse.ArgumentParser(
        prog="python -m reproduce.studies",
        description=(__doc__ or "").format(studies=summaries()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", choices=(*STUDIES, "all"), metavar="NAME", help="one of the list above")
    parser.add_argument("--data", type=path, required=True, metavar="DIR")
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
        help=f"of each ablation, intervention, rate and budget ({SEEDS}), and of the study `seeds` "
        f"({usual_seeds('seeds')})",
    )
    parser.add_argument("--only", default="", metavar="WORD", help="runs whose names have it")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--part", metavar="K/N", help="make part K of N of the runs")
    who.add_argument("--scheduler", metavar="ADDRESS", help="of a cluster of dask.distributed, whose workers make them")
    parser.add_argument("--out", type=path, metavar="DIR", help="default: results/isbi/NAME")
    arguments = parser.parse_args()
    deadline = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    try:
        require_optimiser_taken(arguments)
        chosen = ALL if arguments.study == "all" else [STUDIES[arguments.study]]
        for study in chosen:  # before the first is carried out
            planned(study, arguments)
        for study in chosen:
            (carry_out_cells if study.of_cells else carry_out)(study, arguments, deadline)
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
