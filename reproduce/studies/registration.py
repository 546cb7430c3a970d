"""How far the challenge's labels lie beside what they show, section by section.

python -m reproduce.studies.registration --data DIR --out FOLDER

DIR holds train-volume.tif and train-labels.tif; FOLDER gets README.md and plot.png.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from reproduce.studies.definitions import REGISTERED, SCORED_FOLD
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.registration import measure
from unet_paper.datasets.training_stacks import load
from unet_paper.report.colours import LINES
from unet_paper.report.panels import save_figure
from unet_paper.report.table import Table
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

FOLDS = tuple(Fold.parse(f"{number}/5") for number in range(1, 6)) + (Fold.parse(SCORED_FOLD),)
STEP = 0.05  # px, to which a fold's is rounded


def text(found: np.ndarray, dataset: str) -> str:
    """README.md: (Z, 2) of each section, and the means of what each fold trains on."""
    means, deviations = found.mean(0), found.std(0, ddof=1)
    of_sections = [[str(number), *(f"{value:.2f}" for value in row)] for number, row in enumerate(found)]
    of_folds = []
    for fold in FOLDS:
        mean = found[fold.split(len(found))[0]].mean(0)
        rounded = [f"{round(value / STEP) * STEP:.2f}" for value in mean]
        of_folds.append([str(fold), *(f"{value:.3f}" for value in mean), *rounded])
    columns = ["x, px", "y, px"]
    return "\n".join(
        [
            "# registration",
            "",
            f"Written by `python -m reproduce.studies.registration`. Data: {dataset}. What a pixel of the labels shows "
            "lies x px to its right and y px below it in the image, where the gray values correlate best with the "
            f"labels ([how](../../../unet_paper/datasets/registration.py)): over the {len(found)} sections x is "
            f"{means[0]:.2f} ± {deviations[0]:.2f} and y {means[1]:.2f} ± {deviations[1]:.2f} px (one standard "
            f"deviation), y between {found[:, 1].min():.2f} and {found[:, 1].max():.2f}.",
            "",
            "![x and y of each section](plot.png)",
            "",
            "What each fold trains on, by itself and rounded; with `labels registered` a study takes "
            f"{REGISTERED['registration_x']} and {REGISTERED['registration_y']}:",
            "",
            Table(["held out", *columns, "x, rounded", "y, rounded"], of_folds).to_markdown(),
            "",
            Table(["section", *columns], of_sections).to_markdown(),
            "",
        ]
    )


def draw(path: Path, found: np.ndarray) -> None:
    """A dot for each section, and the mean."""
    figure = Figure(figsize=(4.2, 4.0), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.axvline(0, color="#999999", linewidth=0.8)
    axis.plot(*found.T, ".", color=LINES[0], label="a section")
    axis.plot(*found.mean(0), "+", color=LINES[1], markersize=14, markeredgewidth=2, label="mean")
    axis.set_xlim(-1, 1)
    axis.set_ylim(1, -1)  # down, as in an image
    axis.set_aspect("equal")
    axis.set_xlabel("to the right, px")
    axis.set_ylabel("below, px")
    axis.set_title("offset from a label to what it marks", fontsize=9)
    axis.legend(fontsize=8, loc="upper left")
    save_figure(figure, path)


def main() -> int:
    """The command line. Returns the exit code."""
    parser = Parser(
        prog="python -m reproduce.studies.registration",
        description=__doc__,
    )
    parser.add_argument("--data", type=path, required=True, metavar="DIR")
    parser.add_argument("--out", type=path, required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        stacks = load(arguments.data)
        found = measure(stacks.volume, stacks.labels)
        with atomic_write(arguments.out / "README.md") as temporary:
            temporary.write_text(text(found, stacks.dataset), encoding="utf-8")
        draw(arguments.out / "plot.png", found)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
