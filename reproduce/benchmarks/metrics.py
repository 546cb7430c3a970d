"""How the scores agree with the challenge's reference scorer, and how fast they are beside plain forms.

python -m reproduce.benchmarks.metrics [--oracle DIR] [--out DIR]

DIR holds reference.json, what the reference scorer printed, and NAME.npz with `label` and `proposal` of each case; the
three cases kept with the tests unless given. Speed is measured on two maps of the built-in phantom and, where the
oracle has them, on its maps of real sections: ours on one core, the plain form on one core, in turn, in one process.
Writes metrics.json, the record, and README.md, its tables.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from reproduce.benchmarks.baselines import metrics as plain_metrics
from unet_paper.datasets.phantom import make_phantom
from unet_paper.metrics import score
from unet_paper.metrics.challenge import section_overlaps, section_warping
from unet_paper.metrics.common import levels
from unet_paper.metrics.pixel_error import pixel_sums
from unet_paper.metrics.rand_error import rand_sums
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, RAND_ERROR, V_INFO, V_RAND, WARPING_ERROR
from unet_paper.metrics.segments import components_at_thresholds, overlap
from unet_paper.metrics.v_scores import v_info, v_rand
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json, write_json
from unet_paper.support.progress import progress_bar

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
CURVES = tuple(metric.curve for metric in (PIXEL_ERROR, RAND_ERROR, V_RAND, V_INFO))  # that the reference printed


def agreement(folder, progress=True):
    """The largest difference from the reference for every case: {case: {score or curve: difference, ...}}."""
    reference = read_json(folder / "reference.json")
    names = [name for name in reference if (folder / f"{name}.npz").is_file()]
    rows = {}
    for name in progress_bar(names, desc="agreement", unit="case", disable=not progress):
        case, printed = np.load(folder / f"{name}.npz"), reference[name]
        scores = score(case["label"], case["proposal"])
        found = scores.to_json()
        row = {"sections": scores.sections, "shape": list(case["label"].shape)}
        row |= {metric.key: abs(found[metric.key] - printed[metric.key]) for metric in CHALLENGE_METRICS}
        for key in CURVES:
            pairs = zip(found[key], printed[key], strict=True)
            # None on one side only is as wrong as can be.
            row[key] = max(
                float((a is None) != (b is None)) if a is None or b is None else abs(a - b) for a, b in pairs
            )
        counts = np.array(found["warping_counts"]) != np.array(printed["warping_counts"])
        row["warping_counts_that_differ"] = int(counts.sum())
        row["warping_counts_compared"] = int(counts.size)
        rows[name] = row
    return rows


def maps_to_time(folder):
    """{name: (truth, proposal)}, one section each: a good map and a poor one of the phantom, and of real sections."""
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


def section_rand_sums(truth, proposal):
    """The Rand sums of a section at all thresholds, without the thinning that `section_overlaps` does too."""
    segments, count = ndimage.label(truth)
    sizes = np.bincount(segments.ravel(), minlength=count + 1)[1:]
    return [rand_sums(overlap(segments, sizes, proposed)) for proposed in components_at_thresholds(levels(proposal))]


def ours(metric):
    """One metric of a section at all its thresholds, by the parts of `unet_paper.metrics`."""
    return {
        "pixel error": lambda truth, proposal: pixel_sums(truth, levels(proposal)),
        "Rand error": section_rand_sums,
        "warping error": section_warping,
        "V_rand and V_info": lambda truth, proposal: [
            (v_rand(thin), v_info(thin)) for _, thin in section_overlaps(truth, levels(proposal))
        ],
        "all": lambda truth, proposal: score(truth, proposal, workers=1),
    }[metric]


def plain(metric):
    """The same by the plain form."""
    parts = {
        "pixel error": plain_metrics.pixel_f,
        "Rand error": plain_metrics.rand_f,
        "warping error": plain_metrics.warping_counts,
        "V_rand and V_info": plain_metrics.v_scores,
    }
    chosen = parts.values() if metric == "all" else [parts[metric]]
    return lambda truth, proposal: [part(truth[None], proposal[None]) for part in chosen]


def speed(maps, progress=True):
    """Seconds of both for each map and metric, medians of ROUNDS taken in turn: [{map, metric, ours, plain}]."""
    metrics = ("pixel error", "Rand error", "warping error", "V_rand and V_info", "all")
    for metric in metrics:
        ours(metric)(np.eye(8) > 0, np.eye(8))  # compiles what is compiled
    jobs = [(name, metric) for name in maps for metric in metrics]
    rows = []
    for name, metric in progress_bar(jobs, desc="speed", unit="row", disable=not progress):
        times = {"ours": [], "plain": []}
        for _ in range(ROUNDS):
            for key, function in (("plain", plain(metric)), ("ours", ours(metric))):
                started = time.perf_counter()
                function(*maps[name])
                times[key].append(time.perf_counter() - started)
        rows.append({"map": name, "metric": metric} | {key: statistics.median(found) for key, found in times.items()})
    return rows


def tables(record):
    """README.md of a record."""
    of_pixels_and_segments = [metric for metric in CHALLENGE_METRICS if metric is not WARPING_ERROR]
    labels = " | ".join(metric.label for metric in of_pixels_and_segments)
    lines = [
        "# The scores beside the challenge's reference scorer and beside plain forms",
        "",
        f"Written by `python -m reproduce.benchmarks.metrics`; the record is metrics.json ({record['time']}, code "
        f"{str(record['code']['commit'])[:7]}{' with changes' * bool(record['code']['changed'])}).",
        "",
        "## Largest difference from the reference, by case",
        "",
        f"| case | shape | {labels} | curves | {WARPING_ERROR.label} | counts that differ |",
        "|---" * (5 + len(of_pixels_and_segments)) + "|",
    ]
    for name, row in record["agreement"].items():
        curves = max(row[key] for key in CURVES)
        cells = [
            f"{value:.1e}" if value else "0"
            for value in (*(row[metric.key] for metric in of_pixels_and_segments), curves)
        ]
        shape = " x ".join(map(str, row["shape"]))
        counts = f"{row['warping_counts_that_differ']} of {row['warping_counts_compared']}"
        lines.append(f"| {name} | {shape} | {' | '.join(cells)} | {row[WARPING_ERROR.key]:.1g} | {counts} |")
    lines += [
        "",
        "## Time of one section, all thresholds, as a fraction of the plain form's",
        "",
        f"One core each, in turn in one process, medians of {ROUNDS}; plain forms: reproduce/bench/plain_metrics.py.",
        "",
    ]
    maps = list(dict.fromkeys(row["map"] for row in record["speed"]))
    ratios = {(row["map"], row["metric"]): row["ours"] / row["plain"] for row in record["speed"]}
    lines += [f"| metric | {' | '.join(maps)} |", "|---" * (len(maps) + 1) + "|"]
    for metric in dict.fromkeys(row["metric"] for row in record["speed"]):
        lines.append(f"| {metric} | {' | '.join(f'{ratios[name, metric]:.3f}' for name in maps)} |")
    seconds = {(row["map"], row["metric"]): row["ours"] for row in record["speed"]}
    lines += [
        "",
        "## Where our time goes",
        "",
        "Each part's own time as a fraction of everything at once (V_rand and V_info take the thinning, and label the "
        "segments that the Rand error needs too):",
        "",
        f"| metric | {' | '.join(maps)} |",
        "|---" * (len(maps) + 1) + "|",
    ]
    for metric in dict.fromkeys(row["metric"] for row in record["speed"] if row["metric"] != "all"):
        parts = (f"{seconds[name, metric] / seconds[name, 'all']:.2f}" for name in maps)
        lines.append(f"| {metric} | {' | '.join(parts)} |")
    return "\n".join(lines) + "\n"


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.benchmarks.metrics", description=__doc__.splitlines()[0])
    parser.add_argument("--oracle", type=Path, default=ROOT / "tests" / "data", metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "metrics", metavar="DIR")
    arguments = parser.parse_args()
    if not (arguments.oracle / "reference.json").is_file():
        print(f"{arguments.oracle} holds no reference.json; give a folder of reference cases", file=sys.stderr)
        return 2
    record = {
        "time": now(),
        "code": code_version(),
        "hardware": hardware("cpu"),
        "agreement": agreement(arguments.oracle),
        "speed": speed(maps_to_time(arguments.oracle)),
    }
    write_json(arguments.out / "metrics.json", record)
    with atomic_write(arguments.out / "README.md") as temporary:
        temporary.write_text(tables(record))
    print(tables(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
