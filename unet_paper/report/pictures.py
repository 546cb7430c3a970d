"""Pictures of a run. Those that show raw sections go to its folder `sections/`, which is not committed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy import ndimage

from unet_paper.augmentation import Deformation, draw_deformation, sample, source_coordinates
from unet_paper.config import Config
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.report import colours
from unet_paper.runs.folder import RunFolder
from unet_paper.support.files import atomic_write

GRID_SPACING = 48  # px between the lines drawn to show a deformation
MOST_SECTIONS = 6  # drawn in one picture


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.dpi, bbox_inches="tight")


def panels(count: int, size: float = 4.0, rows: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure with `count` square panels a row and no ticks: (figure, array of axes of shape (rows, count))."""
    figure = Figure(figsize=(size * count, size * rows), dpi=100, layout="constrained")
    axes = figure.subplots(rows, count, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure, axes


def draw_weight_map(
    path: str | Path, weights: np.ndarray, image: np.ndarray | None = None, largest: float | None = None
) -> None:
    """The weight map in colour with its scale; over its image too where that is given (figure 3).

    weights : (H, W) float; image : (H, W) gray values or None; largest : the weight at the top of the colour scale (the
    section's own unless given).
    """
    figure, axes = panels(1 if image is None else 3, size=5)
    if image is not None:
        axes[0, 0].imshow(image, cmap="gray")
        axes[0, 0].set_title("image")
        axes[0, 1].imshow(image, cmap="gray")
        axes[0, 1].imshow(weights, cmap=colours.WEIGHTS, vmin=0, vmax=largest, alpha=0.5)
        axes[0, 1].set_title("weight map over the image")
    shown = axes[0, -1].imshow(weights, cmap=colours.WEIGHTS, vmin=0, vmax=largest)
    axes[0, -1].set_title("weight map w(x), equation 2")
    figure.colorbar(shown, ax=axes[0, -1], shrink=0.8, label="weight")
    save_figure(figure, path)


def gray_range(volume: np.ndarray) -> tuple[float, float]:
    """The gray values that are shown as black and as white.

    All that there are of 8-bit images; of others the darkest and the brightest but for one in a thousand each, as one
    hot pixel would make all else black.
    """
    if volume.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(volume, (0.1, 99.9))
    return (float(low), float(high)) if low < high else (float(volume.min()), float(volume.max()))


def draw_grid(axis: Axes, coordinates: np.ndarray) -> None:
    """Draw an image's own straight lines, GRID_SPACING px apart, where sampling at (H, W, 2) coordinates puts them."""
    for coordinate in coordinates.transpose(2, 0, 1):
        first, last = coordinate.min() // GRID_SPACING, coordinate.max() // GRID_SPACING
        levels = np.arange(first + 1, last + 1) * GRID_SPACING
        axis.contour(coordinate, levels=levels, colors="orange", linewidths=0.9, linestyles="solid")


def draw_deformations(
    path: str | Path,
    image: np.ndarray,
    deformations: Sequence[Deformation],
    tile_size: int,
    colour_map: str = "gray",
) -> None:
    """An image's deformed tiles, with the image's own straight grid drawn to show the deformation.

    image : (H, W) array; tile_size : px.
    """
    height, width = image.shape
    layer = torch.from_numpy(image.astype(np.float32))[None]
    straight = Deformation(((width - 1) / 2, (height - 1) / 2), 0.0, False, torch.zeros(2, 2, 2))
    figure, axes = panels(1 + len(deformations))
    for axis, deformation in zip(axes[0], [straight, *deformations], strict=True):
        coordinates = source_coordinates(deformation, tile_size)
        axis.imshow(sample(layer, coordinates, "bilinear")[0].numpy(), cmap=colour_map)
        draw_grid(axis, coordinates.numpy())
        turned = f", turned {np.degrees(deformation.angle):.0f}°" if deformation.angle else ""
        axis.set_title(
            "undeformed" if deformation is straight else f"deformed{turned}{', mirrored' * deformation.flip}"
        )
    save_figure(figure, path)


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
) -> None:
    """One section's probability and errors; its image and truth beside them where the image is given.

    truth : (H, W) bool, True = cell; probability : (H, W) float, of cell; threshold : the one the errors are drawn at,
    the pixel error's best; title : of the probability.
    """
    figure, axes = panels(2 if image is None else 4, size=5)
    axes = axes[0]
    if image is not None:
        axes[0].imshow(image, cmap="gray")
        axes[0].set_title("image")
        axes[1].imshow(truth, cmap="gray")
        axes[1].set_title("truth")
    axes[-2].imshow(probability, cmap="gray", vmin=0, vmax=1)
    axes[-2].set_title(title)
    axes[-1].imshow(error_colours(truth, probability, threshold))
    axes[-1].set_title(
        f"errors at {threshold:.1f}, where pixel error is least:\nblue = missed membrane, red = missed cell",
        fontsize=10,
    )
    save_figure(figure, path)


def spots(pixels: np.ndarray) -> list[list[float]]:
    """A circle around each 8-connected group of an (H, W) bool array: [[x, y, radius], ...] in px."""
    labels, _ = ndimage.label(pixels, structure=np.ones((3, 3)))
    found = []
    for rows, across in ndimage.find_objects(labels):
        radius = 7 + max(rows.stop - rows.start, across.stop - across.start) / 2
        found.append([(across.start + across.stop - 1) / 2, (rows.start + rows.stop - 1) / 2, radius])
    return found


def draw_warping_errors(
    path: str | Path, kinds: np.ndarray, background: np.ndarray, title: str, names: Sequence[str]
) -> None:
    """Where a proposal splits cells and where it merges them, circled on their sections (the warping error's pixels).

    kinds : (Z, H, W) uint8, see `metrics.warping_errors`; background : (Z, H, W) float or integer, drawn in gray;
    names : Z names of sections. The sections with the most errors are drawn, at most MOST_SECTIONS.
    """
    errors = np.count_nonzero((kinds == SPLIT) | (kinds == MERGE), axis=(1, 2))
    worst = sorted(np.argsort(-errors, kind="stable")[:MOST_SECTIONS])
    columns = min(len(worst), 3)
    figure, axes = panels(columns, size=6, rows=-(-len(worst) // columns))
    for axis, section in zip(axes.ravel(), worst, strict=False):
        axis.imshow(background[section], cmap="gray", vmin=0, vmax=np.max(background))
        found = []
        for kind, name in ((SPLIT, "split"), (MERGE, "merger")):
            pixels, colour = kinds[section] == kind, colours.hexadecimal(colours.CIRCLES[name])
            axis.imshow(np.ma.masked_equal(pixels, False), cmap=ListedColormap([colour]))
            circles = spots(pixels)
            found.append(f"{len(circles)} {name}{'s' * (len(circles) != 1)} ({np.count_nonzero(pixels)} px)")
            for x, y, radius in circles:
                axis.add_patch(Circle((x, y), radius, fill=False, color=colour, linewidth=1.6))
        axis.set_title(f"{names[section]}: {', '.join(found)}")
    chosen = "" if len(worst) == len(kinds) else f"; the {len(worst)} worst of {len(kinds)} sections"
    figure.suptitle(f"{title}{chosen}. Red circles: a cell is split; blue circles: cells are merged", fontsize=14)
    save_figure(figure, path)


def draw_training_pictures(run: RunFolder, image: np.ndarray, weights: np.ndarray, config: Config) -> None:
    """The weight map of the first training section and three deformations of it, with and without the raw section."""
    draw_weight_map(run.path / "weight-map.png", weights)
    draw_weight_map(run.sections / "weight-map.png", weights, image)
    generator = torch.Generator().manual_seed(config.seed)

    def draw(rotate: bool, flip: bool) -> Deformation:
        return draw_deformation(
            image.shape,
            generator,
            displacement_sigma=config.displacement_sigma,
            grid_points=config.grid_points,
            rotate=rotate,
            flip=flip,
        )

    elastic = draw(rotate=False, flip=False)
    joined = [draw(config.rotate, config.flip) for _ in range(2)]
    draw_deformations(run.path / "deformations.png", weights, [elastic, *joined], config.tile_size, colours.WEIGHTS)
    draw_deformations(run.sections / "deformations.png", image, [elastic, *joined], config.tile_size)
