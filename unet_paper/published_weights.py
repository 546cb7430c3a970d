"""Trained weights for handing on: a safetensors file in half precision, a quarter of a checkpoint's size.

It holds numbers and text only, so reading one runs no code. Its metadata tells the network and what its input was.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from unet_paper.checkpoint import Checkpoint, Damaged, Standardisation, must_fit
from unet_paper.config import Config
from unet_paper.errors import BadInput
from unet_paper.stack import written_whole

SUFFIX = ".safetensors"
FORMAT = "unet_paper 1"
DESCRIBED = ("step", "data", "seconds")  # of a Checkpoint, besides its configuration and standardisation


def publish(path, checkpoint):
    """Write a checkpoint's weights as float16, whole or not at all.

    Raises BadInput when a weight is too large for float16 (65504), which a sound network's are not.
    """
    halves = {}
    for name, values in checkpoint.network.items():
        halves[name] = values.to(torch.float16).contiguous() if values.is_floating_point() else values.contiguous()
        if not bool(torch.isfinite(halves[name]).all()):
            raise BadInput(f"{name} has values beyond 65504, the largest of half precision; keep the full weights")
    described = {name: getattr(checkpoint, name) for name in DESCRIBED}
    described |= {"config": checkpoint.config.as_dict(), "standardisation": vars(checkpoint.standardisation)}
    metadata = {"format": FORMAT} | {name: json.dumps(value) for name, value in described.items()}
    with written_whole(path) as temporary:
        save_file(halves, temporary, metadata)


def load_published(path):
    """Read what `publish` wrote as a Checkpoint without an optimiser; the weights become float32 again.

    Raises BadInput for a file that is missing or of another format, and Damaged for one that is not whole or does not
    fit the network that it says it is of.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path} is not a file; give a run's weights.pt, or published weights ({SUFFIX})")
    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
            if described.get("format") != FORMAT:
                raise BadInput(f"{path} holds other weights than this package's; give a file that `publish` wrote")
            network = {name: file.get_tensor(name) for name in file.keys()}
        checkpoint = Checkpoint(
            config=Config.from_dict(json.loads(described["config"])),
            standardisation=Standardisation(**json.loads(described["standardisation"])),
            network={
                name: values.to(torch.float32) if values.is_floating_point() else values
                for name, values in network.items()
            },
            optimiser=None,
            history=[],
            **{name: json.loads(described[name]) for name in DESCRIBED},
        )
        must_fit(checkpoint)
        return checkpoint
    except (BadInput, MemoryError, PermissionError):
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Damaged(f"{path} cannot be read as published weights ({reason}); take the file anew") from None
