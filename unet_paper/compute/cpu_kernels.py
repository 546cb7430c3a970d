"""How a CPU trains the network: the same layers with faster kernels of their own, put in from outside.

In bfloat16, gradients of weights from large maps come from bands of rows, which keeps them in the caches. In float32 on
processors without AVX-512, where PyTorch's gradients of weights take three times as long from maps that are channels
last, they are matrix products. Those of up-convolutions always are. In bfloat16 dropout draws with the faster of
PyTorch's generators.
"""

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

BANDS = 16
SMALLEST_BANDED = 2**22  # values of a map from which bands are faster (8 MiB in bfloat16; measured)
VALUES = 2**19  # of maps and gradients in one matrix product: few calls, and they stay in the caches (measured)


def use_cpu_kernels(network: nn.Module) -> None:
    """Put this module's layers in the place of a network's own, whose parameters and names they keep.

    Convolutions that a ReLU follows in an nn.Sequential, 2x2 up-convolutions and dropout are replaced. They have
    something to offer for one tile at a time, with gradients, under the CPU's bfloat16 autocast or in float32 without
    AVX-512; elsewhere they compute what the layers do that they replace.
    """
    for parent in list(network.modules()):
        layers = list(parent.named_children())
        for (name, layer), (next_name, following) in pairwise([*layers, ("", nn.Identity())]):
            if isinstance(layer, nn.Conv2d) and isinstance(parent, nn.Sequential) and isinstance(following, nn.ReLU):
                setattr(parent, name, ConvolutionAndReLU(layer))
                setattr(parent, next_name, nn.Identity())
            elif isinstance(layer, nn.ConvTranspose2d):
                setattr(parent, name, UpConvolution(layer))
            elif isinstance(layer, nn.Dropout):
                setattr(parent, name, Dropout(layer.p))


class ConvolutionAndReLU(nn.Module):
    """An nn.Conv2d, padded alike on all sides, and its ReLU, with its parameters: (B, C, H, W) -> (B, K, h, w)."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.padding = layer.weight, layer.bias, int(layer.padding[0])

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        maps = functional.pad(maps, [self.padding] * 4) if self.padding else maps
        if (dtype := _trains_in(maps)) is not None:
            return _ConvolutionAndReLU.apply(_channels_last(maps, dtype), self.weight, self.bias)
        return functional.conv2d(maps, self.weight, self.bias).relu_()


class UpConvolution(nn.Module):
    """A 2x2 nn.ConvTranspose2d with stride 2, with its parameters: (B, C, H, W) -> (B, K, 2 H, 2 W)."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if (dtype := _trains_in(maps)) is not None:
            return _UpConvolution.apply(_channels_last(maps, dtype), self.weight, self.bias)
        return functional.conv_transpose2d(maps, self.weight, self.bias, stride=2)


class Dropout(nn.Dropout):
    """As PyTorch's, in bfloat16 with the generator of uniform numbers."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if self.training and _trains_in(maps) == torch.bfloat16:
            keep = torch.rand(maps.numel()).as_strided(maps.shape, maps.stride()) >= self.p
            return maps * (keep.to(maps.dtype) / (1 - self.p))
        return super().forward(maps)


def _trains_in(maps: torch.Tensor) -> torch.dtype | None:
    """In what this module computes, where it has something to offer: one tile, gradients wanted, under the CPU's
    bfloat16 autocast, or in float32 without AVX-512.
    """
    if maps.device.type != "cpu" or len(maps) != 1 or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    if torch.is_autocast_enabled("cpu"):
        return torch.bfloat16 if torch.get_autocast_dtype("cpu") == torch.bfloat16 else None
    return torch.float32 if maps.dtype == torch.float32 and _avx2_is_the_widest() else None


@cache
def _avx2_is_the_widest() -> bool:
    """Whether the processor computes with vectors of 256 bits, as most laptops and desktops do, and not of 512."""
    has = torch.cpu.get_capabilities()
    return has.get("avx2", False) and not has.get("avx512_f", False)


def _channels_last(maps: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return maps.to(dtype).contiguous(memory_format=torch.channels_last)


class _ConvolutionAndReLU(torch.autograd.Function):
    """(1, C, H, W) maps, float32 weight and bias -> the maps' dtype, bfloat16 or float32, in which all is computed."""

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any, maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        kernel = weight.to(maps.dtype)
        with torch.autocast("cpu", enabled=False):
            activations = functional.conv2d(maps, kernel, bias.to(maps.dtype)).relu_()
        context.save_for_backward(maps, kernel, activations)
        return activations

    @staticmethod
    def backward(  # type: ignore[override]
        context: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        maps, kernel, activations = context.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, activations, 0)
        of_maps = None
        if context.needs_input_grad[0]:
            of_maps = _gradients(gradient, maps, kernel, [True, False, False])[0]
        of_weight, of_bias = weight_gradients(gradient, maps, kernel)
        return of_maps, of_weight, of_bias


def _gradients(
    gradient: torch.Tensor, maps: torch.Tensor, kernel: torch.Tensor, wanted: list[bool]
) -> list[torch.Tensor]:
    """[maps', kernel's, bias's] gradients of an unpadded convolution, those that are wanted."""
    return torch.ops.aten.convolution_backward(
        gradient, maps, kernel, [len(kernel)], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, wanted
    )


def weight_gradients(gradient: torch.Tensor, maps: torch.Tensor, kernel: torch.Tensor) -> list[torch.Tensor]:
    """[kernel's, bias's] gradients of an unpadded convolution, float32, those of the bands summed in it.

    gradient : (1, K, h, w), of its output; maps : (1, C, H, W), its input; kernel : (K, C, ., .)
    """
    if maps.dtype == torch.float32:
        return _products(gradient, maps, kernel)
    rows = gradient.shape[2] // BANDS
    wanted = [False, True, True]
    if maps.numel() < SMALLEST_BANDED or not rows:
        return [part.float() for part in _gradients(gradient, maps, kernel, wanted)[1:]]
    halo = kernel.shape[2] - 1  # rows that neighbouring bands of the input share
    bands = _bands(gradient, rows, rows), _bands(maps, rows, rows + halo)
    gradients = [part.float() for part in _gradients(*bands, kernel, wanted)[1:]]
    if rows * BANDS < gradient.shape[2]:
        rest = _gradients(gradient[:, :, rows * BANDS :], maps[:, :, rows * BANDS :], kernel, wanted)[1:]
        gradients = [part + more for part, more in zip(gradients, rest, strict=True)]
    return gradients


def _products(gradient: torch.Tensor, maps: torch.Tensor, kernel: torch.Tensor) -> list[torch.Tensor]:
    """`weight_gradients` as matrix products: of the outputs' gradients by the inputs that a tap of the kernel sees.

    With the gradient's rows filled up to the width of the maps by zeros, pixel i of it meets pixel i + `shift` of
    the maps, with one shift for each tap: no copies of the maps are made.
    """
    outgoing, incoming, height, width = kernel.shape
    inputs = maps[0].permute(1, 2, 0)
    filled = inputs.new_empty(gradient.shape[2], inputs.shape[1], outgoing)
    filled[:, : gradient.shape[3]] = gradient[0].permute(1, 2, 0)
    filled[:, gradient.shape[3] :] = 0
    shifts = [down * inputs.shape[1] + right for down in range(height) for right in range(width)]
    inputs, outputs = inputs.reshape(-1, incoming), filled.reshape(-1, outgoing)
    pixels = len(inputs) - shifts[-1]  # the last of the outputs are zeros that would meet none
    at_once = min(pixels, VALUES // (incoming + outgoing))
    of_taps, of_bias = inputs.new_zeros(len(shifts), outgoing, incoming), inputs.new_zeros(outgoing)
    ones = inputs.new_ones(at_once)
    for start in range(0, pixels, at_once):
        end = min(start + at_once, pixels)
        some = outputs[start:end].T
        of_bias.addmv_(some, ones[: end - start])
        for of_tap, shift in zip(of_taps, shifts, strict=True):
            of_tap.addmm_(some, inputs[start + shift : end + shift])
    return [of_taps.reshape(height, width, outgoing, incoming).permute(2, 3, 0, 1), of_bias]


def _bands(maps: torch.Tensor, rows: int, height: int) -> torch.Tensor:
    """(1, C, H, W) maps as a batch of views: BANDS bands of `height` rows, one every `rows` rows."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    _, across, down, right = maps.stride()
    return maps.as_strided((BANDS, maps.shape[1], height, maps.shape[3]), (rows * down, across, down, right))


class _UpConvolution(torch.autograd.Function):
    """(1, C, H, W) maps, float32 weight (C, K, 2, 2) and bias -> (1, K, 2 H, 2 W) of the maps' dtype."""

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any, maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        kernel = weight.to(maps.dtype)
        context.save_for_backward(maps, kernel)
        with torch.autocast("cpu", enabled=False):
            return functional.conv_transpose2d(maps, kernel, bias.to(maps.dtype), stride=2)

    @staticmethod
    def backward(  # type: ignore[override]
        context: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        maps, kernel = context.saved_tensors
        incoming, outgoing = kernel.shape[:2]
        height, width = maps.shape[2:]
        pixels = maps[0].permute(1, 2, 0).reshape(-1, incoming)
        # Each input pixel has four output pixels of its own: side by side, they are a row of a matrix.
        fours = gradient[0].permute(1, 2, 0).reshape(height, 2, width, 2, outgoing)
        fours = fours.transpose(1, 2).reshape(-1, 4 * outgoing)
        taps = kernel.permute(0, 2, 3, 1).reshape(incoming, 4 * outgoing)
        of_maps = (fours @ taps.T).reshape(1, height, width, incoming).permute(0, 3, 1, 2)
        of_weight = (pixels.T @ fours).float().reshape(incoming, 2, 2, outgoing).permute(0, 3, 1, 2)
        return of_maps, of_weight, fours.sum(0, dtype=torch.float32).reshape(4, outgoing).sum(0)
