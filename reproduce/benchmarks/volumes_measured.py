"""The measurements of the benchmark of volumes; every prediction is the command, in processes of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import zarr

from reproduce import ROOT
from reproduce.benchmarks.scaling import peak_memory
from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import PROFILES
from unet_paper.io.image_files import open_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.predicting import PredictionRequest, make_predictor
from unet_paper.support.errors import BadInput
from unet_paper.support.progress import progress_bar
from unet_paper.volumes.blocks import Grid
from unet_paper.volumes.engines import cluster, on_cluster
from unet_paper.volumes.job import WorkFolder
from unet_paper.volumes.prediction import layout_of
from unet_paper.volumes.result import Layout, create_result
from unet_paper.volumes.work import Outcome, region_of

CHUNK = 256  # px, height and width of a volume's chunks
KILLS = 2
LOADED = 2**28  # bytes of a worker that has loaded its network, at least
LOOK, SLOW_LOOK = 0.5, 20  # seconds between looks at the done marks; every so many of them at the processes too


def make_volume(path: Path, sections: int, side: int, depth: int, filled: int | None = None) -> Path:
    """An OME-Zarr of noise, written in slabs of chunks; beyond the first `filled` rows and columns there are none."""
    shape, filled, random = (sections, side, side), min(filled or side, side), np.random.default_rng(0)
    create_result(path, Layout(Grid(shape, (depth, CHUNK, CHUNK)), 1, "0.4"), {})
    array = zarr.open_group(path, mode="r+").create_array(
        "0",
        shape=shape,
        chunks=(depth, CHUNK, CHUNK),
        dtype="uint8",
        overwrite=True,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for first in range(0, sections, depth):
        for top in range(0, filled, CHUNK):
            size = (min(depth, sections - first), min(CHUNK, filled - top), filled)
            array[first : first + size[0], top : top + size[1], :filled] = random.integers(0, 256, size, np.uint8)
    return path


def untrained(path: Path, base_channels: int) -> Path:
    """The weights of a network before training."""
    config = replace(PROFILES["quick"], base_channels=base_channels)
    torch.manual_seed(0)
    checkpoints.save(path, Checkpoint.untrained(config, Standardisation(0.5, 0.3, "uint8")))
    return path


def request_of(weights: Path, image: Path) -> PredictionRequest:
    """What `command` predicts."""
    return PredictionRequest(weights, image, image.with_name("out.zarr"), "none")


def described(weights: Path, image: Path, is_trained: bool) -> dict[str, Any]:
    """Network, volume, blocks, and what these read beyond themselves."""
    request = request_of(weights, image)
    predictor, _ = make_predictor(request)
    stack = open_stack(image)
    grid = layout_of(predictor, stack, request, "0.4").grid
    depth, *shape = stack.pixels.shape
    read = written = chunks = 0
    for number in range(grid.counts[1] * grid.counts[2]):  # of the first sections; the others are the same
        block = grid[number].block
        region = region_of(block, (shape[0], shape[1]), predictor.views, predictor.registration)
        sides = ((region.top, region.bottom), (region.left, region.right))
        read += int(np.prod(region.shape))
        written += int(np.prod(block.shape))
        chunks += int(np.prod([(stop - 1) // CHUNK - start // CHUNK + 1 for start, stop in sides]))
    return {
        "base_channels": predictor.network.classifier.in_channels,
        "is_trained": is_trained,
        "shape": [depth, *shape],
        "shard": list(grid.shard),
        "blocks": len(grid),
        "read_per_pixel": read / written,
        "chunks_per_block": chunks / (grid.counts[1] * grid.counts[2]),
    }


def command(weights: Path, image: Path, out: Path, *options: str) -> list[str]:
    """One pass into an OME-Zarr, on the CPU."""
    program = [sys.executable, "-m", "unet_paper", "predict", "--weights", str(weights), str(image), str(out)]
    return [*program, "--tta", "none", "--device", "cpu", *options]


@dataclass
class Watch:
    """A running prediction: its done marks, its processes' time and memory, and kills on the way."""

    process: psutil.Popen
    folder: WorkFolder
    kills: int
    killed: list[int] = field(default_factory=list)  # blocks that were done then
    samples: list[tuple[int, float, float]] = field(default_factory=list)  # (blocks done, wall, CPU seconds)
    peaks: dict[int, int] = field(default_factory=dict)  # process -> KiB

    def until_it_ends(self) -> None:
        """Look at it again and again. Raises RuntimeError where it fails."""
        done = looks = 0
        while self.process.poll() is None:
            before, done = done, len(self.folder.done())
            if done > before or looks % SLOW_LOOK == 0:
                self._look(done)
            looks += 1
            time.sleep(LOOK)
        if self.process.returncode or len(self.killed) < self.kills:
            raise RuntimeError(f"exit code {self.process.returncode}, {len(self.killed)} workers were killed")

    def _look(self, done: int) -> None:
        try:
            family = [self.process, *self.process.children(recursive=True)]
            seconds = sum(sum(member.cpu_times()[:2]) for member in family)
            workers = [child for child in family[1:] if "spawn_main" in " ".join(child.cmdline())]
            youngest = max(workers, key=lambda worker: worker.create_time(), default=None)
            is_loaded = youngest is not None and youngest.memory_info().rss > LOADED
        except psutil.NoSuchProcess:  # it ends now
            return
        for member in workers or [self.process]:
            self.peaks[member.pid] = max(self.peaks.get(member.pid, 0), peak_memory(member.pid))
        if done and (not self.samples or done > self.samples[-1][0]):
            self.samples.append((done, time.monotonic(), seconds))
        if youngest and is_loaded and len(self.killed) < self.kills and done > max(self.killed, default=0):
            os.kill(youngest.pid, signal.SIGKILL)
            self.killed.append(done)

    def summary(self) -> dict[str, Any]:
        """Peak memory of a process, and where no worker was killed the rate between the first and the last look."""
        peak = {"MiB": max(self.peaks.values()) / 1024}
        if self.kills:
            return peak | {"killed_after_blocks": self.killed}
        if len(self.samples) < 2:
            return peak
        (first, began, used), (last, ended, used_then) = self.samples[0], self.samples[-1]
        blocks = last - first
        return peak | {
            "blocks_per_second": blocks / (ended - began),
            "cpu_seconds_per_block": (used_then - used) / blocks,
        }


def watched(weights: Path, image: Path, out: Path, *options: str, kills: int = 0) -> dict[str, Any]:
    """Predict, and tell what was seen."""
    watch = Watch(
        psutil.Popen(command(weights, image, out, *options), cwd=ROOT, stdout=subprocess.DEVNULL),
        WorkFolder(out),
        kills,
    )
    watch.until_it_ends()
    return watch.summary()


def proof(weights: Path, image: Path, folder: Path) -> dict[str, Any]:
    """One process, and two workers of which some are killed: whether the results are the same, and valid."""
    single = watched(weights, image, folder / "single.zarr")
    shared = watched(weights, image, folder / "shared.zarr", "--workers", "2", kills=KILLS)
    levels = read_by_ome_zarr(folder / "shared.zarr")
    return {
        "single": single,
        "shared": shared,
        "is_equal": is_equal(folder / "single.zarr", folder / "shared.zarr"),
        "levels": [list(level.shape) for level in levels],
    }


def is_equal(first: Path, second: Path) -> bool:
    """Whether two results have the same bits, at full resolution."""
    ours, theirs = open_stack(first).pixels, open_stack(second).pixels
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def read_by_ome_zarr(path: Path) -> list[Any]:
    """The levels that ome-zarr's own reader finds. Raises what its validators raise for axes and transformations."""
    from ome_zarr.format import format_from_version
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    node = next(iter(Reader(parse_url(path))()))
    transformations = node.metadata["coordinateTransformations"]
    fmt = format_from_version(node.zarr.version)
    fmt.validate_coordinate_transformations(len(node.metadata["axes"]), len(node.data), transformations)
    return list(node.data)


def by_workers(weights: Path, image: Path, folder: Path) -> dict[str, Any]:
    """One process, one worker, and two, one after the other."""
    runs = []
    for workers in progress_bar((None, 1, 2), desc="workers", unit="run", disable=False):
        options = [] if workers is None else ["--workers", str(workers)]
        runs.append({"workers": workers} | watched(weights, image, folder / f"by-{workers}.zarr", *options))
        if "blocks_per_second" not in runs[-1]:
            raise BadInput(
                "the volume is predicted before its rate can be seen; give more --sections or a longer --side"
            )
    return {"runs": runs}


def memory_by_side(weights: Path, folder: Path, sides: Sequence[int], depth: int) -> list[dict[str, Any]]:
    """Peak memory of the process that predicts the first block of a volume of each side, one part of many."""
    rows = []
    for side in progress_bar(sides, desc="memory", unit="volume", disable=False):
        image = make_volume(folder / f"side-{side}.zarr", depth, side, depth, filled=1280)
        request = request_of(weights, image)
        grid = layout_of(make_predictor(request)[0], open_stack(image), request, "0.4").grid
        seen = watched(weights, image, folder / f"of-{side}.zarr", "--part", f"1/{len(grid)}")
        rows.append({"side": side, "pixels": depth * side**2, "blocks": len(grid), "MiB": seen["MiB"]})
    return rows


def dry_runs(counts: Sequence[int]) -> list[dict[str, float]]:
    """A scheduler's memory, start-up and time for so many blocks without work; it lives in this process."""
    before = psutil.Process().memory_info().rss
    with cluster(1, None) as client:
        return [_dry_run(client, blocks, before) for blocks in counts]


def _dry_run(client: Any, blocks: int, before: int) -> dict[str, float]:
    here = psutil.Process()
    started, used, peak, first = time.monotonic(), sum(here.cpu_times()[:2]), 0, 0.0
    request = PredictionRequest(Path("weights"), Path("image"), Path(f"{blocks}.zarr"))
    outcomes = on_cluster(client, request, range(blocks), no_work)
    for done, _ in enumerate(progress_bar(outcomes, total=blocks, desc="dry run", unit="block", disable=False)):
        first = first or time.monotonic() - started
        if done % 1000 == 0:
            peak = max(peak, here.memory_info().rss)
    seconds, used = time.monotonic() - started, sum(here.cpu_times()[:2]) - used
    return {
        "blocks": blocks,
        "first_share": first / seconds,
        "cpu_seconds_per_block": used / blocks,
        "MiB": (peak - before) / 2**20,
    }


def no_work(request: PredictionRequest, number: int) -> Outcome:
    """What a worker does in a dry run."""
    return Outcome(number)
