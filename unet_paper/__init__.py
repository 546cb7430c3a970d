"""The U-Net paper (Ronneberger, Fischer, Brox, MICCAI 2015), reproduced: arrays in, arrays out.

>>> from unet_paper import load, predict, segment
>>> cells = segment(predict(load("weights.safetensors"), image))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not on demand as the others: importing the module of the same name later would put the module in the function's place.
from unet_paper.weight_map import weight_map

if TYPE_CHECKING:
    from unet_paper.checkpoint import load
    from unet_paper.compute.nearest_cells import distances_to_two_nearest_cells
    from unet_paper.datasets.phantom import make_phantom
    from unet_paper.metrics import score, warping_errors
    from unet_paper.metrics.class_scores import score_classes
    from unet_paper.network import UNet
    from unet_paper.overlap_tile import mirrored_region
    from unet_paper.prediction import predict
    from unet_paper.runs.from_arrays import train
    from unet_paper.segmentation import segment
    from unet_paper.separation_border import separate_touching_cells
    from unet_paper.support.errors import BadInput
    from unet_paper.weight_map import weight_maps

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "UNet",
    "__version__",
    "distances_to_two_nearest_cells",
    "load",
    "make_phantom",
    "mirrored_region",
    "predict",
    "score",
    "score_classes",
    "segment",
    "separate_touching_cells",
    "train",
    "warping_errors",
    "weight_map",
    "weight_maps",
]

_HOMES = {
    "BadInput": "support.errors",
    "UNet": "network",
    "distances_to_two_nearest_cells": "compute.nearest_cells",
    "load": "checkpoint",
    "make_phantom": "datasets.phantom",
    "mirrored_region": "overlap_tile",
    "predict": "prediction",
    "score": "metrics",
    "score_classes": "metrics.class_scores",
    "segment": "segmentation",
    "separate_touching_cells": "separation_border",
    "train": "runs.from_arrays",
    "warping_errors": "metrics",
    "weight_maps": "weight_map",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: PyTorch alone takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
