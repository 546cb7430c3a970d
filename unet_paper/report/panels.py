"""What all pictures are made of: rows of panels without axes, a scale bar, and letters for light and dark pages."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from unet_paper.io.pixel_size import PixelSize
from unet_paper.support.files import atomic_write

GRAY = "#808088"  # as far from white as from the dark page's ground
KEEP_COLOUR = "keep-colour"  # the gid of what has a ground of its own
BAR_SHARE = 0.3  # of a panel's width that a scale bar takes at most
UNITS = (("mm", 1e6), ("µm", 1e3), ("nm", 1.0))  # with their nm
TITLE_SIZE, TITLE_INCHES = 12, 0.2  # points, and the height of a line
GRID_SPACING = 48  # px between the lines drawn to show a deformation


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all; to be seen on light and on dark pages."""
    for_light_and_dark(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.dpi, bbox_inches="tight", metadata={"Software": None})


def for_light_and_dark(figure: Figure) -> None:
    """Take the white ground out of a figure, and let its black letters and lines be gray."""
    figure.patch.set_alpha(0)
    for axis in figure.axes:
        axis.patch.set_alpha(0)
        axis.tick_params(which="both", color=GRAY, labelcolor=GRAY)
        for side in (axis.xaxis, axis.yaxis):
            side.get_offset_text().set_color(GRAY)
    for legend in (*figure.legends, *(axis.get_legend() for axis in figure.axes)):
        if legend and legend.get_gid() != KEEP_COLOUR:
            legend.get_frame().set_alpha(0)
    for part in figure.findobj(lambda part: isinstance(part, (Text, Spine, Patch))):
        if part.get_gid() == KEEP_COLOUR:
            continue
        if isinstance(part, Text) and to_hex(part.get_color()) == "#000000":
            part.set_color(GRAY)
        elif isinstance(part, Patch) and to_hex(part.get_edgecolor(), keep_alpha=True) == "#000000ff":
            part.set_edgecolor(GRAY)


def literal(name: str) -> str:
    """A name as Matplotlib shows it as it is: not as a formula between two `$`, nor left out of legends for its `_`."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def panels(count: int, size: float = 4.0, rows: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure with `count` square panels a row and no ticks: (figure, array of axes of shape (rows, count))."""
    figure = Figure(figsize=(size * count, size * rows), dpi=100, layout="constrained")
    axes = figure.subplots(rows, count, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure, axes


def row_of_panels(
    titles: tuple[str, ...], shape: tuple[int, ...], width: float = 11.5, scale: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of `width` inches with one row of panels that images of a shape fill; `scale` : with an axis for a
    colour scale at its end. Returns (figure, the panels and that axis).
    """
    ratio = min(max(shape[0] / shape[1], 0.35), 2.5)
    # The scale's column with its numbers takes about 0.7 inches, the titles 0.4.
    side = (width - 0.7 * scale) / len(titles)
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(width, side * ratio + 2 * TITLE_INCHES), dpi=100, layout=layout)
    shown = side * min(1, ratio * shape[1] / shape[0])  # inches that the images are wide
    titles = tuple(_wrapped(title, shown) for title in _lettered(titles))
    lines = max(title.count("\n") for title in titles) + 1
    figure.set_figheight(side * ratio + TITLE_INCHES * (lines + 1))
    ratios = [1.0] * len(titles) + [0.04] * scale
    axes = list(figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0])
    for axis, title in zip(axes, titles, strict=False):
        axis.set_axis_off()
        axis.set_title(title, loc="left", fontsize=TITLE_SIZE)
    return figure, axes


def _lettered(titles: tuple[str, ...]) -> tuple[str, ...]:
    """Titles with the letters of their panels, where there are several."""
    if len(titles) == 1:
        return titles
    return tuple(f"{chr(ord('a') + number)}  {title}" for number, title in enumerate(titles))


def _wrapped(title: str, inches: float) -> str:
    """A title in lines that are no wider than its image, unless a word is."""
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1].strip() and TextPath((0, 0), longer, size=TITLE_SIZE).get_extents().width > 72 * inches:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def gray_range(volume: np.ndarray) -> tuple[float, float]:
    """The gray values that are shown as black and as white.

    All that there are of 8-bit images; of others the darkest and the brightest but for one in a thousand each, as one
    hot pixel would make all else black.
    """
    if volume.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(volume, (0.1, 99.9))
    return (float(low), float(high)) if low < high else (float(volume.min()), float(volume.max()))


def show_gray(
    axis: Axes,
    section: np.ndarray,
    extent: tuple[float, float, float, float] | None = None,
    stretched: bool = False,
) -> None:
    """Draw an (H, W) section of gray values; `stretched` : 8-bit ones too, of which some microscopes use few."""
    low, high = gray_range(section.astype(np.float32) if stretched else section)
    axis.imshow(section, cmap="gray", vmin=low, vmax=high, extent=extent)


def round_length(longest: float) -> float:
    """The longest of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) that is not above `longest`."""
    power = 10.0 ** math.floor(math.log10(longest))
    factors = (10, 5, 2, 1, 0.5)  # the ends are for where the logarithm is rounded to another power of ten
    return next(factor * power for factor in factors if factor * power <= longest)


def length_text(nanometres: float) -> str:
    """A length in the unit in which it is a short number."""
    unit, scale = next((unit for unit in UNITS if nanometres >= unit[1]), UNITS[-1])
    return f"{nanometres / scale:g} {unit}"


def add_scale_bar(axis: Axes, width: float, height: float, pixel_size: PixelSize | None, below: bool = False) -> None:
    """Draw a scale bar into the lower right corner of a panel whose image is `width` by `height` px, or `below` it."""
    per_pixel = pixel_size.x if pixel_size else 1.0
    length = round_length(BAR_SHARE * width * per_pixel)
    text = length_text(length) if pixel_size else f"{length:g} px"
    bar = AnchoredSizeBar(
        axis.transData,
        length / per_pixel,
        text,
        loc="upper right" if below else "lower right",
        pad=0 if below else 0.4,
        borderpad=0.6,
        sep=3,
        color=GRAY if below else "white",
        size_vertical=0.012 * width,
        label_top=True,
        fontproperties=FontProperties(size=10),
        bbox_to_anchor=(width - 0.5, height - 0.5),
        bbox_transform=axis.transData,
    )
    bar.patch.set(facecolor="black", alpha=0 if below else 0.6, edgecolor="none")
    axis.add_artist(bar)


def draw_grid(axis: Axes, coordinates: np.ndarray, spacing: float = GRID_SPACING) -> None:
    """Draw an image's own straight lines, `spacing` px apart, where sampling at (H, W, 2) coordinates puts them."""
    for coordinate in coordinates.transpose(2, 0, 1):
        first, last = coordinate.min() // spacing, coordinate.max() // spacing
        levels = np.arange(first + 1, last + 1) * spacing
        if min(coordinate.shape) < 2 or not levels.size:
            continue  # there is no line to draw
        axis.contour(coordinate, levels=levels, colors="orange", linewidths=0.9, linestyles="solid")
