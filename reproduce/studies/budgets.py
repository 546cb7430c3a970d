"""What training gets in a time: errors on a fold against tiles and against minutes, by width and optimiser."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reproduce.studies.archive import StudyRun
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.config import BEFORE
from unet_paper.metrics.registry import METRICS, PIXEL_ERROR
from unet_paper.report.colours import LINES
from unet_paper.report.panels import save_figure
from unet_paper.report.table import Table
from unet_paper.runs.diagnostics import lost_levels

SHOWN = ("pixel_error", "rand_error", "v_rand")
TOLD = ("warping_error", "rand_error", "pixel_error", "v_rand")  # as table 1 has them
MINUTES = (1, 5, 15, 60)
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MARKS = {"sgd": ("o", "-"), "adam": ("s", "--")}


def series(runs: Sequence[StudyRun]) -> dict[tuple[int, str], dict[int, list[StudyRun]]]:
    """{(base channels, optimiser): {tiles: the runs of all seeds}}, in order of tiles."""
    by_line: dict[tuple[int, str], dict[int, list[StudyRun]]] = {}
    for run in sorted(runs, key=lambda run: run.record.config.steps):
        config = run.record.config
        by_line.setdefault((config.base_channels, config.optimiser), {}).setdefault(config.steps, []).append(run)
    return dict(sorted(by_line.items()))


def seeds_of(runs: Sequence[StudyRun]) -> list[int]:
    """The seeds of runs of one training each."""
    return sorted(run.record.config.seed for run in runs)


def parts_of(by_tiles: Mapping[int, Sequence[StudyRun]]) -> list[dict[int, list[StudyRun]]]:
    """A line's points in parts of the same seeds each, as means of different seeds are not to be joined. A later part
    begins with its own seeds' runs of the point before it, where all of them are there.
    """
    parts: list[dict[int, list[StudyRun]]] = []
    before: tuple[int, Sequence[StudyRun]] = (0, ())
    for tiles, runs in by_tiles.items():
        if seeds_of(runs) != seeds_of(before[1]):
            going_on = [run for run in before[1] if run.record.config.seed in seeds_of(runs)]
            parts.append({before[0]: going_on} if len(going_on) == len(runs) else {})
        parts[-1][tiles] = list(runs)
        before = tiles, runs
    return parts


OF_ALL_THREADS, OF_THE_CLOCK = "CPU minutes", "minutes"


def minutes(run: StudyRun, unit: str) -> float:
    """What the whole of a branch took, its trunk until there, and itself."""
    times = run.record.times
    return ((times.training_cpu_seconds if unit == OF_ALL_THREADS else times.training_seconds) or 0.0) / 60


def unit_of(runs: Sequence[StudyRun]) -> str:
    """What `minutes` are counted in: of all threads where every record tells them."""
    return OF_ALL_THREADS if all(run.record.times.training_cpu_seconds for run in runs) else OF_THE_CLOCK


def title(channels: int, optimiser: str) -> str:
    """What a line is called."""
    return f"{channels} base channels, {'Adam' if optimiser == 'adam' else 'SGD'}"


def text(runs: Sequence[StudyRun]) -> str:
    """README.md of the study: what a number of minutes gets, and every point of the figure."""
    metrics, unit = [METRICS[key] for key in TOLD], unit_of(runs)
    points = []
    for line, by_tiles in series(runs).items():
        for tiles, of_tiles in by_tiles.items():
            errors = [
                mean_and_deviation([run.primary.value(metric) for run in of_tiles], metric.digits) for metric in metrics
            ]
            took = statistics.mean(minutes(run, unit) for run in of_tiles)
            pixel_error = statistics.mean(run.primary.value(PIXEL_ERROR) for run in of_tiles)
            row = [title(*line), f"{tiles:,}", f"{took:.1f}", *errors, str(len(of_tiles))]
            points.append((took, pixel_error, row))
    header = ["network, optimiser", "tiles", unit, *(metric.title for metric in metrics), "runs"]
    best = []
    for limit in MINUTES:
        within = [(pixel_error, row) for took, pixel_error, row in points if took <= limit]
        if within:
            best.append([str(limit), *min(within, key=lambda point: point[0])[1]])
    first = runs[0].record
    used = first.first.hardware
    numbers = sorted({session.hardware.threads for run in runs for session in run.record.sessions})
    threads = "one thread" if numbers == [1] else f"{' or '.join(map(str, numbers))} threads"
    lines = [
        "# budgets",
        "",
        f"Written by `python -m reproduce.studies budgets` from the records of its runs. Data: {first.dataset}, fold "
        f"{first.protocol.fold}; {first.config.primary}; mean ± standard deviation over the seeds. Times are of "
        f"training, by {threads} of {used.processor if used.device == 'cpu' else used.device} in "
        f"{first.first.precision}, on a machine that others used too. CPU minutes are the sum over the threads: on two "
        "quiet cores about half as many go by. The points of a line and seed are branches of one training of constant "
        "rate, each ended by a decay over its last fifth: they are not independent.",
        "",
        "![Errors against tiles and minutes](plot.png)",
        "",
        *recipes(runs),
        *fewer_seeds(runs),
        f"What a number of {unit} gets, the least pixel error:",
        "",
        Table([f"{unit} at most", *header], best).to_markdown(),
        "",
        Table(header, [row for *_, row in points]).to_markdown(),
        "",
    ]
    lost = {run.name: lost_levels(run.record.up_convolution_effect or ()) for run in runs}
    if any(lost.values()):
        told = ", ".join(f"{name} ({count})" for name, count in lost.items() if count)
        lines += [f"Trainings whose deepest levels no longer reach the output, and how many of these: {told}.", ""]
    return "\n".join(lines)


def recipes(runs: Sequence[StudyRun]) -> list[str]:
    """Lines on the rate of each line of the figure, and on those with the initial weights that were first tried."""
    configs = {title(*line): next(iter(by_tiles.values()))[0].record.config for line, by_tiles in series(runs).items()}
    rates = ", ".join(f"{config.learning_rate:g} ({name})" for name, config in configs.items())
    first = [
        name for name, config in configs.items() if config.up_convolution_fan_in == BEFORE["up_convolution_fan_in"]
    ]
    lines = [f"Learning rates: {rates}.", ""]
    if first:
        lines += [
            f"With the initial weights that were first tried, N = C_in in up-convolutions: {'; '.join(first)}. With "
            "today's, N = 4 C_out: all others.",
            "",
        ]
    return lines


def named(part: Mapping[int, Sequence[StudyRun]]) -> str:
    """The seeds of a part of a line, in words."""
    *_, last = part.values()
    return f"seed{'s' * (len(last) > 1)} {', '.join(map(str, seeds_of(last)))}"


def fewer_seeds(runs: Sequence[StudyRun]) -> list[str]:
    """Lines on the seeds that go on where others end: their errors at the last point that all have."""
    metrics = [METRICS[key] for key in TOLD]
    lines = []
    for line, by_tiles in series(runs).items():
        for before, part in pairwise(parts_of(by_tiles)):
            tiles, *_ = part
            if tiles in before:
                means = [statistics.mean(run.primary.value(metric) for run in part[tiles]) for metric in metrics]
                errors = ", ".join(
                    f"{metric.title} {metric.formatted(mean)}" for metric, mean in zip(metrics, means, strict=True)
                )
                who = f"{named(part)} alone, whose errors at {tiles:,} tiles are"
                lines += [f"{title(*line)}, beyond {tiles:,} tiles: {who} {errors}.", ""]
    return lines


def draw_part(
    grid: np.ndarray, part: Mapping[int, Sequence[StudyRun]], unit: str, label: str, style: Mapping[str, Any]
) -> None:
    """Points of the same seeds into all panels: their means, joined, and their spread."""
    times = [statistics.mean(minutes(run, unit) for run in of_tiles) for of_tiles in part.values()]
    for column, key in enumerate(SHOWN):
        values = [[run.primary.value(METRICS[key]) for run in of_tiles] for of_tiles in part.values()]
        means = [statistics.mean(of_tiles) for of_tiles in values]
        for axis, x_values in zip(grid[:, column], ([float(tiles) for tiles in part], times), strict=True):
            axis.plot(x_values, means, label=label, **style)
            for x, of_tiles in zip(x_values, values, strict=True):
                if len(of_tiles) > 1:
                    axis.plot([x, x], [min(of_tiles), max(of_tiles)], color=style["color"], alpha=0.5)


def draw(path: Path, runs: Sequence[StudyRun]) -> None:
    """A row of panels against tiles, and one against minutes: the mean over the seeds, and all of them."""
    figure = Figure(figsize=(11, 6.4), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(SHOWN), sharey="col")
    widths = sorted({channels for channels, _ in series(runs)})
    for (channels, optimiser), by_tiles in series(runs).items():
        mark, line = MARKS[optimiser]
        style: dict[str, Any] = {
            "color": LINES[widths.index(channels)],
            "marker": mark,
            "linestyle": line,
            "markersize": 5,
        }
        for number, part in enumerate(parts_of(by_tiles)):
            label = title(channels, optimiser)
            if number:
                label += f", {named(part)}"
                style |= {"markerfacecolor": "none", "linewidth": 0.8}
            draw_part(grid, part, unit_of(runs), label, style)
    used = runs[0].record.first.hardware
    where = used.processor if used.device == "cpu" else used.device
    tiles = sorted({run.record.config.steps for run in runs})
    labels = ("tiles", f"{unit_of(runs)} of training ({where}, {runs[0].record.first.precision})")
    for row, (label, ticks) in enumerate(zip(labels, (tiles, TICKS), strict=True)):
        for column, key in enumerate(SHOWN):
            axis = grid[row, column]
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(FixedLocator(ticks))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_xlabel(label, fontsize=8)
            axis.set_title(METRICS[key].title, fontsize=10)
            axis.grid(alpha=0.3)
            if key != "v_rand":  # of few tiles the errors are so large that those of many would lie on one another
                axis.set_yscale("log")
                axis.yaxis.set_major_locator(MaxNLocator(7))
                axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
                axis.yaxis.set_minor_locator(NullLocator())
    grid[0, 0].legend(fontsize=8)
    protocol, primary = runs[0].record.protocol, runs[0].record.config.primary
    note = (
        f"{runs[0].record.dataset}, fold {protocol.fold}, {primary}; means of the seeds; vertical lines: their spread"
    )
    figure.suptitle(note, fontsize=9)
    save_figure(figure, path)
