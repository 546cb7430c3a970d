"""How a CPU trains the network in bfloat16. What is computed is `network.py`'s; elsewhere PyTorch does it.

Gradients of weights from large maps come from bands of rows, which keeps them in the caches; those of up-convolutions
are matrix products; dropout draws with the faster of PyTorch's generators.
"""

import torch
from torch.nn import functional

BANDS = 16
SMALLEST_BANDED = 2**22  # values of a map from which bands pay (8 MiB in bfloat16; measured)


def convolution_and_relu(layer, maps):
    """ReLU of an unpadded nn.Conv2d of (B, C, H, W) maps."""
    if _trains_here(maps):
        return _ConvolutionAndReLU.apply(_channels_last(maps), layer.weight, layer.bias)
    return functional.relu(layer(maps), inplace=True)


def up_convolution(layer, maps):
    """A 2x2 nn.ConvTranspose2d with stride 2 of (B, C, H, W) maps."""
    if _trains_here(maps):
        return _UpConvolution.apply(_channels_last(maps), layer.weight, layer.bias)
    return layer(maps)


def dropout_on_cpu(layer, maps):
    """An nn.Dropout of maps."""
    if layer.training and _trains_here(maps):
        keep = torch.rand(maps.numel()).as_strided(maps.shape, maps.stride()) >= layer.p
        return maps * (keep.to(maps.dtype) / (1 - layer.p))
    return layer(maps)


def _trains_here(maps):
    """Whether this module has something to offer: one tile, gradients wanted, under the CPU's bfloat16 autocast."""
    return (
        maps.device.type == "cpu"
        and len(maps) == 1
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def _channels_last(maps):
    return maps.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


class _ConvolutionAndReLU(torch.autograd.Function):
    """(1, C, H, W) bfloat16 maps, float32 weight and bias -> bfloat16; all is computed in bfloat16."""

    @staticmethod
    def forward(context, maps, weight, bias):
        kernel = weight.to(torch.bfloat16)
        with torch.autocast("cpu", enabled=False):
            found = functional.conv2d(maps, kernel, bias.to(torch.bfloat16)).relu_()
        context.save_for_backward(maps, kernel, found)
        return found

    @staticmethod
    def backward(context, gradient):
        maps, kernel, found = context.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, found, 0)
        of_maps = None
        if context.needs_input_grad[0]:
            of_maps = _gradients(gradient, maps, kernel, [True, False, False])[0]
        return of_maps, *weight_gradients(gradient, maps, kernel)


def _gradients(gradient, maps, kernel, wanted):
    """[maps', kernel's, bias's] gradients of an unpadded convolution, those that are wanted."""
    return torch.ops.aten.convolution_backward(
        gradient, maps, kernel, [len(kernel)], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, wanted
    )


def weight_gradients(gradient, maps, kernel):
    """[kernel's, bias's] gradients of an unpadded convolution, float32, those of the bands summed in it.

    gradient : (1, K, h, w), of its output; maps : (1, C, H, W), its input; kernel : (K, C, ., .)
    """
    rows = gradient.shape[2] // BANDS
    wanted = [False, True, True]
    if maps.numel() < SMALLEST_BANDED or not rows:
        return [found.float() for found in _gradients(gradient, maps, kernel, wanted)[1:]]
    halo = kernel.shape[2] - 1  # rows that neighbouring bands of the input share
    bands = _bands(gradient, rows, rows), _bands(maps, rows, rows + halo)
    found = [part.float() for part in _gradients(*bands, kernel, wanted)[1:]]
    if rows * BANDS < gradient.shape[2]:
        rest = _gradients(gradient[:, :, rows * BANDS :], maps[:, :, rows * BANDS :], kernel, wanted)[1:]
        found = [part + more for part, more in zip(found, rest, strict=True)]
    return found


def _bands(maps, rows, height):
    """(1, C, H, W) maps as a batch of views: BANDS bands of `height` rows, one every `rows` rows."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    _, across, down, right = maps.stride()
    return maps.as_strided((BANDS, maps.shape[1], height, maps.shape[3]), (rows * down, across, down, right))


class _UpConvolution(torch.autograd.Function):
    """(1, C, H, W) bfloat16 maps, float32 weight (C, K, 2, 2) and bias -> (1, K, 2 H, 2 W) bfloat16."""

    @staticmethod
    def forward(context, maps, weight, bias):
        kernel = weight.to(torch.bfloat16)
        context.save_for_backward(maps, kernel)
        with torch.autocast("cpu", enabled=False):
            return functional.conv_transpose2d(maps, kernel, bias.to(torch.bfloat16), stride=2)

    @staticmethod
    def backward(context, gradient):
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
