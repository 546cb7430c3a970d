"""The study `cells-ablations`: what the border term and the elastic deformation are worth on cells that touch; and
class balance, which makes segments large, and rotations, which DIC does not look the same under.

Each seed is trained on one sequence and scored on the other, and the reverse; its value is the mean of both. What is
kept of the runs is records.jsonl, a line for each: its name and group, its run.json and its scores, whole.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from reproduce.cell_recipe import cell_changes
from reproduce.studies.archive import RECORDS, read_records
from reproduce.studies.definitions import AS_THE_PAPER, Run
from reproduce.studies.definitions import CELL_ABLATIONS as ABLATIONS
from reproduce.studies.statistics import confidence_interval, mean_and_deviation, paired_p_values
from reproduce.studies.tables import options_for
from unet_paper.cli.settings import changed_config
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import PHANTOM, SEQUENCES
from unet_paper.metrics.registry import SEG
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_2 import PHANTOM_NOTE, READING, SMOKE_NOTE, each_run, title_of
from unet_paper.runs.cell_scoring import CellScores
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.runs.results import read_cell_run
from unet_paper.segmentation import THRESHOLD
from unet_paper.support.files import atomic_write

STUDY = "cells-ablations"
CONTROL = AS_THE_PAPER
ARGMAX = "SEG, argmax"
COUNTS = ("missed", "merged", "split", "unmatched")


@dataclass(frozen=True)
class CellStudyRun:
    """One finished run of the study."""

    name: str
    group: str
    record: RunRecord
    scores: Mapping[str, CellScores]  # by test-time augmentation

    @property
    def primary(self) -> CellScores:
        """The scores of the primary test-time augmentation."""
        return self.scores[self.record.config.primary]

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        scores = {tta: of_tta.to_json() for tta, of_tta in self.scores.items()}
        return {"name": self.name, "group": self.group, "record": self.record.to_json(), "scores": scores}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CellStudyRun":
        """The inverse of `to_json`."""
        scores = {tta: CellScores.from_json(of_tta) for tta, of_tta in values["scores"].items()}
        return cls(values["name"], values["group"], RunRecord.from_json(values["record"]), scores)


def gather(folder: Path, runs: Sequence[Run]) -> list[CellStudyRun]:
    """The finished runs, in the study's order: those that are kept, and those that have a folder. Raises BadInput where
    what is kept is damaged.
    """
    kept = {run.name: run for run in read(folder)}
    for run in runs:
        if RunFolder(folder / run.name).cell_table.is_file():
            kept[run.name] = CellStudyRun(run.name, run.group, *read_cell_run(RunFolder(folder / run.name)))
    order = [run.name for run in runs]
    return sorted(kept.values(), key=lambda run: order.index(run.name) if run.name in order else len(order))


def read(folder: Path) -> list[CellStudyRun]:
    """The runs that records.jsonl holds; none where it is not there. Raises BadInput where it is damaged."""
    return read_records(folder / RECORDS, CellStudyRun.from_json)


def write_page(folder: Path, runs: Sequence[Run], diverged: Sequence[str]) -> str | None:
    """records.jsonl and README.md, of the study's runs that are done. Returns the page; None, and nothing is written,
    where none is.
    """
    kept, names = gather(folder, runs), [run.name for run in runs]
    finished = [run for run in kept if run.name in names]
    if not finished:
        return None
    others = [run for run in kept if run.name not in names]  # of more seeds than now are asked for
    return write(folder, finished, len(runs), diverged, others)


def write(
    folder: Path,
    finished: Sequence[CellStudyRun],
    planned: int,
    diverged: Sequence[str] = (),
    others: Sequence[CellStudyRun] = (),
) -> str:
    """Write records.jsonl and README.md, whose text is returned. others : are kept, and not shown."""
    lines = (json.dumps(run.to_json(), separators=(",", ":")) + "\n" for run in (*finished, *others))
    page = table(finished, planned, diverged)
    for name, text in ((RECORDS, "".join(lines)), ("README.md", page)):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return page


def command(record: RunRecord) -> str:
    """The command that makes a study in which the control is of this record."""
    config, usual = record.config, changed_config(PROFILES[record.config.profile], cell_changes(record.config.profile))
    profile = [] if config.profile == "quick" else [f"--profile {config.profile}"]
    return " ".join([f"python -m reproduce.studies {STUDY}", *profile, *options_for(config, usual)])


def table(finished: Sequence[CellStudyRun], planned: int, diverged: Sequence[str] = ()) -> str:
    """README.md: a row for each group, the comparison with the control, and each run."""
    first = finished[0].record
    usual = next((run.record for run in finished if run.group == CONTROL), first)
    so_far = f", {len(finished)} of {planned} so far" if len(finished) + len(diverged) < planned else ""
    lines = [
        f"# {STUDY}",
        "",
        f"Written by `{command(usual)}` from the records of its runs{so_far}. Data: "
        f"{first.dataset}; {first.config.base_channels} base channels, profile {title_of(usual)}; "
        f"{first.config.primary}. Trained on one sequence and scored on the other, and the reverse: a seed's SEG is "
        "the mean of both, its counts are their sums. Mean ± standard deviation over seeds. Every run is whole in "
        "[records.jsonl](records.jsonl).",
        "",
        f"`{CONTROL}` is this recipe with nothing left out; its width, length and optimiser are ours. SEG is at the "
        f"threshold that is best on the frames trained on; {ARGMAX}: at 0.5, as in the authors' scripts, all else so.",
    ]
    lines += ["", PHANTOM_NOTE] if first.dataset == PHANTOM else []
    lines += ["", SMOKE_NOTE] if first.config.profile == "smoke" else []
    rows: list[list[Cell]] = []
    for group in ABLATIONS:
        values = by_seed(finished, group)
        if values:
            of_seeds = values.values()
            counts = [mean_and_deviation([seed[name] for seed in of_seeds], 1) for name in COUNTS]
            seg, argmax = ([seed[name] for seed in of_seeds] for name in (SEG.key, ARGMAX))
            shown = [
                "-" if any(map(math.isnan, each)) else mean_and_deviation(each, SEG.digits) for each in (seg, argmax)
            ]
            rows.append([group, len(values), *shown, *counts])
    lines += ["", Table(["what", "seeds", SEG.title, ARGMAX, *COUNTS], rows).to_markdown()] if rows else []
    lines += compared(
        {group: {seed: values[SEG.key] for seed, values in by_seed(finished, group).items()} for group in ABLATIONS}
    )
    if diverged:
        lines += ["", f"Diverged, twice from their last checkpoint, and in no row: {', '.join(diverged)}."]
    lines += ["", "Each run:", "", _by_ablation(finished).to_markdown(), "", READING]
    return "\n".join(lines) + "\n"


def _by_ablation(finished: Sequence[CellStudyRun]) -> Table:
    """`each_run`, with what was trained instead of the data, of which there is one set."""
    of_runs = [(run.group, each_run([(run.record, run.scores)])) for run in finished]
    columns = ("what", *of_runs[0][1].columns[1:])
    return Table(columns, [(group, *row[1:]) for group, table in of_runs for row in table.rows])


def by_seed(finished: Sequence[CellStudyRun], group: str) -> dict[int, dict[str, float]]:
    """{seed: SEG and the counts} of a group's seeds of which both directions are done."""
    seeds: dict[int, list[CellScores]] = {}
    for run in finished:
        if run.group == group:
            seeds.setdefault(run.record.config.seed, []).append(run.primary)
    return {
        seed: {SEG.key: mean(each.scores.seg for each in both)}
        | {ARGMAX: mean(_by_argmax(each) for each in both)}
        | {name: float(sum(getattr(each.scores, name) for each in both)) for name in COUNTS}
        for seed, both in seeds.items()
        if len(both) == len(SEQUENCES)
    }


def _by_argmax(scores: CellScores) -> float:
    """SEG at the argmax; not a number where it was not taken."""
    if scores.segmentation is not None and scores.segmentation.threshold == THRESHOLD:
        return scores.scores.seg
    return math.nan if scores.by_argmax is None else scores.by_argmax.seg


def compared(values: Mapping[str, Mapping[int, float]]) -> list[str]:
    """A line on how far each group's SEG lies from the control's with the same seeds. values : {group: {seed: SEG}}"""
    control = values.get(CONTROL, {})
    others = {group: seeds for group, seeds in values.items() if group != CONTROL}
    shown = []
    for (group, seeds), p in zip(others.items(), paired_p_values([*others.values()], control), strict=True):
        if p is not None:
            differences = [seeds[seed] - control[seed] for seed in sorted(seeds.keys() & control.keys())]
            low, high = confidence_interval(differences)
            told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
            shown.append(f"{group} {mean(differences):+.4f} ({low:+.3f} to {high:+.3f}, {told})")
    how = "95 % interval, and p of the paired t-test, adjusted by Holm's method"
    return ["", f"SEG beside `{CONTROL}` with the same seeds ({how}): {', '.join(shown)}."] if shown else []
