"""The network (section 2, figure 1): unpadded convolutions, so the output is 92 px smaller on each side.

input tile                                            output logits
conv conv ------------------ crop, copy ------------- conv conv 1x1
   | max pool                                          | up-convolution
   conv conv --------------- crop, copy ----------- conv conv
     ...                                              ...
                      conv conv (bottom)
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unet_paper.support.errors import BadInput

POOLINGS = 4
WIDEST = 4096  # base channels, as config.BASE_CHANNELS has it
STRIDE = 2**POOLINGS  # the network's own grid: it commutes with shifts by multiples of 16 px only
CONTEXT = 92  # px of context on each side, what a pixel of the output needs to see around it
SMALLEST_INPUT = 16 * 8 + 60
PADDED_CONTEXT = 6  # px of context that a padded network is given: from outputs of 16 k + 4 px to the sizes it can pool

Size = TypeVar("Size", float, np.ndarray)  # px


class InvalidTileSize(BadInput):
    """The input tile's height or width is not one that figure 1's poolings divide evenly."""


def is_valid_input_size(size: int) -> bool:
    """Whether an input of `size` px passes all four poolings at even sizes: 16 k + 60 with k >= 8.

    Parameters
    ----------
    size : int

    Returns
    -------
    bool

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2.
    """
    return size >= SMALLEST_INPUT and (size - 60) % STRIDE == 0


def nearest_valid_input_sizes(size: int) -> tuple[int | None, int]:
    """The largest valid input size <= `size` and the smallest >= `size`, both in px.

    Parameters
    ----------
    size : int
        Px.

    Returns
    -------
    below : int or None
        None for a size below 188.
    above : int
    """
    if size < SMALLEST_INPUT:
        return None, SMALLEST_INPUT
    below = size - (size - 60) % STRIDE
    return below, below if below == size else below + STRIDE


def output_size(input_size: int) -> int:
    """Size in px of the output for a valid input size: 184 px (92 on each side) less.

    Parameters
    ----------
    input_size : int
        Px.

    Returns
    -------
    int
        4 or above.

    Raises
    ------
    InvalidTileSize
        For any other size; it names the nearest valid ones.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 1.
    """
    if not is_valid_input_size(input_size):
        below, above = nearest_valid_input_sizes(input_size)
        nearest = str(above) if below is None else f"{below} and {above}"
        raise InvalidTileSize(
            f"an input of {input_size} px does not divide evenly through four poolings; "
            f"the nearest valid size{'' if below is None else 's'}: {nearest} px (16 k + 60 with k >= 8)"
        )
    return input_size - 2 * CONTEXT


def multiply_adds(height: Size, width: Size, base_channels: int = 64) -> Size:
    """Multiplications of one pass over an input of `height` x `width` px.

    Parameters
    ----------
    height, width : float or array
        Valid sizes.
    base_channels : int
        Channels of the first level.

    Returns
    -------
    float or array of float
        Counts the 3x3 and up-convolutions of figure 1, not the 1x1 convolution.
    """
    total, incoming = 0 * height, 0
    for level in range(POOLINGS + 1):
        channels = base_channels * 2**level
        for fan_in in (incoming or 1, channels):
            height, width = height - 2, width - 2
            total = total + 9 * fan_in * channels * height * width
        incoming = channels
        if level < POOLINGS:
            height, width = height / 2, width / 2
    for level in reversed(range(POOLINGS)):
        channels = base_channels * 2**level
        height, width = 2 * height, 2 * width
        total = total + incoming * channels * height * width
        for fan_in in (2 * channels, channels):
            height, width = height - 2, width - 2
            total = total + 9 * fan_in * channels * height * width
        incoming = channels
    return total


class PaddedConvolution(nn.Conv2d):
    """A 3x3 convolution of what it is given with a pixel of zeros around; not the paper's.

    Equals an unpadded convolution of padded maps to the last digit, which PyTorch's own padding does not.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) feature maps -> (B, K, H, W)."""
        return functional.conv2d(functional.pad(maps, (1, 1, 1, 1)), self.weight, self.bias)


def two_convolutions(
    in_channels: int, out_channels: int, dropout: float = 0.0, padded: bool = False, batch_norm: bool = False
) -> nn.Sequential:
    """Two unpadded 3x3 convolutions, each with ReLU: 4 px smaller.

    Parameters
    ----------
    in_channels, out_channels : int
    dropout : float
        Probability, 0 to 1. Dropout, if any, comes last.
    padded : bool
        Keep the size by zeros around; not the paper's.
    batch_norm : bool
        Normalise before each ReLU; not the paper's.

    Returns
    -------
    nn.Sequential
        (B, in_channels, H, W) -> (B, out_channels, H - 4, W - 4); where padded, of the same size.

    Raises
    ------
    ValueError
        PyTorch's, for a dropout above 1.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 1.
    """
    layers: list[nn.Module] = []
    for incoming in (in_channels, out_channels):
        layers.append(PaddedConvolution(incoming, out_channels) if padded else nn.Conv2d(incoming, out_channels, 3))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """The U-Net of figure 1.

    Parameters
    ----------
    in_channels : int
        Channels of the image; the paper's EM images have 1.
    classes : int
        Channels of the output, K; the paper's EM network has 2.
    base_channels : int
        Channels of the first level; the paper's is 64 (64-128-256-512-1024).
    variant : "paper" or "release"
        "paper" is figure 1: up-convolutions are linear and halve the channels. "release" is the authors' Caffe
        network: a ReLU follows each up-convolution and the last one keeps 2 x `base_channels` (128) channels.
    dropout : float
        Probability at the end of the contracting path, 0 to below 1: after the second convolution of the last two
        levels, the first of them before both the pooling and the skip (where the release has it, with 0.5).
    padding : "valid" or "zeros"
        "zeros", not the paper's, pads every 3x3 convolution, as textbook U-Nets do. Input and output have the sizes of
        the paper's network nevertheless, so that both can be compared: of the 92 px of context only PADDED_CONTEXT are
        looked at, and beyond them there are zeros.
    batch_norm : bool
        Normalise before each ReLU; not the paper's.
    up_convolution_fan_in : "input" or "blob"
        Two readings of N in the initial weights of the up-convolutions, see `initialise`.

    Raises
    ------
    ValueError
        For another variant, padding or up_convolution_fan_in, for a dropout that is no probability below 1, a
        batch_norm that is neither True nor False, and, as BadInput, for channels or classes below 1, and
        `base_channels` above 4096.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 1. With the defaults: 23 convolutional layers,
    31,030,658 parameters ("release": 31,100,354). Concatenation order is [up-sampled, cropped skip], the
    release's: the paper states none.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 2,
        base_channels: int = 64,
        variant: str = "paper",
        dropout: float = 0.5,
        padding: str = "valid",
        batch_norm: bool = False,
        up_convolution_fan_in: str = "blob",
    ) -> None:
        super().__init__()
        # Of Python and NumPy alone, as the exported file has this class without the rest of the package.
        for name, value, choices in (
            ("variant", variant, ("paper", "release")),
            ("padding", padding, ("valid", "zeros")),
            ("up_convolution_fan_in", up_convolution_fan_in, ("input", "blob")),
        ):
            if not (isinstance(value, str) and value in choices):
                raise ValueError(f"{name} is {value!r}; it must be '{choices[0]}' or '{choices[1]}'")
        if not (
            isinstance(dropout, (int, float, np.integer, np.floating))
            and not isinstance(dropout, bool)
            and 0 <= dropout < 1
        ):
            raise ValueError(f"dropout is {dropout!r}; it must be 0 or above and below 1")
        if not isinstance(batch_norm, (bool, np.bool_)):
            raise ValueError(f"batch_norm is {batch_norm!r}; it must be True or False")
        sizes = (in_channels, classes, base_channels)
        are_whole = all(
            isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 1 for size in sizes
        )
        if not are_whole or base_channels > WIDEST:
            raise BadInput(
                f"in_channels {in_channels!r}, classes {classes!r}, base_channels {base_channels!r}; each must be 1 or "
                f"above, a whole number, and base_channels at most {WIDEST}"
            )
        in_channels, classes, base_channels = map(int, sizes)  # NumPy's small ones would overflow
        self.variant, self.padded = variant, padding == "zeros"
        channels = [base_channels * 2**level for level in range(POOLINGS + 1)]

        self.contracting = nn.ModuleList()
        incoming = in_channels
        for level, outgoing in enumerate(channels):
            at_the_end = dropout if level >= POOLINGS - 1 else 0.0
            self.contracting.append(two_convolutions(incoming, outgoing, at_the_end, self.padded, batch_norm))
            incoming = outgoing
        self.pool = nn.MaxPool2d(2, stride=2)

        self.up_convolutions = nn.ModuleList()
        self.expanding = nn.ModuleList()
        for level in reversed(range(POOLINGS)):
            skip = channels[level]
            up = incoming if variant == "release" and level == 0 else incoming // 2
            self.up_convolutions.append(nn.ConvTranspose2d(incoming, up, 2, stride=2))
            self.expanding.append(two_convolutions(up + skip, skip, 0.0, self.padded, batch_norm))
            incoming = skip
        self.classifier = nn.Conv2d(incoming, classes, 1)
        self.apply(partial(initialise, up_convolution_fan_in=up_convolution_fan_in))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image, before the softmax.

        (B, in_channels, H, W) float -> (B, classes, H - 184, W - 184) float. Raises InvalidTileSize unless H and W are
        of the form 16 k + 60, k >= 8.
        """
        height, width = (output_size(size) for size in image.shape[-2:])
        seen = height + 2 * PADDED_CONTEXT, width + 2 * PADDED_CONTEXT
        features = centre_crop(image, seen) if self.padded else image

        skips = []
        for level, convolutions in enumerate(self.contracting):
            features = convolutions(features if level == 0 else self.pool(features))
            skips.append(features)
        skips.pop()  # nothing is copied across the bottom

        for up_convolution, convolutions in zip(self.up_convolutions, self.expanding, strict=True):
            features = up_convolution(features)
            if self.variant == "release":
                features = functional.relu(features, inplace=True)
            skip = centre_crop(skips.pop(), features.shape[-2:])
            features = convolutions(torch.cat([features, skip], dim=1))

        if self.padded:
            features = centre_crop(features, (height, width))
        with torch.autocast(features.device.type, enabled=False):  # logits of 10 would be rounded to 1 / 16 in bfloat16
            return self.classifier(features.to(self.classifier.weight.dtype))


def centre_crop(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """The central part of feature maps.

    Parameters
    ----------
    maps : (B, C, H, W) tensor
    size : (height, width)
        Px; H - height and W - width must be even, which is not checked.

    Returns
    -------
    (B, C, height, width) tensor of the maps' type

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2 and figure 1. Written as a negative padding
    because its gradient keeps the channels-last layout, which a slice's loses. What is cut off is the same for inputs
    of any size: as plain numbers it becomes a constant of a traced network.
    """
    top, left = int((maps.shape[-2] - size[0]) // 2), int((maps.shape[-1] - size[1]) // 2)
    return functional.pad(maps, (-left, -left, -top, -top))


def initialise(layer: nn.Module, up_convolution_fan_in: str = "blob") -> None:
    """The paper's initial weights, N(0, sqrt(2 / N)) with N the incoming nodes of one neuron; the release's biases, 0.

    Parameters
    ----------
    layer : nn.Module
        An nn.Conv2d or nn.ConvTranspose2d is changed in place; others, and weights on the meta device, stay as they
        are.
    up_convolution_fan_in : "input" or "blob"
        N of an up-convolution, see below.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3. A k x k convolution on C channels has
    N = k k C. Of a 2x2 up-convolution with stride 2 there are two readings. Each of its output pixels lies under
    exactly one tap, so N = C_in ("input"): its output has twice the input's second moment, and no ReLU follows to halve
    it. Caffe's "msra" filler counts the weights' blob, N = 4 C_out ("blob"), which is 2 C_in where the channels are
    halved: its output has the input's second moment.
    """
    if isinstance(layer, nn.ConvTranspose2d):
        incoming = layer.in_channels if up_convolution_fan_in == "input" else 4 * layer.out_channels
    elif isinstance(layer, nn.Conv2d):
        incoming = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
    else:
        return
    if layer.weight.is_meta:  # shapes alone; to draw them would load PyTorch's compiler, a second and a half
        return
    nn.init.normal_(layer.weight, std=(2 / incoming) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
