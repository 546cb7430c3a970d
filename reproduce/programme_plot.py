"""The plot of a programme's runs."""

import statistics
import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from reproduce.chance import where_one_more_lies
from reproduce.programme_table import collect, profile_of, seeds_elsewhere
from unet_paper.metrics.registry import PIXEL_ERROR, TABLE_1_METRICS, WARPING_ERROR
from unet_paper.runs.folder import RunFolder
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json


def draw(path, folder, runs):
    """The errors of every group with their spread, the headline's averaging; a dot for each run, and a line through the
    first group.
    """
    seeds = seeds_elsewhere(folder, runs[0]) if runs[0].group == "as the paper" else []
    found, cut_off = collect(folder, [*seeds, *runs]), collect(folder, runs, cut_off=True)
    first = read_json(RunFolder(Path(folder) / runs[0].name).record)
    headline = first["configuration"]["primary"]["value"]
    figure = Figure(figsize=(11, 1.6 + 0.35 * len(found)), layout="constrained")
    axes = figure.subplots(1, len(TABLE_1_METRICS), sharey=True)
    for axis, metric in zip(axes, TABLE_1_METRICS, strict=True):
        for place, averages in enumerate(found.values()):
            values = averages[headline][metric.key]
            if len(values) > 1:
                spread = statistics.stdev(values)
                axis.errorbar(statistics.mean(values), place, xerr=spread, fmt="o", color="#0072b2", capsize=3)
            offset = 0.2 if len(values) > 1 else 0
            axis.plot(values, [place + offset] * len(values), ".", color="#777777", markersize=6)
            if place == 0 and len(found) > 1:  # what all others are compared with
                axis.axvline(statistics.mean(values), color="#0072b2", linestyle=":", linewidth=1)
                if seeds:
                    axis.axvspan(*where_one_more_lies(values), color="#0072b2", alpha=0.08, linewidth=0)
        for place, group in enumerate(found):  # beside the others, which they would press together
            for number, value in enumerate(cut_off.get(group, {}).get(headline, {}).get(metric.key, [])):
                at = {"transform": axis.get_yaxis_transform(), "color": "#d55e00", "ha": "right", "va": "center"}
                axis.text(0.99, place + 0.25 * number, f"{metric.formatted(value)} ×", fontsize=8, **at)
        axis.set_xlabel(f"{metric.title} ({headline})")
        axis.grid(axis="x", alpha=0.3)
        axis.locator_params(axis="x", nbins=3 if metric is WARPING_ERROR else 5)
    axes[0].set_yticks(range(len(found)), [textwrap.fill(name, 34) for name in found])
    axes[0].set_ylim(len(found) - 0.5, -0.5)
    several = any(len(averages[headline][PIXEL_ERROR.key]) > 1 for averages in found.values())
    legend = (
        "Gray: each run"
        + ("; blue: mean ± standard deviation" if several else "")
        + ("; crosses: cut off, in no mean" if cut_off else "")
        + (f"; dotted: {next(iter(found))}" if len(found) > 1 else "")
        + ("; shaded: where one more run of these would lie, 19 times of 20" if seeds else "")
    )
    title = f"{first['dataset']}, profile {profile_of(first)}"
    figure.suptitle(f"{title}\n{textwrap.fill(legend, 150)}", fontsize=9)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
