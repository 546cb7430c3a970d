"""Figures 3 and 4 of a run on cells: what it was taught, and what it found."""

import numpy as np
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from unet_paper.io.pixel_size import PixelSize
from unet_paper.report.colours import COMPONENTS
from unet_paper.report.figures.section_figures import draw_weight_figure, show_cells
from unet_paper.report.panels import add_scale_bar, row_of_panels, show_gray

OUTLINE = COMPONENTS[3]  # yellow, as in the paper's figure 4
UNKNOWN = 0.5  # the gray of pixels whose truth is not known, in a mask


def draw_taught(
    frame: np.ndarray,
    masks: np.ndarray,
    separated: np.ndarray,
    weights: np.ndarray,
    pixel_size: PixelSize | None = None,
) -> Figure:
    """Figure 3 in one row: image, masks in colours over it, what is trained on, weight map.

    frame : (H, W) gray values; masks : (H, W) numbered cells; separated : (H, W) bool, cells with background between
    them; weights : (H, W) float, 0 where the truth is not known, which is gray in the mask.
    """
    mask = np.where(weights == 0, UNKNOWN, separated)
    return draw_weight_figure(weights, frame, masks, mask, pixel_size, stretched=True)


def draw_found(
    frame: np.ndarray, masks: np.ndarray, segments: np.ndarray, pixel_size: PixelSize | None = None
) -> Figure:
    """Figure 4 of one data set: image, and the segments in colours over it with the outlines of the masks in yellow.

    frame : (H, W) gray values; masks, segments : (H, W) numbered cells.
    """
    figure, axes = row_of_panels(("image", "segments; yellow: outlines of the masks"), frame.shape)
    show_gray(axes[0], frame, stretched=True)
    show_cells(axes[1], segments, frame, stretched=True)
    outline = np.zeros((*masks.shape, 4), np.uint8)
    outline[find_boundaries(masks, mode="inner")] = (*OUTLINE, 255)
    axes[1].imshow(outline, interpolation="nearest")
    add_scale_bar(axes[0], frame.shape[1], frame.shape[0], pixel_size)
    return figure
