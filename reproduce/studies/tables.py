"""The table of a study: a row for each group of runs, and how far each lies from the control."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reproduce.studies import archive
from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import CONTROLS, LEFT_OUT, Run
from reproduce.studies.statistics import (
    critical_value,
    mean_and_deviation,
    pooled_deviation,
    prediction_interval,
    standardised_difference,
)
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, TABLE_1_METRICS
from unet_paper.metrics.scores import Scores
from unet_paper.report.table import Table
from unet_paper.runs.diagnostics import INACTIVE, are_inactive
from unet_paper.runs.record import RunRecord

Values = dict[str, dict[str, list[float]]]  # by test-time augmentation and key of metric, of each run


def same_training(results: Path, control: StudyRun, same_fold: bool) -> list[StudyRun]:
    """The runs `quick` and its other seeds, where they differ from the control in the seed alone (and in the fold
    unless `same_fold`); at least three, or none.
    """
    quick = [archive.from_folder(results / "quick")] if (results / "quick" / "run.json").is_file() else []
    settings = _settings(control.record)
    alike = [
        run
        for run in (*quick, *archive.read(results / "seeds"))
        if _settings(run.record) == settings
        and run.record.data_sha256 == control.record.data_sha256
        and (run.record.protocol == control.record.protocol or not same_fold)
    ]
    return alike if len(alike) > 2 else []


def _settings(record: RunRecord) -> dict[str, object]:
    values = record.config.as_dict()
    return {name: value for name, value in values.items() if name not in ("seed", "profile")}


def profile_title(record: RunRecord) -> str:
    """The profile and its changes, without the seed, which is a row's own affair."""
    name, _, changes = record.profile_title.partition(" with ")
    kept = [change for change in changes.split(", ") if change and not change.startswith("seed=")]
    return f"{name} with {', '.join(kept)}" if kept else name


def zeros_title(group: str) -> str:
    """What the table calls a group's predictions with zeros beyond the image."""
    return f"{group}, zeros beyond the image"


def collect(runs: Sequence[Run], found: Mapping[str, StudyRun], inactive: bool = False) -> dict[str, Values]:
    """{group: Values} of a study's runs, in their order: of those whose deep levels reach the output or, with
    `inactive`, of the others.
    """
    groups: dict[str, Values] = {}
    for run in runs:
        of_run = found[run.name]
        if are_inactive(of_run.record) != inactive:
            continue
        titles = [run.group, *([run.subgroup] if run.subgroup else [])]
        for title in titles:
            for tta, scores in of_run.scores.items():
                _add(groups, title, tta, scores)
        if run.zeros_too and of_run.zeros is not None:
            _add(groups, zeros_title(run.group), of_run.record.config.primary, of_run.zeros)
    return groups


def _add(groups: dict[str, Values], title: str, tta: str, scores: Scores) -> None:
    empty: dict[str, list[float]] = {metric.key: [] for metric in CHALLENGE_METRICS}
    kept = groups.setdefault(title, {}).setdefault(tta, empty)
    for metric in CHALLENGE_METRICS:
        kept[metric.key].append(scores.value(metric))


def table(
    study: str,
    runs: Sequence[Run],
    found: Mapping[str, StudyRun],
    planned: int | None = None,
    diverged: Sequence[str] = (),
    seeds: Sequence[StudyRun] = (),
) -> str:
    """README.md of a study.

    runs : those that are done, the study's first among them; found : by name; planned : how many there will be (None:
    these); diverged : names of those that ended before their time; seeds : runs elsewhere that differ from the control
    in the seed alone (`same_training`)
    """
    first = found[runs[0].name].record
    primary, protocol = first.config.primary, first.protocol
    scored, trained = len(protocol.scored_sections), len(protocol.training_sections)
    own, inactive = collect(runs, found), collect(runs, found, inactive=True)
    elsewhere = of_seeds(runs[0].group, seeds)
    same_fold = bool(seeds) and seeds[0].record.protocol == protocol
    shown = (elsewhere if same_fold else {}) | own
    so_far = f", {len(runs)} of {planned} so far" if len(runs) + len(diverged) < (planned or 0) else ""
    lines = [
        f"# {study}",
        "",
        f"Written by `python -m reproduce.studies {study}` from the records of its runs{so_far}. Data: "
        f"{first.dataset}; {first.config.base_channels} base channels, {first.config.steps:,} steps; scored on "
        f"held-out sections of the training stack ({scored} of {scored + trained}); profile {profile_title(first)}. "
        "Mean ± standard deviation over the runs of a "
        f"row{', each a fold with one seed' if study == 'folds' else ''}. Every run: [runs.csv](runs.csv), "
        "[histories.csv](histories.csv), and whole in [records.jsonl](records.jsonl).",
    ]
    if same_fold:
        lines += ["", interval_of_seeds(next(iter(elsewhere.values())), primary)]
    rows = []
    for group, values in shown.items():
        for tta, metrics in values.items():
            count = str(_count(values)) + (f" and {_count(inactive[group])} inactive" if group in inactive else "")
            errors = [mean_and_deviation(metrics[metric.key], metric.digits) for metric in CHALLENGE_METRICS]
            rows.append([group, count, tta, *errors])
    titles = [metric.title for metric in CHALLENGE_METRICS]
    lines += ["", Table(["what", "runs", "TTA", *titles], rows).to_markdown()]
    if inactive:
        records = [found[run.name].record for run in runs]
        names = [run.name for run in runs if are_inactive(found[run.name].record)]
        unknown = sum(record.up_convolution_effect is None for record in records)
        lines += [
            "",
            f"Inactive deep levels, and in no mean: {', '.join(names)}. ReLUs have died between the network's first "
            f"level and the others, which no longer reach the output: its probabilities change by less than {INACTIVE} "
            "on average when the map of the last up-convolution is flat."
            + (f" {unknown} of the {len(runs)} runs were trained before this was measured." if unknown else ""),
        ]
    if diverged:
        lines += ["", f"Diverged, twice from their last checkpoint, and in no row: {', '.join(diverged)}."]
    if len(runs) > 1:
        lines += ["", *compared(own, elsewhere, runs, same_fold), *zeros(own, runs[0], primary), *each(runs, found)]
    return "\n".join(lines) + "\n"


def of_seeds(group: str, seeds: Sequence[StudyRun]) -> dict[str, Values]:
    """The `Values` of the control's other seeds, as a group of their own."""
    title = f"{group}, {len(seeds)} seeds"
    return collect([Run(run.name, title, None) for run in seeds], {run.name: run for run in seeds})


def interval_of_seeds(values: Values, primary: str) -> str:
    """A sentence on how far a single run may lie from several that differ in the seed alone."""
    ranges = []
    for metric in TABLE_1_METRICS:
        low, high = prediction_interval(values[primary][metric.key])
        ranges.append(f"{metric.title} {metric.formatted(max(low, 0))} to {metric.formatted(high)}")
    return (
        "The first row is of the runs [quick](../quick) and [seeds](../seeds), which differ in the seed alone. Where "
        f"one more seed would lie, 19 times of 20: {', '.join(ranges)} ({primary}, errors taken as normal)."
    )


def compared(own: dict[str, Values], elsewhere: dict[str, Values], runs: Sequence[Run], same_fold: bool) -> list[str]:
    """Lines that compare the rows with the control, where anything tells what a seed does."""
    title = runs[0].group
    others = {run.group: own[run.group] for run in runs if run.group != title and run.group in own}
    if title not in CONTROLS or title not in own or not others:
        return []
    several = any(_count(row) > 1 for row in (own[title], *others.values()))
    known_from = ["the rows with several runs"] if several else []
    if same_fold:  # these are the table's first row; the own runs have the same seeds
        (control,) = elsewhere.values()
        alike = [control]
        known_from = known_from or ["the first row"]
    else:
        control = own[title]
        alike = [*elsewhere.values(), control]
        known_from += [
            f"the {_count(row)} runs [quick](../quick) and [seeds](../seeds), of another fold"
            for row in elsewhere.values()
        ]
    rows = {other: (row, control) for other, row in others.items()}
    far, near = LEFT_OUT  # as many sections, so that only where they lie differs
    if {far, near} <= set(others):
        rows[f"{near}, beside {far}"] = others[near], others[far]
    return differences(rows, [*alike, *others.values()], " and ".join(known_from)) if known_from else []


def differences(rows: Mapping[str, tuple[Values, Values]], alike: Sequence[Values], known_from: str) -> list[str]:
    """Lines on the standardised difference of each row from its control.

    rows : {title: (the row, its control)}; alike : groups whose runs differ in the seed alone; known_from : what these
    are, in words
    """
    kinds = [(metric, tta) for metric in TABLE_1_METRICS for tta in alike[0]]
    deviations = {}
    for metric, tta in kinds:
        deviations[metric, tta], degrees = pooled_deviation([values[tta][metric.key] for values in alike])
    comparisons = len(rows) * len(TABLE_1_METRICS)
    shown = [
        ["standard deviation of one run", ""]
        + [f"{deviations[metric, tta]:.{metric.digits + 1}f}" for metric, tta in kinds]
    ]
    for title, (values, control) in rows.items():
        cells = []
        for metric, tta in kinds:
            deviation = deviations[metric, tta]  # 0 where all maps are alike, as of networks that hardly learnt
            given = values[tta][metric.key], control[tta][metric.key]
            cells.append(f"{standardised_difference(*given, deviation):+z.1f}" if deviation else "-")
        shown.append([title, str(_count(values)), *cells])
    return [
        "Standardised differences from the control (below zero is better): the difference of the means over its "
        f"standard deviation by the seed alone, which is known from {known_from} ({degrees} degrees of freedom, "
        f"pooled over rows, errors taken as normal). Critical value of one comparison: {critical_value(degrees):.1f}; "
        f"of the largest of the {comparisons} of one TTA: {critical_value(degrees, comparisons):.1f} (both 1 in 20).",
        "",
        Table(["what", "runs", *(f"{metric.title}, {tta}" for metric, tta in kinds)], shown).to_markdown(),
        "",
    ]


def zeros(groups: dict[str, Values], control: Run, primary: str) -> list[str]:
    """Lines on what zeros beyond the image change in prediction for the same weights."""
    if zeros_title(control.group) not in groups:
        return []
    mirrored, other = groups[control.group][primary], groups[zeros_title(control.group)][primary]
    changes = []
    for metric in TABLE_1_METRICS:
        pairs = zip(mirrored[metric.key], other[metric.key], strict=True)
        change = mean_and_deviation([after - before for before, after in pairs], metric.digits + 1, sign="+")
        changes.append(f"{metric.title} {change}")
    return [f"Zeros beyond the image instead of a mirror, the same weights ({primary}): {', '.join(changes)}.", ""]


def each(runs: Sequence[Run], found: Mapping[str, StudyRun]) -> list[str]:
    """A row for every run by itself, its primary test-time augmentation."""
    rows = []
    for run in runs:
        record, scores = found[run.name].record, found[run.name].primary
        name = f"{run.name} (inactive)" if are_inactive(record) else run.name
        metrics = [metric.formatted(scores.value(metric)) for metric in CHALLENGE_METRICS]
        hardware = record.first.hardware
        processor = hardware.processor if hardware.device == "cpu" else hardware.device
        rows.append([name, f"fold {run.fold}", str(record.config.seed), *metrics, processor])
    titles = [metric.title for metric in CHALLENGE_METRICS]
    columns = ["run", "scored on", "seed", *titles, "trained on"]
    return ["Each run, with its primary TTA:", "", Table(columns, rows).to_markdown()]


def _count(values: Values) -> int:
    """How many runs a row has."""
    return len(next(iter(values.values()))[PIXEL_ERROR.key])
