"""README.md of the benchmark's records."""

import statistics

STEP = ("forward", "backward", "optimiser")


def tables(records, quick_run=None):
    """Markdown of all records, and of where the time of the committed quick run went."""
    lines = [
        "# Speed beside plain forms",
        "",
        "Written by `python -m reproduce.benchmarks`. Each row was measured in turn with its baseline in one run, the "
        "baseline in a process of its own, as people run it: our time divided by the baseline's, medians, and the "
        "extremes. The last columns say which arithmetic the row uses and what part it reaches of the matrix-product "
        "peak that the same run measured in that arithmetic.",
    ]
    for record in records:
        lines += one_record(record)
    if quick_run is not None:
        lines += stages(quick_run)
    return "\n".join(lines) + "\n"


def one_record(record):
    """The table of one device."""
    gpu = record["hardware"]["device"] != "cpu"
    changed = " with changes" * bool(record["code"]["changed"])
    name = record["hardware"]["device"] if gpu else f"{record['hardware']['threads']} CPU cores"
    lines = [
        "",
        f"## {name}",
        "",
        f"{record['time']}, code {str(record['code']['commit'])[:7]}{changed}, data: {record['data']}.",
        "",
        f"| what | {'ours, ms | ' * gpu}ours / plain | from | to | arithmetic | part of the peak |",
        f"|---|{'---|' * gpu}---|---|---|---|---|",
    ]
    for row in record["rows"]:
        ours, plain = row["ours"], row["plain"]
        ratio = statistics.median(ours) / statistics.median(plain)
        part = ""
        if row["multiply_adds"]:
            part = f"{row['multiply_adds'] / statistics.median(ours) / record['peak'][row['arithmetic']]:.2f}"
        lines.append(
            f"| {row['name']} | {f'{1000 * statistics.median(ours):.2f} | ' * gpu}{ratio:.3f} | "
            f"{min(ours) / max(plain):.3f} | {max(ours) / min(plain):.3f} | {row['arithmetic'] or ''} | {part} |"
        )
    training = record["training"]
    if training["parts"]:
        parts = training["parts"]
        step = sum(parts[name] for name in STEP)
        shares = ", ".join(f"{name} {100 * spent / training['seconds']:.1f} %" for name, spent in parts.items())
        lines += [
            "",
            f"A training of {training['steps']} steps as `quick` trains spends "
            f"{100 * step / training['seconds']:.1f} % of its time in forward, backward and optimiser ({shares}).",
        ]
    if "bfloat16" in record:
        trained, difference = record["bfloat16"], record["bfloat16"]["difference"]
        moved = ", ".join(f"{name} {of['mean']:.5f} (largest {of['largest']:.3f})" for name, of in difference.items())
        lines += [
            "",
            f"Probabilities in bfloat16 differ from those in float32 on average by: {moved} (one section, `"
            f"{trained['profile']}` network of {trained['steps']} steps).",
        ]
    return lines


def stages(record):
    """Where the time of a whole run went, from its own record."""
    times = record["times"]
    if "steps_seconds" not in times or "training_parts_seconds" not in times:
        return []
    seconds, parts = times["steps_seconds"], times["training_parts_seconds"]
    inside = sum(parts[name] for name in STEP) / times["training_seconds"]
    lines = [
        "",
        f"## The `{record['name']}` run by stages",
        "",
        f"From its record, results/{record['dataset']}/{record['name']}/run.json. {100 * inside:.1f} % of the training "
        "time is spent in forward, backward and optimiser.",
        "",
        "| stage | part of the whole |",
        "|---|---|",
    ]
    rows = {name: spent for name, spent in seconds.items() if name != "all"}
    lines += [f"| {name} | {100 * spent / seconds['all']:.1f} % |" for name, spent in rows.items()]
    lines += [f"| of the training: {name} | {100 * spent / seconds['all']:.1f} % |" for name, spent in parts.items()]
    return lines
