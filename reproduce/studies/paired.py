"""A study whose runs are compared pair by pair: each with the control's of the same fold and seed, as folds differ by
more than what is tried.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import Run
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.metrics.registry import TABLE_1_METRICS, WARPING_ERROR
from unet_paper.report.colours import LINES
from unet_paper.report.panels import save_figure
from unet_paper.report.table import Table
from unet_paper.runs.diagnostics import are_inactive

Pairs = dict[str, list[tuple[Run, dict[str, float]]]]  # of each group: a run, and {key of metric: how far it lies}


def pairs_of(runs: Sequence[Run], finished: Mapping[str, StudyRun], control: str) -> Pairs:
    """How far each run lies from the control's of its fold and seed, primary test-time augmentation, in their order.
    Runs without such a partner are in none, nor those of which either is inactive.
    """
    partners = {(run.fold, run.changes["seed"]): finished[run.name] for run in runs if run.group == control}
    pairs: Pairs = {}
    for run in runs:
        of_run, partner = finished[run.name], partners.get((run.fold, run.changes["seed"]))
        if run.group == control or partner is None or are_inactive(of_run.record) or are_inactive(partner.record):
            continue
        differences = {
            metric.key: of_run.primary.value(metric) - partner.primary.value(metric) for metric in TABLE_1_METRICS
        }
        pairs.setdefault(run.group, []).append((run, differences))
    return pairs


def text(pairs: Pairs, control: str, primary: str) -> list[str]:
    """Lines that say how far the groups lie from the control; none where there is no pair."""
    if not pairs:
        return []
    rows = []
    for group, of_group in pairs.items():
        values = [[differences[metric.key] for _, differences in of_group] for metric in TABLE_1_METRICS]
        shown = [
            mean_and_deviation(of_metric, metric.digits, sign="+")
            for metric, of_metric in zip(TABLE_1_METRICS, values, strict=True)
        ]
        rows.append([group, str(len(of_group)), *shown])
    return [
        f"Each run less that of the {control} with the same fold and seed ({primary}; below zero is better), mean ± "
        "standard deviation over the pairs:",
        "",
        Table(["what", "pairs", *(metric.title for metric in TABLE_1_METRICS)], rows).to_markdown(),
        "",
    ]


def draw(path: Path, pairs: Pairs, control: str, primary: str) -> None:
    """A dot for each pair, coloured by its fold. Nothing is drawn where there is none."""
    if not pairs:
        return
    folds = list(dict.fromkeys(str(run.fold) for of_group in pairs.values() for run, _ in of_group))
    figure = Figure(figsize=(11, 1.6 + 0.35 * len(pairs)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(TABLE_1_METRICS), sharey=True)
    for axis, metric in zip(axes, TABLE_1_METRICS, strict=True):
        axis.axvline(0, color="black", linestyle=":", linewidth=1)
        for fold, colour in zip(folds, LINES, strict=False):
            points = [
                (differences[metric.key], row)
                for row, of_group in enumerate(pairs.values())
                for run, differences in of_group
                if run.fold == fold
            ]
            across, rows = zip(*points, strict=True)
            axis.plot(across, rows, "o", color=colour, label=f"fold {fold}", alpha=0.8)
        axis.set_xlabel(f"{metric.title} ({primary}), difference")
        axis.grid(axis="x", alpha=0.3)
        axis.ticklabel_format(axis="x", style="plain", useOffset=False)
        axis.locator_params(axis="x", nbins=3 if metric is WARPING_ERROR else 5)
    axes[0].set_yticks(range(len(pairs)), list(pairs))
    axes[0].set_ylim(len(pairs) - 0.5, -0.5)
    axes[-1].legend(fontsize=8)
    figure.suptitle(f"Each run less that of `{control}` with the same fold and seed; left is better", fontsize=9)
    save_figure(figure, path)
