"""Figures 2 to 4 and the elastic deformation, drawn from a run's own sections."""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.segmentation import find_boundaries

from unet_paper.augmentation import Deformation, sample, source_coordinates
from unet_paper.io.pixel_size import PixelSize
from unet_paper.network import CONTEXT
from unet_paper.overlap_tile import mirrored_region, tile_size
from unet_paper.report.colours import COMPONENTS, WEIGHTS, hexadecimal, in_colours
from unet_paper.report.pictures import draw_grid, gray_range
from unet_paper.report.viewer.layers import components, different_colours

NEEDED, GIVEN, ARROW = (hexadecimal(COMPONENTS[number]) for number in (1, 3, 5))
LONGER = 5  # times as long as they are, vectors are drawn


def _axes(figure: Figure, rows: int, columns: int, pixel_size: PixelSize | None) -> np.ndarray:
    """Panels with axes in px below and left, and in nm above and right where the pixel size is known."""
    found = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in found:
        axis.set(xlabel="px", ylabel="px")
        if pixel_size:
            for name, length in (("x", pixel_size[0]), ("y", pixel_size[1])):
                scale = (lambda px, length=length: px * length), (lambda nm, length=length: nm / length)
                side = "top" if name == "x" else "right"
                getattr(axis, f"secondary_{name}axis")(side, functions=scale).set(**{f"{name}label": "nm"})
    return found


def _show_gray(axis: Axes, section: np.ndarray, **options: Any) -> None:
    low, high = gray_range(section)
    axis.imshow(section, cmap="gray", vmin=low, vmax=high, **options)


def _figure(width: float, panel_rows: int, panel_columns: int, shape: tuple[int, ...], dpi: int) -> Figure:
    """A figure `width` inches wide whose panels have about the sections' shape."""
    ratio = min(max(shape[0] / shape[1], 0.35), 2.5)
    height = (0.78 * width / panel_columns * ratio + 1.3) * panel_rows
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def draw_tile(section: np.ndarray, pixel_size: PixelSize | None = None, block: int = 388) -> Figure:
    """Figure 2: the block in the image's corner, and the tile that it needs, mirrored beyond the image.

    section : (H, W) gray values; block : px, whose tile's output need not be seamless, as 388 px are not.
    """
    height, width = section.shape
    block = min(block, height, width)
    tile = int(tile_size(block))
    margin = 2 * CONTEXT
    shown = mirrored_region(section, -margin, height + margin, -margin, width + margin)
    figure = _figure(7.6, 1, 1, section.shape, 100)
    axis = _axes(figure, 1, 1, pixel_size)[0]
    extent = (-margin - 0.5, width + margin - 0.5, height + margin - 0.5, -margin - 0.5)
    _show_gray(axis, shown, extent=extent)
    outside = np.ones(shown.shape, bool)
    outside[margin:-margin, margin:-margin] = False
    veil = np.zeros((*shown.shape, 4))
    veil[outside] = (1, 1, 1, 0.35)
    axis.imshow(veil, extent=extent)
    for corner, size, colour, style, label in (
        ((-0.5, -0.5), (width, height), "white", "-", f"image, {width} x {height} px"),
        ((-CONTEXT - 0.5,) * 2, (tile, tile), NEEDED, "--", f"input tile, {tile} px: mirrored beyond the image"),
        ((-0.5, -0.5), (block, block), GIVEN, "-", f"what it yields, {block} px"),
    ):
        axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, lw=2.5, ls=style, label=label))
    legend = axis.legend(loc="lower right", fontsize=11, facecolor="#404040", edgecolor="white", framealpha=0.9)
    for text in legend.get_texts():
        text.set_color("white")
    return figure


def draw_weight_figure(
    section: np.ndarray,
    truth: np.ndarray,
    cells: np.ndarray,
    weights: np.ndarray,
    pixel_size: PixelSize | None = None,
) -> Figure:
    """Figure 3: image, cells in colours over it, mask, weight map.

    section : (H, W) gray values; truth : (H, W) bool; cells : (H, W) numbers; weights : (H, W) float.
    """
    figure = _figure(12, 2, 2, section.shape, 90)
    axes = _axes(figure, 2, 2, pixel_size)
    _show_gray(axes[0], section)
    _show_gray(axes[1], section)
    colours = different_colours(cells, np.arange(cells.max()))
    axes[1].imshow(np.dstack([in_colours(colours), np.where(cells > 0, 150, 0).astype(np.uint8)]))
    axes[2].imshow(truth, cmap="gray", interpolation="nearest")
    shown = axes[3].imshow(weights, cmap=WEIGHTS, vmin=0)
    figure.colorbar(shown, ax=axes[3], label="weight w(x)", shrink=0.8, pad=0.16)
    for axis, title in zip(axes, ("a  image", "b  cells", "c  mask", "d  weight map"), strict=True):
        axis.set_title(title, loc="left")
    return figure


def draw_segmentation(
    section: np.ndarray,
    truth: np.ndarray | None,
    probability: np.ndarray,
    threshold: float,
    pixel_size: PixelSize | None = None,
) -> Figure:
    """Figure 4's style: the image, and over it the components found in colours and the truth's outlines.

    truth : (H, W) bool, or None; probability : (H, W) float.
    """
    figure = _figure(13, 1, 2, section.shape, 85)
    axes = _axes(figure, 1, 2, pixel_size)
    found = components(probability, threshold)
    for axis in axes:
        _show_gray(axis, section)
    axes[1].imshow(np.dstack([in_colours(found), np.where(found > 0, 140, 0).astype(np.uint8)]))
    if truth is not None:
        outline = np.zeros((*truth.shape, 4))
        outline[find_boundaries(truth, mode="inner")] = (1, 1, 1, 0.9)
        axes[1].imshow(outline, interpolation="nearest")
    axes[0].set_title("a  image", loc="left")
    axes[1].set_title("b  components found, and the truth's outlines (white)" if truth is not None else "b  components")
    return figure


def draw_elastic(
    section: np.ndarray, deformation: Deformation, size: int, pixel_size: PixelSize | None = None
) -> Figure:
    """Section 3.1: the random vectors of the coarse grid, and a tile before and after with a grid drawn along.

    deformation : Deformation without rotation and mirroring; size : px of the tile.
    """
    still = Deformation(deformation.centre, 0.0, False, torch.zeros_like(deformation.grid))
    layer = torch.from_numpy(section.astype(np.float32))[None]
    figure = _figure(19, 1, 3, (1, 1), 75)
    axes = _axes(figure, 1, 3, pixel_size)
    points = np.linspace(0, size - 1, deformation.grid.shape[-1])
    across, down = np.meshgrid(points, points)
    vectors = deformation.grid.numpy()
    coordinates = [source_coordinates(drawn, size).numpy() for drawn in (still, deformation)]
    displacement = np.linalg.norm(coordinates[1] - coordinates[0], axis=-1)
    shown = axes[0].imshow(displacement, cmap="viridis", vmin=0)
    figure.colorbar(shown, ax=axes[0], label="displacement, px", shrink=0.8, pad=0.17)
    free = max(LONGER * float(np.abs(vectors).max()), 0.05 * size)  # for the arrows
    axes[0].set(xlim=(-free, size + free), ylim=(size + free, -free), facecolor="white")
    axes[0].quiver(across, down, *vectors, color=ARROW, angles="xy", scale_units="xy", scale=1 / LONGER, width=0.012)
    axes[0].plot(across, down, "o", color=ARROW, markersize=5)
    for axis, sources in zip(axes[1:], coordinates, strict=True):
        _show_gray(axis, sample(layer, torch.from_numpy(sources), "bicubic")[0].numpy())
        draw_grid(axis, sources)
    number = deformation.grid.shape[-1]
    titles = (f"a  {number} x {number} vectors, drawn {LONGER} times as long", "b  tile", "c  tile, deformed")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, loc="left")
    return figure
