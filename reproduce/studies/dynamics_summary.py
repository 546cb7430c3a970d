"""What the first steps of the arms of `training_dynamics` show: a table and a figure of steps.csv and levels.csv."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reproduce.studies.statistics import mean_and_deviation
from unet_paper.config import PROFILES
from unet_paper.report.colours import LINES
from unet_paper.report.panels import save_figure
from unet_paper.report.table import Table

Row = Mapping[str, str]
LAST = 100  # steps whose mean loss is told


def by_seed(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """{arm: {seed: its rows}}."""
    by_arm: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        by_arm.setdefault(row["arm"], {}).setdefault(row["seed"], []).append(row)
    return by_arm


def of_level(rows: Sequence[Row], column: str) -> dict[str, float]:
    """{level: the mean over the seeds of a column}, at the last step that each seed has; levels without it left out."""
    last = {row["seed"]: row["step"] for row in rows}
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["step"] == last[row["seed"]] and row[column]:
            values.setdefault(row["level"], []).append(float(row[column]))
    return {level: statistics.mean(of_seeds) for level, of_seeds in values.items()}


def has_lost_a_level(of_seed: Sequence[Row]) -> bool:
    """Whether all ReLUs of a level's second convolution are dead at the last step that one seed's rows tell of."""
    last = of_seed[-1]["step"]
    return any(row["step"] == last and row["dead_share"] and float(row["dead_share"]) == 1 for row in of_seed)


def of_last_step(of_seeds: Mapping[str, Sequence[Row]]) -> list[str]:
    """The columns about the levels, of one arm's rows by seed; "-" where all its seeds ended before their first row."""
    watched = [row for of_seed in of_seeds.values() for row in of_seed]
    if not watched:
        return ["-"] * 4
    dead, moved = of_level(watched, "dead_share"), of_level(watched, "update_over_weight")
    return [
        f"{statistics.mean(dead.values()):.0%}",
        f"{max(dead.values()):.0%} ({max(dead, key=dead.__getitem__)})",
        f"{min(moved.values()):.0e} ({min(moved, key=moved.__getitem__)})",
        str(sum(has_lost_a_level(of_seed) for of_seed in of_seeds.values())),
    ]


def command(arms: Mapping[str, Mapping[str, Sequence[Row]]]) -> str:
    """What makes the rows of these arms and their seeds again."""
    seeds = max(len(of_arm) for of_arm in arms.values())
    steps = max(len(of_seed) for of_arm in arms.values() for of_seed in of_arm.values())
    return (
        "python -m reproduce.studies.training_dynamics --data DIR --out FOLDER "
        f'--steps {steps} --seeds {seeds} --arms "{";".join(arms)}"'
    )


def text(steps: Sequence[Row], levels: Sequence[Row]) -> str:
    """README.md of the study."""
    clip, of_levels = PROFILES["quick"].gradient_clip, by_seed(levels)
    rows = []
    for arm, seeds in by_seed(steps).items():
        losses = [[float(row["loss"]) for row in of_seed] for of_seed in seeds.values()]
        clipped = [statistics.mean(float(row["gradient_norm"]) > clip for row in of_seed) for of_seed in seeds.values()]
        rows.append(
            [
                arm,
                str(len(seeds)),
                f"{max(len(loss) for loss in losses):,}",
                mean_and_deviation([loss[0] for loss in losses], 2),
                mean_and_deviation([statistics.mean(loss[-LAST:]) for loss in losses], 3),
                f"{statistics.mean(clipped):.0%}",
                *of_last_step(of_levels.get(arm, {})),
            ]
        )
    header = [
        "arm",
        "seeds",
        "steps",
        "first loss",
        f"loss of the last {LAST} steps",
        f"steps with a gradient above {clip}",
    ]
    header += ["dead ReLUs, mean over levels", "dead ReLUs, most", "least update over weights", "lost a level"]
    lines = [
        "# The first steps",
        "",
        f"Written by `{command(by_seed(steps))}`: the first steps of the `quick` network "
        "on the ISBI stack but for fold 1/6, one thing changed at a time. `as is` is SGD as the first studies had it; "
        "`blob` counts the N of an up-convolution's initial weights as Caffe's filler does; `blob, momentum rises` is "
        "`--optimiser sgd` now. `Adam` is Adam as first tried; now it has `blob` and half the rate. Mean ± standard "
        "deviation over the seeds. A dead ReLU is a channel of a level's second convolution that is 0 all over a tile; "
        "those of its first are not watched. The last four columns are of the last step; the last one counts the seeds "
        "with a level whose ReLUs, of its second convolution, are all dead. Every step: [steps.csv](steps.csv); by "
        "level: [levels.csv](levels.csv).",
        "",
        Table(header, rows).to_markdown(),
        "",
        "![Loss, dead ReLUs and updates by level](plot.png)",
        "",
    ]
    return "\n".join(lines)


def draw(path: Path, steps: Sequence[Row], levels: Sequence[Row]) -> None:
    """The loss over the steps; dead ReLUs, and size of the update over size of the weights, by level."""
    figure = Figure(figsize=(11, 8), dpi=100, layout="constrained")
    top, *below = figure.subplot_mosaic([["loss", "loss"], ["dead", "moved"]]).values()
    of_levels = by_seed(levels)
    for number, (arm, seeds) in enumerate(by_seed(steps).items()):
        line = ("-", "--")[number // len(LINES) % 2]
        style: dict[str, Any] = {"color": LINES[number % len(LINES)], "linestyle": line}
        shortest = min(len(rows) for rows in seeds.values())
        columns = zip(*([float(row["loss"]) for row in rows[:shortest]] for rows in seeds.values()), strict=True)
        loss = [statistics.mean(column) for column in columns]
        windows = [statistics.mean(loss[at : at + 10]) for at in range(0, shortest, 10)]
        top.plot([at * 10 + 5 for at in range(len(windows))], windows, label=f"{arm} ({len(seeds)})", **style)
        watched = [row for of_seed in of_levels.get(arm, {}).values() for row in of_seed]
        for axis, column in zip(below, ("dead_share", "update_over_weight"), strict=True):
            means = of_level(watched, column)
            axis.plot(list(means.values()), list(means), marker=".", **style)
    top.set(xlabel="step", ylabel="loss", yscale="log")
    top.legend(fontsize=8, ncols=2, title="arm (seeds)", title_fontsize=8)
    below[0].set_xlabel("share of dead ReLUs (second convolutions) at the last step")
    below[0].xaxis.set_major_locator(MaxNLocator(5))
    below[1].set(xlabel="update over weights at the last step", xscale="log")
    for axis in (top, *below):
        axis.grid(alpha=0.3)
    for axis in below:
        axis.invert_yaxis()
        axis.tick_params(axis="y", labelsize=8)
    save_figure(figure, path)
