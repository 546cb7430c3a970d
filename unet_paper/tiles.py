"""Overlap-tile prediction (section 2, figure 2): images of any size, mirrored at their border, without seams."""

from dataclasses import dataclass

import numpy as np
import torch

from unet_paper.network import BORDER, SMALLEST_INPUT, STRIDE, nearest_valid_input_sizes, output_size

SMALLEST_TILE = SMALLEST_INPUT + STRIDE  # 204 px: the smallest whose output advances by 16 px
# Tiles only limit memory: the result does not depend on their size. A 512 px section fits one tile of 700 px.
LARGEST_TILE = 956


@dataclass(frozen=True)
class Axis:
    """The tiles along one axis of an image: their input size in px, and where each one's output starts."""

    input_size: int
    starts: tuple[int, ...]


def lay_tiles(length, largest_tile=LARGEST_TILE):
    """Lay tiles over `length` px (>= 1) so that their outputs cover it.

    All starts are multiples of 16 px: with four poolings the network repeats itself only there, and a tile laid
    elsewhere, such as 388 px (a tile's own output) from the last, would not give what one pass over the image gives.

    Parameters
    ----------
    length : int
        Height or width of the image, px.
    largest_tile : int
        Largest input tile, px; at least 204, so that tiles can advance by 16 px.

    Returns
    -------
    Axis. The last tile may reach up to 15 px beyond the image.
    """
    largest_tile = nearest_valid_input_sizes(max(largest_tile, SMALLEST_TILE))[0]
    needed = nearest_valid_input_sizes(length + 2 * BORDER)[1]
    if needed <= largest_tile:
        return Axis(needed, (0,))
    covered = output_size(largest_tile)
    advance = covered // STRIDE * STRIDE
    last = -(-(length - covered) // STRIDE) * STRIDE
    return Axis(largest_tile, (*range(0, last, advance), last))


def mirrored_indices(start, stop, length):
    """Indices into 0 ... length - 1 for the positions start ... stop - 1, mirrored at both ends as often as needed.

    The mirror stands in the first and last pixel, which are not repeated: 2 1 0 1 2. Returns (stop - start,) int64.
    """
    period = max(2 * (length - 1), 1)
    positions = np.abs(np.arange(start, stop)) % period
    return np.minimum(positions, period - positions) if length > 1 else np.zeros_like(positions)


@torch.inference_mode()
def predict_section(network, image, largest_tile=LARGEST_TILE):
    """Class probabilities of one section by the overlap-tile strategy.

    Parameters
    ----------
    network : UNet in evaluation mode
    image : (H, W) float32 tensor of standardised gray values on the network's device, any size
    largest_tile : int
        Largest input tile, px.

    Returns
    -------
    (K, H, W) float32 tensor on the same device, the softmax over the K maps.
    """
    height, width = image.shape
    rows, columns = lay_tiles(height, largest_tile), lay_tiles(width, largest_tile)
    probabilities = None
    for top in rows.starts:
        y = mirrored_indices(top - BORDER, top - BORDER + rows.input_size, height)
        for left in columns.starts:
            x = mirrored_indices(left - BORDER, left - BORDER + columns.input_size, width)
            tile = image[torch.from_numpy(y).to(image.device)][:, torch.from_numpy(x).to(image.device)]
            scores = network(tile[None, None].contiguous(memory_format=torch.channels_last))[0]
            if probabilities is None:
                probabilities = image.new_empty((scores.shape[0], height, width))
            bottom, right = min(top + scores.shape[1], height), min(left + scores.shape[2], width)
            probabilities[:, top:bottom, left:right] = scores[:, : bottom - top, : right - left].float().softmax(0)
    return probabilities
