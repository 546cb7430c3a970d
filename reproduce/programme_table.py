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


def runs_of_other_seeds(folder, first, same_fold):
    """Places beside the programme's whose runs have its first run's settings and data, and its fold where that is asked
    for: `quick` and its other seeds. At least three, or none.
    """
    results = Path(folder).parent
    usual = read_json(RunFolder(Path(folder) / first.name).record)
    found = []
    for place in (results / "quick", *sorted((results / "seeds").glob("seed-*"))):
        if RunFolder(place).table.is_file():
            record = read_json(RunFolder(place).record)
            # settings that an older record lacks have their usual values
            same = settings(usual).items() >= settings(record).items()
            parts = ("protocol", "data_sha256") if same_fold else ("data_sha256",)
            if same and all(record[part] == usual[part] for part in parts):
                found.append(RunFolder(place))
    return found if len(found) > 2 else []


def seeds_elsewhere(folder, first):
    """Runs beside the ablations that differ from their first run in the seed alone."""
    if first.group != "as the paper":
        return []
    places = runs_of_other_seeds(folder, first, same_fold=True)
    results = Path(folder).parent
    group = f"as the paper, {len(places)} seeds"
    return [Run(f"../{place.path.relative_to(results)}", group, first.fold) for place in places]


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


def by_chance(values, usual, spread):
    """How far the mean of `values` lies from that of `usual`, in multiples of how far means of as many runs would by
    the seed alone: `spread` is the standard deviation of one run.
    """
    apart = spread * math.sqrt(1 / len(values) + 1 / len(usual))
    return (statistics.mean(values) - statistics.mean(usual)) / apart


def beside_chance(folder, runs, found, headline):
    """Lines on how far each remedy lies from the first row, measured by what seeds do to `quick`."""
    places = runs_of_other_seeds(folder, runs[0], same_fold=False) if runs[0].group == "as it is" else []
    if not places:
        return []
    seeds = [read_run(place)[1][headline] for place in places]
    spreads = {score: statistics.stdev([scores[score] for scores in seeds]) for score in PLOTTED}
    apart = [
        f"{title} {math.sqrt(2) * spreads[score]:.{digits + 1}f}"
        for score, (title, digits) in COLUMNS.items()
        if score in PLOTTED
    ]
    lines = [
        f"How far each lies from the first row ({headline}; below zero is better), in multiples of how far it would by "
        f"chance: two single runs that differ in the seed alone, as the {len(seeds)} runs [quick](../quick) and "
        f"[seeds](../seeds) do, lie apart with a standard deviation of {', '.join(apart)}. Those "
        f"are of another fold. Beyond {stats.t.ppf(0.975, len(seeds) - 1):.1f} is likely to be more than chance.",
        "",
        "| what | " + " | ".join(COLUMNS[score][0] for score in PLOTTED) + " |",
        "|---" * (1 + len(PLOTTED)) + "|",
    ]
    usual, *others = found.items()
    for group, averages in others:
        ratios = [
            f"{by_chance(averages[headline][score], usual[1][headline][score], spreads[score]):+.1f}"
            for score in PLOTTED
        ]
        lines.append(f"| {group} | " + " | ".join(ratios) + " |")
    return [*lines, ""]


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
        chance = beside_chance(folder, runs, found, first["configuration"]["headline"]["value"])
        lines += ["", *chance, *each_run(folder, runs)]
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
