"""How the metrics agree with the challenge's reference scorer, and how fast they are beside the baseline.

A folder of reference cases holds reference.json, what the reference scorer printed, and NAME.npz with `label` and
`proposal` of each case. Speed is measured on two maps of the built-in phantom and, where the folder has them, on its
maps of real sections: ours on one core, the baseline on one core, in turn, in one process.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy import ndimage

from reproduce.benchmarks.baselines import metrics as baseline
from reproduce.benchmarks.measuring import in_turn, seconds_of
from unet_paper.datasets.phantom import make_phantom
from unet_paper.metrics import score
from unet_paper.metrics.challenge import section_overlaps, section_warping
from unet_paper.metrics.common import levels
from unet_paper.metrics.pixel_error import pixel_sums
from unet_paper.metrics.rand_error import rand_sums
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, RAND_ERROR, V_INFO, V_RAND
from unet_paper.metrics.segments import components_at_thresholds, overlap
from unet_paper.metrics.v_scores import v_info, v_rand
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json
from unet_paper.support.progress import progress_bar

Maps = dict[str, tuple[np.ndarray, np.ndarray]]  # by name: truth and proposal of one section
METRICS = ("pixel error", "Rand error", "warping error", "V_rand and V_info", "all")
ROUNDS = 3
CURVES = tuple(str(metric.curve) for metric in (PIXEL_ERROR, RAND_ERROR, V_RAND, V_INFO))  # that the reference printed


def measure(folder: Path) -> dict[str, Any]:
    """The whole part of the record, of a folder of reference cases."""
    return {"agreement": agreement(folder), "speed": speed(maps_to_time(folder))}


def agreement(folder: Path) -> dict[str, dict[str, Any]]:
    """The largest difference from the reference for every case: {case: {score or curve: difference, ...}}."""
    if not (folder / "reference.json").is_file():
        raise BadInput(f"{folder} holds no reference.json; give a folder of reference cases, such as tests/data")
    reference = read_json(folder / "reference.json")
    names = [name for name in reference if (folder / f"{name}.npz").is_file()]
    rows = {}
    for name in progress_bar(names, desc="agreement", unit="case", disable=False):
        case, printed = np.load(folder / f"{name}.npz"), reference[name]
        scores = score(case["label"], case["proposal"])
        computed = scores.to_json()
        row = {"sections": scores.sections, "shape": list(case["label"].shape)}
        row |= {metric.key: abs(computed[metric.key] - printed[metric.key]) for metric in CHALLENGE_METRICS}
        for key in CURVES:
            pairs = zip(computed[key], printed[key], strict=True)
            # None on one side only is as wrong as can be.
            row[key] = max(
                float((a is None) != (b is None)) if a is None or b is None else abs(a - b) for a, b in pairs
            )
        counts = np.array(computed["warping_counts"]) != np.array(printed["warping_counts"])
        row["warping_counts_that_differ"] = int(counts.sum())
        row["warping_counts_compared"] = int(counts.size)
        rows[name] = row
    return rows


def maps_to_time(folder: Path) -> Maps:
    """One section each: a good map and a poor one of the phantom, and of real sections."""
    volume, labels = make_phantom(1)
    random = np.random.default_rng(0)
    soft = ndimage.gaussian_filter((labels[0] > 0) + 0.3 * random.standard_normal(labels[0].shape), 2)
    maps = {
        "phantom, soft map": (labels[0] > 0, np.clip(soft, 0, 1)),
        "phantom, poor map": (labels[0] > 0, 1 - volume[0] / 255),
    }
    for case, name in (("soft_w1", "real section, soft map"), ("inverted", "real section, poor map")):
        if (folder / f"{case}.npz").is_file():
            stacks = np.load(folder / f"{case}.npz")
            maps[name] = stacks["label"][0] > 0, stacks["proposal"][0].astype(np.float64)
    return maps


def section_rand_sums(truth: np.ndarray, proposal: np.ndarray) -> list[Any]:
    """The Rand sums of a section at all thresholds, without the thinning that `section_overlaps` does too."""
    segments, count = ndimage.label(truth)
    sizes = np.bincount(segments.ravel(), minlength=count + 1)[1:]
    return [rand_sums(overlap(segments, sizes, proposed)) for proposed in components_at_thresholds(levels(proposal))]


def ours(metric: str) -> Callable[[np.ndarray, np.ndarray], Any]:
    """One metric of a section at all its thresholds, by the parts of `unet_paper.metrics`."""
    parts: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
        "pixel error": lambda truth, proposal: pixel_sums(truth, levels(proposal)),
        "Rand error": section_rand_sums,
        "warping error": section_warping,
        "V_rand and V_info": lambda truth, proposal: [
            (v_rand(thin), v_info(thin)) for _, thin in section_overlaps(truth, levels(proposal))
        ],
        "all": lambda truth, proposal: score(truth, proposal, workers=1),
    }
    return parts[metric]


def of_baseline(metric: str) -> Callable[[np.ndarray, np.ndarray], Any]:
    """The same by the baseline."""
    parts: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
        "pixel error": baseline.pixel_f,
        "Rand error": baseline.rand_f,
        "warping error": baseline.warping_counts,
        "V_rand and V_info": baseline.v_scores,
    }
    chosen = list(parts.values()) if metric == "all" else [parts[metric]]
    return lambda truth, proposal: [part(truth[None], proposal[None]) for part in chosen]


def speed(maps: Maps) -> list[dict[str, Any]]:
    """Seconds of both for each map and metric, medians of ROUNDS."""
    for metric in METRICS:
        ours(metric)(np.eye(8) > 0, np.eye(8))  # compiles what is compiled
    rows = []
    jobs = [(name, metric) for name in maps for metric in METRICS]
    for name, metric in progress_bar(jobs, desc="speed", unit="row", disable=False):
        of_ours, beside = (partial(function(metric), *maps[name]) for function in (ours, of_baseline))
        seconds = in_turn(of_ours, partial(seconds_of, beside), ROUNDS)
        rows.append({"map": name, "metric": metric, "ours": median(seconds[0]), "baseline": median(seconds[1])})
    return rows
