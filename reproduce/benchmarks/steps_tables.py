"""The table of the benchmark of training steps."""

from typing import Any

from reproduce.benchmarks.measuring import ratio
from reproduce.benchmarks.speed_tables import measured
from unet_paper.report.table import Cell, Table


def lines(part: dict[str, Any]) -> list[str]:
    """A step of ours as a fraction of each other one."""
    rows: list[list[Cell]] = []
    for network, programs in part["seconds"].items():
        ours = next(iter(programs))
        for name, seconds in programs.items():
            if name != ours:
                rows.append([f"{network} network, {ours}", name, ratio(programs[ours], seconds)])
    processor = "" if part["bfloat16"] else f", on a processor with {part['instructions']} alone"
    return [
        "",
        f"## A training step, by precision and kernels{processor}",
        "",
        f"{measured(part)}; {part['hardware']['processor']}, {part['hardware']['threads']} threads; load average "
        f"{part['load']:.1f} when it began. A 572 px tile of {part['data']}; all in turn. The time of ours divided "
        "by the other's: the median of the rounds, and the extremes.",
        "",
        Table(["ours", "beside", "ours / it"], rows).to_markdown(),
    ]
