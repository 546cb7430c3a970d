"""The network as ONNX: bare, as in figure 1, or of the same size."""

import io
import json
import warnings
from pathlib import Path

import torch
from torch import nn

from unet_paper.checkpoint import Checkpoint
from unet_paper.export.architecture import same_size_network
from unet_paper.network import CONTEXT, SMALLEST_INPUT, STRIDE
from unet_paper.support.extras import require_extra
from unet_paper.support.files import atomic_write

OPSET = 17
EXAMPLE = 256  # px of the image that a same-size network is traced with
SIZES = {
    False: f"height and width 16 k + 60 px, at least {SMALLEST_INPUT}; the output is {2 * CONTEXT} px smaller",
    True: f"height and width multiples of {STRIDE} px, at least 112; the output has the same",
}
INPUTS = {False: "to be standardised before", True: "as they are; the network standardises them"}
OUTPUTS = {False: "logits of each class, before the softmax", True: "probability of cell, or of each of K > 2 classes"}


def publish_onnx(path: Path | str, checkpoint: Checkpoint, same_size: bool = False) -> None:
    """Write a checkpoint's network as ONNX, whole or not at all.

    Its metadata say which sizes it takes and how gray values are standardised, and by whom. Raises BadInput where the
    packages of the extra `export` are missing.
    """
    content = onnx_bytes(checkpoint, same_size)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def onnx_bytes(checkpoint: Checkpoint, same_size: bool) -> bytes:
    """The content of the file: input "image", (B, 1, H, W) float32; output "logits" or "probability"."""
    onnx = require_extra("onnx", "ONNX")
    network = same_size_network(checkpoint) if same_size else checkpoint.build_network()
    exported = _exported(network, EXAMPLE if same_size else SMALLEST_INPUT, "probability" if same_size else "logits")
    model = onnx.load_from_string(exported)
    seen = checkpoint.standardisation
    described = {
        "input": f"gray values of {seen.dtype}, {INPUTS[same_size]} ({seen.described()})",
        "output": OUTPUTS[same_size],
        "sizes": SIZES[same_size],
        "standardisation": json.dumps(vars(seen)),
        "config": json.dumps(checkpoint.config.as_dict()),
        "paper": "Ronneberger, Fischer, Brox: U-Net, MICCAI 2015",
    }
    onnx.helper.set_model_props(model, described)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _exported(network: nn.Module, size: int, output: str) -> bytes:
    """By PyTorch's tracing exporter: all that depends on the image's size is a constant of this network."""
    axes = {0: "batch", 2: "height", 3: "width"}
    written = io.BytesIO()
    with warnings.catch_warnings():  # that the exporter is the older one, and that sizes become constants
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, size, size),),
            written,  # type: ignore[arg-type]  # PyTorch's stubs lack it
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=[output],
            dynamic_axes={"image": axes, output: {axis: f"{output}_{name}" for axis, name in axes.items()}},
        )
    return written.getvalue()
