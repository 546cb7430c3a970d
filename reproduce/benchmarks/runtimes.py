"""Our prediction beside programs that run the same network from an ONNX file: ONNX Runtime and OpenVINO.

Each runs in a process of its own, in turn with ours, where it is installed (`reproduce/benchmarks/requirements.txt`).
OpenVINO's int8 is quantised after training by nncf.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reproduce.benchmarks import network_rows
from reproduce.benchmarks.baselines import runtimes
from reproduce.benchmarks.network_rows import Row
from reproduce.benchmarks.speed import seconds_of_row
from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint, new_network
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.config import PAPER, PROFILES
from unet_paper.export.onnx_file import onnx_bytes
from unet_paper.io.hashes import file_sha256
from unet_paper.metrics import score
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.network import multiply_adds
from unet_paper.normalisation import Standardisation
from unet_paper.support.errors import BadInput
from unet_paper.support.progress import progress_bar

CPU = torch.device("cpu")
PACKAGES = ("onnx", "onnxruntime", "openvino", "nncf")
SCORED = 2  # sections: the last of the stack
LEAST_SIDE = 16  # px: what sides must be multiples of


def measure(volume: np.ndarray, labels: np.ndarray, quick_only: bool, weights: Path | None) -> dict[str, Any]:
    """The whole part of the record; with `weights`, what each precision does to the errors of a trained network.

    Raises BadInput where no such program is installed.
    """
    if find_spec("onnx") is None or not list(theirs()):
        raise BadInput(
            "neither ONNX Runtime nor OpenVINO is here; pip install -r reproduce/benchmarks/requirements.txt"
        )
    networks = {"quick": PROFILES["quick"].base_channels} | ({} if quick_only else {"full": PAPER.base_channels})
    part: dict[str, Any] = {
        "versions": {name: version(name) for name in PACKAGES if find_spec(name)},
        "bfloat16": computes_in_bfloat16(CPU),
        "load": os.getloadavg()[0],
        "rows": [],
    }
    found = [row for name, channels in networks.items() for row in rows(name, channels, volume[0])]
    for row in progress_bar(found, desc="runtimes", unit="row", disable=False):
        ours, baseline = seconds_of_row(row)
        part["rows"].append({"name": row.name, "ours": ours, "baseline": baseline, "precision": row.precision})
    if weights is not None:
        part["errors"] = errors(weights, volume[-SCORED:], labels[-SCORED:])
    return part


def theirs() -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """(name, whether ours is in bfloat16 beside it, task of the baseline's process and its first arguments)"""
    has_bfloat16 = computes_in_bfloat16(CPU)
    if find_spec("onnxruntime") is not None:
        yield "ONNX Runtime, float32", False, ("onnx_runtime",)
    if find_spec("openvino") is not None:
        yield "OpenVINO, float32", False, ("openvino", "float32")
        if has_bfloat16:
            yield "OpenVINO, bfloat16", True, ("openvino", "bfloat16")
        if find_spec("nncf") is not None:
            yield "OpenVINO, int8", has_bfloat16, ("openvino", "int8")


def rows(name: str, base_channels: int, section: np.ndarray) -> Iterator[Row]:
    """A section in one pass. Theirs, `publish OUT.onnx --same-size`, does what ours does: from gray values to a map."""
    standardisation = Standardisation(0.5, 0.2, "uint8")
    config = replace(PAPER, base_channels=base_channels)
    weights = new_network(config).state_dict()
    made = Checkpoint(0, config, standardisation, weights, None, [], {}, 0.0)
    content, network = onnx_bytes(made, same_size=True), made.build_network()
    section = whole_sixteens(section)
    values = as_input(section)
    work = multiply_adds(section.shape[0] + 188, section.shape[1] + 188, base_channels)
    for title, bfloat16, task in theirs():
        yield Row(
            f"{name} network, beside {title}",
            partial(network_rows.predict, network, standardisation, "none", bfloat16, section),
            (*task, content, values),
            work,
            network_rows.precision(bfloat16, "cpu"),
        )


def errors(path: Path, sections: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """A trained network's errors in each precision of OpenVINO, and how far its probabilities move from float32."""
    trained = checkpoints.load(path)
    if trained.config.classes != 2:
        raise BadInput(f"{path} has {trained.config.classes} classes; give a network of two")
    content = onnx_bytes(trained, same_size=True)
    values = [as_input(whole_sixteens(section)) for section in sections]
    truth = np.stack([whole_sixteens(section) for section in labels])
    found: dict[str, Any] = {}
    exact = None
    for title, _, task in theirs():
        if task[0] != "openvino":
            continue
        network = runtimes.openvino(content, task[1], values[0])
        maps = np.stack([network(image)[0, 0] for image in values]).clip(0, 1)
        exact = maps if exact is None else exact
        scores = score(truth, maps)
        found[title] = {metric.key: scores.value(metric) for metric in TABLE_1_METRICS}
        found[title] |= {
            "mean_difference": float(np.abs(maps - exact).mean()),
            "largest_difference": float(np.abs(maps - exact).max()),
        }
    of_network = {"base_channels": trained.config.base_channels, "steps": trained.step, "sha256": file_sha256(path)}
    return {"sections": len(sections), "network": of_network, "precisions": found}


def as_input(section: np.ndarray) -> np.ndarray:
    """(1, 1, H, W) float32 of a section."""
    return section.astype(np.float32)[None, None]


def whole_sixteens(section: np.ndarray) -> np.ndarray:
    """As much of a section as makes its sides multiples of 16 px."""
    height, width = (size // LEAST_SIDE * LEAST_SIDE for size in section.shape)
    return section[:height, :width]
