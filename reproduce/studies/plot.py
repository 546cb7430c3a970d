"""The plot of a study's runs."""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import Run
from reproduce.studies.groups import collect
from unet_paper.metrics.registry import PIXEL_ERROR, TABLE_1_METRICS, WARPING_ERROR
from unet_paper.report.panels import save_figure

OURS, INACTIVE_COLOUR = "#0072b2", "#d55e00"
FAR = 3  # times the distance of any other row's runs from the first row, from which a row is far


def draw(path: Path, runs: Sequence[Run], finished: Mapping[str, StudyRun]) -> None:
    """The errors of every group with their spread, primary test-time augmentation; a dot for each run, and a line
    through the control. Nothing is drawn where all runs are inactive.
    """
    first = finished[runs[0].name].record
    primary = first.config.primary
    groups = collect(runs, finished)
    if not groups:
        return
    # What the others are compared with, unless all its runs are inactive.
    control = runs[0].group if runs[0].group in groups and len(groups) > 1 else None
    inactive = collect(runs, finished, inactive=True)
    figure = Figure(figsize=(11, 1.6 + 0.35 * len(groups)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(TABLE_1_METRICS), sharey=True)
    beyond = False
    for axis, metric in zip(axes, TABLE_1_METRICS, strict=True):
        limits = limits_without_a_far_row([by_tta[primary][metric.key] for by_tta in groups.values()])
        for row, (group, by_tta) in enumerate(groups.items()):
            values = by_tta[primary][metric.key]
            outside = sorted(value for value in values if limits and value > limits[1])
            if outside:
                beyond = True
                text = f"{', '.join(map(metric.formatted, outside))} →"
                axis.text(0.99, row, text, fontsize=8, transform=axis.get_yaxis_transform(), ha="right", va="center")
            elif len(values) > 1:
                spread = statistics.stdev(values)
                axis.errorbar(statistics.mean(values), row, xerr=spread, fmt="o", color=OURS, capsize=3)
            offset = 0.2 if len(values) > 1 else 0
            axis.plot(values, [row + offset] * len(values), ".", color="#777777", markersize=6)
            if group == control:
                axis.axvline(statistics.mean(values), color=OURS, linestyle=":", linewidth=1)
        for row, group in enumerate(groups):  # beside the others, which they would press together
            for number, value in enumerate(inactive.get(group, {}).get(primary, {}).get(metric.key, [])):
                at = {"transform": axis.get_yaxis_transform(), "color": INACTIVE_COLOUR, "ha": "right", "va": "center"}
                axis.text(0.99, row + 0.25 * number, f"{metric.formatted(value)} ×", fontsize=8, **at)
        if limits:
            axis.set_xlim(*limits)
        axis.set_xlabel(f"{metric.title} ({primary})")
        axis.grid(axis="x", alpha=0.3)
        axis.locator_params(axis="x", nbins=3 if metric is WARPING_ERROR else 5)
    axes[0].set_yticks(range(len(groups)), [textwrap.fill(name, 34) for name in groups])
    axes[0].set_ylim(len(groups) - 0.5, -0.5)
    several = any(len(by_tta[primary][PIXEL_ERROR.key]) > 1 for by_tta in groups.values())
    legend = (
        "Gray: each run"
        + ("; blue: mean ± standard deviation" if several else "")
        + ("; arrows: runs to the right of the panel, whose row has no mean" if beyond else "")
        + ("; crosses: inactive deep levels, in no mean" if inactive else "")
        + (f"; dotted: {control}" if control else "")
    )
    title = f"{first.dataset}, profile {first.title_without('seed')}"
    figure.suptitle(f"{title}\n{textwrap.fill(legend, 150)}", fontsize=9)
    save_figure(figure, path)


def limits_without_a_far_row(rows: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """What an axis shows where one row has a run that would press all others together; None where none has.

    rows : the errors of each row's runs; the first row is what the others are compared with.
    """
    centre = statistics.mean(rows[0])
    *others, far = sorted(rows, key=lambda values: max(abs(value - centre) for value in values))
    shown = [value for values in others for value in values]
    if len({*shown}) < 2 or max(far) - centre <= FAR * max(abs(value - centre) for value in shown):
        return None
    margin = 0.1 * (max(shown) - min(shown))
    return min(*shown, *far) - margin, max(shown) + margin
