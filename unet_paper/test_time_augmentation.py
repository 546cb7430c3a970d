"""Averaging over transformed versions of the input (section 4), block by block: each version is predicted on its own
16 px grid, counted from its own corner, so that the result does not depend on how the image is cut.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from unet_paper.augmentation import sample
from unet_paper.config import TTA
from unet_paper.network import CONTEXT, STRIDE
from unet_paper.overlap_tile import Block, View, tile_size
from unet_paper.support.arguments import require_choice

SAMPLING_MARGIN = 3  # px around what is sampled, for the bicubic kernel
CUBIC = -0.75  # the kernel's constant, PyTorch's

Read = Callable[[int, int, int, int], torch.Tensor]
Network = Callable[[torch.Tensor], torch.Tensor]


def views(tta: str) -> list[View]:
    """The versions of an image of which a test-time augmentation takes the mean.

    Parameters
    ----------
    tta : "none", "d4" or "rot7"
        The image alone, its flips and quarter turns, or 7 rotations by k 360 / 7 degrees.

    Returns
    -------
    list of View
        1, 8 or 7, the first of them the image as it is.

    Raises
    ------
    BadInput
        For another word.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 4: "over 7 rotated versions of the input data";
    it does not name the angles.
    """
    require_choice("tta", tta, TTA)
    if tta == "none":
        return [SquareView(False, False, False)]
    if tta == "d4":
        return [SquareView(bool(k & 1), bool(k & 2), bool(k & 4)) for k in range(8)]
    return [SquareView(False, False, False), *(TurnedView(turn * 2 * math.pi / 7) for turn in range(1, 7))]


def moved(read: Read, registration: tuple[float, float]) -> Read:
    """What reads an image, as seen from the pixels of its labels.

    Parameters
    ----------
    read : callable
        read(top, bottom, left, right) is the (h, w) tensor of the image's rows and columns, px, beyond it too.
    registration : (x, y)
        Px.

    Returns
    -------
    callable
        The same of the pixels that lie x px to the right and y px below, sampled bicubically; `read` where both are 0.
    """
    if not any(registration):
        return read
    (first_x, of_columns), (first_y, of_rows) = ((math.floor(px), bicubic_weights(px % 1)) for px in registration)

    def read_moved(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        # Tap by tap: coordinates of a grid would be rounded by the size of the tile.
        values = read(top + first_y - 1, bottom + first_y + 2, left + first_x - 1, right + first_x + 2)
        rows = torch.stack([values[k : k + bottom - top] * weight for k, weight in enumerate(of_rows)]).sum(0)
        return torch.stack([rows[:, k : k + right - left] * weight for k, weight in enumerate(of_columns)]).sum(0)

    return read_moved


def bicubic_weights(fraction: float) -> tuple[float, float, float, float]:
    """The weights of the bicubic kernel between two pixels.

    Parameters
    ----------
    fraction : float
        Px behind the first of them, 0 to 1.

    Returns
    -------
    tuple of float
        Of the pixel before the first, of both, and of the one behind.

    Notes
    -----
    Keys: Cubic convolution interpolation for digital image processing, 1981, with PyTorch's constant.
    """

    def near(distance: float) -> float:
        return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1

    def far(distance: float) -> float:
        return CUBIC * (((distance - 5) * distance + 8) * distance - 4)

    return far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)


def aligned(start: int) -> int:
    """The last multiple of 16 px at or before `start`.

    Parameters
    ----------
    start : int
        Px, below 0 too.

    Returns
    -------
    int
    """
    return start // STRIDE * STRIDE


class SquareView:
    """The image under one of the eight symmetries of the square: transposed, then its rows or columns reversed."""

    def __init__(self, transpose: bool, reverse_rows: bool, reverse_columns: bool) -> None:
        self.transpose = transpose
        self.reversed = (reverse_rows, reverse_columns)

    def tile(self, block_height: Any, block_width: Any, cut: Any) -> tuple[Any, Any]:
        """See `overlap_tile.View`."""
        sizes = (block_width, block_height) if self.transpose else (block_height, block_width)
        # A reversed block starts wherever the image's other end puts it.
        return tuple(
            tile_size(size + np.where(cut, STRIDE - 1, 0) if back else size)
            for size, back in zip(sizes, self.reversed, strict=True)
        )

    def predict(self, block: Block, shape: tuple[int, ...], read: Read, network: Network) -> torch.Tensor:
        """Class probabilities of a block: (K, h, w) tensor.

        shape : (H, W) of the image; read(top, bottom, left, right) : (h, w) tensor of its standardised gray values,
        extrapolated beyond it; network : (h, w) tile -> (K, h - 184, w - 184) probabilities.
        """
        spans = [(block.top, block.bottom), (block.left, block.right)]
        if self.transpose:
            spans, shape = spans[::-1], shape[::-1]
        # Where the block lies in the view, and the tile for it from the grid line before.
        spans = [
            (length - stop, length - start) if back else (start, stop)
            for (start, stop), length, back in zip(spans, shape, self.reversed, strict=True)
        ]
        starts = [aligned(start) for start, _ in spans]
        tiles = [
            (first - CONTEXT, first - CONTEXT + int(tile_size(stop - first)))
            for first, (_, stop) in zip(starts, spans, strict=True)
        ]
        regions = [
            (length - stop, length - start) if back else (start, stop)
            for (start, stop), length, back in zip(tiles, shape, self.reversed, strict=True)
        ]
        tile = read(*regions[1], *regions[0]).T if self.transpose else read(*regions[0], *regions[1])
        axes = [axis for axis in (0, 1) if self.reversed[axis]]
        probabilities = network(tile.flip(axes))
        (top, bottom), (left, right) = (
            (start - first, stop - first) for first, (start, stop) in zip(starts, spans, strict=True)
        )
        probabilities = probabilities[:, top:bottom, left:right].flip([axis + 1 for axis in axes])
        return probabilities.transpose(1, 2) if self.transpose else probabilities


class TurnedView:
    """The image turned by an angle about its centre, into a square that holds all of it, extrapolated where it ends."""

    def __init__(self, angle: float) -> None:
        self.cosine, self.sine = math.cos(angle), math.sin(angle)

    def tile(self, block_height: Any, block_width: Any, cut: Any) -> tuple[Any, Any]:
        """See `overlap_tile.View`."""
        cosine, sine = abs(self.cosine), abs(self.sine)
        slack = STRIDE + SAMPLING_MARGIN  # to the grid line before, and for the interpolation back
        height = np.ceil(cosine * block_height + sine * block_width).astype(int) + slack
        width = np.ceil(sine * block_height + cosine * block_width).astype(int) + slack
        return tile_size(height), tile_size(width)

    def predict(self, block: Block, shape: tuple[int, ...], read: Read, network: Network) -> torch.Tensor:
        """As in SquareView: the turned tile is sampled bicubically, the probabilities are turned back bilinearly."""
        height, width = shape
        # The square has an odd size, so that its centre is a pixel; (x, y) in it from its own corner.
        middle = math.ceil(math.hypot(height, width) / 2) + 1
        x = torch.arange(block.left, block.right, dtype=torch.float64)[None, :] - (width - 1) / 2
        y = torch.arange(block.top, block.bottom, dtype=torch.float64)[:, None] - (height - 1) / 2
        there_x, there_y = self.cosine * x + self.sine * y, self.cosine * y - self.sine * x
        there = torch.stack([there_x, there_y], dim=-1) + middle
        left, top = (aligned(math.floor(float(there[..., axis].min()))) for axis in (0, 1))
        right, bottom = (math.floor(float(there[..., axis].max())) + 2 for axis in (0, 1))
        tile_height, tile_width = int(tile_size(bottom - top)), int(tile_size(right - left))

        u = torch.arange(left - CONTEXT, left - CONTEXT + tile_width, dtype=torch.float64)[None, :] - middle
        v = torch.arange(top - CONTEXT, top - CONTEXT + tile_height, dtype=torch.float64)[:, None] - middle
        source_x = (width - 1) / 2 + self.cosine * u - self.sine * v
        source_y = (height - 1) / 2 + self.sine * u + self.cosine * v
        first_x, first_y = (math.floor(float(source.min())) - SAMPLING_MARGIN for source in (source_x, source_y))
        last_x, last_y = (math.ceil(float(source.max())) + SAMPLING_MARGIN for source in (source_x, source_y))
        image = read(first_y, last_y + 1, first_x, last_x + 1)
        coordinates = torch.stack([source_x - first_x, source_y - first_y], dim=-1)
        tile = sample(image[None], coordinates.to(image.device, image.dtype), "bicubic")[0]

        probabilities = network(tile)[:, : bottom - top, : right - left]
        back = there - torch.tensor([left, top], dtype=torch.float64)
        return sample(probabilities, back.to(image.device, image.dtype), "bilinear")
