"""The tables of the benchmark of the metrics."""

from typing import Any

from reproduce.benchmarks.metrics import CURVES, ROUNDS
from reproduce.benchmarks.speed_tables import measured
from unet_paper.metrics.registry import CHALLENGE_METRICS, WARPING_ERROR
from unet_paper.report.table import Table


def lines(part: dict[str, Any]) -> list[str]:
    """Agreement with the reference, and speed."""
    of_pixels_and_segments = [metric for metric in CHALLENGE_METRICS if metric is not WARPING_ERROR]
    labels = [metric.label for metric in of_pixels_and_segments]
    cases = []
    for name, row in part["agreement"].items():
        curves = max(row[key] for key in CURVES)
        cells = [
            f"{value:.1e}" if value else "0"
            for value in (*(row[metric.key] for metric in of_pixels_and_segments), curves)
        ]
        counts = f"{row['warping_counts_that_differ']} of {row['warping_counts_compared']}"
        cases.append([name, " x ".join(map(str, row["shape"])), *cells, f"{row[WARPING_ERROR.key]:.1g}", counts])
    maps = list(dict.fromkeys(row["map"] for row in part["speed"]))
    metrics = list(dict.fromkeys(row["metric"] for row in part["speed"]))
    seconds = {(row["map"], row["metric"]): row["ours"] for row in part["speed"]}
    ratios = {(row["map"], row["metric"]): row["ours"] / row["baseline"] for row in part["speed"]}
    beside = [[metric, *(f"{ratios[name, metric]:.3f}" for name in maps)] for metric in metrics]
    shares = [
        [metric, *(f"{seconds[name, metric] / seconds[name, 'all']:.2f}" for name in maps)]
        for metric in metrics
        if metric != "all"
    ]
    return [
        "",
        "## Metrics: largest difference from the challenge's reference scorer, by case",
        "",
        f"{measured(part)}.",
        "",
        Table(["case", "shape", *labels, "curves", WARPING_ERROR.label, "counts that differ"], cases).to_markdown(),
        "",
        "## Metrics: time of one section, all thresholds, as a fraction of the baseline's",
        "",
        f"One core each, in turn in one process, medians of {ROUNDS}.",
        "",
        Table(["metric", *maps], beside).to_markdown(),
        "",
        "Each part's own time as a fraction of everything at once (V_rand and V_info take the thinning, and label the "
        "segments that the Rand error needs too):",
        "",
        Table(["metric", *maps], shares).to_markdown(),
    ]
