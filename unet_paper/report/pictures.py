"""Pictures of a run. Those that show raw sections go to its folder `sections/`, which is not committed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from unet_paper.config import Config
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.report import colours
from unet_paper.report.components import spots
from unet_paper.report.figures.deformation_figure import draw_deformations, shown_deformations
from unet_paper.report.figures.section_figures import draw_weight_figure, shown_cells
from unet_paper.report.panels import literal, panels, row_of_panels, save_figure, show_gray
from unet_paper.runs.folder import RunFolder

MOST_SECTIONS = 6  # drawn in one picture
MOST_CIRCLES = 40  # of a kind around the errors of one section


def error_colours(truth: np.ndarray, probability: np.ndarray, threshold: float) -> np.ndarray:
    """(H, W, 3) uint8: right cells white, right membranes black, missed membranes blue, missed cells red.

    A missed membrane is what merges cells, and mergers are blue in all our pictures.
    """
    positive = probability.astype(np.float64) > threshold
    shown = np.repeat((truth * np.uint8(255))[..., None], 3, axis=-1)
    shown[positive & ~truth] = colours.CIRCLES["merger"]
    shown[~positive & truth] = colours.CIRCLES["split"]
    return shown


def draw_result(
    path: str | Path,
    truth: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    title: str,
    image: np.ndarray | None = None,
    between: str = "membrane",
    unknown: np.ndarray | None = None,
) -> None:
    """One section's probability and errors; its image and truth beside them where the image is given.

    truth : (H, W) bool, True = cell; probability : (H, W) float, of cell; threshold : the one the errors are drawn at;
    title : of the probability; between : what lies between the cells; unknown : (H, W) bool, where
    nothing is scored and no error is drawn, or None.
    """
    errors = f"errors, cell above {threshold:.1f}: missed {between} blue, missed cell red"
    if unknown is not None:
        errors += ", not scored gray"
    titles = (title, errors) if image is None else ("image", "truth", title, errors)
    figure, axes = row_of_panels(titles, truth.shape, 5.0 * len(titles))
    if image is not None:
        show_gray(axes[0], image)
        axes[1].imshow(truth, cmap="gray", vmin=0, vmax=1)
    axes[-2].imshow(probability, cmap="gray", vmin=0, vmax=1)
    shown = error_colours(truth, probability, threshold)
    if unknown is not None:
        shown[unknown] = colours.NOT_SCORED
    axes[-1].imshow(shown)
    save_figure(figure, path)


def draw_warping_errors(
    path: str | Path, kinds: np.ndarray, background: np.ndarray, title: str, names: Sequence[str]
) -> None:
    """Where a proposal splits cells and where it merges them, circled on their sections (the warping error's pixels).

    kinds : (Z, H, W) uint8, see `metrics.warping_errors`; background : (Z, H, W) float or integer, drawn in gray;
    names : Z names of sections. The sections with the most errors are drawn, at most MOST_SECTIONS.
    """
    errors = np.count_nonzero((kinds == SPLIT) | (kinds == MERGE), axis=(1, 2))
    worst = sorted(np.argsort(-errors, kind="stable")[:MOST_SECTIONS])
    columns, crowded = min(len(worst), 3), False
    figure, axes = panels(columns, size=6, rows=-(-len(worst) // columns))
    for axis, section in zip(axes.ravel(), worst, strict=False):
        axis.imshow(background[section], cmap="gray", vmin=0, vmax=np.max(background))
        counts = []
        for kind, name in ((SPLIT, "split"), (MERGE, "merger")):
            pixels, colour = kinds[section] == kind, colours.hexadecimal(colours.CIRCLES[name])
            axis.imshow(np.ma.masked_equal(pixels, False), cmap=ListedColormap([colour]))
            circles = spots(pixels)
            crowded |= len(circles) > MOST_CIRCLES
            counts.append(f"{len(circles)} {name}{'s' * (len(circles) != 1)} ({np.count_nonzero(pixels)} px)")
            for x, y, radius in sorted(circles, key=lambda circle: -circle[-1])[:MOST_CIRCLES]:
                axis.add_patch(Circle((x, y), radius, fill=False, color=colour, linewidth=1.6))
        axis.set_title(f"{literal(names[section])}: {', '.join(counts)}")
    chosen = "" if len(worst) == len(kinds) else f"; the {len(worst)} worst of {len(kinds)} sections"
    largest = f", the {MOST_CIRCLES} largest of each" if crowded else ""
    what = f"Red circles: a cell is split; blue circles: cells are merged{largest}"
    figure.suptitle(f"{title}{chosen}. {what}", fontsize=14)
    save_figure(figure, path)


def draw_training_pictures(
    run: RunFolder, image: np.ndarray, labels: np.ndarray, weights: np.ndarray, config: Config
) -> None:
    """The weight map of the first training section, alone and beside the raw section, and deformations of that."""
    save_figure(draw_weight_figure(weights), run.path / "weight-map.png")
    cells = shown_cells(labels, config.classes > 2)
    save_figure(draw_weight_figure(weights, image, cells), run.sections / "weight-map.png")
    size, deformations = shown_deformations(image.shape, config.displacement_sigma, config.grid_points, config.seed)
    save_figure(draw_deformations(image, deformations, size), run.sections / "deformations.png")
