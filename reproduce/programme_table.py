"""The table and the plot of a programme's runs."""

import math
import statistics
import textwrap
from pathlib import Path

from scipy import stats

from reproduce.programmes import Run
from unet_paper.record import RunFolder, read_json
from unet_paper.report import read_run, write_comparison
from unet_paper.stack import written_whole

COLUMNS = {
    "warping_error": ("warping error", 6),
    "rand_error": ("Rand error", 4),
    "rand_error_pairs": ("Rand error, pairs", 4),
    "pixel_error": ("pixel error", 4),
    "v_rand": ("V_rand", 4),
    "v_info": ("V_info", 4),
}
PLOTTED = ("warping_error", "rand_error", "pixel_error")


def settings(record):
    """The values of all settings but the seed."""
    return {name: entry["value"] for name, entry in record["configuration"].items() if name not in ("seed", "profile")}


def seeds_elsewhere(folder, first):
    """Runs beside the ablations that differ from their first run in the seed alone: `quick` and its other seeds."""
    if first.group != "as the paper":
        return []
    results = Path(folder).parent
    usual = read_json(RunFolder(Path(folder) / first.name).record)
    found = []
    for place in (results / "quick", *sorted((results / "seeds").glob("seed-*"))):
        if RunFolder(place).table.is_file():
            record = read_json(RunFolder(place).record)
            # settings that an older record lacks have their usual values
            same = settings(usual).items() >= settings(record).items()
            if same and all(record[part] == usual[part] for part in ("protocol", "data_sha256")):
                found.append(f"../{place.relative_to(results)}")
    return [Run(name, f"as the paper, {len(found)} seeds", first.fold) for name in found] if len(found) > 2 else []


def profile_of(record):
    """The profile and its changes, without the seed, which is a row's own affair."""
    name, _, changes = record["profile"].partition(" with ")
    kept = [change for change in changes.split(", ") if change and not change.startswith("seed=")]
    return f"{name} with {', '.join(kept)}" if kept else name


def collect(folder, runs):
    """{group: {average: {score: [value of each run]}}} of a programme's runs, in their order."""
    found = {}
    for run in runs:
        place = RunFolder(Path(folder) / run.name)
        record, scores = read_run(place)
        headline = record["configuration"]["headline"]["value"]
        scored = [(run.group, average, values) for average, values in scores.items()]
        if run.part:
            scored += [(run.part, average, values) for average, values in scores.items()]
        for border in run.borders:
            values = read_json(place.path / f"scores-border-{border}.json")
            scored.append((f"{run.group}, {border} beyond the border", headline, values))
        for group, average, values in scored:
            kept = found.setdefault(group, {}).setdefault(average, {score: [] for score in COLUMNS})
            for score in COLUMNS:
                kept[score].append(values[score])
    return found


def where_one_more_lies(values):
    """(lowest, highest) of one more such value, 19 times of 20: a normal variable's prediction interval."""
    mean, count = statistics.mean(values), len(values)
    reach = stats.t.ppf(0.975, count - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
    return mean - reach, mean + reach


def what_chance_does(averages, headline):
    """Lines on how far a single run may lie from several that differ in the seed, before that says anything."""
    ranges = []
    for score in PLOTTED:
        low, high = where_one_more_lies(averages[headline][score])
        title, digits = COLUMNS[score]
        ranges.append(f"{title} {max(low, 0):.{digits}f} to {high:.{digits}f}")
    return [
        "",
        "The first row is of the runs [quick](../quick) and [seeds](../seeds), which differ in the seed alone. One "
        f"more would have, 19 times of 20, {', '.join(ranges)} ({headline}; if the errors are distributed normally). A "
        "single run of something else that lies there too shows nothing; and of 20 that change nothing, one lies "
        "outside.",
    ]


def mean_and_spread(values, digits):
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table(folder, programme, runs):
    """Markdown: a row for each group and averaging, mean and standard deviation over its runs."""
    first = read_json(RunFolder(Path(folder) / runs[0].name).record)
    steps, width = (first["configuration"][name]["value"] for name in ("steps", "width"))
    protocol = first["protocol"]
    seeds = seeds_elsewhere(folder, runs[0])
    found = collect(folder, [*seeds, *runs])
    lines = [
        f"# {programme}",
        "",
        f"Written by `python -m reproduce.programme {programme}` from the records of its runs. Data: "
        f"{first['dataset']}; {width} first-level channels, {steps:,} steps; scored on held-out sections of the "
        f"training stack ({protocol['scored_sections']} of "
        f"{protocol['scored_sections'] + protocol['training_sections']}); profile {profile_of(first)}. Mean ± "
        f"standard deviation over the runs of a row{', each a fold with one seed' if programme == 'folds' else ''}.",
        *(what_chance_does(found[seeds[0].group], first["configuration"]["headline"]["value"]) if seeds else []),
        "",
        "| what | runs | average | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "|---" * (3 + len(COLUMNS)) + "|",
    ]
    for group, averages in found.items():
        for average, scores in averages.items():
            values = [mean_and_spread(scores[score], digits) for score, (_, digits) in COLUMNS.items()]
            count = len(scores["pixel_error"])
            lines.append(f"| {group} | {count} | {average} | " + " | ".join(values) + " |")
    if len(runs) > 1:
        lines += ["", *each_run(folder, runs)]
    return "\n".join(lines) + "\n"


def each_run(folder, runs):
    """A row for every run by itself, the headline's averaging."""
    lines = ["Each run, with its headline's averaging:", ""]
    lines += [
        "| run | scored on | seed | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "|---" * (3 + len(COLUMNS)) + "|",
    ]
    for run in runs:
        record, scores = read_run(RunFolder(Path(folder) / run.name))
        value = {name: entry["value"] for name, entry in record["configuration"].items()}
        shown = [f"{scores[value['headline']][score]:.{digits}f}" for score, (_, digits) in COLUMNS.items()]
        lines.append(f"| {run.name} | fold {run.fold} | {value['seed']} | " + " | ".join(shown) + " |")
    return lines


def draw(path, folder, runs):
    """The errors of every group with their spread, the headline's averaging; a dot for each run, and a line through the
    first group.
    """
    from matplotlib.figure import Figure

    seeds = seeds_elsewhere(folder, runs[0])
    found = collect(folder, [*seeds, *runs])
    first = read_json(RunFolder(Path(folder) / runs[0].name).record)
    headline = first["configuration"]["headline"]["value"]
    figure = Figure(figsize=(11, 1.6 + 0.35 * len(found)), layout="constrained")
    axes = figure.subplots(1, len(PLOTTED), sharey=True)
    for axis, score in zip(axes, PLOTTED, strict=True):
        for place, averages in enumerate(found.values()):
            values = averages[headline][score]
            if len(values) > 1:
                spread = statistics.stdev(values)
                axis.errorbar(statistics.mean(values), place, xerr=spread, fmt="o", color="#0072b2", capsize=3)
            offset = 0.2 if len(values) > 1 else 0
            axis.plot(values, [place + offset] * len(values), ".", color="#777777", markersize=6)
            if place == 0 and len(found) > 1:  # what all others are compared with
                axis.axvline(statistics.mean(values), color="#0072b2", linestyle=":", linewidth=1)
                if seeds:
                    axis.axvspan(*where_one_more_lies(values), color="#0072b2", alpha=0.08, linewidth=0)
        axis.set_xlabel(f"{COLUMNS[score][0]} ({headline})")
        axis.grid(axis="x", alpha=0.3)
        axis.locator_params(axis="x", nbins=3 if score == "warping_error" else 5)
    axes[0].set_yticks(range(len(found)), [textwrap.fill(name, 34) for name in found])
    axes[0].set_ylim(len(found) - 0.5, -0.5)
    several = any(len(averages[headline]["pixel_error"]) > 1 for averages in found.values())
    figure.suptitle(
        f"{first['dataset']}, profile {profile_of(first)}. Gray: each run"
        + ("; blue: mean ± standard deviation" if several else "")
        + (f"; dotted: {next(iter(found))}" if len(found) > 1 else "")
        + ("; shaded: where one more of these would lie, 19 times of 20" if seeds else ""),
        fontsize=9,
    )
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def write(folder, programme, runs):
    """README.md, the plot and the page of a programme that is done. Returns the table's text."""
    text = table(folder, programme, runs)
    with written_whole(Path(folder) / "README.md") as temporary:
        temporary.write_text(text)
    draw(Path(folder) / f"{programme}.png", folder, runs)
    write_comparison(Path(folder) / "index.html", [Path(folder) / run.name for run in runs])
    return text
