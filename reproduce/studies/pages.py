"""A study on the EM stack as it is kept: its finished runs, its page and its plot."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reproduce import ROOT
from reproduce.studies import archive, budgets, paired, plot, search, tables
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import STUDIES
from reproduce.studies.definitions import Run
from reproduce.studies.runner import is_left_out
from unet_paper.runs.folder import RunFolder
from unet_paper.support.files import atomic_write


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
        text = search.text(finished, ROOT / "results" / "isbi")  # which holds other seeds, wherever the search is
    elif study.page == "budgets":
        text = budgets.text([finished[run.name] for run in done])
        budgets.draw(folder / "plot.png", [finished[run.name] for run in done])
    else:
        diverged = [run.name for run in runs if run.name not in finished and is_left_out(run, folder)]
        text = tables.table(name, done, finished, len(runs), diverged, optimiser)
        if study.paired_with:
            pairs = paired.pairs_of(done, finished, study.paired_with)
            paired.draw(folder / "plot.png", pairs, study.paired_with, finished[done[0].name].record.config.primary)
        elif runs[0].profile is None:  # else the runs differ in more than what a plot would compare
            plot.draw(folder / "plot.png", done, finished)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text
