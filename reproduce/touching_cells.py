"""The README's picture: drawn nuclei that touch, the mask that separates them, and their weight map (figure 3).

python -m reproduce.touching_cells OUT.png
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from unet_paper.report import colours
from unet_paper.support.files import atomic_write
from unet_paper.weight_map import separate_touching_cells, weight_map

SIZE = 256  # px
SHOWN = slice(20, 190)  # rows and columns that the picture shows: a line of one pixel is seen
CELLS = 34
SEED = 4


def draw_nuclei(size: int = SIZE, cells: int = CELLS, seed: int = SEED) -> np.ndarray:
    """Ellipses, some of which touch: (size, size) uint16, 0 = background, every cell a number of its own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint16)
    for number in range(1, cells + 1):
        top, left = random.uniform(0, size, 2)
        long, wide = random.uniform(16, 26), random.uniform(12, 18)
        angle = random.uniform(0, np.pi)
        u = np.cos(angle) * (x - left) + np.sin(angle) * (y - top)
        v = np.cos(angle) * (y - top) - np.sin(angle) * (x - left)
        inside = (u / long) ** 2 + (v / wide) ** 2 < 1
        if (labels[inside] > 0).mean() < 0.25:  # beside the others, not on top of them
            labels[inside & (labels == 0)] = number
    return labels


def draw(path: Path) -> None:
    """Three panels in a row: numbered cells, mask, weight map with its scale."""
    labels = draw_nuclei()
    mask = separate_touching_cells(labels) > 0
    weights = weight_map(labels)
    labels, mask, weights = (array[SHOWN, SHOWN] for array in (labels, mask, weights))
    figure = Figure(figsize=(11, 3.7), dpi=100, layout="constrained")
    axes = figure.subplots(1, 3)
    shades = np.array([[1, 1, 1], *(np.asarray(colours.COMPONENTS[:7]) / 255)])  # not the gray one
    shown = np.where(labels == 0, 0, 1 + labels % (len(shades) - 1))
    axes[0].imshow(shown, cmap=ListedColormap(shades), interpolation="nearest", vmin=0, vmax=len(shades) - 1)
    axes[0].set_title("cells that touch")
    axes[1].imshow(mask, cmap="gray", interpolation="nearest")
    axes[1].set_title("mask: a line between them")
    image = axes[2].imshow(weights, cmap=colours.WEIGHTS, interpolation="nearest")
    axes[2].set_title("weight map (equation 2)")
    figure.colorbar(image, ax=axes[2], shrink=0.9, label="weight")
    for axis in axes:
        axis.set_axis_off()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
