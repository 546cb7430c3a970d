"""Speed beside what people use: one table, each row measured in alternation with its baseline in this run.

python -m reproduce.benchmarks [--data DIR] [--weights FILE] [--device cpu|cuda] [--quick-only] [--out DIR]

DIR holds the challenge's stacks; the built-in phantom unless given. The baselines are the plain forms in this folder,
each in a process of its own (`plain_process.py`), and `elasticdeform` where it is installed (`pip install -r
reproduce/bench/requirements.txt`). FILE is a trained network's weights.pt, whose probabilities in bfloat16 are compared
with those in float32. Writes <device>.json, the record, and README.md, the table of all records. Some 15 minutes on two
CPU cores; close everything else.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from reproduce.benchmarks import network_rows
from reproduce.benchmarks.baselines import augmentation as plain_augmentation
from reproduce.benchmarks.baselines.process import PlainProcess
from reproduce.benchmarks.metrics import ours as score_parts
from reproduce.benchmarks.table import tables
from unet_paper import checkpoint
from unet_paper.compute.allocator import keep_freed_memory
from unet_paper.config import PAPER, PROFILES
from unet_paper.datasets.phantom import make_phantom
from unet_paper.io.hashes import file_sha256
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json, write_json
from unet_paper.support.progress import progress_bar
from unet_paper.training import draw_tile, prepare_training_set
from unet_paper.weight_map import balancing_class_weights, weight_maps

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 4
LONG = 25  # seconds of both together from which two rounds must do


@dataclass(frozen=True)
class Row:
    """What is measured: our function, and a task of the plain process with its arguments."""

    name: str
    ours: object
    plain: tuple
    multiply_adds: float | None = None
    arithmetic: str | None = None


def in_turn(row):
    """Seconds of both, called in turn after a first call of each: (ours, plain) lists."""
    plain = PlainProcess(*row.plain)
    row.ours()
    first = plain.seconds()
    seconds = ([], [])
    for _ in range(ROUNDS if first < LONG else 2):
        started = time.perf_counter()
        row.ours()
        seconds[0].append(time.perf_counter() - started)
        seconds[1].append(plain.seconds())
    plain.close()
    return seconds


def augmentation_rows(training_set):
    """An image, labels and weights through one deformation of 572 px."""
    generator = torch.Generator().manual_seed(0)
    section = [values[0].cpu().numpy() for values in (training_set.images, training_set.labels, training_set.weights)]
    baselines = {"map_coordinates": "by_map_coordinates"}
    if plain_augmentation.elasticdeform is not None:
        baselines["elasticdeform"] = "by_elasticdeform"
    for name, function in baselines.items():
        ours = network_rows.finished(partial(draw_tile, training_set, PAPER, generator), training_set.images.device)
        yield Row(f"augmented 572 px sample, beside {name}", ours, ("augmentation", function, *section))


def score_rows(labels):
    """Each metric of one section and a soft map of it, at all thresholds, on one core."""
    truth = labels[:1] > 0
    soft = np.clip(truth + np.random.default_rng(0).normal(0, 0.2, truth.shape), 0, 1)
    plain = {
        "pixel error": ["pixel_f"],
        "Rand error": ["rand_f"],
        "warping error": ["warping_counts"],
        "V_rand and V_info": ["v_scores"],
    }
    plain["all"] = [name for names in plain.values() for name in names]
    for metric, names in plain.items():
        yield Row(
            f"scores of a section: {metric}",
            partial(score_parts(metric), truth[0], soft[0]),
            ("scores", names, truth, soft),
        )


def rows(volume, labels, quick_only, device):
    """Every Row."""
    training_set = prepare_training_set(volume, labels, PAPER, device)
    widths = {"quick": PROFILES["quick"].width} | ({} if quick_only else {"full": PAPER.width})
    for name, width in widths.items():
        for row in network_rows.training(name, width, training_set):
            yield Row(*row)
        for row in network_rows.predictions(name, width, volume[0], device):
            yield Row(*row)
    yield from augmentation_rows(training_set)
    yield Row(
        f"weight maps of {len(labels)} sections",
        lambda: weight_maps(labels),
        ("weight_maps", labels, balancing_class_weights(labels)),
    )
    yield from score_rows(labels)


def bfloat16_differences(path, section, device):
    """How far the probabilities of a trained network move with the arithmetic, for one section."""
    loaded = checkpoint.load(path)
    found = {}
    for average in ("none", "d4"):
        exact, fast = (
            network_rows.predict(loaded.build_network().to(device), loaded.standardisation, average, bfloat16, section)
            for bfloat16 in (False, True)
        )
        difference = np.abs(exact - fast)
        found[average] = {"mean": float(difference.mean()), "largest": float(difference.max())}
    return {"profile": loaded.config.profile, "steps": loaded.step, "sha256": file_sha256(path), "difference": found}


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick-only", action="store_true", help="leave the full network out")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench", metavar="DIR")
    arguments = parser.parse_args()
    keep_freed_memory()
    if arguments.data:
        volume, labels = (
            read(arguments.data / f"train-{name}.tif").pixels
            for read, name in ((read_stack, "volume"), (read_labels, "labels"))
        )
    else:
        volume, labels = make_phantom(4)
    device = arguments.device
    record = {
        "time": now(),
        "code": code_version(),
        "hardware": hardware(device),
        "data": "the challenge's training stack" if arguments.data else "the phantom",
        "peak": {kind: network_rows.peak(getattr(torch, kind), device) for kind in ("float32", "bfloat16")},
        "training": network_rows.where_the_time_goes(prepare_training_set(volume, labels, PAPER, device)),
        "rows": [],
    }
    slug = "-".join(record["hardware"]["device"].lower().split())
    if arguments.weights:
        record["bfloat16"] = bfloat16_differences(arguments.weights, volume[0], device)
    for row in progress_bar(list(rows(volume, labels, arguments.quick_only, device)), unit="row"):
        ours, plain = in_turn(row)
        measured = {"name": row.name, "ours": ours, "plain": plain}
        record["rows"].append(measured | {"multiply_adds": row.multiply_adds, "arithmetic": row.arithmetic})
        write_json(arguments.out / f"{slug}.json", record)
    records = [read_json(path) for path in sorted(arguments.out.glob("*.json"))]
    quick_run = ROOT / "results" / "isbi" / "quick" / "run.json"
    text = tables(records, read_json(quick_run) if quick_run.is_file() else None)
    with atomic_write(arguments.out / "README.md") as temporary:
        temporary.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
