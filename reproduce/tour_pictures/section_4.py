"""Section 4: predictions, and the warping error."""

from collections.abc import Mapping

import numpy as np

from unet_paper import segment
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.report import colours

from .panels import Picture, in_style, panels, show_cells, show_gray, show_probability

SMALLEST = 10  # px; smaller parts of a segmentation are not drawn


@in_style
def predictions(image: np.ndarray, truth: np.ndarray, probabilities: Mapping[str, tuple[np.ndarray, float]]) -> Picture:
    """Section and truth, beside probabilities over the cells that they give above their threshold.

    probabilities : title -> (probability, threshold).
    """
    columns = 1 + len(probabilities)
    figure, axes = panels(columns, rows=2, height=6.9)
    show_gray(axes[0], image, "held-out section")
    show_cells(axes[columns], segment((truth > 0).astype(np.float32)), "truth: its cells")
    for column, (title, (probability, threshold)) in enumerate(probabilities.items(), start=1):
        show_probability(axes[column], probability, title)
        cells = segment(probability, threshold, min_size=SMALLEST)
        show_cells(axes[columns + column], cells, f"its cells, above {threshold:.1f}")
    return Picture(figure, few_colours=True)


@in_style
def warping(truth: np.ndarray, proposals: Mapping[str, tuple[np.ndarray, np.ndarray, str]]) -> Picture:
    """Drawn proposals, the pixels that differ from the truth (pale), and those that the warping error counts.

    proposals : title -> (proposal, kinds of error, caption).
    """
    figure, axes = panels(1 + len(proposals), height=2.45)
    show_probability(axes[0], truth, "truth")
    axes[0].set_xlabel("white = cell\nblack = membrane")
    for axis, (title, (proposal, kinds, caption)) in zip(axes[1:], proposals.items(), strict=True):
        shown = np.repeat(np.where(proposal > 0, 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
        shown[(truth > 0) & (proposal == 0)] = colours.MISSED_CELL
        shown[(truth == 0) & (proposal > 0)] = colours.MISSED_MEMBRANE
        axis.imshow(shown)
        axis.set(title=title, xlabel=caption)
        for kind, colour, name in ((SPLIT, colours.SPLIT, "split"), (MERGE, colours.MERGER, "merger")):
            shown[kinds == kind] = colour
            if (kinds == kind).any():
                row, column = np.argwhere(kinds == kind).mean(axis=0)
                ring = colours.hexadecimal(colours.CIRCLES[name])
                axis.plot(column, row, "o", ms=22, mfc="none", mec=ring, mew=1.8, clip_on=False)
        axis.get_images()[0].set_data(shown)
    return Picture(figure)
