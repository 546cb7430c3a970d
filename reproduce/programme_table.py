"""The table of a programme's runs."""

import statistics
from pathlib import Path

from reproduce.chance import beyond, by_chance, spread_within, where_one_more_lies
from reproduce.programmes import LEFT_OUT, Run
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, TABLE_1_METRICS
from unet_paper.report.tables import read_run
from unet_paper.runs.diagnostics import CUT_OFF, RECORDED, are_cut_off
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_scores
from unet_paper.support.json_files import read_json

USUAL = ("as the paper", "as it is")  # rows that the others of ablations and remedies are compared with


def settings(record):
    """The values of all settings but the seed."""
    return {name: entry["value"] for name, entry in record["configuration"].items() if name not in ("seed", "profile")}


def seeds_elsewhere(folder, first):
    """Runs beside the programme's, `quick` and its other seeds, that have the settings and data of its first run, which
    all others are compared with; at least three, or none. Those beside ablations have its fold too.
    """
    if first.group not in USUAL:
        return []
    results = Path(folder).parent
    usual = read_json(RunFolder(Path(folder) / first.name).record)
    parts = ("protocol", "data_sha256") if first.group == "as the paper" else ("data_sha256",)
    names = []
    for place in (results / "quick", *sorted((results / "seeds").glob("seed-*"))):
        if RunFolder(place).table.is_file():
            record = read_json(RunFolder(place).record)
            # settings that an older record lacks have their usual values
            same = settings(usual).items() >= settings(record).items()
            if same and all(record[part] == usual[part] for part in parts):
                names.append(f"../{place.relative_to(results)}")
    return [Run(name, f"{first.group}, {len(names)} seeds", None) for name in names] if len(names) > 2 else []


def profile_of(record):
    """The profile and its changes, without the seed, which is a row's own affair."""
    name, _, changes = record["profile"].partition(" with ")
    kept = [change for change in changes.split(", ") if change and not change.startswith("seed=")]
    return f"{name} with {', '.join(kept)}" if kept else name


def border_title(run, border):
    """What the table calls a run's predictions with another border."""
    return f"{run.group}, {border} beyond the border"


def collect(folder, runs, cut_off=False):
    """{group: {average: {score: [value of each run]}}} of a programme's runs, in their order: of those whose deep
    levels reach the output or, with `cut_off`, of the others.
    """
    found = {}
    for run in runs:
        place = RunFolder(Path(folder) / run.name)
        record, scores = read_run(place)
        if are_cut_off(record) != cut_off:
            continue
        headline = record["configuration"]["primary"]["value"]
        scored = [(run.group, average, values) for average, values in scores.items()]
        if run.part:
            scored += [(run.part, average, values) for average, values in scores.items()]
        for border in run.borders:
            values = read_scores(place.path / f"scores-border-{border}.json")
            scored.append((border_title(run, border), headline, values))
        for group, average, values in scored:
            kept = found.setdefault(group, {}).setdefault(average, {metric.key: [] for metric in CHALLENGE_METRICS})
            for metric in CHALLENGE_METRICS:
                kept[metric.key].append(values.value(metric))
    return found


def what_chance_does(averages, headline):
    """Lines on how far a single run may lie from several that differ in the seed, before that says anything."""
    ranges = []
    for metric in TABLE_1_METRICS:
        low, high = where_one_more_lies(averages[headline][metric.key])
        ranges.append(f"{metric.title} {metric.formatted(max(low, 0))} to {metric.formatted(high)}")
    return [
        "",
        "The first row is of the runs [quick](../quick) and [seeds](../seeds), which differ in the seed alone. One "
        f"more would have, 19 times of 20, {', '.join(ranges)} ({headline}; if the errors are distributed normally). A "
        "single run of something else that lies there too shows nothing, and one of 20 that change nothing lies "
        "outside; means of several runs lie closer together, see the table of multiples.",
    ]


def beside_chance(rows, alike, known_from):
    """Lines on how far each row lies from what it is compared with, in multiples of how far it would by the seed alone.

    rows : {title: (the row, what it is compared with)}, each {average: {score: [value of each run]}}
    alike : list of such, whose runs differ in the seed alone; known_from : what these are, in words
    """
    kinds = [(metric, average) for metric in TABLE_1_METRICS for average in alike[0]]
    spreads = {}
    for metric, average in kinds:
        spreads[metric, average], degrees = spread_within([values[average][metric.key] for values in alike])
    comparisons = len(rows) * len(TABLE_1_METRICS)
    lines = [
        "How far each row lies from the first (below zero is better), in multiples of how far it would by the seed "
        f"alone. What a seed does is known from {known_from} ({degrees} degrees of freedom), as if it did the same "
        "whatever else is changed and errors were normally distributed; a run far from the others of its row makes it "
        f"large. By chance alone such a number lies beyond {beyond(degrees):.1f} once in 20 times, and "
        f"the largest of the {comparisons} of one averaging beyond {beyond(degrees, comparisons):.1f}.",
        "",
        "| what | runs | " + " | ".join(f"{metric.title}, {average}" for metric, average in kinds) + " |",
        "|---" * (2 + len(kinds)) + "|",
    ]
    row = [f"{spreads[metric, average]:.{metric.digits + 1}f}" for metric, average in kinds]
    lines.append("| standard deviation of one run | | " + " | ".join(row) + " |")
    for title, (values, usual) in rows.items():
        row = []
        for metric, average in kinds:
            spread = spreads[metric, average]  # 0 where all maps are alike, as those of hardly trained networks can be
            given = values[average][metric.key], usual[average][metric.key]
            row.append(f"{by_chance(*given, spread):+z.1f}" if spread else "-")
        lines.append(f"| {title} | {_count(values)} | " + " | ".join(row) + " |")
    return [*lines, ""]


def borders(found, run, headline):
    """Lines on what other borders in prediction change for the same weights."""
    lines = []
    for border in run.borders if run.group in found else ():
        mirrored, other = found[run.group][headline], found[border_title(run, border)][headline]
        changes = []
        for metric in TABLE_1_METRICS:
            pairs = zip(mirrored[metric.key], other[metric.key], strict=True)
            differences = [after - before for before, after in pairs]
            changes.append(f"{metric.title} {mean_and_spread(differences, metric.digits + 1, sign='+')}")
        lines += [f"With {border} beyond the border, the same weights ({headline}): {', '.join(changes)}.", ""]
    return lines


def mean_and_spread(values, digits, sign=""):
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.mean(values):{sign}.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table(folder, programme, runs, planned=None, diverged=()):
    """Markdown: a row for each group and averaging, mean and standard deviation over its runs.

    runs : those that are done, the programme's first among them; planned : how many there will be (None: these);
    diverged : those that ended before their time
    """
    first = read_json(RunFolder(Path(folder) / runs[0].name).record)
    headline = first["configuration"]["primary"]["value"]
    steps, width = (first["configuration"][name]["value"] for name in ("steps", "base_channels"))
    protocol = first["protocol"]
    own, cut_off = collect(folder, runs), collect(folder, runs, cut_off=True)
    elsewhere = collect(folder, seeds_elsewhere(folder, runs[0]))
    of_the_same_fold = elsewhere if runs[0].group == "as the paper" else {}
    shown = of_the_same_fold | own
    lines = [
        f"# {programme}",
        "",
        f"Written by `python -m reproduce.programme {programme}` from the records of its runs"
        f"{f', {len(runs)} of {planned} so far' if len(runs) + len(diverged) < (planned or 0) else ''}. Data: "
        f"{first['dataset']}; {width} first-level channels, {steps:,} steps; scored on held-out sections of the "
        f"training stack ({protocol['scored_sections']} of "
        f"{protocol['scored_sections'] + protocol['training_sections']}); profile {profile_of(first)}. Mean ± "
        f"standard deviation over the runs of a row{', each a fold with one seed' if programme == 'folds' else ''}.",
        *(line for averages in of_the_same_fold.values() for line in what_chance_does(averages, headline)),
        "",
        "| what | runs | average | " + " | ".join(metric.title for metric in CHALLENGE_METRICS) + " |",
        "|---" * (3 + len(CHALLENGE_METRICS)) + "|",
    ]
    for group, averages in shown.items():
        for average, scores in averages.items():
            values = [mean_and_spread(scores[metric.key], metric.digits) for metric in CHALLENGE_METRICS]
            count = str(_count(averages))
            if group in cut_off:
                count += f" and {_count(cut_off[group])} cut off"
            lines.append(f"| {group} | {count} | {average} | " + " | ".join(values) + " |")
    if cut_off:
        records = {run.name: read_json(RunFolder(Path(folder) / run.name).record) for run in runs}
        names = [name for name, record in records.items() if are_cut_off(record)]
        unknown = sum(RECORDED not in record for record in records.values())
        lines += [
            "",
            f"Cut off, and in no mean: {', '.join(names)}. ReLUs have died between the network's first level and the "
            "others, which no longer reach the output: its probabilities change by less than "
            f"{CUT_OFF} on average when the map of the last up-convolution is flat."
            + (f" {unknown} of the {len(runs)} runs were trained before this was measured." if unknown else ""),
        ]
    if diverged:
        names = ", ".join(run.name for run in diverged)
        lines += ["", f"Diverged, twice from their last checkpoint, and in no row: {names}."]
    if len(runs) > 1:
        lines += ["", *compared(own, elsewhere, runs), *borders(own, runs[0], headline), *each_run(folder, runs)]
    return "\n".join(lines) + "\n"


def compared(own, elsewhere, runs):
    """Lines that compare the rows of ablations and remedies with their first, where anything tells what a seed does."""
    title = runs[0].group
    others = {run.group: own[run.group] for run in runs if run.group != title and run.group in own}
    if title not in USUAL or title not in own or not others:
        return []
    several = any(_count(row) > 1 for row in (own[title], *others.values()))
    known_from = ["the rows with several runs"] if several else []
    if title == "as the paper" and elsewhere:  # these are the table's first row; the own runs have the same seeds
        (usual,) = elsewhere.values()
        alike = [usual]
        known_from = known_from or ["the first row"]
    else:
        usual = own[title]
        alike = [*elsewhere.values(), usual]
        known_from += [
            f"the {_count(row)} runs [quick](../quick) and [seeds](../seeds), of another fold"
            for row in elsewhere.values()
        ]
    alike += others.values()
    rows = {other: (row, usual) for other, row in others.items()}
    far, near = LEFT_OUT  # as many sections, so that only where they lie differs
    if {far, near} <= set(others):
        rows[f"{near}, beside {far}"] = others[near], others[far]
    return beside_chance(rows, alike, " and ".join(known_from)) if known_from else []


def _count(row):
    """How many runs a row has."""
    return len(next(iter(row.values()))[PIXEL_ERROR.key])


def each_run(folder, runs):
    """A row for every run by itself, the headline's averaging."""
    lines = ["Each run, with its headline's averaging:", ""]
    lines += [
        "| run | scored on | seed | " + " | ".join(metric.title for metric in CHALLENGE_METRICS) + " | trained on |",
        "|---" * (4 + len(CHALLENGE_METRICS)) + "|",
    ]
    for run in runs:
        record, scores = read_run(RunFolder(Path(folder) / run.name))
        value = {name: entry["value"] for name, entry in record["configuration"].items()}
        of_headline = scores[value["primary"]]
        shown = [metric.formatted(of_headline.value(metric)) for metric in CHALLENGE_METRICS]
        hardware = record["hardware"]
        trained_on = hardware["processor"] if hardware["device"] == "cpu" else hardware["device"]
        name = f"{run.name} (cut off)" if are_cut_off(record) else run.name
        row = [name, f"fold {run.fold}", str(value["seed"]), *shown, trained_on]
        lines.append(f"| {' | '.join(row)} |")
    return lines
