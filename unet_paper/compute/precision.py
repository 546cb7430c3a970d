"""bfloat16 where the hardware computes in it; weights, losses, probabilities and all that is summed stay float32."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from unet_paper.support.errors import BadInput


def default_device() -> str:
    """The GPU if PyTorch finds one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(name: str | None) -> str:
    """The device of this name, or `default_device` for None. Raises BadInput for one that PyTorch does not find here,
    and for other kinds than "cpu" and "cuda".
    """
    if name is None:
        return default_device()
    try:
        device: torch.device | None = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise BadInput(f"device is {name!r}; it must be cpu or cuda")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise BadInput(f"device is {name!r}, but PyTorch finds {count} GPUs here; give one of them, or cpu")
    return str(device)


def computes_in_bfloat16(device: torch.device | str) -> bool:
    """Whether a device multiplies in bfloat16 by itself, and not by way of float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)


def autocast(device: torch.device | str, bfloat16: bool) -> AbstractContextManager[Any]:
    """A context in which convolutions compute in bfloat16 if that is wanted and the device does it, else in float32
    (on a GPU too, where cuDNN would round to 10 bits by itself).
    """
    device = torch.device(device)
    if bfloat16 and computes_in_bfloat16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return _cudnn(allow_tf32=False) if device.type == "cuda" else nullcontext()


def fastest_algorithms(device: torch.device | str) -> AbstractContextManager[None]:
    """A context in which cuDNN tries its algorithms and keeps the fastest: for tiles that all have the same size."""
    return _cudnn(benchmark=True) if torch.device(device).type == "cuda" else nullcontext()


@contextmanager
def _cudnn(**settings: bool) -> Iterator[None]:
    before = {name: getattr(torch.backends.cudnn, name) for name in settings}
    for name, value in settings.items():
        setattr(torch.backends.cudnn, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(torch.backends.cudnn, name, value)
