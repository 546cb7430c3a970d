"""Section 2: the network, its border, its tiles and its up-convolutions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from unet_paper import UNet
from unet_paper.report import colours
from unet_paper.report.figures.network_figure import draw_network

from .panels import BLUE, INK, RED, YELLOW, Picture, bare, in_style, outline, panels, show_colours, show_gray, veil
from .panels import show_probability as show

DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#10141a", "#7a2a10", "#ff7a1a", "#fff3b0"])
PALE = np.uint8(225)  # the gray of what has no colour of its own
FLOOR = 1e-8  # differences below it are drawn there


@in_style
def network(module: UNet, tile: int) -> Picture:
    """Figure 1 from one pass of the module itself."""
    return Picture(draw_network(module, tile), dpi=75)


@in_style
def border(section: np.ndarray, context: int, differences: Mapping[str, np.ndarray]) -> Picture:
    """What unpadded convolutions lose at the border, and by how much predictions of the same pixels differ."""
    figure, axes = panels(1 + len(differences), height=3.1)
    show_gray(axes[0], section, f"what is left without the outer {context} px")
    axes[0].imshow(veil(section.shape, context))
    height, width = (side - 2 * context for side in section.shape)
    outline(axes[0], context, context, width, height, YELLOW)
    largest = max(difference.max() for difference in differences.values())
    for axis, (title, difference) in zip(axes[1:], differences.items(), strict=True):
        show_colours(axis, difference, f"difference, {title}", cmap=DIFFERENCE, vmin=0, vmax=largest)
    return Picture(figure)


@in_style
def tiles(mirrored: np.ndarray, beyond: int, blocks: Sequence[tuple[int, int]], block: int, context: int) -> Picture:
    """Figure 2: blocks (top, left) of `block` px and the tiles that they need, on a section mirrored by `beyond` px."""
    figure, axes = panels(len(blocks), height=5.2)
    size, tile = mirrored.shape[0] - 2 * beyond, block + 2 * context
    extent = (-beyond - 0.5, size + beyond - 0.5, size + beyond - 0.5, -beyond - 0.5)
    for axis, (top, left) in zip(axes, blocks, strict=True):
        show_gray(axis, mirrored, f"a block at row {top}, column {left}", extent=extent)
        axis.imshow(veil(mirrored.shape, beyond), extent=extent)
        outline(axis, 0, 0, size, size, INK, lw=1.5, label=f"section, {size} px")
        outline(axis, left, top, block, block, YELLOW, lw=2.5, label=f"block, {block} px")
        outline(axis, left - context, top - context, tile, tile, BLUE, lw=2.5, ls="--", label=f"tile, {tile} px")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Picture(figure, few_colours=True)


@in_style
def seam(one_pass: np.ndarray, tiled: Mapping[int, np.ndarray], columns: tuple[int, int]) -> Picture:
    """How far tiles of which the second begins at some column are from one pass, by pixel and by column."""
    start, stop = columns
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 1 + len(tiled), height_ratios=(1.7, 1))
    extent = (start - 0.5, stop - 0.5, len(one_pass) - 0.5, -0.5)
    shown = np.s_[:, start:stop]
    show(bare(figure.add_subplot(grid[0, 0])), one_pass[shown], "one pass: probability of cell", extent=extent)
    curves = figure.add_subplot(grid[1, :])
    differences = {at: np.abs(probability - one_pass) for at, probability in tiled.items()}
    scale = max(difference.max() for difference in differences.values())
    look = {"cmap": DIFFERENCE, "vmin": 0, "vmax": scale, "extent": extent}
    for index, ((at, difference), colour) in enumerate(zip(differences.items(), (RED, BLUE), strict=True), start=1):
        axis = bare(figure.add_subplot(grid[0, index]))
        show_colours(axis, difference[shown], f"difference, {at} px apart", **look)
        axis.axvline(at - 0.5, color=colour, lw=1.5, ls="--")
        curves.semilogy(np.maximum(difference.max(axis=0), FLOOR), color=colour, lw=1.8, label=f"{at} px apart")
    curves.set(xlabel="column, px", ylabel="largest difference", xlim=(0, one_pass.shape[1]), ylim=(FLOOR / 3, 1))
    curves.set_yticks([1, 1e-2, 1e-4, 1e-6, FLOOR], ["1", "0.01", "0.0001", "0.000001", "less"])
    curves.legend(loc="upper left")
    return Picture(figure)


@in_style
def up_convolution(small: np.ndarray, kernel: np.ndarray, large: np.ndarray) -> Picture:
    """A 2 x 2 map, a 2 x 2 kernel and the 4 x 4 map that they make, with their numbers; a colour for each source."""
    figure, axes = panels(5, height=3.3, width=9, width_ratios=(1, 0.2, 1, 0.2, 2))
    owners = np.arange(1, 5).reshape(2, 2)
    for axis, sign in ((axes[1], "⊗"), (axes[3], "=")):
        axis.text(0.5, 0.5, sign, ha="center", va="center", fontsize=20, color=INK, transform=axis.transAxes)
    for axis, values, owner, title in (
        (axes[0], small, owners, "2 × 2 map"),
        (axes[2], kernel, None, "2 × 2 kernel"),
        (axes[4], large, np.kron(owners, np.ones((2, 2), int)), "4 × 4 map"),
    ):
        axis.imshow(colours.in_colours(owner) if owner is not None else np.full((2, 2, 3), PALE))
        axis.set_title(title)
        for (row, column), value in np.ndenumerate(values):
            axis.text(column, row, f"{value:g}", ha="center", va="center", color="black", fontsize=15)
        for line in range(1, len(values)):
            axis.axhline(line - 0.5, color="white", lw=1.5)
            axis.axvline(line - 0.5, color="white", lw=1.5)
    return Picture(figure)
