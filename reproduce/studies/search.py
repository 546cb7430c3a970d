"""The hyper-parameter search: what the paper leaves open, what was tried on fold 1/6, and what was taken."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduce.studies import archive
from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import AS_THE_PAPER, SEARCH, UNCLIPPED, Choice
from unet_paper.config import PROFILES, optimiser_settings
from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, TABLE_1_METRICS, WARPING_ERROR
from unet_paper.report.table import Table

TITLES = [metric.title for metric in TABLE_1_METRICS]


def of_choice(finished: Mapping[str, StudyRun], title: str, choice: Choice) -> list[str]:
    """One choice: a row for each of its runs that are finished, the best of each error in bold, and the settings that
    were taken; nothing where none is.
    """
    names = choice.differ_in
    taken = PROFILES[choice.profile].as_dict() | optimiser_settings("sgd", choice.profile)
    runs = [finished[name] for name in choice.tried if name in finished]
    if not runs:
        return []
    errors = [[run.scores["none"].value(metric) for metric in TABLE_1_METRICS] for run in runs]
    best = [min(column) for column in zip(*errors, strict=True)]
    rows = []
    for run, of_run in zip(runs, errors, strict=True):
        value = run.record.config.as_dict()
        is_taken = all(value[name] == taken[name] for name in names)
        shown = [metric.formatted(error) for metric, error in zip(TABLE_1_METRICS, of_run, strict=True)]
        shown = [
            f"**{text}**" if error == least else text for text, error, least in zip(shown, of_run, best, strict=True)
        ]
        commit = str(run.record.first.code.commit)[:7]
        rows.append([*(_shown(name, value[name]) for name in names), *shown, "taken" if is_taken else "", commit])
    note = [choice.note, ""] if choice.note else []
    return [
        f"## {title[0].upper()}{title[1:]}",
        "",
        Table([*names, *TITLES, "", "code"], rows).to_markdown(),
        "",
        *note,
    ]


def _shown(name: str, value: Any) -> str:
    """A setting as the table has it."""
    if name == "gradient_clip" and value >= UNCLIPPED:
        return "none"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def text(finished: Mapping[str, StudyRun], results: Path) -> str:
    """The whole README.md of the search; `results` holds the study `ablations`, whose control has other seeds."""
    seeds = [run for run in archive.read(results / "ablations") if run.group == AS_THE_PAPER]
    spread = {
        metric: math.sqrt(2) * statistics.stdev(run.scores["none"].value(metric) for run in seeds)
        for metric in TABLE_1_METRICS
    }
    planned = {name for choice in SEARCH.values() for name in choice.tried}
    so_far = f", {len(finished)} of {len(planned)} so far" if len(finished) < len(planned) else ""
    lines = [
        "# Hyper-parameter search: what the paper leaves open, and what was tried",
        "",
        f"Written by `python -m reproduce.studies hyper-parameter-search` from the records of its runs{so_far}. Every "
        "run was trained on folds 2 to 6 of the training stack and scored on fold 1/6 (sections 0 to 4); one pass, no "
        "test-time augmentation. Besides these runs Adam's rates are scored on these sections, interventions that are "
        "in the history, and fold 1/5 of the cross-validation, which shares them. Runs have 16 base channels, 1,000 "
        "steps and a highest rate of 0.016 unless the table says otherwise; those of the full network 400 steps on "
        "tiles of 252 px. One run each. How far two runs differ by the seed alone is known from five seeds of "
        "today's SGD ([ablations](../ablations/README.md): 2,500 steps, another fold, one pass too): the standard "
        "deviation of the difference is "
        f"{spread[WARPING_ERROR]:.6f} in warping, "
        f"{spread[RAND_ERROR]:.3f} in Rand and {spread[PIXEL_ERROR]:.4f} in pixel error. So mostly the pixel error "
        "tells anything. Bold: the smallest. Code: the commit that trained the run; `base` and learning rate 0.016 are "
        "the same settings in two of them, whose sums round differently. Every run: [runs.csv](runs.csv), "
        "[histories.csv](histories.csv), and whole in [records.jsonl](records.jsonl).",
        "",
    ]
    for title, choice in SEARCH.items():
        lines += of_choice(finished, title, choice)
    return "\n".join(lines)
