"""The curves of runs: loss and error over the steps, metrics over the thresholds; for pictures and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from unet_paper.metrics.registry import CHALLENGE_METRICS, RAND_ERROR_PAIRS
from unet_paper.metrics.scores import Scores
from unet_paper.report.colours import LINES
from unet_paper.report.panels import literal

LINE_STYLES = ("-", "--", ":", "-.")
WIDE = 6  # highest by lowest value of a logarithmic axis that 1, 2 and 5 are ticks enough for
NARROW = 2  # below it the axis is nearly linear
FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
SMALLEST_DRAWN = 1e-6  # on a logarithmic axis
LEGEND_SIZE = 10  # points
MOST_IN_AXIS = 8  # lines that a legend among them has room for
LEGEND_COLUMN, LEGEND_ROW = 4.2, 0.22  # inches, of a legend below
DRAWN = tuple(metric for metric in CHALLENGE_METRICS if metric is not RAND_ERROR_PAIRS)  # the pairs look the same
WINDOWS = 25  # a smoothed curve's windows over the training


def line_look(number: int) -> dict[str, Any]:
    """Style and colour of the line of that number; the first 24 differ."""
    return {
        "linestyle": LINE_STYLES[(number // len(LINES) + number) % len(LINE_STYLES)],
        "color": LINES[number % len(LINES)],
    }


def history_figure(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Loss, the tiles' error and the learning rate over the steps.

    histories : rows of history.csv by the name of a run, a line for each. Rows without the tiles' error leave that
    panel out.
    """
    columns = {"loss": "weighted cross entropy", "tile_error": "wrong pixels in training tiles"}
    drawn = [
        name
        for name in columns
        if any(np.isfinite([row.get(name, np.nan) for row in rows]).any() for rows in histories.values())
    ]
    figure = Figure(figsize=(6.5 * len(drawn) + 0.5, 4.4), dpi=100, layout="constrained")
    for axis, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        highest = 0
        for number, (title, rows) in enumerate(histories.items()):
            steps = np.array([row["step"] for row in rows])
            values = np.array([row.get(name, np.nan) for row in rows])
            window = max(len(values) // WINDOWS, 1)
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            if len(histories) == 1 and window > 1:
                axis.plot(steps, values, color=LINES[5], linewidth=0.8, label="as in history.csv")
                title = f"mean over {window} rows"
            axis.plot(steps[window - 1 :], smooth, **line_look(number), label=literal(title))
            # The first steps' loss is many times the rest: the axis is for what follows them.
            highest = max(highest, np.nanmax(values[len(values) // 10 :], initial=0))
        axis.set(xlabel="step (one tile each)", ylabel=columns[name], ylim=(0, 1.1 * highest or 1))
        axis.grid(alpha=0.3)
        rate = axis.twinx()
        for rows in histories.values():  # as pale as they are secondary
            rates = [row["learning_rate"] for row in rows]
            rate.plot([row["step"] for row in rows], rates, color="0.5", linewidth=0.9)
        rate.set(ylabel="learning rate (gray)", ylim=(0, None))
    if drawn:
        add_legend(figure, figure.axes[0])
    return figure


def thresholds_figure(scores: Mapping[str, Scores]) -> Figure:
    """Every metric as an error against the threshold, its best threshold marked. Errors of 0 are drawn at the axis'
    lower end.

    scores : by the name of the line.
    """
    figure = Figure(figsize=(13, 7.6), dpi=100, layout="constrained")
    *axes, last = figure.subplots(2, 3).ravel()
    last.set_axis_off()  # it has the legend
    for axis, metric in zip(axes, DRAWN, strict=True):
        for number, (name, values) in enumerate(scores.items()):
            curve = np.array(values.curve(metric), dtype=float)  # None becomes NaN, which is not drawn
            curve = np.maximum(curve if metric.curve_is_error else 1 - curve, SMALLEST_DRAWN)
            thresholds = values.thresholds[: len(curve)]
            axis.plot(thresholds, curve, **line_look(number), label=literal(name))
            best = np.nanargmin(curve) if np.isfinite(curve).any() else 0
            axis.plot(thresholds[best], curve[best], "o", color=line_look(number)["color"])
        axis.set(title=metric.error_title, xlabel="threshold", xlim=(-0.03, 1.03), yscale="log")
        lowest, highest = axis.get_ylim()
        ticks = LogLocator(subs=(1, 2, 5) if highest > WIDE * lowest else FINE)
        axis.yaxis.set_major_locator(ticks if highest > NARROW * lowest else MaxNLocator(4))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{error:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3)
    add_legend(figure, axes[0], "dot = best", last)
    return figure


def add_legend(figure: Figure, axis: Axes, title: str | None = None, where: Axes | None = None) -> None:
    """What the lines of an axis are: in it, or in the axis `where`; where they are many, below all, for which the
    figure grows.
    """
    lines, names = axis.get_legend_handles_labels()
    if len(names) <= MOST_IN_AXIS:
        if where is None:
            axis.legend(title=title, fontsize=LEGEND_SIZE)
        else:
            where.legend(lines, names, title=title, fontsize=LEGEND_SIZE, loc="center", frameon=False)
        return
    columns = int(figure.get_figwidth() // LEGEND_COLUMN)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (1 + -(-len(names) // columns)))
    figure.legend(
        lines, names, loc="outside lower center", ncols=columns, title=title, fontsize=LEGEND_SIZE, handlelength=3
    )
