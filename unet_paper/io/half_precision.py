"""Weights for handing on: safetensors in half precision, with texts that describe them in the file's head."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

FORMAT = "unet_paper 1"
LARGEST_HALF = 65504  # of float16


def write_half_precision(path: Path | str, weights: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write weights as float16, whole or not at all; whole numbers stay what they are.

    Raises BadInput for weights that are not finite or too large, and where the file cannot be written.
    """
    halves = {}
    for name, values in weights.items():
        halves[name] = values.to(torch.float16).contiguous() if values.is_floating_point() else values.contiguous()
        if not bool(torch.isfinite(values).all()):
            raise BadInput(f"{name} has values that are not finite, so its training failed; give weights from before")
        if not bool(torch.isfinite(halves[name]).all()):
            raise BadInput(
                f"{name} has values beyond {LARGEST_HALF}, the largest of half precision; keep the full weights"
            )
    with atomic_write(path) as temporary:
        try:
            Path(temporary).write_bytes(_ordered(save(halves, {"format": FORMAT, **metadata})))
        except SafetensorError as error:
            raise OSError(f"safetensors could not write it: {error}") from None


def _ordered(file: bytes) -> bytes:
    """The same safetensors with its metadata in the order of their names, which the library leaves to chance: the same
    weights give the same bytes.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # as the tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + file[end:]


def read_half_precision(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, str]] | None:
    """Weights, as float32 again, and what describes them; None for safetensors that are not ours.

    Raises what safetensors and PyTorch do for a damaged file.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.pop("format", None) != FORMAT:
            return None
        weights = {name: file.get_tensor(name) for name in file.keys()}
    floats = {name: values.to(torch.float32) for name, values in weights.items() if values.is_floating_point()}
    return weights | floats, metadata
