"""The page of the benchmark of volumes: README.md and scaling.png."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduce.benchmarks.volumes_on_paper import on_paper
from unet_paper.report.table import Table
from unet_paper.support.files import atomic_write

LIMIT = 2048  # MiB that a worker may take
WHOLE = (64, 4096, 4096)  # px of the volume that is predicted unless another is asked for
WHOLE_RUN = 100_000  # blocks that the scheduler hands out, likewise


def write_page(folder: Path, part: Mapping[str, Any]) -> None:
    """Write both."""
    with atomic_write(folder / "scaling.png") as temporary:
        figure(part).savefig(temporary, dpi=120)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(page(part), encoding="utf-8")


def figure(part: Mapping[str, Any]) -> Figure:
    """Memory against size, and time against workers."""
    measured = [(name, draw) for name, draw in DRAWN.items() if name in part]
    drawn = Figure((4 * max(len(measured), 1), 3.2), layout="constrained")
    for number, (name, draw) in enumerate(measured, 1):
        draw(drawn.add_subplot(1, len(measured), number), part[name]["runs"])
    return drawn


def _draw_memory(axes: Axes, runs: list[dict[str, Any]]) -> None:
    axes.plot([run["pixels"] for run in runs], [run["MiB"] for run in runs], "o-", label="measured")
    axes.axhline(LIMIT, color="gray", linestyle=":", label="what a worker may take")
    axes.set(xscale="log", xlabel="volume, px", ylabel="peak memory of a process, MiB", ylim=(0, None))
    axes.legend()


def _draw_workers(axes: Axes, runs: list[dict[str, Any]]) -> None:
    alone = next(run for run in runs if run["workers"] is None)
    shared = [run for run in runs if run["workers"] is not None]
    workers = [run["workers"] for run in shared]
    times = [alone["blocks_per_second"] / run["blocks_per_second"] for run in shared]
    axes.plot(workers, times, "o-", label="measured")
    axes.plot(workers, [1 / count for count in workers], ":", color="gray", label="ideal")
    axes.axhline(1, color="gray", linewidth=0.8, label="one process, no scheduler")
    axes.set(xlabel="workers", ylabel="time, in that of one process", ylim=(0, None), xticks=workers)
    axes.legend()


DRAWN = {"memory": _draw_memory, "workers": _draw_workers}


def page(part: Mapping[str, Any]) -> str:
    """README.md."""
    sections = {"proof": _proof, "workers": _workers, "memory": _memory, "scheduler": _scheduler}
    lines = [
        "# Volumes: how prediction scales",
        "",
        "Written by `python -m reproduce.benchmarks.volumes` from its record in [benchmarks](../benchmarks). The "
        "machine did other work at the time, so compare what stands in one table. CPU time is that of the processes "
        "themselves.",
        "",
        "![Memory against size, and time against workers where it was measured](scaling.png)",
    ]
    for name, write in sections.items():
        lines += ["", *(write(part[name]) if name in part else [f"`{name}` has not been measured."])]
    return "\n".join([*lines, "", *on_paper(part)]) + "\n"


def _circumstances(measured: Mapping[str, Any]) -> str:
    """When, with which code and beside what."""
    hardware, commit = measured["hardware"], (measured["code"]["commit"] or "none")[:7]
    return (
        f"({measured['time'][:10]}, commit {commit}, {hardware['processor']}, {hardware['cores']} cores, load "
        f"{measured['load']:.1f} before)"
    )


def _volume(measured: Mapping[str, Any]) -> str:
    share = math.prod(measured["shape"]) / math.prod(WHOLE)
    smaller = f" ({share:.2%} of the {_times(WHOLE)} px that the command takes by itself)" if share < 1 else ""
    kind = "trained" if measured["is_trained"] else "untrained"
    return (
        f"a volume of {_times(measured['shape'])} px of noise{smaller} in {measured['blocks']} blocks of up to "
        f"{_times(measured['shard'])} px, by {'an' * (kind == 'untrained') or 'a'} {kind} network of "
        f"{measured['base_channels']} base channels, one pass"
    )


def _proof(measured: Mapping[str, Any]) -> list[str]:
    killed = measured["shared"]["killed_after_blocks"]
    after = " and ".join(map(str, killed))
    same = "are the same bits" if measured["is_equal"] else "DIFFER"
    levels = ", ".join(_times(shape) for shape in measured["levels"])
    return [
        "## Killed workers",
        "",
        f"Predicted: {_volume(measured)} {_circumstances(measured)}.",
        "",
        f"- By one process; and by two workers, of which {len(killed)} were killed (SIGKILL), after {after} blocks. "
        f"**The results {same}.**",
        f"- ome-zarr's reader finds {levels} px in the second, and its validators accept its axes and transformations.",
        f"- Peak memory: {measured['single']['MiB']:.0f} MiB of the one process, {measured['shared']['MiB']:.0f} MiB "
        "of the largest worker.",
    ]


def _workers(measured: Mapping[str, Any]) -> list[str]:
    runs = measured["runs"]
    alone = next(run for run in runs if run["workers"] is None)
    rows = [
        [
            "one process" if run["workers"] is None else f"{run['workers']} by dask",
            f"{run['blocks_per_second'] / alone['blocks_per_second']:.2f}",
            f"{run['cpu_seconds_per_block'] / alone['cpu_seconds_per_block']:.2f}",
            f"{run['MiB']:.0f}",
        ]
        for run in runs
    ]
    titles = ["workers", "blocks in a time", "CPU time of a block", "peak memory of a worker, MiB"]
    return [
        "## One worker and two",
        "",
        f"Predicted, one run after the other: {_volume(measured)} {_circumstances(measured)}. Rates are those after "
        "the first block, in the single process's. Where others take part of the cores, the CPU time tells what a "
        "worker costs, and the blocks in a time what was left.",
        "",
        Table(titles, rows).to_markdown(),
    ]


def _memory(measured: Mapping[str, Any]) -> list[str]:
    depth = measured["depth"]
    rows = [
        [f"{depth} x {run['side']:,} x {run['side']:,}", f"{run['blocks']:,}", f"{run['MiB']:.0f}"]
        for run in measured["runs"]
    ]
    return [
        "## Memory",
        "",
        f"Of the process that does the first block (`--part 1/BLOCKS`, as a job of an array does), with the network of "
        f"{measured['base_channels']} base channels, one pass {_circumstances(measured)}. A worker may take "
        f"{LIMIT:,} MiB.",
        "",
        Table(["volume, px", "blocks", "peak memory, MiB"], rows).to_markdown(),
    ]


def _scheduler(measured: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            f"{run['blocks']:,}",
            f"{run['MiB']:.0f}",
            f"{run['first_share'] * run['blocks']:,.0f}",
            f"{1000 * run['cpu_seconds_per_block']:.2f}",
        ]
        for run in measured["runs"]
    ]
    most = measured["runs"][-1]["blocks"]
    fewer = f" {most:,} were run, of the {WHOLE_RUN:,} that the command takes by itself." if most < WHOLE_RUN else ""
    titles = ["blocks", "memory, MiB", "start-up, in blocks of its time", "CPU time of a block, ms"]
    return [
        "## The scheduler",
        "",
        f"Blocks without work, by one worker {_circumstances(measured)}: what the process of the command takes, in "
        f"which the scheduler and the client live. It knows of 4,096 blocks at a time.{fewer}",
        "",
        Table(titles, rows).to_markdown(),
    ]


def _times(shape: Sequence[int]) -> str:
    return " x ".join(f"{length:,}" for length in shape)
