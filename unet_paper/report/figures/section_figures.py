"""Figures 2 to 4, drawn from sections: rows of panels with a scale bar."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from skimage.segmentation import find_boundaries

from unet_paper.datasets.labels import renumbered
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.sections import Sections, joined
from unet_paper.network import CONTEXT, output_size
from unet_paper.overlap_tile import mirrored_region, tile_size
from unet_paper.report.colours import COMPONENTS, WEIGHTS, hexadecimal, in_colours
from unet_paper.report.components import components, different_colours
from unet_paper.report.largest_weights import LargeWeight
from unet_paper.report.panels import KEEP_COLOUR, add_scale_bar, row_of_panels, show_gray
from unet_paper.separation_border import label_cells

SMALLEST_NUMBERED, MOST_NUMBERED = 0.002, 80  # share of the section that a cell with a number takes; such cells
PAPERS_BLOCK = 388  # px, of figure 2
NEEDED, GIVEN = (hexadecimal(COMPONENTS[number]) for number in (1, 3))


def drawn_tile(section: np.ndarray, block: int = PAPERS_BLOCK) -> tuple[int, int]:
    """The block in the corner of an (H, W) section, no larger than that, and the tile that it needs, px."""
    block = min(block, *section.shape)
    return block, int(tile_size(block))


def draw_tile(section: np.ndarray, pixel_size: PixelSize | None = None, block: int = PAPERS_BLOCK) -> Figure:
    """Figure 2: the block in the image's corner, and the tile that it needs, mirrored beyond the image.

    section : (H, W) gray values; block : px, whose tile's output need not be seamless, as 388 px are not.
    """
    height, width = section.shape
    block, tile = drawn_tile(section, block)
    out = output_size(tile)
    given = f"what it yields, {block} px" if out == block else f"{block} px of the {out} px that it yields"
    margin = 2 * CONTEXT
    shown = mirrored_region(section, -margin, height + margin, -margin, width + margin)
    figure, (axis,) = row_of_panels(("",), shown.shape, 7.6)
    extent = (-margin - 0.5, width + margin - 0.5, height + margin - 0.5, -margin - 0.5)
    show_gray(axis, shown, extent)
    veil = np.zeros((*shown.shape, 4))
    veil[...] = (1, 1, 1, 0.35)
    veil[margin:-margin, margin:-margin] = 0
    axis.imshow(veil, extent=extent)
    for corner, size, colour, style, label in (
        ((-0.5, -0.5), (width, height), "white", "-", f"image, {width} x {height} px"),
        ((-CONTEXT - 0.5,) * 2, (tile, tile), NEEDED, "--", f"input tile, {tile} px: mirrored beyond the image"),
        ((-0.5, -0.5), (block, block), GIVEN, "-", given),
    ):
        axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, lw=2.5, ls=style, label=label))
    add_scale_bar(axis, width, height, pixel_size)
    legend = axis.legend(loc="lower left", fontsize=10, labelcolor="white", facecolor="#404040", framealpha=0.9)
    legend.set_gid(KEEP_COLOUR)
    return figure


def draw_weight_figure(
    weights: np.ndarray,
    section: np.ndarray | None = None,
    cells: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    pixel_size: PixelSize | None = None,
    largest: float | None = None,
    marked: Sequence[LargeWeight] = (),
    stretched: bool = False,
) -> Figure:
    """Figure 3: image, cells in colours over it, mask, weight map with its scale; the first three where they are given.

    weights : (H, W) float; section : (H, W) gray values; cells : (H, W) numbers, 0 = background, which are written onto
    them where there is no mask; mask : (H, W) bool, True = cell, or gray values from 0 to 1; largest : the weight at
    the top of the colour scale (the section's own unless given); marked : what gets a circle in the map; stretched :
    see `show_gray`.
    """
    given = {"image": section, "cells": cells, "mask": mask, "weight map w(x)": weights}
    titles = tuple(title for title, array in given.items() if array is not None)
    figure, all_axes = row_of_panels(titles, weights.shape, 3.3 * len(titles) + 0.7, scale=True)
    *panels, scale = all_axes
    axes = dict(zip(titles, panels, strict=True))
    if section is not None:
        show_gray(axes["image"], section, stretched=stretched)
    if cells is not None:
        show_cells(axes["cells"], cells, section, stretched)
        if mask is None:
            add_numbers(axes["cells"], cells)
    if mask is not None:
        axes["mask"].imshow(mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    shown = panels[-1].imshow(weights, cmap=WEIGHTS, vmin=0, vmax=largest)
    figure.colorbar(shown, cax=scale)
    for peak in marked:
        radius = 0.03 * weights.shape[1]
        panels[-1].add_patch(Circle((peak.x, peak.y), radius, fill=False, edgecolor="white", linewidth=1.4))
    hides_numbers = section is None and cells is not None and mask is None
    add_scale_bar(panels[0], weights.shape[1], weights.shape[0], pixel_size, below=hides_numbers)
    return figure


def have_numbers(labels: Sections) -> bool:
    """Whether labels tell cells, or classes, apart: as all sections together say, for one of them may have one cell."""
    return len(np.unique(joined(labels))) > 2


def shown_cells(
    labels: np.ndarray, of_classes: bool, connectivity: int = 4, numbered: bool | None = None
) -> np.ndarray:
    """(H, W) labels as a weight figure shows them: the numbers that they have, or their parts where they have none.

    numbered : whether they have numbers, see `have_numbers`; as they say by themselves unless given.
    """
    if of_classes or (have_numbers([labels]) if numbered is None else numbered):
        return labels
    return label_cells(labels, connectivity)


def show_cells(axis: Axes, cells: np.ndarray, section: np.ndarray | None = None, stretched: bool = False) -> None:
    """Numbered cells, (H, W), neighbours in different colours; over their section where that is given."""
    numbers, opacity = renumbered(cells), 255
    if section is not None:
        show_gray(axis, section, stretched=stretched)
        opacity = 130
    colours = different_colours(numbers, np.arange(numbers.max()))
    alpha = np.where(cells > 0, opacity, 0).astype(np.uint8)
    axis.imshow(np.dstack([in_colours(colours), alpha]), interpolation="nearest")


def add_numbers(axis: Axes, cells: np.ndarray) -> None:
    """Write the cells' numbers onto them, but for small ones, and where there are too many to be read."""
    numbers, sizes = np.unique(cells[cells > 0], return_counts=True)
    numbers = numbers[sizes >= SMALLEST_NUMBERED * cells.size]
    if len(numbers) > MOST_NUMBERED:
        return
    ground = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
    for number in numbers:
        rows, columns = np.nonzero(cells == number)
        middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        text = axis.text(columns[middle], rows[middle], str(number), ha="center", va="center", fontsize=8, bbox=ground)
        text.set_gid(KEEP_COLOUR)


def draw_segmentation(
    section: np.ndarray,
    truth: np.ndarray | None,
    probability: np.ndarray,
    threshold: float,
    pixel_size: PixelSize | None = None,
) -> Figure:
    """Figure 4's style: the image, its probability, and over it the components found in colours and the truth's
    outlines.

    truth : (H, W) bool, or None; probability : (H, W) float.
    """
    last = "components" if truth is None else "components; white: true outlines"
    figure, axes = row_of_panels(("image", "probability of cell", last), section.shape)
    labels = components(probability, threshold)
    for axis in (axes[0], axes[2]):
        show_gray(axis, section)
    axes[1].imshow(probability, cmap="gray", vmin=0, vmax=1)
    axes[2].imshow(np.dstack([in_colours(labels), np.where(labels > 0, 140, 0).astype(np.uint8)]))
    if truth is not None:
        outline = np.zeros((*truth.shape, 4))
        outline[find_boundaries(truth, mode="inner")] = (1, 1, 1, 0.9)
        axes[2].imshow(outline, interpolation="nearest")
    add_scale_bar(axes[0], section.shape[1], section.shape[0], pixel_size)
    return figure
