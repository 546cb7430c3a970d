"""How prediction of volumes scales: memory against size, time against workers, killed workers, 100,000 blocks.

python -m reproduce.benchmarks.volumes --weights FILE [--sections Z] [--side PX] [--blocks N] [--out DIR]

Needs the extra `volumes`. FILE is any network; memory is measured with the `quick` network, untrained. Writes README.md
and scaling.png.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import zarr

from reproduce.benchmarks.scaling import peak_memory
from reproduce.benchmarks.volumes_page import write_page
from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import PROFILES
from unet_paper.io.image_files import open_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.pipeline import PredictionRequest
from unet_paper.support.progress import progress_bar
from unet_paper.volumes.blocks import Grid
from unet_paper.volumes.engines import cluster, on_cluster
from unet_paper.volumes.result import Layout, create_result
from unet_paper.volumes.work import Outcome

ROOT = Path(__file__).resolve().parents[2]
SIDES = (512, 1024, 2048, 4096)  # px
KILLS = 2


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.benchmarks.volumes", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--sections", type=int, default=64, metavar="Z", help="of the volume that workers share")
    parser.add_argument("--side", type=int, default=4096, metavar="PX", help="of its sections")
    parser.add_argument("--blocks", type=int, default=100_000, metavar="N", help="of the dry run")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "scaling", metavar="DIR")
    return parser.parse_args(given)


def make_volume(path: Path, sections: int, side: int) -> Path:
    """An OME-Zarr of noise, in chunks of 16 x 256 x 256 px, written shard by shard."""
    create_result(path, Layout(Grid((sections, side, side), (16, 256, 256)), 1, "0.4"), {})
    shape, random = (sections, side, side), np.random.default_rng(0)
    group = zarr.open_group(path, mode="r+")
    array = group.create_array(
        "0",
        shape=shape,
        chunks=(16, 256, 256),
        dtype="uint8",
        overwrite=True,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for first in range(0, sections, 16):
        for top in range(0, side, 256):
            rows = random.integers(0, 256, (min(16, sections - first), min(256, side - top), side), dtype=np.uint8)
            array[first : first + 16, top : top + 256] = rows
    return path


def untrained(path: Path) -> Path:
    """The `quick` network's weights before training."""
    torch.manual_seed(0)
    network = checkpoints.new_network(PROFILES["quick"]).state_dict()
    checkpoints.save(
        path, Checkpoint(1, PROFILES["quick"], Standardisation(0.5, 0.3, "uint8"), network, None, [], {}, 0.0)
    )
    return path


def command(weights: Path, image: Path, out: Path, *options: str) -> list[str]:
    """One pass into an OME-Zarr, on the CPU."""
    program = [sys.executable, "-m", "unet_paper", "predict", "--weights", str(weights), str(image), str(out)]
    return [*program, "--tta", "none", "--device", "cpu", *options]


def memory_by_side(weights: Path, folder: Path, sides: tuple[int, ...]) -> list[dict[str, float]]:
    """Peak memory of the process that predicts one section of each side."""
    rows = []
    for side in progress_bar(sides, desc="memory", unit="volume", disable=False):
        image = make_volume(folder / f"side-{side}.zarr", 1, side)
        process = subprocess.Popen(
            command(weights, image, folder / f"of-{side}.zarr"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.05)
        if process.returncode:
            raise RuntimeError(f"prediction of {side} px failed")
        rows.append({"side": side, "MiB": peak / 1024})
    return rows


def shared_by(weights: Path, image: Path, out: Path, workers: int | None, kills: int = 0) -> dict[str, Any]:
    """Predict a volume, killing workers on the way. Blocks per second are from the first shard's file to the last's."""
    options = [] if workers is None else ["--workers", str(workers)]
    process = subprocess.Popen(command(weights, image, out, *options), cwd=ROOT, stdout=subprocess.DEVNULL)
    marks, killed = out.with_name(out.name + ".partial") / "done", 0
    while process.poll() is None:
        if killed < kills and len(list(marks.glob("*/*"))) > killed:
            youngest = max(_workers(process.pid), key=lambda worker: worker.create_time(), default=None)
            if youngest is not None:
                os.kill(youngest.pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.1)
    if process.returncode or killed < kills:
        raise RuntimeError(f"prediction by {workers} workers failed, or ended before {kills} were killed")
    written = sorted(
        path.stat().st_mtime for path in (out / "0").rglob("*") if path.is_file() and path.name.isdecimal()
    )
    return {
        "workers": workers,
        "kills": kills,
        "blocks": len(written),
        "blocks_per_second": (len(written) - 1) / (written[-1] - written[0]),
    }


def _workers(process: int) -> list[Any]:
    """The worker processes of a local cluster that have loaded their network."""
    return [
        child
        for child in psutil.Process(process).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline()) and child.memory_info().rss > 2**28
    ]


def dry_run(blocks: int) -> dict[str, float]:
    """A scheduler's memory, start-up and rate for so many blocks without work; it lives in this process."""
    before = psutil.Process().memory_info().rss
    with cluster(2, None) as client:
        started, peak, first = time.perf_counter(), 0, 0.0
        request = PredictionRequest(Path("weights"), Path("image"), Path("out.zarr"))
        outcomes = on_cluster(client, request, range(blocks), no_work)
        for done, _ in enumerate(progress_bar(outcomes, total=blocks, desc="dry run", unit="block", disable=False)):
            first = first or time.perf_counter() - started
            if done % 1000 == 0:
                peak = max(peak, psutil.Process().memory_info().rss)
        seconds = time.perf_counter() - started
    return {
        "blocks": blocks,
        "first_seconds": first,
        "blocks_per_second": blocks / seconds,
        "MiB": (peak - before) / 2**20,
    }


def no_work(request: PredictionRequest, number: int) -> Outcome:
    """What a worker does in a dry run."""
    return Outcome(number)


def equal(first: Path, second: Path) -> bool:
    """Whether two results have the same bits."""
    ours, theirs = open_stack(first).pixels, open_stack(second).pixels
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def main(given: list[str] | None = None) -> int:
    """Measure and write."""
    options = parse(given)
    with tempfile.TemporaryDirectory() as name:
        folder, weights = Path(name), options.weights.resolve()
        memory = memory_by_side(untrained(folder / "quick.pt"), folder, SIDES)
        image = make_volume(folder / "volume.zarr", options.sections, options.side)
        shared = [shared_by(weights, image, folder / f"by-{workers}.zarr", workers) for workers in (None, 1, 2)]
        shared.append(shared_by(weights, image, folder / "killed.zarr", 2, KILLS))
        same = all(equal(folder / "by-None.zarr", folder / f"{other}.zarr") for other in ("by-1", "by-2", "killed"))
    dry = dry_run(options.blocks)
    measured = {
        "memory": memory,
        "volume": [options.sections, options.side, options.side],
        "weights": checkpoints.load(weights).config.base_channels,
        "shared": shared,
        "same": same,
        "dry_run": dry,
        "load": os.getloadavg()[2],
    }
    print(write_page(options.out, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
