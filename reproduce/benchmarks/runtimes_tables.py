"""The tables of the benchmark of other programs that run the network."""

from typing import Any

from reproduce.benchmarks.measuring import ratio
from reproduce.benchmarks.speed_tables import measured
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.report.table import Cell, Table

OURS = "ours, "  # how a program's name begins in the record, and then its precision


def lines(part: dict[str, Any]) -> list[str]:
    """Our time as a fraction of theirs, and what a lower precision does to the errors."""
    versions = ", ".join(f"{name} {number}" for name, number in part["versions"].items())
    bfloat16 = "has bfloat16" if part["bfloat16"] else "has no bfloat16, so that there are no rows of it"
    text = [
        "",
        "## Beside ONNX Runtime and OpenVINO",
        "",
        f"{measured(part)}; {versions}. {part['hardware']['processor']}, {part['hardware']['threads']} threads, which "
        f"{bfloat16}; load average {part['load']:.1f} when it began. A section in one pass, data: {part['data']}; all "
        "programs in turn. Our time divided by theirs: the median of the rounds, and the extremes.",
        "",
        _ratios(part["seconds"]).to_markdown(),
    ]
    return text + (_errors(part["errors"]) if "errors" in part else [])


def _ratios(seconds: dict[str, dict[str, list[float]]]) -> Table:
    """A row for each network and program, a column for each precision of ours."""
    precisions = [name for name in next(iter(seconds.values())) if name.startswith(OURS)]
    rows: list[list[Cell]] = []
    for network, programs in seconds.items():
        for name, theirs in programs.items():
            if name != precisions[0]:
                ratios = ("" if own == name else ratio(programs[own], theirs) for own in precisions)
                rows.append([f"{network} network, {name}", *ratios])
    return Table(["beside", *(f"{own} / it" for own in precisions)], rows)


def _errors(errors: dict[str, Any]) -> list[str]:
    """What each precision does to the errors, beside a tenth of what seeds do."""
    network = errors["network"]
    moved: list[list[Cell]] = [
        [
            name,
            *(values[metric.key] for metric in TABLE_1_METRICS),
            f"{values['mean_difference']:.5f}",
            f"{values['largest_difference']:.3f}",
        ]
        for name, values in errors["precisions"].items()
    ]
    tenths = ", ".join(f"{metric.title} {errors['seeds'][metric.key] / 10:.2g}" for metric in TABLE_1_METRICS)
    return [
        "",
        f"Errors of one trained network ({network['base_channels']} base channels, {network['steps']:,} steps; "
        f"{errors['scored_on']}) in each precision, and how far its probabilities lie from those in float32. int8 is "
        "calibrated with sections that it was trained on. A tenth of what seeds do to these errors "
        "([seeds-adam](../isbi/seeds-adam/README.md), one pass, standard deviation): "
        f"{tenths}.",
        "",
        Table(["precision", *TABLE_1_METRICS, "mean difference", "largest"], moved).to_markdown(),
    ]
