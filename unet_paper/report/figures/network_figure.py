"""Figure 1, drawn from the network itself: one pass is watched, and every map that it makes becomes a box."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch.utils._python_dispatch import TorchDispatchMode

from unet_paper.network import UNet
from unet_paper.report.panels import GRAY

COLOURS = {
    "conv 3x3": "#0072b2",
    "copy and crop": "#7f7f7f",
    "max pool 2x2": "#d55e00",
    "up-conv 2x2": "#009e73",
    "conv 1x1": "#cc79a7",
}
BETWEEN_LEVELS = 0.95  # units
TALLEST, LOWEST = 1.5, 0.16  # units, of the largest and the smallest maps
GAP = 0.62  # units between neighbouring maps


class Operation(NamedTuple):
    """One step of the pass: what it is, and the (channels, size) of what it made; its input's for a crop."""

    kind: str
    channels: int
    size: int
    before: int = 0  # px that were cropped from
    relu: bool = False  # whether a ReLU followed


class _Watch(TorchDispatchMode):
    """Writes down which operations are carried out, on maps of which sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        made = function(*arguments, **(keywords or {}))
        name = function.overloadpacket.__name__
        first = made[0] if isinstance(made, (tuple, list)) else made
        kind, before = None, 0
        if name == "convolution":
            kernel, transposed = arguments[1].shape[-1], arguments[6]
            kind = f"{'up-' * transposed}conv {kernel}x{kernel}"
        elif name in ("relu", "relu_"):
            self.operations[-1] = self.operations[-1]._replace(relu=True)
        elif name.startswith("max_pool2d"):
            kind = "max pool 2x2"
        elif name == "constant_pad_nd" and made.shape[-1] <= arguments[0].shape[-1]:
            kind, before = "copy and crop", arguments[0].shape[-1]
        elif name == "cat":
            kind = "join"
        if kind:
            self.operations.append(Operation(kind, first.shape[1], first.shape[-1], before))
        return made


def operations(network: UNet, input_size: int) -> list[Operation]:
    """The Operations of one pass of a UNet over a square tile of `input_size` px, in their order."""
    watch = _Watch()
    parameter = next(network.parameters())
    with torch.no_grad(), watch:
        network(torch.zeros(1, 1, input_size, input_size, dtype=parameter.dtype))
    made = watch.operations
    for number, (step, after) in enumerate(pairwise(made)):
        if step.kind == "copy and crop" and after.kind != "join":  # what a padded network cuts off at both its ends
            made[number] = step._replace(kind="crop")
    return made


class _Box(NamedTuple):
    """A drawn map: left and top of the box, and its width and height, in units."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Half-way down."""
        return self.y - self.height / 2


def draw_network(network: UNet, input_size: int = 572) -> Figure:
    """A Figure of a UNet as it treats a tile of `input_size` px: every map with its channels and its size."""
    watched = operations(network, input_size)
    figure = Figure(figsize=(14, 7.6), dpi=100, layout="constrained")
    axis = figure.subplots()
    axis.set_axis_off()
    tops = _tops_of_levels(watched, input_size)
    level, x = 0, 0.0

    def box(channels: int, size: int, joined: int = 0) -> _Box:
        """Draw a map at the current x and level; `joined` of its channels came from the skip."""
        height, width = _height(size, input_size), 0.08 * math.log2(channels + 1)
        drawn = _Box(x, tops[level], width, height)
        axis.add_patch(Rectangle((x, drawn.y - height), width, height, facecolor="#dbe7f2", edgecolor="black", lw=0.9))
        if joined:
            part = width * joined / channels
            axis.add_patch(Rectangle((x, drawn.y - height), part, height, facecolor="white", edgecolor="black", lw=0.9))
        axis.text(x + width / 2, drawn.y + 0.05, str(channels), ha="center", va="bottom", fontsize=11)
        axis.text(x + width / 2, drawn.y - height - 0.07, f"{size}²", ha="center", va="top", fontsize=10)
        return drawn

    def arrow(start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 13, "lw": 2, "shrinkA": 2, "shrinkB": 2}
        axis.add_patch(FancyArrowPatch(start, end, color=COLOURS[kind], **look))

    last = box(1, input_size)
    ends_of_levels: list[_Box] = []
    skip: tuple[_Box, Operation] | None = None
    raised = last
    for operation in watched:
        kind, before = operation.kind, last
        if kind == "copy and crop":
            skip = ends_of_levels.pop(), operation
        elif kind == "up-conv 2x2":
            level, raised = level - 1, last
        elif kind == "join":
            assert skip is not None, "a crop comes before each join"
            source, cropped = skip
            x = raised.x + raised.width + GAP
            last = box(operation.channels, operation.size, joined=cropped.channels)
            corner = last.x + last.width, last.y - last.height - 0.3
            arrow((raised.x + raised.width, raised.y + 0.25), corner, "up-conv 2x2")
            arrow((source.x + source.width, last.middle), (last.x, last.middle), "copy and crop")
            whole = cropped.before == cropped.size  # as in a padded network
            text = f"{cropped.size}² copied" if whole else f"{cropped.before}² cropped to {cropped.size}²"
            middle = (source.x + source.width + last.x) / 2, last.middle + 0.06
            axis.text(*middle, text, ha="center", va="bottom", fontsize=10, color=GRAY)
        elif kind == "max pool 2x2":
            ends_of_levels.append(last)
            level, x = level + 1, last.x + 0.1
            last = box(operation.channels, operation.size)
            arrow(
                (before.x + before.width / 2, before.y - before.height - 0.3),
                (last.x + last.width / 2, last.y + 0.27),
                kind,
            )
        else:
            x = last.x + last.width + GAP
            last = box(operation.channels, operation.size)
            colour_of = "copy and crop" if kind == "crop" else kind
            arrow((before.x + before.width, last.middle), (last.x, last.middle), colour_of)
    axis.text(last.x + last.width + 0.15, last.middle, "output\nsegmentation\nmap", va="center", fontsize=11)
    axis.text(-0.15, tops[0] - TALLEST / 2, "input\nimage\ntile", va="center", ha="right", fontsize=11)
    rectified = {operation.kind for operation in watched if operation.relu}
    handles = [
        axis.plot([], [], color=colour, lw=2.5, label=kind + ", ReLU" * (kind in rectified))[0]
        for kind, colour in COLOURS.items()
    ]
    axis.legend(handles=handles, loc="lower right", frameon=False, fontsize=11)
    axis.set(xlim=(-1.1, last.x + 1.9), ylim=(tops[-1] - 0.6, tops[0] + 0.4))
    return figure


def _height(size: int, input_size: int) -> float:
    return max(TALLEST * size / input_size, LOWEST)


def _tops_of_levels(watched: Sequence[Operation], input_size: int) -> list[float]:
    """Where the maps of each level begin: under the tallest map of the level above."""
    tops, tallest = [0.0], input_size
    for operation in watched:
        if operation.kind == "max pool 2x2":
            tops.append(tops[-1] - _height(tallest, input_size) - BETWEEN_LEVELS)
            tallest = operation.size
    return tops
