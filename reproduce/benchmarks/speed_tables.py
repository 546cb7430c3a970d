"""The tables of the benchmark of speed."""

import statistics
from typing import Any

from unet_paper.report.table import Cell, Table
from unet_paper.runs.record import RunRecord

STEP = ("forward", "backward", "optimiser")


def measured(part: dict[str, Any]) -> str:
    """When and with which code, in words."""
    return f"{part['time']}, code {str(part['code']['commit'])[:7]}{' with changes' * bool(part['code']['changed'])}"


def lines(part: dict[str, Any]) -> list[str]:
    """What one device was measured to do."""
    gpu = part["hardware"]["device"] != "cpu"
    name = part["hardware"]["device"] if gpu else f"{part['hardware']['threads']} CPU cores"
    rows: list[list[Cell]] = []
    for row in part["rows"]:
        ours, baseline = row["ours"], row["baseline"]
        peak = ""
        if row["multiply_adds"]:
            peak = f"{row['multiply_adds'] / statistics.median(ours) / part['peak'][row['precision']]:.2f}"
        ratios = (
            statistics.median(ours) / statistics.median(baseline),
            min(ours) / max(baseline),
            max(ours) / min(baseline),
        )
        milliseconds = [f"{1000 * statistics.median(ours):.2f}"] if gpu else []
        rows.append([row["name"], *milliseconds, *(f"{ratio:.3f}" for ratio in ratios), row["precision"] or "", peak])
    columns = ["what", *(["ours, ms"] if gpu else []), "ours / baseline", "from", "to", "precision", "part of the peak"]
    text = [
        "",
        f"## Speed on {name}",
        "",
        f"{measured(part)}; data: {part['data']}. Our time divided by the baseline's: of the medians, and the smallest "
        "and largest that the times allow. The baseline runs in its own process. The part of the peak is against "
        "PyTorch's own matrix product, the fastest measured in the same run and precision; the processor's limit may "
        "lie higher.",
        "",
        Table(columns, rows).to_markdown(),
    ]
    training = part["training"]
    if training["parts"]:
        parts = training["parts"]
        step = sum(parts[name] for name in STEP)
        shares = ", ".join(f"{name} {100 * spent / training['seconds']:.1f} %" for name, spent in parts.items())
        text += [
            "",
            f"A training of {training['steps']} steps of the `quick` network spends "
            f"{100 * step / training['seconds']:.1f} % of its time in forward, backward and optimiser ({shares}).",
        ]
    if "bfloat16" in part:
        trained, difference = part["bfloat16"], part["bfloat16"]["difference"]
        moved = ", ".join(f"{name} {of['mean']:.5f} (largest {of['largest']:.3f})" for name, of in difference.items())
        text += [
            "",
            f"Probabilities in bfloat16 differ from those in float32 on average by: {moved} (one section, `"
            f"{trained['profile']}` network of {trained['steps']} steps).",
        ]
    return text


def stages(run: RunRecord, name: str) -> list[str]:
    """Where the time of the training STUDY/RUN went, from its record; nothing where that does not tell."""
    parts, whole = run.times.training_parts_seconds, run.times.training_seconds
    if not parts or not whole:
        return []
    study = name.partition("/")[0]
    rows: list[list[Cell]] = [[title, f"{100 * spent / whole:.1f} %"] for title, spent in parts.items()]
    return [
        "",
        "## Where the time of a training goes",
        "",
        f"`{name}`, from its record in results/{run.dataset}/{study}/records.jsonl.",
        "",
        Table(["part", "of the whole"], rows).to_markdown(),
    ]
