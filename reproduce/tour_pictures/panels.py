"""What all pictures of the tour share: how they look, and panels without ticks."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from unet_paper.report import colours
from unet_paper.report.components import different_colours

INK = "#78828f"  # of text and lines; read on white and on black
ORANGE, BLUE, YELLOW = (colours.hexadecimal(colours.COMPONENTS[number]) for number in (0, 1, 3))
RED = colours.hexadecimal(colours.CIRCLES["split"])
NEAR = "cividis_r"  # of distances
STYLE: dict[str, Any] = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 10,
    "legend.frameon": False,
    "figure.facecolor": "none",
}
Given = ParamSpec("Given")


def style() -> AbstractContextManager[None]:
    """Inside the `with`, what is drawn looks like STYLE; whoever imports this keeps a look of their own."""
    return matplotlib.rc_context(STYLE)  # type: ignore[arg-type]  # the names of its keys are a type there


class Picture:
    """A figure as a notebook shows it: a PNG without a background.

    few_colours : to make it small, as pictures of noisy sections are not by themselves.
    """

    def __init__(self, figure: Figure, few_colours: bool = False, dpi: int = 100) -> None:
        self.figure, self.few_colours, self.dpi = figure, few_colours, dpi

    def __repr__(self) -> str:
        return "a picture"

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        with style():
            self.figure.savefig(drawn, format="png", dpi=self.dpi, transparent=True)
        if not self.few_colours:
            return drawn.getvalue()
        reduced = io.BytesIO()
        image = Image.open(drawn).quantize(255, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        image.save(reduced, "PNG", optimize=True)
        return reduced.getvalue()


def in_style(draw: Callable[Given, Picture]) -> Callable[Given, Picture]:
    """The same function, which draws in STYLE."""

    @wraps(draw)
    def drawn(*arguments: Given.args, **options: Given.kwargs) -> Picture:
        with style():
            return draw(*arguments, **options)

    return drawn


def bare(axis: Axes) -> Axes:
    """A panel without ticks and frame."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return axis


def panels(columns: int, rows: int = 1, height: float = 3.2, width: float = 10, **layout: Any) -> tuple[Figure, list]:
    """A figure and its bare axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, [bare(axis) for axis in figure.subplots(rows, columns, squeeze=False, **layout).ravel()]


def show_gray(axis: Axes, image: np.ndarray, title: str, **options: Any) -> None:
    """A section, its contrast stretched."""
    low, high = np.percentile(image, (0.5, 99.5))
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, **options)
    axis.set_title(title)


def show_probability(axis: Axes, values: np.ndarray, title: str, **options: Any) -> None:
    """A truth (its largest value is white) or a probability, 0 = black, 1 = white."""
    axis.imshow(values, cmap="gray", vmin=0, vmax=max(values.max(), 1), **options)
    axis.set_title(title)


def show_colours(axis: Axes, values: np.ndarray, title: str, **options: Any) -> None:
    """Values in colours, with their scale at the right; none where they are NaN."""
    shown = axis.imshow(values, interpolation="nearest", **options)
    axis.set_title(title)
    bar = axis.figure.colorbar(shown, cax=axis.inset_axes((1.03, 0.0, 0.045, 1.0)))
    bar.outline.set_visible(False)


def show_cells(axis: Axes, cells: np.ndarray, title: str) -> None:
    """Numbered cells, neighbours in different colours, on black."""
    axis.imshow(colours.in_colours(different_colours(cells, np.arange(cells.max()))), interpolation="nearest")
    axis.set_title(title)


def outline(axis: Axes, left: float, top: float, width: float, height: float, colour: str, **look: Any) -> None:
    """A frame around these pixels."""
    corner = left - 0.5, top - 0.5
    axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour, **({"lw": 2} | look)))


def veil(shape: tuple[int, ...], width: int) -> np.ndarray:
    """To be laid over an image: dark over its outer `width` px, clear inside."""
    dark = np.zeros((*shape, 4))
    dark[...] = 0.1, 0.12, 0.15, 0.6
    dark[width:-width, width:-width] = 0
    return dark
