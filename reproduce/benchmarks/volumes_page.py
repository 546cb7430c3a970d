"""The page of the benchmark of volumes: README.md and scaling.png."""

import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from unet_paper.report.table import Table
from unet_paper.runs.environment import code_version, hardware
from unet_paper.support.files import atomic_write

PIXELS = 10**12  # of the volume that is only calculated
BLOCK_PIXELS = 16 * 816 * 816  # of one of its blocks


def write_page(folder: Path, measured: dict[str, Any]) -> str:
    """Write both, and return the page's text."""
    text = page(measured)
    with atomic_write(folder / "scaling.png") as temporary:
        figure(measured).savefig(temporary, dpi=120)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text)
    return text


def figure(measured: dict[str, Any]) -> Figure:
    """Memory against size, and time against workers."""
    drawn = Figure((8, 3.2), layout="constrained")
    memory, workers = drawn.subplots(1, 2)
    memory.plot([row["side"] for row in measured["memory"]], [row["MiB"] for row in measured["memory"]], "o-")
    memory.axhline(2048, color="gray", linestyle=":")
    memory.set(xscale="log", xlabel="side of a section, px", ylabel="peak memory of a process, MiB", ylim=(0, None))
    memory.set_xticks([row["side"] for row in measured["memory"]], [str(row["side"]) for row in measured["memory"]])
    memory.minorticks_off()
    rows = [row for row in measured["shared"] if row["workers"] and not row["kills"]]
    seconds = [row["blocks"] / row["blocks_per_second"] for row in rows]
    workers.plot([row["workers"] for row in rows], seconds, "o-", label="measured")
    workers.plot(
        [row["workers"] for row in rows],
        [seconds[0] / row["workers"] for row in rows],
        ":",
        color="gray",
        label="ideal",
    )
    workers.set(
        xlabel="workers", ylabel="time of all blocks, s", ylim=(0, None), xticks=[row["workers"] for row in rows]
    )
    workers.legend()
    return drawn


def page(measured: dict[str, Any]) -> str:
    """README.md."""
    sections, height, width = measured["volume"]
    dry, device = measured["dry_run"], hardware("cpu").device
    memory = [[str(row["side"]), f"{row['MiB']:.0f}"] for row in measured["memory"]]
    shared = [
        [
            "one process" if row["workers"] is None else f"{row['workers']}",
            str(row["kills"]),
            str(row["blocks"]),
            f"{row['blocks_per_second']:.3f}",
        ]
        for row in measured["shared"]
    ]
    rate = next(row["blocks_per_second"] for row in measured["shared"] if row["workers"] == 1)
    pixels = rate * sections * height * width / measured["shared"][0]["blocks"]
    blocks = PIXELS / BLOCK_PIXELS
    same = "the same bits" if measured["same"] else "DIFFERENT results"
    commit = (code_version().commit or "none")[:7]
    hours, reads = PIXELS / pixels / 1000 / 3600, ((816 + 184) / 816) ** 2
    return f"""# Volumes: how prediction scales

Written by `python -m reproduce.benchmarks.volumes`, commit {commit}, on {device}, {os.cpu_count()} cores,
which did other
work at the time (load {measured["load"]:.0f}): compare the rows with one another only.

![Memory against size, time against workers](scaling.png)

Peak memory of the process that predicts one section with the `quick` network (`--tta none`):

{Table(["side, px", "peak memory, MiB"], memory).to_markdown()}

A volume of {sections} x {height} x {width} px, a network of {measured["weights"]} base channels, shared by
workers, some of
them killed with SIGKILL in the middle of their blocks: **{same}**.

{Table(["workers", "killed", "blocks", "blocks per second"], shared).to_markdown()}

{dry["blocks"]:,} blocks without work, by two workers: the first is done after {dry["first_seconds"]:.1f} s,
the scheduler
hands out {dry["blocks_per_second"]:,.0f} blocks a second and takes {dry["MiB"]:.0f} MiB more. It knows of
4,096 blocks at a
time, so its memory does not grow with the volume.

On paper: 10^12 px are {blocks:,.0f} blocks of 16 x 816 x 816 px. At the rate of one worker above
({pixels / 1e6:.2f} million px a second) 1,000 cores take {hours:.1f} hours. Eight GPUs of R px a second each take
10^12 / 8 R seconds; none was measured. What grows beyond the work: a block of 816 px reads {reads:.1f} times
its own pixels,
which are 25 chunks of 16 x 256 x 256 px, and writes five files and a mark. It ends scaling where the cores
finish more blocks
a second than the scheduler hands out, or where the store serves fewer than some 30 requests for each core in
the time of a
block.
"""
