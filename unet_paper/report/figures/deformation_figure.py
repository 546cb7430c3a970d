"""Section 3.1: elastic deformation, rotation and mirroring, shown on an image with a grid."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unet_paper.augmentation import Deformation, draw_deformation, sample, source_coordinates
from unet_paper.io.pixel_size import PixelSize
from unet_paper.report.colours import COMPONENTS, hexadecimal
from unet_paper.report.panels import add_scale_bar, draw_grid, gray_range, row_of_panels

ARROW, FRAME = hexadecimal(COMPONENTS[4]), hexadecimal(COMPONENTS[3])
LONGER = 3  # times as long as they are, vectors are drawn
VECTOR_MARGIN = 60  # px around the tile, in which vectors may end
TURNS = (0.0, 40.0, 160.0)  # degrees; the last tile is mirrored too
SMALLEST_SHOWN = 64  # px of the tile, however small the image is
FARTHEST = 3.0  # standard deviations that a displacement hardly exceeds
LINES = 7  # of the grid over a tile, each way


def shown_deformations(
    image_size: tuple[int, ...], displacement_sigma: float, grid_points: int, seed: int
) -> tuple[int, list[Deformation]]:
    """Deformations about an image's centre, one for each of TURNS: (px of the tile, deformations).

    Training draws the turn from the full circle; here they are chosen so that they differ. The tile is so small that it
    stays within the image when it is turned, so that nothing mirrored shows.
    """
    generator = torch.Generator().manual_seed(seed)
    size = int((min(image_size) - 2 * FARTHEST * displacement_sigma) / math.sqrt(2))
    size = min(max(size, SMALLEST_SHOWN), *image_size)
    drawn = []
    for degrees in TURNS:
        elastic = draw_deformation(image_size, generator, displacement_sigma, grid_points, False, False, False)
        drawn.append(replace(elastic, angle=math.radians(degrees), flip=degrees == TURNS[-1]))
    return size, drawn


def draw_deformations(
    section: np.ndarray, deformations: Sequence[Deformation], size: int, pixel_size: PixelSize | None = None
) -> Figure:
    """The tile with the first deformation's vectors, and the tile as each deformation makes it; the image's own
    straight grid is drawn along.

    section : (H, W) gray values; size : px of the tile.
    """
    first, *_ = deformations
    low, high = gray_range(section)
    layer = torch.from_numpy(section.astype(np.float32))[None]
    titles = ("tile, and the random vectors", *map(_title, deformations))
    figure, axes = row_of_panels(titles, (1, 1), 3.6 * len(titles))
    margin = min(VECTOR_MARGIN, (min(section.shape) - size) // 2)
    still = Deformation(first.centre, 0.0, False, torch.zeros_like(first.grid))
    for axis, deformation in zip(axes, (still, *deformations), strict=True):
        shown = size + 2 * margin if deformation is still else size
        sources = source_coordinates(deformation, shown)
        axis.imshow(sample(layer, sources, "bicubic")[0].numpy(), cmap="gray", vmin=low, vmax=high)
        draw_grid(axis, sources.numpy(), size / LINES)
        axis.set(xlim=(-0.5, shown - 0.5), ylim=(shown - 0.5, -0.5))
    axes[0].add_patch(Rectangle((margin - 0.5,) * 2, size, size, fill=False, edgecolor=FRAME, linewidth=2))
    points = margin + np.linspace(0, size - 1, first.grid.shape[-1])
    across, down = np.meshgrid(points, points)
    along, below = first.grid.numpy()
    look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.8, "width": 0.012, "zorder": 3}
    axes[0].quiver(across, down, along, below, color=ARROW, angles="xy", scale_units="xy", scale=1 / LONGER, **look)
    axes[0].plot(across.ravel(), down.ravel(), "o", color=ARROW, markeredgecolor="white", markersize=5, zorder=3)
    add_scale_bar(axes[1], size, size, pixel_size)
    return figure


def _title(deformation: Deformation) -> str:
    """What was done to a tile, in words."""
    turned = f", turned {math.degrees(deformation.angle):.0f}°" if deformation.angle else ""
    return f"bent{turned}{', mirrored' * deformation.flip}"
