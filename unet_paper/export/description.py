"""What a package says of itself in rdf.yaml: the bioimage.io model description, format 0.5.

Only what all readers of the format know is used. The Java library of deepImageJ and QuPath's refuse documentation and
covers that are no plain names; the first refuses `ensure_dtype` and a model without an id, the second numbers as
arguments of `scale_linear`. So the network standardises by itself, and there is no preprocessing.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch

from unet_paper import __version__
from unet_paper.checkpoint import Checkpoint
from unet_paper.export.architecture import same_size_options
from unet_paper.export.onnx_file import OPSET
from unet_paper.export.provenance import Provenance
from unet_paper.export.terms import Terms

FORMAT_VERSION = "0.5.3"  # old enough for readers of today's tools; the package needs nothing newer
SMALLEST, STEP, HALO = 256, 16, 96  # px; the halo is the 92 px of context on the network's grid
FILES = {
    "architecture": "architecture.py",
    "pytorch_state_dict": "weights.pt",
    "torchscript": "weights-torchscript.pt",
    "onnx": "weights.onnx",
    "documentation": "README.md",
    "cover": "cover.png",
    "test_input": "test-input.npy",
    "test_output": "test-output.npy",
    "sample_input": "sample-input.tif",
    "sample_output": "sample-output.tif",
}
PAPER = {
    "text": "O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. "
    "MICCAI 2015, LNCS 9351, pp. 234-241.",
    "doi": "10.1007/978-3-319-24574-4_28",
}
CHALLENGE = {
    "text": "I. Arganda-Carreras et al.: Crowdsourcing the creation of image segmentation algorithms for connectomics. "
    "Frontiers in Neuroanatomy 9:142, 2015.",
    "doi": "10.3389/fnana.2015.00142",
}


def package_name(checkpoint: Checkpoint, source: Provenance) -> str:
    """Letters, digits, spaces and parentheses, as the format demands."""
    of_what = {"isbi": "EM membranes", "phantom": "synthetic EM", "own": "own images"}
    data = of_what.get(source.record.dataset, source.record.dataset) if source.record else "2D images"
    return f"U-Net 2015 for {data} ({checkpoint.config.base_channels} base channels)"


def description(
    checkpoint: Checkpoint, source: Provenance, terms: Terms, sha256: Mapping[str, str], parameters: int
) -> dict[str, Any]:
    """The content of rdf.yaml, plain values. `sha256` : of each file of FILES, by its name."""

    def file(key: str, **more: Any) -> dict[str, Any]:
        return {"source": FILES[key], "sha256": sha256[FILES[key]], **more}

    name = package_name(checkpoint, source)
    is_isbi = source.record is not None and source.record.dataset == "isbi"
    torch_version = torch.__version__.split("+")[0]
    architecture = file("architecture", callable="SameSizeUNet", kwargs=same_size_options(checkpoint))
    return {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "id": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        "name": name,
        "description": "The U-Net of MICCAI 2015, which standardises and extrapolates the image by itself, so that its "
        f"output has the size of its input: semantic segmentation of 2D images, trained by unet_paper {__version__}.",
        "version": __version__,
        "authors": [{"name": name} for name in terms.authors],
        "license": terms.licence,
        "cite": [PAPER, *([CHALLENGE] if is_isbi else [])],
        "tags": ["u-net", "semantic-segmentation", "2d", "pytorch", *(["electron-microscopy"] if is_isbi else [])],
        "documentation": FILES["documentation"],
        "covers": [FILES["cover"]],
        "inputs": [
            {
                "id": "image",
                "description": f"gray values of {checkpoint.standardisation.dtype}, as they are",
                "axes": _axes(["gray"], {"min": SMALLEST, "step": STEP}),
                "data": {"type": "float32"},
                "test_tensor": file("test_input"),
                "sample_tensor": file("sample_input"),
            }
        ],
        "outputs": [
            {
                "id": "probability",
                "description": "probability of cell" if checkpoint.config.classes == 2 else "probability of each class",
                "axes": _axes(_channels(checkpoint.config.classes), None),
                "data": {"type": "float32", "range": [0.0, 1.0]},
                "test_tensor": file("test_output"),
                "sample_tensor": file("sample_output"),
            }
        ],
        "weights": {
            "pytorch_state_dict": file("pytorch_state_dict", architecture=architecture, pytorch_version=torch_version),
            "torchscript": file("torchscript", pytorch_version=torch_version, parent="pytorch_state_dict"),
            "onnx": file("onnx", opset_version=OPSET, parent="pytorch_state_dict"),
        },
        "config": {
            "unet_paper": {
                "version": __version__,
                "steps": checkpoint.step,
                "parameters": parameters,
                "configuration": _plain(checkpoint.config.as_dict()),
                "data_sha256": dict(checkpoint.data),
            }
        },
    }


def _axes(channels: list[str], size: dict[str, int] | None) -> list[dict[str, Any]]:
    """Batch, channel, y and x; without a size those of an output, which are the input's."""
    axes: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "id": "channel", "channel_names": channels}]
    for axis in "yx":
        same = {"tensor_id": "image", "axis_id": axis, "offset": 0}
        axes.append({"type": "space", "id": axis, **({"size": dict(size)} if size else {"size": same, "halo": HALO})})
    return axes


def _channels(classes: int) -> list[str]:
    return ["cell"] if classes == 2 else [f"class_{number}" for number in range(classes)]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
