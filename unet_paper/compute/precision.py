"""bfloat16 where the hardware computes in it; weights, losses, probabilities and all that is summed stay float32."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch

from unet_paper.support.errors import BadInput


def default_device() -> str:
    """The GPU if PyTorch finds one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(name: str | None) -> str:
    """The device of this name, as of --device, or `default_device` for None. Raises BadInput for one that PyTorch does
    not find here, and for other kinds than "cpu" and "cuda".
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
        advice = "give one of them, or cpu" if count else "give cpu"
        raise BadInput(
            f"device is {name!r}, but PyTorch finds {count or 'no'} GPU{'' if count == 1 else 's'} here; {advice}"
        )
    return str(device)


def computes_in_bfloat16(device: torch.device | str) -> bool:
    """Whether a device multiplies in bfloat16 by itself, and not by way of float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)


def autocast(device: torch.device | str, bfloat16: bool) -> AbstractContextManager[Any]:
    """A context in which convolutions compute in bfloat16 if that is wanted and the device does it, else in float32."""
    device = torch.device(device)
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 and computes_in_bfloat16(device) else nullcontext()


def float32_unrounded(device: torch.device | str) -> AbstractContextManager[None]:
    """A context in which convolutions of float32 are what they say on a GPU too, where cuDNN would round to 10 bits by
    itself. A backward pass is computed by what is set then, not by what was set in the forward one: both belong inside.
    """
    return _convolutions_of_float32() if torch.device(device).type == "cuda" else nullcontext()


def fastest_algorithms(device: torch.device | str) -> AbstractContextManager[None]:
    """A context in which cuDNN tries its algorithms and keeps the fastest: for tiles that all have the same size."""
    cudnn = torch.backends.cudnn
    return _setting(cudnn, "benchmark", True) if torch.device(device).type == "cuda" else nullcontext()


@contextmanager
def _convolutions_of_float32() -> Iterator[None]:
    """Sets what is for all of PyTorch first, which convolutions follow unless the caller has set something for them:
    once we had, they would not follow what the caller sets later. The older allow_tf32 raises beside these settings.
    """
    conv = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # PyTorch's stubs lack it
    with ExitStack() as contexts:
        for owner in (torch.backends, torch.backends.cudnn, conv):
            if owner.fp32_precision != "ieee":
                contexts.enter_context(_setting(owner, "fp32_precision", "ieee"))
        yield


@contextmanager
def _setting(owner: object, name: str, value: bool | str) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
