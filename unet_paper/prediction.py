"""Prediction (section 4): overlap-tile maps, averaged over transformed versions of the input."""

import math

import numpy as np
import torch

from unet_paper.augmentation import Deformation, sample, source_coordinates
from unet_paper.config import AVERAGES
from unet_paper.errors import BadInput
from unet_paper.progress import progress_bar
from unet_paper.stack import gray_values
from unet_paper.tiles import LARGEST_TILE, predict_section

CELL = 1  # the class whose probability is the challenge's map


def predict_stack(network, standardisation, volume, average="d4", largest_tile=LARGEST_TILE, progress=True):
    """Probability of cell for every pixel of a stack: the challenge's result format.

    Parameters
    ----------
    network : UNet
        Prediction happens on its device, in float32.
    standardisation : checkpoint.Standardisation
        The training stack's.
    volume : (Z, H, W) array of gray values, of the training stack's type
    average : "none", "rot7" or "d4"
        "none" is one pass. "rot7" averages seven versions rotated by k 360 / 7 degrees, our reading of the paper's
        "7 rotated versions". "d4" averages the eight flips and quarter turns, which need no interpolation.
    largest_tile : int
        Largest input tile, px; a smaller one needs less memory and gives the same map.
    progress : bool
        Show progress and time left on stderr.

    Returns
    -------
    (Z, H, W) float32 array: 0 = surely membrane, 1 = surely cell.
    """
    if average not in AVERAGES:
        raise BadInput(f"average is {average!r}; it must be one of {', '.join(AVERAGES)}")
    if str(volume.dtype) != standardisation.dtype:
        raise BadInput(
            f"the stack holds {volume.dtype} values but the network was trained on {standardisation.dtype}; "
            "convert the stack to that type"
        )
    device = next(network.parameters()).device
    network = network.eval().to(memory_format=torch.channels_last)
    gray = standardisation(gray_values(volume))
    averaged = {"none": _predict_once, "rot7": _average_rot7, "d4": _average_d4}[average]
    probabilities = np.empty(volume.shape, np.float32)
    sections = progress_bar(gray, desc=f"predict {average}", unit="section", disable=not progress)
    for index, section in enumerate(sections):
        section = torch.from_numpy(np.ascontiguousarray(section, np.float32)).to(device)
        probabilities[index] = averaged(network, section, largest_tile).cpu().numpy()
    return probabilities.clip(0, 1)


def _predict_once(network, section, largest_tile):
    return predict_section(network, section, largest_tile)[CELL]


def _average_d4(network, section, largest_tile):
    """Mean over the eight symmetries of the square."""
    total = torch.zeros_like(section)
    for flip in (False, True):
        flipped = section.flip(1) if flip else section
        for quarter_turns in range(4):
            turned = torch.rot90(flipped, quarter_turns)
            probability = torch.rot90(_predict_once(network, turned, largest_tile), -quarter_turns)
            total += probability.flip(1) if flip else probability
    return total / 8


def _average_rot7(network, section, largest_tile):
    """Mean over seven rotations, each of the image mirrored into a square that holds all of it."""
    height, width = section.shape
    # An odd square, so that its centre is a pixel; one more px on each side for the interpolation back.
    size = 2 * math.ceil(math.hypot(height, width) / 2) + 3
    centre = ((width - 1) / 2, (height - 1) / 2)
    total = _predict_once(network, section, largest_tile)
    for turn in range(1, 7):
        angle = turn * 2 * math.pi / 7
        there = rotation(centre, angle, size, section.device)
        rotated = sample(section[None], there, "bicubic")[0]
        probability = _predict_once(network, rotated, largest_tile)
        total = total + sample(probability[None], _back(centre, angle, size, section), "bilinear")[0]
    return total / 7


def rotation(centre, angle, size, device):
    """Image coordinates (size, size, 2) of a square turned by `angle` about `centre` (x, y), in px."""
    return source_coordinates(Deformation(centre, angle, False, torch.zeros(2, 2, 2)), size, device)


def _back(centre, angle, size, section):
    """Where each pixel of the section lies in the turned square: (H, W, 2) coordinates (x, y) in px."""
    height, width = section.shape
    x = torch.arange(width, device=section.device, dtype=torch.float32)[None, :] - centre[0]
    y = torch.arange(height, device=section.device, dtype=torch.float32)[:, None] - centre[1]
    cosine, sine = math.cos(angle), math.sin(angle)
    middle = (size - 1) / 2
    return torch.stack([middle + cosine * x + sine * y, middle - sine * x + cosine * y], dim=-1)
