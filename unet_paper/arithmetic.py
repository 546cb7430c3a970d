"""bfloat16 where the hardware computes in it; weights, losses, probabilities and all that is summed stay float32."""

from contextlib import nullcontext

import torch


def computes_in_bfloat16(device):
    """Whether a device multiplies in bfloat16 by itself, and not by way of float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)


def autocast(device, bfloat16):
    """A context in which convolutions compute in bfloat16 if that is wanted and the device does it, else nothing."""
    device = torch.device(device)
    if bfloat16 and computes_in_bfloat16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
