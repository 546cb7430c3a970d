"""How far the groups of a study lie from its control, beside what the seed alone does."""

from collections.abc import Iterable, Mapping, Sequence

from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import Run
from reproduce.studies.groups import Values, count
from reproduce.studies.statistics import (
    adjusted_p_values,
    critical_value,
    mean_and_deviation,
    paired_p_values,
    pooled_deviation,
    standardised_difference,
    uneven,
)
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.report.table import Table
from unet_paper.runs.diagnostics import are_inactive


def compared(
    own: dict[str, Values],
    seeds: Mapping[str, Sequence[int]],
    runs: Sequence[Run],
    primary: str,
) -> list[str]:
    """Lines that compare the rows with the control, the first run's group, where several runs tell what a seed does.
    seeds : of every row's runs.
    """
    title = runs[0].group
    others = {run.group: own[run.group] for run in runs if run.group != title and run.group in own}
    if title not in own or not others:
        return []
    control = own[title]
    if all(count(row) == 1 for row in (control, *others.values())):
        return []
    apart = apart_by_seeds(control, others)
    rows = {other: (row, control) for other, row in others.items() if other not in apart}
    pooled = [values for other, values in others.items() if other not in apart]
    known_from = f"the {'other ' if apart else ''}rows with several runs"
    lines = differences(rows, [control, *pooled], known_from)
    if apart:
        quoted = ", ".join(f'"{title}"' for title in apart)
        lines += [
            f"Not there, nor in Dunnett's test: {quoted}, whose runs lie further apart than seeds make them elsewhere "
            "(as Cochran's test, 1 in 1,000).",
            "",
        ]
    return lines + family(others, control, seeds, title, primary, apart)


def apart_by_seeds(control: Values, others: Mapping[str, Values]) -> list[str]:
    """The rows to which seeds do more than to the others, in any error and with any TTA."""
    titles = list(others)
    found = {
        titles[number - 1]
        for metric in TABLE_1_METRICS
        for tta in control
        for number in uneven([values[tta][metric.key] for values in (control, *others.values())])
    }
    return [title for title in titles if title in found]


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
        shown.append([title, str(count(values)), *cells])
    return [
        "Standardised differences from the control (below zero is better): the difference of the means over its "
        f"standard deviation by the seed alone, which is known from {known_from} ({degrees} degrees of freedom, "
        f"pooled over rows, errors taken as normal). Critical value of one comparison: {critical_value(degrees):.1f}; "
        f"of the largest of the {comparisons} of one TTA: {critical_value(degrees, comparisons):.1f} (both 1 in 20).",
        "",
        Table(["what", "runs", *(f"{metric.title}, {tta}" for metric, tta in kinds)], shown).to_markdown(),
        "",
    ]


def family(
    rows: Mapping[str, Values],
    control: Values,
    seeds: Mapping[str, Sequence[int]],
    title: str,
    primary: str,
    apart: Sequence[str] = (),
) -> list[str]:
    """Lines on the paired test and on Dunnett's: a row's adjusted p for each metric, all rows considered.

    seeds : of the runs of each row and of the control, which has this title; apart : rows that Dunnett's test, which
    pools all, is not asked about
    """
    dunnett, paired = [], []
    even = [row not in apart for row in rows]
    for metric in TABLE_1_METRICS:
        arms, of_control = [values[primary][metric.key] for values in rows.values()], control[primary][metric.key]
        pooled = [arm for arm, is_even in zip(arms, even, strict=True) if is_even]
        deviation, _ = pooled_deviation([of_control, *pooled])
        p_values = iter(adjusted_p_values(pooled, of_control) if deviation and pooled else [])
        dunnett.append([next(p_values, None) if is_even else None for is_even in even])
        by_seed = [dict(zip(seeds[row], arm, strict=True)) for row, arm in zip(rows, arms, strict=True)]
        paired.append(paired_p_values(by_seed, dict(zip(seeds[title], of_control, strict=True))))
    unpaired = [
        f"Dunnett's test against the control ({primary}): p, adjusted for the number of rows. It takes runs as "
        "unpaired, and seeds as doing the same to all rows.",
        "",
        _p_values(rows, dunnett),
        "",
    ]
    if all(p is None for of_metric in paired for p in of_metric):
        return unpaired
    return [
        f"Against the control ({primary}), each run beside the control's of the same seed: p of the paired t-test, "
        "adjusted by Holm's method for the rows that can be paired. It asks whether other seeds would show the same on "
        "these sections, not whether other sections would.",
        "",
        _p_values(rows, paired),
        "",
        *unpaired,
    ]


def _p_values(titles: Iterable[str], of_metrics: Sequence[Sequence[float | None]]) -> str:
    """A table of TABLE_1_METRICS' p-values, a row for each title."""
    shown = [
        [title, *("-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}" for p in of_title)]
        for title, *of_title in zip(titles, *of_metrics, strict=True)
    ]
    return Table(["what", *(metric.title for metric in TABLE_1_METRICS)], shown).to_markdown()


def zeros(runs: Sequence[Run], finished: Mapping[str, StudyRun], primary: str) -> list[str]:
    """Lines on what zeros beyond the image change in prediction for the same weights, of the runs that have both."""
    pairs = [
        (of_run.primary, of_run.zeros)
        for run in runs
        if run.zeros_too and (of_run := finished[run.name]).zeros and not are_inactive(of_run.record)
    ]
    if not pairs:
        return []
    changes = []
    for metric in TABLE_1_METRICS:
        differences = [after.value(metric) - before.value(metric) for before, after in pairs]
        changes.append(f"{metric.title} {mean_and_deviation(differences, metric.digits + 1, sign='+')}")
    return [f"Zeros beyond the image instead of a mirror, the same weights ({primary}): {', '.join(changes)}.", ""]
