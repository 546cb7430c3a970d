"""How a CPU trains the network in bfloat16: the same layers with faster kernels of their own, put in from outside.

Gradients of weights from large maps come from bands of rows, which keeps them in the caches; those of up-convolutions
are matrix products; dropout draws with the faster of PyTorch's generators.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

BANDS = 16
SMALLEST_BANDED = 2**22  # values of a map from which bands are faster (8 MiB in bfloat16; measured)


def use_cpu_kernels(network: nn.Module) -> None:
    """Put this module's layers in the place of a network's own, whose parameters and names they keep.

    Convolutions that a ReLU follows in an nn.Sequential, 2x2 up-convolutions and dropout are replaced. They have
    something to offer for one tile at a time under the CPU's bfloat16 autocast, with gradients; elsewhere they compute
    what the layers do that they replace.
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
        if _trains_here(maps):
            return _ConvolutionAndReLU.apply(_channels_last(maps), self.weight, self.bias)
        return functional.conv2d(maps, self.weight, self.bias).relu_()


class UpConvolution(nn.Module):
    """A 2x2 nn.ConvTranspose2d with stride 2, with its parameters: (B, C, H, W) -> (B, K, 2 H, 2 W)."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if _trains_here(maps):
            return _UpConvolution.apply(_channels_last(maps), self.weight, self.bias)
        return functional.conv_transpose2d(maps, self.weight, self.bias, stride=2)


class Dropout(nn.Dropout):
    """As PyTorch's, with the generator of uniform numbers."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if self.training and _trains_here(maps):
            keep = torch.rand(maps.numel()).as_strided(maps.shape, maps.stride()) >= self.p
            return maps * (keep.to(maps.dtype) / (1 - self.p))
        return super().forward(maps)


def _trains_here(maps: torch.Tensor) -> bool:
    """Whether this module has something to offer: one tile, gradients wanted, under the CPU's bfloat16 autocast."""
    return (
        maps.device.type == "cpu"
        and len(maps) == 1
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def _channels_last(maps: torch.Tensor) -> torch.Tensor:
    return maps.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


class _ConvolutionAndReLU(torch.autograd.Function):
    """(1, C, H, W) bfloat16 maps, float32 weight and bias -> bfloat16; all is computed in bfloat16."""

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any, maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        kernel = weight.to(torch.bfloat16)
        with torch.autocast("cpu", enabled=False):
            activations = functional.conv2d(maps, kernel, bias.to(torch.bfloat16)).relu_()
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


def _bands(maps: torch.Tensor, rows: int, height: int) -> torch.Tensor:
    """(1, C, H, W) maps as a batch of views: BANDS bands of `height` rows, one every `rows` rows."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    _, across, down, right = maps.stride()
    return maps.as_strided((BANDS, maps.shape[1], height, maps.shape[3]), (rows * down, across, down, right))


class _UpConvolution(torch.autograd.Function):
    """(1, C, H, W) bfloat16 maps, float32 weight (C, K, 2, 2) and bias -> (1, K, 2 H, 2 W) bfloat16."""

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any, maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        kernel = weight.to(torch.bfloat16)
        context.save_for_backward(maps, kernel)
        with torch.autocast("cpu", enabled=False):
            return functional.conv_transpose2d(maps, kernel, bias.to(torch.bfloat16), stride=2)

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
