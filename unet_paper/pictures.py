"""Pictures of a run. Those that show raw sections go to its folder `sections/`, which is not committed."""

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy import ndimage

from unet_paper.augmentation import Deformation, sample, source_coordinates
from unet_paper.scores.warping_error import MERGE, SPLIT
from unet_paper.stack import written_whole

WEIGHT_COLOURS = "jet"  # figure 3's: high weights red, low ones blue
GRID_SPACING = 48  # px between the lines drawn to show a deformation
SMALLEST_DRAWN = 1e-6  # on a logarithmic axis
MOST_SECTIONS = 6  # drawn in one picture
SPLIT_COLOUR, MERGER_COLOUR = "#ff6a13", "#2f9bff"  # told apart by colour-blind readers too
LINE_STYLES, LINE_COLOURS = ("-", "--", ":"), ("#0072b2", "#d55e00", "#009e73")


def save_figure(figure, path):
    """Write a figure as PNG, whole or not at all."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.dpi, bbox_inches="tight")


def panels(count, size=4.0, rows=1):
    """A figure with `count` square panels a row and no ticks: (figure, array of axes of shape (rows, count))."""
    figure = Figure(figsize=(size * count, size * rows), dpi=100, layout="constrained")
    axes = figure.subplots(rows, count, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure, axes


def draw_weight_map(path, weights, image=None, largest=None):
    """The weight map in colour with its scale; over its image too where that is given (figure 3).

    weights : (H, W) float; image : (H, W) gray values or None; largest : the weight at the top of the colour scale (the
    section's own unless given).
    """
    figure, axes = panels(1 if image is None else 3, size=5)
    if image is not None:
        axes[0, 0].imshow(image, cmap="gray")
        axes[0, 0].set_title("image")
        axes[0, 1].imshow(image, cmap="gray")
        axes[0, 1].imshow(weights, cmap=WEIGHT_COLOURS, vmin=0, vmax=largest, alpha=0.5)
        axes[0, 1].set_title("weight map over the image")
    shown = axes[0, -1].imshow(weights, cmap=WEIGHT_COLOURS, vmin=0, vmax=largest)
    axes[0, -1].set_title("weight map w(x), equation 2")
    figure.colorbar(shown, ax=axes[0, -1], shrink=0.8, label="weight")
    save_figure(figure, path)


def draw_deformations(path, image, deformations, tile_size, colours="gray"):
    """An image's deformed tiles, with the image's own straight grid drawn to show the deformation.

    image : (H, W) array; deformations : list of Deformation; tile_size : px.
    """
    height, width = image.shape
    layer = torch.from_numpy(image.astype(np.float32))[None]
    straight = Deformation(((width - 1) / 2, (height - 1) / 2), 0.0, False, torch.zeros(2, 2, 2))
    figure, axes = panels(1 + len(deformations))
    for axis, deformation in zip(axes[0], [straight, *deformations], strict=True):
        coordinates = source_coordinates(deformation, tile_size)
        axis.imshow(sample(layer, coordinates, "bilinear")[0].numpy(), cmap=colours)
        for coordinate in coordinates.numpy().transpose(2, 0, 1):
            first, last = coordinate.min() // GRID_SPACING, coordinate.max() // GRID_SPACING
            levels = np.arange(first + 1, last + 1) * GRID_SPACING
            axis.contour(coordinate, levels=levels, colors="orange", linewidths=0.8)
        turned = f", turned {np.degrees(deformation.angle):.0f}°" if deformation.angle else ""
        axis.set_title(
            "undeformed" if deformation is straight else f"deformed{turned}{', mirrored' * deformation.flip}"
        )
    save_figure(figure, path)


def draw_loss(path, history):
    """The loss and the learning rate over the steps, from the rows of history.csv."""
    steps = np.array([row["step"] for row in history])
    loss = np.array([row["loss"] for row in history])
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axis = figure.subplots()
    axis.plot(steps, loss, color="0.75", linewidth=1, label="mean over 10 steps")
    window = max(len(loss) // 25, 1)
    if window > 1:
        smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
        axis.plot(steps[window - 1 :], smooth, color="C0", label=f"mean over {10 * window} steps")
    # The first steps' loss is many times the rest: the axis is for what follows them.
    axis.set(
        xlabel="step (one tile each)", ylabel="weighted cross entropy", ylim=(0, 1.3 * loss[len(loss) // 10 :].max())
    )
    rate = axis.twinx()
    rate.plot(steps, [row["learning_rate"] for row in history], color="C1", linewidth=1, linestyle="--")
    rate.set_ylabel("learning rate (dashed)", color="C1")
    axis.legend(loc="upper right")
    save_figure(figure, path)


def error_colours(truth, probability, threshold):
    """(H, W, 3) uint8: right cells white, right membranes black, missed membranes red, missed cells blue."""
    positive = probability.astype(np.float64) > threshold
    colours = np.repeat((truth * np.uint8(255))[..., None], 3, axis=-1)
    colours[positive & ~truth] = (220, 40, 40)
    colours[~positive & truth] = (60, 90, 230)
    return colours


def draw_result(path, truth, probability, threshold, image=None):
    """One section's probability and errors; its image and truth beside them where the image is given.

    truth : (H, W) bool, True = cell; probability : (H, W) float, of cell; threshold : the one the errors are drawn at.
    """
    figure, axes = panels(2 if image is None else 4, size=5)
    axes = axes[0]
    if image is not None:
        axes[0].imshow(image, cmap="gray")
        axes[0].set_title("image")
        axes[1].imshow(truth, cmap="gray")
        axes[1].set_title("truth")
    axes[-2].imshow(probability, cmap="gray", vmin=0, vmax=1)
    axes[-2].set_title("probability of cell")
    axes[-1].imshow(error_colours(truth, probability, threshold))
    axes[-1].set_title(f"errors at {threshold:.1f}: red = missed membrane, blue = missed cell")
    save_figure(figure, path)


SCORE_TITLES = {
    "warping_error": "warping error",
    "rand_error": "Rand error",
    "rand_error_pairs": "Rand error, pairs form",
    "pixel_error": "pixel error",
    "v_rand": "1 - V_rand (thinned)",
    "v_info": "1 - V_info (thinned)",
}
CURVES = {  # where `scores.score` keeps the curve behind each score, and whether it is an error already
    "warping_error": ("warping_error_per_threshold", True),
    "rand_error": ("rand_f_per_threshold", False),
    "rand_error_pairs": ("rand_f_pairs_per_threshold", False),
    "pixel_error": ("pixel_f_per_threshold", False),
    "v_rand": ("v_rand_per_threshold", False),
    "v_info": ("v_info_per_threshold", False),
}


def draw_thresholds(path, scores):
    """Every score's error against the threshold, a line for each averaging, its best threshold marked.

    scores : {name: what `scores.score` returns}.
    """
    figure = Figure(figsize=(13, 7), dpi=100, layout="constrained")
    for axis, (score, title) in zip(figure.subplots(2, 3).ravel(), SCORE_TITLES.items(), strict=True):
        key, is_error = CURVES[score]
        for line, (name, values) in enumerate(scores.items()):
            curve = np.array(values[key], dtype=float)  # None becomes NaN, which is not drawn
            curve = np.maximum(curve if is_error else 1 - curve, SMALLEST_DRAWN)
            thresholds = values["thresholds"][: len(curve)]
            axis.plot(thresholds, curve, LINE_STYLES[line % 3], color=LINE_COLOURS[line % 3], label=name)
            best = np.nanargmin(curve) if np.isfinite(curve).any() else 0
            axis.plot(thresholds[best], curve[best], "o", color=LINE_COLOURS[line % 3])
        axis.set(title=title, xlabel="threshold", xlim=(-0.03, 1.03), yscale="log")
        axis.grid(alpha=0.3, which="both")
    figure.axes[0].legend(title="dot = best")
    save_figure(figure, path)


def draw_warping_errors(path, kinds, background, title, names):
    """Where a proposal splits cells and where it merges them, circled on their sections (the warping error's pixels).

    kinds : (Z, H, W) uint8, see `scores.warping_errors`; background : (Z, H, W) float or integer, drawn in gray;
    title : str; names : Z names of sections. The sections with the most errors are drawn, at most MOST_SECTIONS.
    """
    errors = np.count_nonzero((kinds == SPLIT) | (kinds == MERGE), axis=(1, 2))
    worst = sorted(np.argsort(-errors, kind="stable")[:MOST_SECTIONS])
    columns = min(len(worst), 3)
    figure, axes = panels(columns, size=6, rows=-(-len(worst) // columns))
    for axis, section in zip(axes.ravel(), worst, strict=False):
        axis.imshow(background[section], cmap="gray", vmin=0, vmax=np.max(background))
        found = []
        for kind, name, colour in ((SPLIT, "split", SPLIT_COLOUR), (MERGE, "merger", MERGER_COLOUR)):
            pixels = kinds[section] == kind
            axis.imshow(np.ma.masked_equal(pixels, False), cmap=ListedColormap([colour]))
            spots, count = ndimage.label(pixels, structure=np.ones((3, 3)))
            found.append(f"{count} {name}{'s' * (count != 1)} ({np.count_nonzero(pixels)} px)")
            for rows, across in ndimage.find_objects(spots):
                radius = 7 + max(rows.stop - rows.start, across.stop - across.start) / 2
                centre = (across.start + across.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
                axis.add_patch(Circle(centre, radius, fill=False, color=colour, linewidth=1.6))
        axis.set_title(f"{names[section]}: {', '.join(found)}")
    chosen = "" if len(worst) == len(kinds) else f"; the {len(worst)} worst of {len(kinds)} sections"
    figure.suptitle(f"{title}{chosen}. Orange circles: a cell is split; blue circles: cells are merged", fontsize=14)
    save_figure(figure, path)
