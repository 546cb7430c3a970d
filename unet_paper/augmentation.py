"""Augmentation (section 3.1): shift, rotation, flip and a random elastic deformation, joined in one smooth sampling.

All of it is tensor work on the training device. Coordinates are (x, y) in px, pixel centres at whole numbers.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch.nn import functional

from unet_paper.config import PAPER


@dataclass(frozen=True)
class Deformation:
    """Where one tile comes from: drawn by `draw_deformation`, applied by `source_coordinates`."""

    centre: tuple[float, float]  # px (x, y) of the image under the tile's centre: the shift
    angle: float  # radians
    flip: bool  # mirror the tile left-right before the rotation
    grid: torch.Tensor  # (2, n, n) displacements (x, y) in px on the coarse grid that spans the tile


@dataclass(frozen=True)
class GrayVariation:
    """Gray-value variation of one tile: value -> contrast * value + brightness, in standardised gray values."""

    contrast: float
    brightness: float


def draw_deformation(
    image_size: tuple[int, ...],
    generator: torch.Generator,
    displacement_sigma: float = PAPER.displacement_sigma,
    grid_points: int = PAPER.grid_points,
    rotate: bool = True,
    flip: bool = True,
    shift: bool = True,
) -> Deformation:
    """Draw one tile's deformation (section 3.1).

    Parameters
    ----------
    image_size : (height, width)
        In px.
    generator : torch.Generator
        On the CPU. The number of values drawn does not depend on the last three settings.
    displacement_sigma : float
        Standard deviation in px of each component of the grid's displacements (the paper's: 10).
    grid_points : int
        Points per side of the coarse grid (the paper's: 3).
    rotate, flip : bool
        Draw an angle from the full circle, and a mirroring with probability 1/2; else none.
    shift : bool
        Draw a centre anywhere in the image; else take the image's.

    Returns
    -------
    Deformation
    """
    shift_x, shift_y, turn, coin = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    height, width = image_size
    if not shift:
        shift_x = shift_y = 0.5
    return Deformation(
        centre=(shift_x * (width - 1), shift_y * (height - 1)),
        angle=turn * 2 * math.pi if rotate else 0.0,
        flip=flip and coin < 0.5,
        grid=torch.randn(2, grid_points, grid_points, generator=generator) * displacement_sigma,
    )


def draw_gray_variation(
    generator: torch.Generator, contrast: float = PAPER.contrast, brightness: float = PAPER.brightness
) -> GrayVariation:
    """Draw one tile's contrast, uniform in 1 +- `contrast`, and brightness, uniform in +- `brightness`.

    Parameters
    ----------
    generator : torch.Generator
        On the CPU.
    contrast : float
        0 to below 1.
    brightness : float
        0 or above, in standard deviations of the training stack.

    Returns
    -------
    GrayVariation

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3.1; both ranges are ours.
    """
    first, second = (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1).tolist()
    return GrayVariation(1 + contrast * first, brightness * second)


def source_coordinates(deformation: Deformation, tile_size: int, device: str | torch.device = "cpu") -> torch.Tensor:
    """Where in the image each pixel of a tile comes from.

    Parameters
    ----------
    deformation : Deformation
    tile_size : int
        Height and width of the tile in px.
    device : str or torch.device

    Returns
    -------
    (tile_size, tile_size, 2) float32 tensor
        Image coordinates (x, y) in px; they may lie outside the image.

    Notes
    -----
    The n x n displacements stand at equal distances from corner to corner of the tile and are interpolated to every
    pixel by bicubic convolution (section 3.1).
    """
    bicubic = bicubic_basis(deformation.grid.shape[-1], tile_size, device)
    displacement = bicubic @ deformation.grid.to(device, non_blocking=True) @ bicubic.T
    offset = torch.arange(tile_size, device=device, dtype=torch.float32) - (tile_size - 1) / 2
    x = offset[None, :] + displacement[0]
    y = offset[:, None] + displacement[1]
    if deformation.flip:
        x = -x
    cosine, sine = math.cos(deformation.angle), math.sin(deformation.angle)
    return torch.stack(
        [
            deformation.centre[0] + cosine * x - sine * y,
            deformation.centre[1] + sine * x + cosine * y,
        ],
        dim=-1,
    )


@lru_cache(maxsize=8)
def bicubic_basis(points: int, size: int, device: str | torch.device) -> torch.Tensor:
    """How much each of `points` grid values counts at each of `size` px, one axis of a tile.

    Parameters
    ----------
    points, size : int
        1 or above.
    device : str or torch.device

    Returns
    -------
    (size, points) float32 tensor
        On the device. The same tensor for the same arguments, so nobody may change it.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3.1 (bicubic interpolation).
    """
    impulses = torch.eye(points)[None, None]
    return functional.interpolate(impulses, size=(size, points), mode="bicubic", align_corners=True)[0, 0].to(device)


def sample(
    image: torch.Tensor, coordinates: torch.Tensor, mode: Literal["bicubic", "bilinear", "nearest"]
) -> torch.Tensor:
    """Sample an image at coordinates, mirrored beyond its edges.

    Parameters
    ----------
    image : (C, H, W) float tensor
    coordinates : (h, w, 2) float tensor
        (x, y) in px, pixel centres at whole numbers.
    mode : "bicubic", "bilinear" or "nearest"

    Returns
    -------
    (C, h, w) tensor of the image's type
        The mirror runs through the centres of the outermost pixels (they are not repeated), as everywhere in this
        project.
    """
    height, width = image.shape[-2:]
    x, y = coordinates.unbind(-1)
    normalised = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], dim=-1)
    # PyTorch's threads share a batch, not an image: strips of it are a batch.
    strips = 4 if len(normalised) % 4 == 0 else 1
    sampled = functional.grid_sample(
        image.expand(strips, -1, -1, -1),
        normalised.unflatten(0, (strips, -1)),
        mode=mode,
        padding_mode="reflection",
        align_corners=True,
    )
    return sampled.transpose(0, 1).flatten(1, 2)


def augmented_tile(
    image: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    deformation: Deformation,
    gray: GrayVariation | None,
    tile_size: int,
    context: int,
    registration: tuple[float, float] = (0.0, 0.0),
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One training tile: image, labels and weight map through the same deformation (section 3.1).

    Parameters
    ----------
    image : (H, W) float32 tensor
        Standardised gray values.
    labels : (H, W) float32 tensor
        Class numbers.
    weights : (H, W) float32 tensor
        The weight map.
    deformation : Deformation
    gray : GrayVariation or None
    tile_size : int
        Height and width of the input tile in px.
    context : int
        Px that the network loses on each side.
    registration : (x, y)
        What a pixel of the labels shows lies so many px to its right and below it in the image.

    Returns
    -------
    tile : (1, tile_size, tile_size) float32 tensor
        Sampled bicubically.
    labels : (size, size) int64 tensor
        The nearest pixels', with size = tile_size - 2 context.
    weights : (size, size) float32 tensor
        The same pixels'.
    """
    coordinates = source_coordinates(deformation, tile_size, image.device)
    seen = coordinates if not any(registration) else coordinates + coordinates.new_tensor(registration)
    tile = sample(image[None], seen, "bicubic")
    if gray is not None:
        tile = gray.contrast * tile + gray.brightness
    inner = coordinates[context : tile_size - context, context : tile_size - context]
    truth = sample(torch.stack([labels, weights]), inner, "nearest")
    return tile, truth[0].long(), truth[1]
