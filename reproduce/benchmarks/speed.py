"""Speed beside what people use: each row measured in alternation with its baseline in this run.

Each baseline runs in a process of its own (`baselines/process.py`). `elasticdeform` is one of them where it is
installed (`pip install -r reproduce/benchmarks/requirements.txt`).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reproduce.benchmarks import network_rows
from reproduce.benchmarks.baselines import augmentation as baseline_augmentation
from reproduce.benchmarks.baselines.process import BaselineProcess
from reproduce.benchmarks.measuring import in_turn
from reproduce.benchmarks.metrics import ours as metric_of_section
from reproduce.benchmarks.network_rows import Row
from unet_paper import checkpoint
from unet_paper.config import PAPER, PROFILES
from unet_paper.datasets.training_set import TrainingSet, draw_tile, prepare_training_set
from unet_paper.io.hashes import file_sha256
from unet_paper.support.progress import progress_bar
from unet_paper.weight_map import balancing_class_weights, weight_maps

ROUNDS = 4
LONG = 25  # seconds of a baseline's call from which two rounds must do


def measure(
    volume: np.ndarray, labels: np.ndarray, device: str, quick_only: bool, weights: Path | None
) -> dict[str, Any]:
    """The whole part of the record; with `weights` of a trained network, what bfloat16 does to its probabilities."""
    training_set = prepare_training_set(volume, labels, PAPER, device)
    part: dict[str, Any] = {
        "peak": {kind: network_rows.peak(getattr(torch, kind), device) for kind in ("float32", "bfloat16")},
        "training": network_rows.where_the_time_goes(training_set),
        "rows": [],
    }
    if weights is not None:
        part["bfloat16"] = bfloat16_differences(weights, volume[0], device)
    for row in progress_bar(
        list(rows(volume, labels, training_set, quick_only, device)), desc="speed", unit="row", disable=False
    ):
        ours, baseline = seconds_of_row(row)
        measured = {"name": row.name, "ours": ours, "baseline": baseline}
        part["rows"].append(measured | {"multiply_adds": row.multiply_adds, "precision": row.precision})
    return part


def seconds_of_row(row: Row) -> tuple[list[float], list[float]]:
    """Seconds of ours and of the baseline, after a first call of each."""
    baseline = BaselineProcess(*row.baseline)
    row.ours()
    first = baseline.seconds()
    seconds = in_turn(row.ours, baseline.seconds, ROUNDS if first < LONG else 2)
    baseline.close()
    return seconds


def augmentation_rows(training_set: TrainingSet) -> Iterator[Row]:
    """An image, labels and weights through one deformation of 572 px."""
    generator = torch.Generator().manual_seed(0)
    section = [values[0].cpu().numpy() for values in (training_set.images, training_set.labels, training_set.weights)]
    baselines = {"map_coordinates": "by_map_coordinates"}
    if baseline_augmentation.elasticdeform is not None:
        baselines["elasticdeform"] = "by_elasticdeform"
    for name, function in baselines.items():
        ours = network_rows.finished(partial(draw_tile, training_set, PAPER, generator), training_set.device)
        yield Row(f"augmented 572 px sample, beside {name}", ours, ("augmentation", function, *section))


def score_rows(labels: np.ndarray) -> Iterator[Row]:
    """Each metric of one section and a soft map of it, at all thresholds, on one core."""
    truth = labels[:1] > 0
    soft = np.clip(truth + np.random.default_rng(0).normal(0, 0.2, truth.shape), 0, 1)
    baseline = {
        "pixel error": ["pixel_f"],
        "Rand error": ["rand_f"],
        "warping error": ["warping_counts"],
        "V_rand and V_info": ["v_scores"],
    }
    baseline["all"] = [name for names in baseline.values() for name in names]
    for metric, names in baseline.items():
        yield Row(
            f"scores of a section: {metric}",
            partial(metric_of_section(metric), truth[0], soft[0]),
            ("scores", names, truth, soft),
        )


def rows(
    volume: np.ndarray, labels: np.ndarray, training_set: TrainingSet, quick_only: bool, device: str
) -> Iterator[Row]:
    """Every Row."""
    networks = {"quick": PROFILES["quick"].base_channels} | ({} if quick_only else {"full": PAPER.base_channels})
    for name, base_channels in networks.items():
        yield from network_rows.training(name, base_channels, training_set)
        yield from network_rows.predictions(name, base_channels, volume[0], device)
    yield from augmentation_rows(training_set)
    yield Row(
        f"weight maps of {len(labels)} sections",
        lambda: weight_maps(labels),
        ("weight_maps", labels, balancing_class_weights(labels)),
    )
    yield from score_rows(labels)


def bfloat16_differences(path: Path, section: np.ndarray, device: str) -> dict[str, Any]:
    """How far the probabilities of a trained network move with the precision, for one section."""
    loaded = checkpoint.load(path)
    by_tta = {}
    for tta in ("none", "d4"):
        exact, fast = (
            network_rows.predict(loaded.build_network().to(device), loaded.standardisation, tta, bfloat16, section)
            for bfloat16 in (False, True)
        )
        difference = np.abs(exact - fast)
        by_tta[tta] = {"mean": float(difference.mean()), "largest": float(difference.max())}
    return {"profile": loaded.config.profile, "steps": loaded.step, "sha256": file_sha256(path), "difference": by_tta}
