"""Section 3: the weight map, the elastic deformation and the training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from unet_paper.report.colours import WEIGHTS

from .panels import (
    BLUE,
    INK,
    NEAR,
    ORANGE,
    RED,
    YELLOW,
    Picture,
    bare,
    in_style,
    panels,
    show_cells,
    show_colours,
    show_gray,
    show_probability,
)

LONGER = 3  # times as long as they are, vectors are drawn
SPACING = 32  # px between the lines of a grid


@in_style
def weight_terms(
    labels: np.ndarray,
    cells: np.ndarray,
    w_c: np.ndarray,
    distances: tuple[np.ndarray, np.ndarray],
    border_term: np.ndarray,
    weights: np.ndarray,
) -> Picture:
    """Equation 2, term by term, and a cut through the middle column."""
    figure = Figure(figsize=(10, 7.4), layout="constrained")
    grid = figure.add_gridspec(3, 3)
    axes = [bare(figure.add_subplot(grid[index // 3, index % 3])) for index in range(7)]
    show_cells(axes[0], labels, "two cells that touch")
    show_cells(axes[1], cells, "a line of background between them")
    outside = [np.where(cells > 0, np.nan, distance) for distance in distances]
    look = {"cmap": WEIGHTS, "vmin": 0, "vmax": weights.max()}
    near = {"cmap": NEAR, "vmin": 0, "vmax": 40}
    show_colours(axes[2], w_c, "$w_c$", **look)
    show_colours(axes[3], outside[0], "$d_1$: to the nearest cell, px", **near)
    show_colours(axes[4], outside[1], "$d_2$: to the second nearest, px", **near)
    show_colours(axes[5], border_term, "border term", **look)
    show_colours(axes[6], weights, "$w = w_c$ + border term", **look)
    middle = labels.shape[1] // 2
    axes[6].axvline(middle, color="white", lw=1, ls=":")
    cut, rows = figure.add_subplot(grid[2, 1:]), np.arange(len(labels))
    base, top = w_c[:, middle], weights[:, middle]
    cut.fill_between(rows, base, color=ORANGE, alpha=0.8, step="mid", lw=0, label="$w_c$")
    cut.fill_between(rows, base, top, color=BLUE, alpha=0.8, step="mid", lw=0, label="border term")
    cut.set(xlim=(0, len(rows) - 1), ylim=(0, None), xlabel="row of the dotted column, px", ylabel="weight")
    scale = cut.twinx()
    for distance, style, name in zip(distances, ("-", "--"), ("$d_1$", "$d_2$"), strict=True):
        scale.plot(rows, distance[:, middle], color=INK, ls=style, lw=1.3, label=name)
    scale.set(ylim=(0, 30), ylabel="distance, px")
    scale.spines["right"].set_visible(True)
    handles = [a + b for a, b in zip(cut.get_legend_handles_labels(), scale.get_legend_handles_labels(), strict=True)]
    cut.legend(*handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return Picture(figure)


@in_style
def weight_maps(shown: Mapping[str, Sequence[np.ndarray]]) -> Picture:
    """Figure 3 of some images, a row for each: image, cells, d1 + d2 between them, and the map.

    shown : title -> (image, numbered cells, d1 + d2, weights).
    """
    figure, axes = panels(4, rows=len(shown), height=2.55 * len(shown))
    for row, (title, (image, cells, sum_of_distances, weights)) in enumerate(shown.items()):
        show_gray(axes[4 * row], image, title)
        show_cells(axes[4 * row + 1], cells, "cells, separated")
        between = np.where(cells > 0, np.nan, sum_of_distances)
        show_colours(axes[4 * row + 2], between, "$d_1 + d_2$, px", cmap=NEAR, vmin=0, vmax=20)
        show_colours(axes[4 * row + 3], weights, "$w$", cmap=WEIGHTS, vmin=0)
    return Picture(figure, few_colours=True)


@in_style
def elastic(
    image: np.ndarray, labels: np.ndarray, vectors: np.ndarray, sources: np.ndarray, deformed: Sequence[np.ndarray]
) -> Picture:
    """The nine vectors, and image and labels before and after with the image's own straight grid along.

    vectors : (2, n, n), (x, y) px; sources : (H, W, 2), where each pixel comes from; deformed : image and labels.
    """
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.6, 1, 1))
    axes = [bare(figure.add_subplot(grid[index])) for index in (np.s_[:, 0], np.s_[0, 1], np.s_[0, 2])]
    axes += [bare(figure.add_subplot(grid[1, column])) for column in (1, 2)]
    size = len(image)
    points = np.linspace(0, size - 1, vectors.shape[-1])
    across, down = np.meshgrid(points, points)
    show_gray(axes[0], image, f"nine vectors, drawn × {LONGER}", alpha=0.5)
    axes[0].quiver(across, down, *vectors, color=RED, angles="xy", scale_units="xy", scale=1 / LONGER, width=0.012)
    axes[0].plot(across, down, "o", color=RED, ms=4, clip_on=False)
    free = LONGER * np.abs(vectors).max()  # for the arrows
    axes[0].set(xlim=(-free, size + free), ylim=(size + free, -free))
    straight = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    show_gray(axes[1], image, "section")
    show_gray(axes[2], deformed[0], "deformed, bicubic")
    show_probability(axes[3], labels, "truth")
    show_probability(axes[4], deformed[1], "deformed, nearest")
    for axis, coordinates in zip(axes[1:], (straight, sources, straight, sources), strict=True):
        colour = YELLOW if axis in axes[1:3] else RED
        for along in range(2):  # lines of constant x and of constant y in the image
            axis.contour(coordinates[..., along], np.arange(0, size, SPACING), colors=colour, linewidths=0.9)
    return Picture(figure, few_colours=True)


@in_style
def training(image: np.ndarray, truth: np.ndarray, seen: Mapping[int, np.ndarray], losses: Sequence[float]) -> Picture:
    """Maps of one part of a section after some steps, and the loss of every step."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    grid = figure.add_gridspec(2, 2 + len(seen), height_ratios=(1.25, 1))
    axes = [bare(figure.add_subplot(grid[0, column])) for column in range(2 + len(seen))]
    show_gray(axes[0], image, "held-out section")
    for axis, (step, probability) in zip(axes[1:], seen.items(), strict=False):
        show_probability(axis, probability, f"{step} steps" if step else "untrained")
    show_probability(axes[-1], truth, "truth")
    axis = figure.add_subplot(grid[1, :])
    axis.plot(np.arange(1, len(losses) + 1), losses, "o-", color=BLUE, ms=3.5, lw=1)
    axis.set(xlabel="step (one tile)", ylabel="loss $E$", yscale="log", xlim=(0, len(losses) + 1))
    for step in seen:
        axis.axvline(step, color=INK, lw=0.8, ls=":")
    return Picture(figure, few_colours=True)
