"""Overlap tiles (section 2, figure 2): blocks that cover an image of any size, laid on the network's own grid.

A block is a part of the result; its tile is the input that the network needs for it, 92 px larger on every side.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from unet_paper.compute.memory import require_memory
from unet_paper.io.sections import Block
from unet_paper.network import CONTEXT, SMALLEST_INPUT, STRIDE, multiply_adds
from unet_paper.support.arguments import as_array
from unet_paper.support.errors import BadInput

SMALLEST_TILE = SMALLEST_INPUT + STRIDE  # 204 px: what a block of 16 px on the grid needs
FARTHEST = 10**18  # px: positions are 64-bit numbers
BYTES_PER_INDEX = 32  # that finding a row's or column's place takes
ALWAYS_THERE = 2**28  # bytes of memory that need not be asked for, which takes longer than a small tile


class View(Protocol):
    """A version of the image, of which several are averaged; see `test_time_augmentation.views`."""

    def tile(self, block_height: Any, block_width: Any, cut: Any) -> tuple[Any, Any]:
        """(height, width) of the largest tile that a block of this size can need, px; `cut`: whether the image has
        other blocks. Numbers, or arrays of them.
        """
        ...

    def predict(
        self,
        block: Block,
        shape: tuple[int, ...],
        read: Callable[[int, int, int, int], torch.Tensor],
        network: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Class probabilities of a block: (K, h, w) tensor.

        shape : (H, W) of the image; read(top, bottom, left, right) : (h, w) tensor of its standardised gray values,
        extrapolated beyond it; network : (h, w) tile -> (K, h - 184, w - 184) probabilities.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """How an image is cut into blocks, and what that costs."""

    blocks: tuple[Block, ...]
    tile: tuple[int, int]  # the input tile of the largest area, (height, width) px
    input_pixels: float  # that the network sees for each pixel and version of the image
    work: float  # times that of a pass without any context around it

    def __str__(self) -> str:
        height, width = self.tile
        count = len(self.blocks)
        tiles = f"one tile of {height} x {width} px" if count == 1 else f"{count} tiles of up to {height} x {width} px"
        return (
            f"{tiles} per section; {self.input_pixels:.2f} input px and {self.work:.2f} times the least possible work "
            "for each output px"
        )


def tile_size(length: Any) -> Any:
    """The smallest valid input size whose output covers `length` px.

    Parameters
    ----------
    length : int or integer array

    Returns
    -------
    NumPy integer, or integer array of the same shape
        Px, 188 or above.
    """
    return np.maximum(-(-(length + 2 * CONTEXT - 60) // STRIDE) * STRIDE + 60, SMALLEST_INPUT)


def plan_blocks(
    height: int,
    width: int,
    views: Sequence[View],
    largest_pixels: int | None = None,
    largest_tile: int | None = None,
    base_channels: int = 64,
    whole: bool = False,
) -> Plan:
    """The blocks that cost the network least, among those whose tiles are small enough.

    All blocks start at multiples of 16 px: with four poolings the network repeats itself only there, and a tile laid
    elsewhere, such as 388 px (a tile's own output) from the last, would not give what one pass over the image gives.

    Parameters
    ----------
    height, width : int
        The image's, px.
    views : sequence of View
        The versions of the image that are averaged (`test_time_augmentation.views`); what tile a block needs depends on
        them.
    largest_pixels : int or None
        Largest area of a tile, px: what memory allows.
    largest_tile : int or None
        Largest height and width of a tile, px.
    base_channels : int
        Channels of the network's first level.
    whole : bool
        Whether the image must not be cut.

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        When not even blocks of 16 px, or the whole image, have tiles that are small enough.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 2.
    """
    # All pairs of advances, as two arrays: those that cut a side into 1, 2, ... blocks as equal as the grid allows.
    advances = []
    for length in (height, width):
        shares = -(-length // np.arange(1, -(-length // STRIDE) + 1))
        advances.append(np.unique(-(-shares // STRIDE) * STRIDE))
    down, across = np.meshgrid(*advances, indexing="ij")
    work, pixels, tiles = _cost(height, width, down, across, views, base_channels)
    longest = np.max(tiles, axis=(0, 1))
    areas = np.max([math.prod(tile) for tile in tiles], axis=0)

    possible = (down >= height) & (across >= width) if whole else np.ones(down.shape, bool)
    fits, uncut = possible, ", as a padded network must see the image whole" if whole else ""
    if largest_tile:
        fits = fits & (longest <= largest_tile)
        if not fits.any():
            least = longest[possible].min()
            raise BadInput(f"tiles of {largest_tile} px are too small here{uncut}; give at least {least} px")
    if largest_pixels is not None:
        fits = fits & (areas <= largest_pixels)
        if not fits.any():
            least = areas[possible].min()
            raise BadInput(
                f"memory allows tiles of {largest_pixels:,} px but {least:,} px are needed{uncut}; allow more memory"
            )
    best = np.unravel_index(np.argmin(np.where(fits, work, np.inf)), fits.shape)
    blocks = tuple(
        Block(top, min(top + int(down[best]), height), left, min(left + int(across[best]), width))
        for top in range(0, height, int(down[best]))
        for left in range(0, width, int(across[best]))
    )
    tile = max(((int(tall[best]), int(wide[best])) for tall, wide in tiles), key=math.prod)
    area = float(height) * width * len(views)
    far = 2.0**20  # px: a pass so large that its context counts for nothing
    least_work = multiply_adds(far + 60, far + 60, base_channels) / far**2
    return Plan(blocks, tile, float(pixels[best] / area), float(work[best] / area / least_work))


def _cost(
    height: int, width: int, down: np.ndarray, across: np.ndarray, views: Sequence[View], base_channels: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """What blocks `down` x `across` px (arrays) cost: (work, pixels, tiles), the tiles as (heights, widths) arrays, 0
    where there are none.

    Along each side there are whole blocks and, at the end, perhaps a shorter one: four kinds of blocks.
    """
    by_side = [
        [(length // advance, np.minimum(advance, length)), (np.minimum(length % advance, 1), length % advance)]
        for length, advance in ((height, down), (width, across))
    ]
    cut = (down < height) | (across < width)
    work, pixels, tiles = np.zeros(down.shape), np.zeros(down.shape), []
    for rows, block_height in by_side[0]:
        for columns, block_width in by_side[1]:
            for view in views:
                tile = view.tile(block_height, block_width, cut)
                tall, wide = (size.astype(float) for size in tile)  # whole numbers would overflow
                work = work + rows * columns * multiply_adds(tall, wide, base_channels)
                pixels = pixels + rows * columns * tall * wide
                tiles.append(np.where(rows * columns > 0, tile, 0))
    return work, pixels, tiles


def mirrored_indices(start: int, stop: int, length: int) -> np.ndarray:
    """Indices into 0 ... length - 1 for the positions start ... stop - 1, mirrored at both ends as often as needed.

    Parameters
    ----------
    start, stop : int
        Px; below 0 and beyond `length` too.
    length : int
        Px, 1 or above.

    Returns
    -------
    (stop - start,) int64 array
        The mirror stands in the first and last pixel, which are not repeated: 2 1 0 1 2.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 2.
    """
    period = max(2 * (length - 1), 1)
    positions = np.abs(np.arange(start, stop)) % period
    return np.minimum(positions, period - positions) if length > 1 else np.zeros_like(positions)


def mirrored_region(section: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """A part of an image that may lie beyond its ends: there the image is mirrored, as often as needed.

    Parameters
    ----------
    section : (H, W) array
        Of any type. Of a memory-mapped array only the part that is needed is read.
    top, bottom, left, right : int
        Rows top ... bottom - 1 and columns left ... right - 1, px; below 0 and beyond H and W too.

    Returns
    -------
    (bottom - top, right - left) array of the section's type
        The mirror stands in the outermost pixels, which are not repeated: 2 1 0 1 2.

    Raises
    ------
    BadInput
        For an array of another shape, and a part that is empty, not given by whole numbers, more than 10^18 px away,
        or larger than memory.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 2: the missing context is extrapolated by
    mirroring.
    """
    if not all(hasattr(section, name) for name in ("shape", "dtype", "__getitem__")):
        section = as_array(section, "the section")  # of an array, which may lie in a file, the part alone is read
    if len(section.shape) != 2 or 0 in section.shape:
        raise BadInput(f"a section of shape {section.shape}; expected (H, W)")
    try:
        top, bottom, left, right = (operator.index(side) for side in (top, bottom, left, right))
    except TypeError:
        raise BadInput(f"a part from {top!r}, {left!r} to {bottom!r}, {right!r}; give whole numbers, px") from None
    if max(map(abs, (top, bottom, left, right))) > FARTHEST:
        raise BadInput(
            f"the part has rows or columns more than {FARTHEST:.0e} px away from the section; give nearer ones"
        )
    if top >= bottom or left >= right:
        raise BadInput(f"rows {top} to {bottom} and columns {left} to {right} are an empty part; the ends come second")
    height, width = bottom - top, right - left
    needed = height * width * section.dtype.itemsize + BYTES_PER_INDEX * (height + width)
    if needed > ALWAYS_THERE:
        require_memory(needed, f"a part of {height:,} x {width:,} px", "give a smaller one")
    rows = mirrored_indices(top, bottom, section.shape[0])
    columns = mirrored_indices(left, right, section.shape[1])
    seen = as_array(section[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], "the section")
    if seen.ndim != 2:  # of what NumPy makes no array
        raise BadInput(f"a section of shape {seen.shape}; expected (H, W)")
    return seen[np.ix_(rows - rows.min(), columns - columns.min())]
