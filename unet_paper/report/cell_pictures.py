"""What became of each cell: right, missed, split or merged, in the colours of all pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from skimage.segmentation import find_boundaries

from unet_paper.io.sections import Sections
from unet_paper.metrics.seg import InstanceScores, ObjectScore
from unet_paper.report import colours
from unet_paper.report.panels import KEEP_COLOUR, gray_range, literal, panels, save_figure
from unet_paper.report.pictures import MOST_SECTIONS

RIGHT = (160, 160, 160)
FILLS: dict[str, colours.Colour] = {
    "right": RIGHT,
    "missed": colours.MISSED_CELL,
    "split": colours.CIRCLES["split"],
    "merged": colours.CIRCLES["merger"],
}
NO_CELL = colours.COMPONENTS[3]  # outlines of segments of no cell
OUTLINE = (255, 255, 255)
OPACITY = 0.55  # of a fill over its image


def outcome(cell: ObjectScore) -> str:
    """What became of a cell, a key of FILLS; the worst, where it is several: a cell in pieces of which none covers half
    of it is missed, as the scores count it.
    """
    if cell.segment is None:
        return "missed"
    if cell.merged:
        return "merged"
    return "split" if cell.split else "right"


def cells_in_colours(
    truth: np.ndarray, segments: np.ndarray, cells: Sequence[ObjectScore], image: np.ndarray | None = None
) -> np.ndarray:
    """(H, W, 3) uint8: the cells of one section filled by their outcome, over the image where it is given, and the
    segments' outlines, of those of no cell in another colour.

    truth, segments : (H, W) numbers; image : (H, W) from 0 to 1; cells : of this section.
    """
    numbers, places = np.unique(truth, return_inverse=True)  # numbers may be as large as a file's
    colour_of = {cell.label: FILLS[outcome(cell)] for cell in cells}
    fills = np.array([colour_of.get(number, (0, 0, 0)) for number in numbers.tolist()], float)
    shown = fills[places.reshape(truth.shape)]
    if image is not None:
        gray = 255 * np.repeat(image[..., None], 3, axis=-1)
        shown = np.where(truth[..., None] > 0, OPACITY * shown + (1 - OPACITY) * gray, gray)
    outlines = find_boundaries(segments, mode="inner")
    of_cells = np.isin(segments, [cell.segment for cell in cells if cell.segment is not None])
    shown[outlines] = np.where(of_cells[outlines][:, None], OUTLINE, NO_CELL)
    return shown.round().astype(np.uint8)


def draw_cell_errors(
    path: str | Path,
    truth: Sections,
    segments: Sections,
    scores: InstanceScores,
    names: Sequence[str],
    volume: np.ndarray | None = None,
) -> None:
    """The sections with most errors, at most MOST_SECTIONS, each with its counts.

    truth, segments : (Z, H, W) numbers; volume : (Z, H, W) gray values; names : of the Z sections.
    """
    of_section: list[list[ObjectScore]] = [[] for _ in range(len(truth))]
    for cell in scores.objects:
        of_section[cell.frame].append(cell)
    wrong = [sum(outcome(cell) != "right" for cell in cells) for cells in of_section]
    drawn = sorted(np.argsort(-np.array(wrong), kind="stable")[:MOST_SECTIONS])
    black_and_white = None if volume is None else gray_range(volume)
    columns = min(len(drawn), 3)
    figure, axes = panels(columns, size=6, rows=-(-len(drawn) // columns))
    for axis, number in zip(axes.ravel(), drawn, strict=False):
        image = None
        if volume is not None and black_and_white is not None:
            low, high = black_and_white
            image = np.clip((volume[number].astype(float) - low) / ((high - low) or 1), 0, 1)
        axis.imshow(cells_in_colours(truth[number], segments[number], of_section[number], image))
        counts = [outcome(cell) for cell in of_section[number]]
        axis.set_title(f"{literal(names[number])}: " + ", ".join(f"{counts.count(name)} {name}" for name in FILLS))
    handles: list[Artist] = [Patch(color=colours.hexadecimal(colour), label=name) for name, colour in FILLS.items()]
    for name, colour in (("outline of a segment", OUTLINE), ("of a segment of no cell", NO_CELL)):
        handles.append(Line2D([], [], color=colours.hexadecimal(colour), label=name))
    look = {"facecolor": "0.4", "labelcolor": "white"}
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), **look)
    legend.set_gid(KEEP_COLOUR)
    chosen = "" if len(drawn) == len(truth) else f", the {len(drawn)} worst of {len(truth)} sections"
    figure.suptitle(f"True cells, each counted once, by the worst that became of it{chosen}", fontsize=14)
    save_figure(figure, path)
