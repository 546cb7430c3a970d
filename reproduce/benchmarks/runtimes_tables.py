"""The tables of the benchmark of other programs that run the network."""

import statistics
from typing import Any

from reproduce.benchmarks.speed_tables import measured
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.report.table import Cell, Table


def lines(part: dict[str, Any]) -> list[str]:
    """Our time as a fraction of theirs, and what a lower precision does to the errors."""
    rows: list[list[Cell]] = []
    for row in part["rows"]:
        ours, theirs = row["ours"], row["baseline"]
        ratios = (
            statistics.median(ours) / statistics.median(theirs),
            min(ours) / max(theirs),
            max(ours) / min(theirs),
        )
        rows.append([row["name"], *(f"{ratio:.2f}" for ratio in ratios), row["precision"]])
    versions = ", ".join(f"{name} {number}" for name, number in part["versions"].items())
    bfloat16 = "has bfloat16" if part["bfloat16"] else "has no bfloat16, so that there are no rows of it"
    text = [
        "",
        "## Beside ONNX Runtime and OpenVINO",
        "",
        f"{measured(part)}; {versions}. {part['hardware']['processor']}, {part['hardware']['threads']} threads, which "
        f"{bfloat16}; load average {part['load']:.1f} when it began. A section in one pass, data: {part['data']}. Our "
        "time divided by theirs, medians, and the extremes; where others use the machine too, look at the extremes.",
        "",
        Table(["what", "ours / theirs", "from", "to", "our precision"], rows).to_markdown(),
    ]
    if "errors" in part:
        found, network = part["errors"], part["errors"]["network"]
        moved: list[list[Cell]] = [
            [
                name,
                *(values[metric.key] for metric in TABLE_1_METRICS),
                f"{values['mean_difference']:.5f}",
                f"{values['largest_difference']:.3f}",
            ]
            for name, values in found["precisions"].items()
        ]
        text += [
            "",
            f"Errors of one trained network ({network['base_channels']} base channels, {network['steps']:,} steps) on "
            f"{found['sections']} sections in each precision, and how far its probabilities lie from those in float32:",
            "",
            Table(["precision", *TABLE_1_METRICS, "mean difference", "largest"], moved).to_markdown(),
        ]
    return text
