"""Our prediction beside programs that run the same network from an ONNX file: ONNX Runtime and OpenVINO.

Each that is installed (`reproduce/benchmarks/requirements.txt`) runs in a process of its own, all in turn with ours.
OpenVINO's int8 is quantised after training by nncf.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reproduce import ROOT
from reproduce.benchmarks import network_rows
from reproduce.benchmarks.baselines import runtimes
from reproduce.benchmarks.baselines.process import BaselineProcess
from reproduce.benchmarks.measuring import all_in_turn, seconds_of
from reproduce.studies import archive
from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.config import PAPER, PROFILES
from unet_paper.export.onnx_file import onnx_bytes
from unet_paper.io.hashes import file_sha256, sections_sha256
from unet_paper.metrics import score
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.normalisation import Standardisation
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput

CPU = torch.device("cpu")
PACKAGES = ("onnx", "onnxruntime", "openvino", "nncf")
ROUNDS = 8
CALIBRATED = 8  # training sections that int8 is calibrated with, at most
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
    }
    if weights is not None:
        part["errors"] = errors(weights, volume, labels)
    part["load"] = os.getloadavg()[0]
    part["seconds"] = {name: seconds(channels, volume[0]) for name, channels in networks.items()}
    return part


def theirs() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(name, task of the baseline's process and its first arguments)"""
    if find_spec("onnxruntime") is not None:
        yield "ONNX Runtime, float32", ("onnx_runtime",)
    if find_spec("openvino") is not None:
        yield "OpenVINO, float32", ("openvino", "float32")
        if computes_in_bfloat16(CPU):
            yield "OpenVINO, bfloat16", ("openvino", "bfloat16")
        if find_spec("nncf") is not None:
            yield "OpenVINO, int8", ("openvino", "int8")


def ours() -> list[str]:
    """The precisions that this machine computes in."""
    return ["bfloat16", "float32"] if computes_in_bfloat16(CPU) else ["float32"]


def seconds(base_channels: int, section: np.ndarray, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Of a section in one pass, by program; in every round each has its turn.

    Theirs, `publish OUT.onnx --same-size`, does what ours does: from gray values to a map.
    """
    standardisation = Standardisation(0.5, 0.2, "uint8")
    config = replace(PAPER, base_channels=base_channels)
    made = Checkpoint.untrained(config, standardisation)
    content, network = onnx_bytes(made, same_size=True), made.build_network()
    section = whole_sixteens(section)
    programs: dict[str, Callable[[], float]] = {}
    for precision in ours():
        predicted = partial(network_rows.predict, network, standardisation, "none", precision == "bfloat16", section)
        programs[f"ours, {precision}"] = partial(seconds_of, predicted)
    processes = {name: BaselineProcess(*task, content, [as_input(section)]) for name, task in theirs()}
    programs |= {name: process.seconds for name, process in processes.items()}
    for program in programs.values():
        program()
    times = all_in_turn(programs, rounds)
    for process in processes.values():
        process.close()
    return times


def errors(path: Path, volume: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """A trained network's errors in each precision of OpenVINO on the sections that its run held out.

    int8 is calibrated with sections that it was trained on. Raises BadInput for a run that held none out, and for
    another volume than the run's.
    """
    trained, record = checkpoints.load(path), read_record(RunFolder(path.parent).record)
    held_out = record.protocol.scored_sections
    if record.protocol.kind != "fold" or trained.config.classes != 2:
        raise BadInput(f"{path} is not of a run that held sections out, of two classes; train one with --fold 1/5")
    if record.data_sha256.get("train-volume") != sections_sha256(volume):
        raise BadInput(f"{path} was trained and is to be scored on other sections; give its own stacks with --data DIR")
    content = onnx_bytes(trained, same_size=True)
    truth = np.stack([whole_sixteens(labels[number]) for number in held_out])
    known = record.protocol.training_sections
    calibration = [as_input(volume[number]) for number in known[:: max(len(known) // CALIBRATED, 1)][:CALIBRATED]]
    precisions: dict[str, Any] = {}
    exact = None
    for title, task in theirs():
        if task[0] != "openvino":
            continue
        network = runtimes.openvino(content, task[1], calibration)
        maps = np.stack([network(as_input(volume[number]))[0, 0] for number in held_out]).clip(0, 1)
        exact = maps if exact is None else exact
        scores = score(truth, maps)
        precisions[title] = {metric.key: scores.value(metric) for metric in TABLE_1_METRICS}
        precisions[title] |= {
            "mean_difference": float(np.abs(maps - exact).mean()),
            "largest_difference": float(np.abs(maps - exact).max()),
        }
    of_network = {"base_channels": trained.config.base_channels, "steps": trained.step, "sha256": file_sha256(path)}
    return {"scored_on": str(record.protocol), "network": of_network, "precisions": precisions, "seeds": seeds()}


def seeds() -> dict[str, float]:
    """What other seeds do to the errors of one pass: standard deviations, as the pages of studies take them."""
    runs = [run for run in archive.read(ROOT / "results" / "isbi" / "seeds-adam") if run.name.startswith("seed-")]
    return {
        metric.key: statistics.stdev(run.scores["none"].value(metric) for run in runs) for metric in TABLE_1_METRICS
    }


def as_input(section: np.ndarray) -> np.ndarray:
    """(1, 1, H, W) float32 of a section, as much of it as makes its sides multiples of 16 px."""
    return whole_sixteens(section).astype(np.float32)[None, None]


def whole_sixteens(section: np.ndarray) -> np.ndarray:
    """As much of a section as makes its sides multiples of 16 px."""
    height, width = (size // LEAST_SIDE * LEAST_SIDE for size in section.shape)
    return section[:height, :width]
