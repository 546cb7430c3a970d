"""The curves of runs: loss and error over the steps, scores over the thresholds; for pictures and for the page."""

import numpy as np
from matplotlib.figure import Figure

LINE_STYLES = ("-", "--", ":", "-.")
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's, safe for all eyes
SMALLEST_DRAWN = 1e-6  # on a logarithmic axis
WINDOWS = 25  # a smoothed curve's windows over the training
SCORE_TITLES = {
    "warping_error": "warping error",
    "rand_error": "Rand error",
    "rand_error_pairs": "Rand error, pairs form",
    "pixel_error": "pixel error",
    "v_rand": "1 - V_rand (thinned)",
    "v_info": "1 - V_info (thinned)",
}
CURVES = {  # where `scores.score` keeps the curve behind each score, and whether it is an error already
    "warping_error": ("warping_error_per_threshold", True),
    "rand_error": ("rand_f_per_threshold", False),
    "rand_error_pairs": ("rand_f_pairs_per_threshold", False),
    "pixel_error": ("pixel_f_per_threshold", False),
    "v_rand": ("v_rand_per_threshold", False),
    "v_info": ("v_info_per_threshold", False),
}


def line_look(number):
    """Style and colour of the line of that number; the first 24 differ."""
    return {
        "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
        "color": LINE_COLOURS[number % len(LINE_COLOURS)],
    }


def history_figure(histories):
    """Loss, the tiles' error and the learning rate over the steps.

    histories : {name: rows of history.csv}, a line for each; rows without the tiles' error leave that panel out.
    """
    columns = {"loss": "weighted cross entropy", "tile_error": "wrong pixels in training tiles"}
    drawn = [
        name
        for name in columns
        if any(np.isfinite([row.get(name, np.nan) for row in rows]).any() for rows in histories.values())
    ]
    figure = Figure(figsize=(6.5 * len(drawn) + 0.5, 4), dpi=100, layout="constrained")
    for axis, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        highest = 0
        for number, (title, rows) in enumerate(histories.items()):
            steps = np.array([row["step"] for row in rows])
            values = np.array([row.get(name, np.nan) for row in rows])
            window = max(len(values) // WINDOWS, 1)
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            if len(histories) == 1:
                axis.plot(steps, values, color="0.6", linewidth=0.8, label="as in history.csv")
                title = f"mean over {window} rows"
            axis.plot(steps[window - 1 :], smooth, **line_look(number), label=title)
            # The first steps' loss is many times the rest: the axis is for what follows them.
            highest = max(highest, np.nanmax(values[len(values) // 10 :], initial=0))
        axis.set(xlabel="step (one tile each)", ylabel=columns[name], ylim=(0, 1.1 * highest or 1))
        axis.grid(alpha=0.3)
        rate = axis.twinx()
        first = next(iter(histories.values()))
        rate.plot([row["step"] for row in first], [row["learning_rate"] for row in first], color="0.5", linewidth=0.8)
        rate.set(ylabel="learning rate (thin gray line)", ylim=(0, None))
        if name == drawn[0]:
            axis.legend(fontsize=8)
    return figure


def thresholds_figure(scores):
    """Every score's error against the threshold, a line for each proposal, its best threshold marked.

    scores : {name: what `scores.score` returns}.
    """
    figure = Figure(figsize=(13, 7), dpi=100, layout="constrained")
    for axis, (score, title) in zip(figure.subplots(2, 3).ravel(), SCORE_TITLES.items(), strict=True):
        key, is_error = CURVES[score]
        for number, (name, values) in enumerate(scores.items()):
            curve = np.array(values[key], dtype=float)  # None becomes NaN, which is not drawn
            curve = np.maximum(curve if is_error else 1 - curve, SMALLEST_DRAWN)
            thresholds = values["thresholds"][: len(curve)]
            axis.plot(thresholds, curve, **line_look(number), label=name)
            best = np.nanargmin(curve) if np.isfinite(curve).any() else 0
            axis.plot(thresholds[best], curve[best], "o", color=line_look(number)["color"])
        axis.set(title=title, xlabel="threshold", xlim=(-0.03, 1.03), yscale="log")
        axis.grid(alpha=0.3, which="both")
    figure.axes[0].legend(title="dot = best", fontsize=8)
    return figure
