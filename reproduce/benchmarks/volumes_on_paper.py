"""What a volume of 10^12 px would take, calculated from the plan of its blocks and from what was measured."""

import math
from collections.abc import Mapping
from typing import Any

from unet_paper.network import CONTEXT, multiply_adds
from unet_paper.overlap_tile import plan_blocks, tile_size
from unet_paper.prediction import BYTES_PER_PIXEL_AND_CHANNEL
from unet_paper.report.table import Table
from unet_paper.test_time_augmentation import views
from unet_paper.volumes.blocks import Grid
from unet_paper.volumes.prediction import tile_memory
from unet_paper.volumes.result import LEVELS_OF_A_BLOCK

SHAPE = (10_000, 10_000, 10_000)  # of the volume, 10^12 px
CHUNK = (16, 256, 256)  # px, in which it is stored
CORES, GPUS = 1000, 8
NETWORKS = {16: "`quick`, 16 base channels", 64: "full, 64 base channels"}
BYTES = 4  # of a value of the result
PYRAMID = 4 / 3  # its pixels, in those of the full resolution


def on_paper(part: Mapping[str, Any]) -> list[str]:
    """The section of the page."""
    rows = [_row(channels) for channels in NETWORKS]
    grid, _ = _grid(16)
    down, across = grid.shard[1:]
    read = _pixels_read(grid)
    of_full, _ = _grid(64)
    chunks = (math.ceil((down + 2 * CONTEXT) / CHUNK[1]) + 1) * (math.ceil((across + 2 * CONTEXT) / CHUNK[2]) + 1)
    files = 2 + LEVELS_OF_A_BLOCK  # the levels that a block writes, and its done mark
    terabytes = math.prod(SHAPE) / 1e12
    written = BYTES * PYRAMID * terabytes
    lines = [
        "## On paper: 10^12 px",
        "",
        f"A volume of {' x '.join(f'{length:,}' for length in SHAPE)} px of one byte, stored in chunks of "
        f"{' x '.join(map(str, CHUNK))} px, one pass. Nothing here was run.",
        "",
        Table(
            ["network", "blocks", "multiply-adds of a px", "in all", f"{CORES:,} cores", f"{GPUS} GPUs"], rows
        ).to_markdown(),
        "",
        "Times are hours for cores that do 10^9 multiply-adds a second each, and GPUs that do 10^12; divide by what "
        "yours do. No GPU has been measured.",
        "",
        f"- **Context**: a block of the `quick` network, {' x '.join(map(str, grid.shard))} px, reads {read:.2f} times "
        f"its own pixels, and one of the full network, {' x '.join(map(str, of_full.shard))} px, "
        f"{_pixels_read(of_full):.2f} times; the arithmetic grows with them (counted above). With the `quick` network "
        f"{read * terabytes:.1f} TB are read in all and {written:.1f} TB written before compression.",
        f"- **Requests**: a block of the `quick` network reads up to {chunks} chunks and writes {files} files. With "
        f"{CORES:,} cores the store serves {CORES * (chunks + files):,} requests in the time of a block.",
        *_scheduler_limit(part),
        f"- **End of scaling**: {GPUS} GPUs that do 10^13 multiply-adds a second each would need a store of "
        f"{_rate(read * terabytes + written):.1f} GB a second with the `quick` network, and a sixteenth of that with "
        "the full one: the store ends it first. Cores end it where the scheduler does, or where there are fewer blocks "
        "than cores; job arrays (`--part`) have no scheduler.",
    ]
    return lines


def _grid(channels: int) -> tuple[Grid, float]:
    """The volume's blocks, as `predict` cuts them by itself, and the multiply-adds of one of its pixels."""
    depth, height, width = SHAPE
    pixels = tile_memory(channels) // (BYTES_PER_PIXEL_AND_CHANNEL * channels)
    plan = plan_blocks(height, width, views("none"), pixels, None, channels)
    grid = Grid.of_plan(depth, height, width, plan, CHUNK[0])
    tall, wide = (tile_size(length) for length in grid.shard[1:])
    return grid, float(multiply_adds(tall, wide, channels)) / math.prod(grid.shard[1:])


def _pixels_read(grid: Grid) -> float:
    """What a block reads of a section, its context included, in its own pixels."""
    down, across = grid.shard[1:]
    return (down + 2 * CONTEXT) * (across + 2 * CONTEXT) / (down * across)


def _row(channels: int) -> list[str]:
    grid, of_pixel = _grid(channels)
    total = of_pixel * math.prod(SHAPE)
    hours = [total / rate / 3600 for rate in (CORES * 1e9, GPUS * 1e12)]
    return [
        NETWORKS[channels],
        f"{len(grid):,}",
        f"{of_pixel:,.0f}",
        f"{total:.1e}",
        *(f"{value:.1f}" for value in hours),
    ]


def _rate(terabytes: float) -> float:
    """GB a second that GPUs of 10^13 multiply-adds a second move with the `quick` network."""
    _, of_pixel = _grid(16)
    return 1000 * terabytes / (of_pixel * math.prod(SHAPE) / (GPUS * 1e13))


def _scheduler_limit(part: Mapping[str, Any]) -> list[str]:
    """How many cores the scheduler feeds, of what was measured."""
    if "scheduler" not in part or "workers" not in part:
        return []
    run, workers = part["scheduler"]["runs"][-1], part["workers"]
    alone = next(one for one in workers["runs"] if one["workers"] is None)
    grid, of_pixel = _grid(16)
    tall, wide = (tile_size(length) for length in workers["shard"][1:])
    done = float(multiply_adds(tall, wide, workers["base_channels"])) * workers["shard"][0]
    ours = alone["cpu_seconds_per_block"] / run["cpu_seconds_per_block"]
    larger = of_pixel * math.prod(grid.shard) / done
    return [
        f"- **The scheduler** hands out {ours:,.0f} blocks in the CPU time that one block of the table above takes a "
        f"core. A block of this volume has {larger:.1f} times the arithmetic with the `quick` network: at the same "
        f"rate one scheduler keeps some {ours * larger:,.0f} cores busy."
    ]
