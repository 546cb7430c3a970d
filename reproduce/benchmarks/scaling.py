"""How the cost grows: of weight maps with the area and the number of cells, of predictions with the image's size.

python -m reproduce.benchmarks.scaling --weights FILE [--labels FILE] [--out DIR]

--weights: a run's weights.pt (the numbers in results/scaling are of the `quick` network); --labels: a label stack,
such as the challenge's training labels; the phantom's unless given. Every prediction is a process of its own, from a
TIFF that is made for it, so that its memory can be measured. Writes scaling.json, the record, and README.md.
Some ten minutes on two CPU cores.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from reproduce.benchmarks.baselines import weight_map as plain_weight_map
from unet_paper import checkpoint
from unet_paper.datasets.phantom import make_phantom
from unet_paper.io.hashes import file_sha256, labels_sha256
from unet_paper.io.stack import read_labels
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import write_json
from unet_paper.support.progress import progress_bar
from unet_paper.weight_map import label_cells, weight_map

ROOT = Path(__file__).resolve().parents[2]
SIZES = (2048, 4096, 8192, 16384)  # px
TILES = (300, 508, 700, 876, 1212, 2236)  # px, at 2048 px


def timed(function, *arguments, rounds=3):
    """Median seconds of a call."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def weight_maps_beside_the_direct_form(labels):
    """Every section by both, in turn: total seconds and the largest difference."""
    weights = 1.3, 0.8
    weight_map(labels[0], class_weights=weights)  # compiles what is compiled
    seconds, difference, cells = {"ours": 0.0, "direct": 0.0}, 0.0, 0
    for section in progress_bar(labels, desc="weight maps", unit="section"):
        results = {}
        for name, function in (("direct", plain_weight_map.weight_map), ("ours", weight_map)):
            started = time.perf_counter()
            results[name] = function(section, class_weights=weights)
            seconds[name] += time.perf_counter() - started
        difference = max(difference, float(np.abs(results["ours"] - results["direct"]).max()))
        cells += int(label_cells(section).max())
    return {"sections": len(labels), "cells": cells, "seconds": seconds, "largest_difference": difference}


def weight_maps_by_area_and_cells():
    """Seconds for squares of several sizes, tiled with square cells of several sizes."""
    given_weights = partial(weight_map, class_weights=(1.3, 0.8))
    rows = []
    for size in (512, 1024, 2048, 4096):
        for pitch in (16, 64, 256):
            labels = np.zeros((size, size), np.uint8)
            y, x = np.mgrid[:size, :size] % pitch
            labels[(y >= 4) & (x >= 4)] = 255
            rows.append({"size": size, "cells": (size // pitch) ** 2, "seconds": timed(given_weights, labels)})
    return rows


def prediction(weights, size, options):
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
        with open(Path(folder) / "said", "w+") as said:
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


def peak_memory(process):
    """The most memory that a running process has had, KiB (Linux). What `getrusage` says of a child counts its parent's
    memory too."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0  # it has just ended
    return max((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), default=0)


def tables(record):
    """README.md of a record."""
    whole = record["weight_maps"]
    ratio = whole["seconds"]["direct"] / whole["seconds"]["ours"]
    lines = [
        "# How the cost grows",
        "",
        f"Written by `python -m reproduce.benchmarks.scaling`; the record is scaling.json ({record['time']}, code "
        f"{str(record['code']['commit'])[:7]}{' with changes' * bool(record['code']['changed'])}). Times are ratios, "
        "taken in one run.",
        "",
        "## Weight maps",
        "",
        f"{whole['sections']} sections with {whole['cells']} cells ({record['labels']}), side by side: **{ratio:.0f} "
        "times faster** than a distance transform for every cell; largest difference "
        f"{whole['largest_difference']:.1e}.",
        "",
        "Time of squares full of square cells, as a multiple of the first:",
        "",
        "| side, px | cells | time | time per area |",
        "|---|---|---|---|",
    ]
    first = record["weight_maps_by_area_and_cells"][0]
    for row in record["weight_maps_by_area_and_cells"]:
        time_ratio = row["seconds"] / first["seconds"]
        per_area = time_ratio / (row["size"] / first["size"]) ** 2
        lines.append(f"| {row['size']} | {row['cells']} | {time_ratio:.2f} | {per_area:.2f} |")
    lines += [
        "",
        "## Prediction by image size",
        "",
        f"One pass (`--tta none`), {record['network']}, from a TIFF of noise into a TIFF, each in a process of its "
        "own, memory and time of the whole process, start-up included:",
        "",
        "| side, px | peak memory, MiB | time | time per area | tiles |",
        "|---|---|---|---|---|",
    ]
    first = record["predictions"][0]
    for row in record["predictions"]:
        time_ratio = row["seconds"] / first["seconds"]
        per_area = time_ratio / (row["size"] / first["size"]) ** 2
        kind = " BigTIFF" if row["big_tiff"] else ""
        lines.append(
            f"| {row['size']}{kind} | {row['peak_memory_MiB']:.0f} | {time_ratio:.2f} | {per_area:.2f} | "
            f"{row['tiles'].removeprefix('tiles: ')} |"
        )
    lines += [
        "",
        "## Prediction by tile",
        "",
        "The same at the first size, with `--tile`:",
        "",
        "| --tile, px | peak memory, MiB | time | tiles |",
        "|---|---|---|---|",
    ]
    for row in record["tiles"]:
        lines.append(
            f"| {row['tile']} | {row['peak_memory_MiB']:.0f} | {row['seconds'] / first['seconds']:.2f} | "
            f"{row['tiles'].removeprefix('tiles: ')} |"
        )
    return "\n".join(lines) + "\n"


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--labels", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "scaling", metavar="DIR")
    arguments = parser.parse_args()
    labels = read_labels(arguments.labels).pixels if arguments.labels else make_phantom(4)[1]
    config = checkpoint.load(arguments.weights).config
    jobs = [(size, ["--tta", "none"], {}) for size in SIZES]
    jobs += [(SIZES[0], ["--tta", "none", "--tile", str(tile)], {"tile": tile}) for tile in TILES]
    # Memory is not what limits these.
    jobs = [(size, [*options, *(["--memory", "8"] if more else [])], more) for size, options, more in jobs]
    record = {
        "time": now(),
        "code": code_version(),
        "hardware": hardware("cpu"),
        "network": f"the `{config.profile}` network with {config.base_channels} first-level channels",
        "weights_sha256": file_sha256(arguments.weights),
        "labels": "the challenge's training labels" if arguments.labels else "the phantom's labels",
        "labels_sha256": labels_sha256(labels),
        "weight_maps": weight_maps_beside_the_direct_form(labels),
        "weight_maps_by_area_and_cells": weight_maps_by_area_and_cells(),
    }
    found = [
        more | prediction(arguments.weights.resolve(), size, options)
        for size, options, more in progress_bar(jobs, desc="predictions", unit="image")
    ]
    record |= {"predictions": found[: len(SIZES)], "tiles": found[len(SIZES) :]}
    write_json(arguments.out / "scaling.json", record)
    with atomic_write(arguments.out / "README.md") as temporary:
        temporary.write_text(tables(record))
    print(tables(record))


if __name__ == "__main__":
    main()
