"""Figures 3 and 4 of a run on cells: what it was taught, and what it found."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from unet_paper.report.colours import COMPONENTS, WEIGHTS, in_colours
from unet_paper.report.viewer.layers import different_colours

OUTLINE = COMPONENTS[3]  # yellow, as in the paper's figure 4
OPACITY = 110  # of 255: segments over the image
WIDTH = 16  # inches
SCALE_BAR = 100  # px


def draw_taught(frame: np.ndarray, masks: np.ndarray, separated: np.ndarray, weights: np.ndarray) -> Figure:
    """Figure 3 in one row: image, masks in colours over it, what is trained on, weight map.

    frame : (H, W) gray values; masks : (H, W) numbered cells; separated : (H, W) bool, cells with background between
    them; weights : (H, W) float, 0 where the truth is not known.
    """
    figure, axes = _row(4, frame.shape)
    for axis in axes[:2]:
        _show(axis, frame)
    axes[1].imshow(_coloured(masks))
    axes[2].imshow(np.where(weights == 0, 0.5, separated), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    shown = axes[3].imshow(weights, cmap=WEIGHTS, vmin=0)
    figure.colorbar(shown, ax=axes[3], label="weight w(x)", shrink=0.8)
    _titles(axes, ("a  image", "b  cells", "c  mask" + "; gray: unknown" * bool((weights == 0).any()), "d  weight map"))
    return figure


def draw_found(frame: np.ndarray, masks: np.ndarray, segments: np.ndarray) -> Figure:
    """Figure 4 of one data set: image, and the segments in colours over it with the outlines of the masks in yellow.

    frame : (H, W) gray values; masks, segments : (H, W) numbered cells.
    """
    figure, axes = _row(2, frame.shape)
    for axis in axes:
        _show(axis, frame)
    axes[1].imshow(_coloured(segments))
    outline = np.zeros((*masks.shape, 4), np.uint8)
    outline[find_boundaries(masks, mode="inner")] = (*OUTLINE, 255)
    axes[1].imshow(outline, interpolation="nearest")
    _titles(axes, ("a  image", "b  segments; yellow: outlines of the masks"))
    return figure


def _coloured(numbers: np.ndarray) -> np.ndarray:
    """Numbered cells in colours, neighbours in different ones, to lie over an image: (H, W, 4) uint8."""
    shown = different_colours(numbers, np.arange(numbers.max()))
    return np.dstack([in_colours(shown), np.where(numbers > 0, OPACITY, 0).astype(np.uint8)])


def _row(count: int, shape: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    """A figure with panels of the frames' shape in a row, without ticks."""
    height = WIDTH / count * shape[0] / shape[1] + 0.5
    figure = Figure(figsize=(WIDTH, height), dpi=90, layout="constrained")
    axes = list(figure.subplots(1, count))
    for axis in axes:
        axis.set_axis_off()
    return figure, axes


def _show(axis: Axes, frame: np.ndarray) -> None:
    """The frame with a scale bar."""
    low, high = np.percentile(frame, (0.1, 99.9))  # phase contrast and DIC use a small part of the range
    axis.imshow(frame, cmap="gray", vmin=low, vmax=high)
    bottom = frame.shape[0] * 0.95
    axis.plot((15, 15 + SCALE_BAR), (bottom, bottom), color="white", linewidth=4, solid_capstyle="butt")
    axis.annotate(f"{SCALE_BAR} px", (15, bottom - 8), color="white", fontsize=10)


def _titles(axes: list[Axes], titles: tuple[str, ...]) -> None:
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, loc="left")
