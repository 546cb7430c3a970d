"""What results/README.md says of the ablations: each number is that of its records."""

from pathlib import Path

import numpy as np
import pytest

from reproduce.studies import archive
from reproduce.studies.definitions import ADAM_ABLATIONS
from reproduce.studies.statistics import adjusted_p_values, confidence_interval, mean_and_deviation, paired_p_values
from unet_paper.metrics.registry import TABLE_1_METRICS, Metric
from unet_paper.runs.diagnostics import lost_levels

SGD_ABLATIONS, OF_ADAM = "results/isbi/ablations", "results/isbi/ablations-adam"
CONTROL, BATCH_NORM, SHIFTS = "as the paper", "padded, batch norm", "no augmentation but shifts"
NO_BORDER, NO_DEFORMATION = "no border term", "no elastic deformation"
FIRST_THREE = (NO_BORDER, NO_DEFORMATION, "no augmentation")
SHOWN = (*FIRST_THREE, SHIFTS, "no dropout", "padded", BATCH_NORM, "release")  # in the page's table


def test_the_table_of_what_became_adams_recipe(committed, other_seeds):
    runs = archive.read(committed / OF_ADAM)
    text = (committed / "results/README.md").read_text()
    for group in ("as the paper", *ADAM_ABLATIONS):  # from the last change to the first
        of_group = [run for run in runs if run.group == group]
        lost = sum(lost_levels(run.record.up_convolution_effect) > 0 for run in of_group)
        errors = (
            mean_and_deviation([run.primary.value(metric) for run in of_group], metric.digits)
            for metric in TABLE_1_METRICS
        )
        assert f" | {' | '.join([str(len(of_group)), str(lost), *errors])} |\n" in text
    first, last = (
        np.array([[run.primary.value(metric) for metric in TABLE_1_METRICS[1:]] for run in runs if run.group == group])
        for group in ("as first tried", "as the paper")
    )
    assert (last < first).all() and first.shape == (5, 2)
    others = other_seeds["fold 6/6"]
    errors = [
        mean_and_deviation([run.primary.value(metric) for run in others], metric.digits) for metric in TABLE_1_METRICS
    ]
    assert {run.record.config.seed for run in others}.isdisjoint(range(5))
    assert f"have {errors[0]}, {errors[1]} and {errors[2]} on it." in " ".join(text.split())


def _groups(folder: Path) -> dict[str, dict[int, archive.StudyRun]]:
    """name -> seed -> run"""
    groups: dict[str, dict[int, archive.StudyRun]] = {}
    for run in archive.read(folder):
        groups.setdefault(run.group, {})[run.record.config.seed] = run
    assert all(len(of_group) == 5 for of_group in groups.values())
    return groups


def _by_seed(group: dict[int, archive.StudyRun], metric: Metric, tta: str = "d4") -> dict[int, float]:
    return {seed: run.scores[tta].value(metric) for seed, run in group.items()}


def _shown(group: dict[int, archive.StudyRun], metric: Metric, tta: str = "d4") -> str:
    return mean_and_deviation([*_by_seed(group, metric, tta).values()], metric.digits)


def _p_values(groups: dict[str, dict[int, archive.StudyRun]]) -> dict[tuple[str, Metric], float]:
    """Of each group but the control."""
    others, p = [name for name in groups if name != CONTROL], {}
    for metric in TABLE_1_METRICS:
        of_metric = {name: _by_seed(groups[name], metric) for name in groups}
        found = paired_p_values([of_metric[name] for name in others], of_metric[CONTROL])
        p |= {(name, metric): value for name, value in zip(others, found, strict=True)}
    return p


def _text(committed: Path) -> str:
    return " ".join((committed / "results/README.md").read_text().split())


@pytest.mark.parametrize(("optimiser", "folder"), [("Adam", OF_ADAM), ("SGD", SGD_ABLATIONS)])
def test_the_table_of_the_ablations(committed, optimiser, folder):
    """Each row is that of its runs, and bold where it differs from the control."""
    groups = _groups(committed / folder)
    p, rows = _p_values(groups), {}
    for name, group in groups.items():
        if name in (CONTROL, *SHOWN):
            cells = []
            for metric in TABLE_1_METRICS:
                differs = name != CONTROL and p[name, metric] < 0.05
                cells.append(f"**{_shown(group, metric)}**" if differs else _shown(group, metric))
            rows[name] = f"| {optimiser}{'' if name == CONTROL else f', {name}'} | {' | '.join(cells)} |"
    lines = (committed / "results/README.md").read_text().splitlines()
    section = lines[lines.index("## What the paper's choices buy") : lines.index("## Why SGD struggles")]
    assert [line for line in section if line.startswith((f"| {optimiser} ", f"| {optimiser}, "))] == [*rows.values()]
    assert {*rows} == {CONTROL, *(SHOWN if optimiser == "Adam" else FIRST_THREE)}


def test_what_is_told_of_the_ablations_by_adam(committed, other_seeds):
    groups, text = _groups(committed / OF_ADAM), _text(committed)
    warping, rand, pixel = TABLE_1_METRICS
    p = _p_values(groups)
    assert {key for key, value in p.items() if value < 0.05} == {
        *((name, pixel) for name in ("no augmentation", "labels registered")),
        *((SHIFTS, rand), ("no dropout", warping)),
    }
    of_others = mean_and_deviation([run.primary.rand_error for run in other_seeds["fold 6/6"]], rand.digits)
    assert len(other_seeds["fold 6/6"]) == 9
    of_border = f"(p = {p[NO_BORDER, warping]:.3f} and {p[NO_BORDER, rand]:.3f} with Adam, "
    assert of_border in text and f"nine other seeds with the term and Adam have a Rand error of {of_others})" in text
    without, usually = (_by_seed(groups[name], rand) for name in ("no augmentation", CONTROL))
    assert all(without[seed] > usually[seed] for seed in usually)
    calls = f"with each of five seeds, which the test taken calls uncertain (p = {p['no augmentation', rand]:.3f})."
    assert f"With Adam it lowers the Rand error too, {calls}" in text
    gained = {
        metric: [np.mean([*_by_seed(groups[name], metric).values()]) for name in ("no augmentation", SHIFTS, CONTROL)]
        for metric in (rand, pixel)
    }
    by_shifts = {metric: (none - shifts) / (none - every) for metric, (none, shifts, every) in gained.items()}
    assert by_shifts[pixel] > 0.7 and by_shifts[rand] < 0.2
    assert (
        "shifts alone bring in the rest, and most of the gain in pixel error, but little of that in Rand error." in text
    )
    one_pass = [_shown(groups[name], pixel, "none") for name in ("no augmentation", CONTROL, SHIFTS)]
    told = f"In one pass the pixel error is {one_pass[0]} without any and {one_pass[1]} with all, but {one_pass[2]}"
    assert told in text and one_pass[2] < one_pass[1]
    intervals = []
    for metric in (pixel, rand):
        by_seed, of_control = (_by_seed(groups[name], metric) for name in (NO_DEFORMATION, CONTROL))
        more = [by_seed[seed] - of_control[seed] for seed in range(5)]
        intervals.append((np.mean(more), *confidence_interval(more)))
    (of_pixel, *ends), (of_rand, *ends_of_rand) = intervals
    assert f"higher by {of_pixel:.4f} (95 %, not adjusted: {ends[0]:.4f} to {ends[1]:.4f}), the Rand error by" in text
    of_rand_too = f"{of_rand:.4f} ({ends_of_rand[0]:.4f} to {ends_of_rand[1]:.4f}; p = {p[NO_DEFORMATION, rand]:.3f})"
    assert f"Rand error by {of_rand_too}." in text
    pooled = [name for name in groups if name not in (CONTROL, BATCH_NORM)]  # the last to which seeds do more
    dunnett = {}
    for metric in TABLE_1_METRICS:
        arms = [[*_by_seed(groups[name], metric).values()] for name in pooled]
        found = adjusted_p_values(arms, [*_by_seed(groups[CONTROL], metric).values()])
        dunnett |= {(name, metric): value for name, value in zip(pooled, found, strict=True)}
    assert {key for key in dunnett if (dunnett[key] < 0.05) != (p[key] < 0.05)} == {
        *(("no augmentation", rand), (SHIFTS, pixel), ("no dropout", warping)),
        *(("as first tried", metric) for metric in (rand, pixel)),
    }
    of_none, of_usual = (_by_seed(groups[name], warping) for name in ("no dropout", CONTROL))
    assert all(of_none[seed] > of_usual[seed] for seed in range(5))
    of_dunnett = f"(p = {p['no dropout', warping]:.3f}; by Dunnett's test {dunnett['no dropout', warping]:.3f})."
    assert f"with each of the five seeds {of_dunnett}" in text
    by_rand = sorted(groups[BATCH_NORM].values(), key=lambda run: run.primary.rand_error)
    *usually, worst = [f"{run.primary.rand_error:.2f}" for run in by_rand]
    assert f"a Rand error of {worst} with one seed and of {usually[0]} to {usually[-1]} with the others" in text
    pixels = sorted(f"{run.primary.pixel_error:.4f}" for run in by_rand)
    assert f"pixel errors of {pixels[-1]}, and of {pixels[0]} to {pixels[-2]}." in text
    first = "as first tried"
    assert f"is not proved (p = {p[first, rand]:.3f} and {p[first, pixel]:.3f})." in text


def test_what_is_told_of_the_ablations_by_sgd(committed):
    groups, text = _groups(committed / SGD_ABLATIONS), _text(committed)
    warping, rand, pixel = TABLE_1_METRICS
    one_pass = [_shown(groups[name], pixel, "none") for name in ("no augmentation", CONTROL)]
    assert f"in one pass with SGD it is {one_pass[0]} without it and {one_pass[1]} with it" in text
    p = _p_values(groups)
    assert {key for key, value in p.items() if value < 0.05} == {("no augmentation", pixel), (NO_DEFORMATION, rand)}
    of_rand = f"With SGD the Rand error is lower without it (p = {p[NO_DEFORMATION, rand]:.3f}), which nothing else"
    assert of_rand in text and f"{p[NO_BORDER, warping]:.3f} and {p[NO_BORDER, rand]:.3f} with SGD;" in text
    of_adam = _groups(committed / OF_ADAM)
    for of_optimiser in (groups, of_adam):
        without, control = (of_optimiser[name] for name in (NO_BORDER, CONTROL))
        of_warping, of_rand = (
            np.mean([*_by_seed(without, metric).values()]) - np.mean([*_by_seed(control, metric).values()])
            for metric in (warping, rand)
        )
        assert of_warping > 0 > of_rand
    assert "the warping error is higher and the Rand error lower, with both optimisers, neither" in text
    shown = [*groups.values(), *(of_adam[name] for name in (CONTROL, *SHOWN))]
    runs = [run for group in shown for run in group.values()]
    assert not any(lost_levels(run.record.up_convolution_effect) for run in runs)
    assert f"None of the {len(runs)} trainings of this table lost a level." in text
