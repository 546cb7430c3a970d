"""Carry out a study: plan its runs, make those that are wanted and not there yet, and write its page."""

import os
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reproduce import ROOT
from reproduce.cell_recipe import cell_changes
from reproduce.studies import cells, model_cards, pages, release, table_1
from reproduce.studies.catalogue import Study, folder_of, runs_of
from reproduce.studies.definitions import Run
from reproduce.studies.kept import (
    records_of,
    require_as_planned,
    require_same_data,
    require_shorter_branches,
    require_studys_own,
)
from reproduce.studies.plans import require_own_settings, with_word
from reproduce.studies.runner import command, is_left_out, lacks_trunk, make
from reproduce.studies.spread import Task, spread
from unet_paper.cli.settings import changed_config
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import DATASETS, cell_dataset_name
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command asks of a study."""

    data: Path
    profile: str
    optimiser: str | None
    changes: Mapping[str, str]  # {name: text} of settings
    seeds: int | None  # None: as many as the study usually has
    only: str  # the wanted runs' names have this word
    part: Part | None
    scheduler: str | None  # the address of a cluster whose workers make the runs
    out: Path | None  # None: where the repository keeps the study
    is_of_all: bool  # of several studies, carried out one after the other
    deadline: float | None  # of time.monotonic()

    @property
    def steps(self) -> int:
        """Of the profile with the changes; of runs that bring their own it says nothing."""
        return changed_config(PROFILES[self.profile], [f"{name}={text}" for name, text in self.changes.items()]).steps


def carry_out(study: Study, request: Request) -> None:
    """All runs of one study, and its table. Raises OutOfTime at the deadline, and BadInput."""
    if study.of_cells:
        carry_out_cells(study, request)
        return
    results = ROOT / "results" / "isbi"
    if study.is_release:  # a folder of its own
        carry_out_release(study, (request.out or results).absolute(), request)
    else:
        folder = request.out or results
        if request.is_of_all or not request.out:
            folder = folder / folder_of(study.name, request.profile, request.optimiser, request.steps)
        if not carry_out_scored(study, folder.absolute(), request):
            return
    if request.out is None:
        print(table_1.write(results))
        model_cards.write(results)


def carry_out_scored(study: Study, folder: Path, request: Request) -> bool:
    """All runs of a study that are scored, and its table. Returns whether this is the part that has written it."""
    runs, wanted = planned(study, request)
    finished = pages.gather(folder, runs)
    require_studys_own(folder)
    require_as_planned(folder, records_of(finished), runs, request.profile, request.changes)
    require_same_data(folder, records_of(finished), request.data)
    require_shorter_branches(folder, finished, runs, wanted)
    text: str | None = None
    is_left_to_others = is_whole = False
    try:
        make_wanted(study, wanted, finished, folder, request, request.changes)
        is_whole = True
    finally:  # also of what is done when the minutes are over, a run fails or the study is stopped
        done = pages.gather(folder, runs)
        diverged = [run.name for run in runs if run.name not in done and is_left_out(run, folder)]
        if is_whole or not (folder / "README.md").exists() or done.keys() > finished.keys():
            of_all_parts = planned(study, replace(request, part=None))[1]
            is_left_to_others = bool(request.part) and not {run.name for run in of_all_parts} <= {*diverged, *done}
            text = None if is_left_to_others else pages.write(folder, study.name, runs, request.optimiser)
    if is_left_to_others:
        print(f"Part {request.part} is done; the last part to end writes the tables.")
        return False
    end_without_table(diverged, text)
    if text is not None:
        print(text)
    return True


def carry_out_release(study: Study, folder: Path, request: Request) -> None:
    """Networks trained on all sections, and what is published of each."""
    runs, wanted = planned(study, request)
    require_shorter_branches(folder, {}, runs, wanted)
    committed = {run.name for run in runs if release.is_committed(RunFolder(folder / run.name))}
    trained = {run.name: RunFolder(folder / run.name) for run in runs if run.name not in committed}
    done = {name: run for name, run in trained.items() if run.weights.is_file() and run.record.is_file()}
    records = {name: read_record(run.record) for name, run in done.items()}
    require_as_planned(folder, records, runs, request.profile, request.changes)
    require_same_data(folder, records, request.data)
    make_wanted(study, wanted, committed, folder, request, request.changes)
    end_without_table([run.name for run in runs if is_left_out(run, folder)], None)
    for of_run in (RunFolder(folder / run.name) for run in wanted):
        if of_run.weights.is_file():
            release.finish(of_run, request.data, lambda *words: command(request.deadline, *words))
        else:
            print(f"{of_run.path} is this repository's own, and not made again; --out FOLDER makes yours")


def carry_out_cells(study: Study, request: Request) -> None:
    """All runs of a study on a data set of cells, and its table."""
    name = cell_dataset_name(request.data)
    dataset = name if name in DATASETS else os.path.basename(os.path.realpath(request.data))
    usual = ROOT / "results" / "cells" / f"{study.name}-{request.profile}" / dataset
    folder = (request.out or usual).absolute()
    if request.part:
        raise BadInput(f"{study.name} takes no --part; --scheduler and --only spread it")
    runs, wanted = planned(study, request)
    finished = {run.name: run for run in cells.gather(folder, runs)}
    changes = {**dict(change.split("=", 1) for change in cell_changes(request.profile)), **request.changes}
    require_studys_own(folder)
    require_as_planned(folder, records_of(finished), runs, request.profile, changes)
    require_same_data(folder, records_of(finished), request.data)
    text: str | None = None
    try:
        make_wanted(study, wanted, finished, folder, request, changes)
    finally:
        diverged = [run.name for run in runs if is_left_out(run, folder)]
        text = cells.write_page(folder, runs, diverged)
    print(f"No run is done: {', '.join(diverged)} diverged." if text is None else text)


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
    request: Request,
    changes: Mapping[str, str],
) -> None:
    """Make the wanted runs, in this process or by the workers of a cluster, but those that were done before.

    changes : settings that all of them have instead of the profile's
    """
    if request.scheduler:
        remaining = with_their_trunks([run for run in wanted if run.name not in done_before])
        tasks = [Task(group, folder, request.data, request.profile, changes) for group in remaining]
        spread(tasks, request.scheduler, request.deadline)
        return
    given_up: set[str | None] = set()  # trunks that diverged just now
    for number, run in enumerate(wanted, 1):
        print(f"\n{study.name} [{number} of {len(wanted)}] {run.name}", flush=True)
        if run.name not in done_before and run.trunk not in given_up:
            make(run, RunFolder(folder / run.name), request.data, request.profile, changes, request.deadline)
            given_up |= {run.trunk} if lacks_trunk(run, folder) else set()


def planned(study: Study, request: Request) -> tuple[list[Run], list[Run]]:
    """All runs of a study, and those that are wanted. Raises BadInput where there is none of the word that was given,
    and where a changed setting would make two of them alike.
    """
    runs = runs_of(study.name, request.seeds or study.seeds, request.profile, request.optimiser)
    if request.is_of_all:  # of which some studies may have no such run
        wanted = [run for run in runs if request.only in run.name]
    else:
        wanted = with_word(runs, request.only)
    require_own_settings(runs, wanted, request.changes)
    return runs, of_part(wanted, request.part) if request.part else wanted


def with_their_trunks(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that must be made one after the other: branches of one trunk, as only one of them can train it."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.trunk or run.name, []).append(run)
    return list(groups.values())


def of_part(runs: Sequence[Run], part: Part) -> list[Run]:
    """A part's runs."""
    return [run for group in part.of(with_their_trunks(runs)) for run in group]
