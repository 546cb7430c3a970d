"""How the cost grows: of weight maps with the area and the number of cells, of predictions with the image's size.

Every prediction is a process of its own, from a TIFF that is made for it, so that its memory can be measured. Some ten
minutes on two CPU cores.
"""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from reproduce import ROOT
from reproduce.benchmarks.baselines import weight_map as baseline
from reproduce.benchmarks.measuring import median_seconds
from unet_paper import checkpoint
from unet_paper.io.hashes import file_sha256, labels_sha256
from unet_paper.separation_border import label_cells
from unet_paper.support.progress import progress_bar
from unet_paper.weight_map import weight_map

SIZES = (2048, 4096, 8192, 16384)  # px
TILES = (300, 508, 700, 876, 1212, 2236)  # px, at 2048 px


def measure(weights: Path, labels: np.ndarray, labels_name: str) -> dict[str, Any]:
    """The whole part of the record: `weights` of a trained network, and a (Z, H, W) label stack with its name."""
    config = checkpoint.load(weights).config
    jobs: list[tuple[int, list[str], dict[str, int]]] = [(size, [], {}) for size in SIZES]
    # Memory is not what limits these.
    jobs += [(SIZES[0], ["--tile", str(tile), "--memory", "8"], {"tile": tile}) for tile in TILES]
    part = {
        "network": f"the `{config.profile}` network with {config.base_channels} base channels",
        "weights_sha256": file_sha256(weights),
        "labels": labels_name,
        "labels_sha256": labels_sha256(labels),
        "weight_maps": weight_maps_beside_the_baseline(labels),
        "weight_maps_by_area_and_cells": weight_maps_by_area_and_cells(),
    }
    predictions = [
        more | prediction(weights.resolve(), size, ["--tta", "none", *options])
        for size, options, more in progress_bar(jobs, desc="predictions", unit="image", disable=False)
    ]
    return part | {"predictions": predictions[: len(SIZES)], "tiles": predictions[len(SIZES) :]}


def weight_maps_beside_the_baseline(labels: np.ndarray) -> dict[str, Any]:
    """Every section by both, in turn: total seconds and the largest difference."""
    weights = 1.3, 0.8
    weight_map(labels[0], class_weights=weights)  # compiles what is compiled
    seconds, difference, cells = {"ours": 0.0, "baseline": 0.0}, 0.0, 0
    for section in progress_bar(labels, desc="weight maps", unit="section", disable=False):
        results = {}
        for name, function in (("baseline", baseline.weight_map), ("ours", weight_map)):
            started = time.perf_counter()
            results[name] = function(section, class_weights=weights)
            seconds[name] += time.perf_counter() - started
        difference = max(difference, float(np.abs(results["ours"] - results["baseline"]).max()))
        cells += int(label_cells(section).max())
    return {"sections": len(labels), "cells": cells, "seconds": seconds, "largest_difference": difference}


def weight_maps_by_area_and_cells() -> list[dict[str, Any]]:
    """Seconds for squares of several sizes, tiled with square cells of several sizes."""
    given_weights = partial(weight_map, class_weights=(1.3, 0.8))
    rows = []
    for size in (512, 1024, 2048, 4096):
        for pitch in (16, 64, 256):
            labels = np.zeros((size, size), np.uint8)
            y, x = np.mgrid[:size, :size] % pitch
            labels[(y >= 4) & (x >= 4)] = 255
            rows.append(
                {"size": size, "cells": (size // pitch) ** 2, "seconds": median_seconds(partial(given_weights, labels))}
            )
    return rows


def prediction(weights: Path, size: int, options: list[str]) -> dict[str, Any]:
    """Predict a noise image of size x size px in a process of its own: seconds, peak memory, and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        image, out = Path(folder) / "image.tif", Path(folder) / "out.tif"
        tifffile.imwrite(image, shape=(size, size), dtype=np.uint8, photometric="minisblack")
        pixels, random = tifffile.memmap(image), np.random.default_rng(0)
        for row in range(0, size, 1024):
            pixels[row : row + 1024] = random.integers(0, 256, (min(1024, size - row), size), dtype=np.uint8)
        pixels.flush()
        del pixels
        command = [sys.executable, "-m", "unet_paper", "predict", "--weights", str(weights), str(image), str(out)]
        started = time.perf_counter()
        with open(Path(folder) / "said", "w+", encoding="utf-8") as said:
            process = subprocess.Popen([*command, *options], stdout=said, stderr=subprocess.DEVNULL, cwd=ROOT)
            peak = 0
            while process.poll() is None:
                peak = max(peak, peak_memory(process.pid))
                time.sleep(0.02)
            seconds = time.perf_counter() - started
            said.seek(0)
            lines = said.read().splitlines()
        if process.returncode:
            raise RuntimeError(f"prediction of {size} px failed")
        with tifffile.TiffFile(out) as file:
            large = file.is_bigtiff
    return {
        "size": size,
        "seconds": seconds,
        "peak_memory_MiB": peak / 1024,
        "tiles": next(line for line in lines if line.startswith("tiles:")),
        "big_tiff": large,
    }


def peak_memory(process: int) -> int:
    """The most memory that a running process has had, KiB (Linux). What `getrusage` says of a child counts its parent's
    memory too."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0  # it has just ended
    return max((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), default=0)
