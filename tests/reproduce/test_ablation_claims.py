"""What results/README.md says of the ablations: each number is that of its records."""

import numpy as np

from reproduce.studies import archive
from reproduce.studies.definitions import ADAM_ABLATIONS
from reproduce.studies.statistics import adjusted_p_values, confidence_interval, mean_and_deviation, paired_p_values
from unet_paper.metrics.registry import TABLE_1_METRICS, Metric
from unet_paper.runs.diagnostics import lost_levels

SGD_ABLATIONS, OF_ADAM = "results/isbi/ablations-sgd", "results/isbi/ablations-adam"
NO_BORDER, NO_DEFORMATION = "no border term", "no elastic deformation"
FIRST_THREE = (NO_BORDER, NO_DEFORMATION, "no augmentation")
NO_MATTER, SHIFTS = ("no dropout", "padded"), "no augmentation but shifts"
BATCH_NORM = "padded, batch norm"


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


def _by_seed(runs: list[archive.StudyRun], metric: Metric) -> dict[int, float]:
    return {run.record.config.seed: run.primary.value(metric) for run in runs}


def _told(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def test_what_is_told_of_the_ablations_by_adam(committed, other_seeds):
    groups: dict[str, list] = {}
    for run in archive.read(committed / OF_ADAM):
        groups.setdefault(run.group, []).append(run)

    def errors(group: str, tta: str = "d4") -> list[str]:
        of_group = [run.scores[tta] for run in groups[group]]
        return [
            mean_and_deviation([scores.value(metric) for scores in of_group], metric.digits)
            for metric in TABLE_1_METRICS
        ]

    usual, border, deformation, augmentation = map(errors, ("as the paper", *FIRST_THREE))
    assert {*groups} >= {"as the paper", *FIRST_THREE, *NO_MATTER, *ADAM_ABLATIONS}
    assert all(len(of_group) == 5 for of_group in groups.values())
    others = [name for name in groups if name != "as the paper"]
    p = {}
    for metric in TABLE_1_METRICS:
        of_metric = {name: _by_seed(groups[name], metric) for name in groups}
        found = paired_p_values([of_metric[name] for name in others], of_metric["as the paper"])
        p |= {(name, metric): value for name, value in zip(others, found, strict=True)}

    def told(name: str, metric: Metric) -> str:
        return f"({_told(p[name, metric])}"

    warping, rand, pixel = TABLE_1_METRICS
    matter = {key for key, value in p.items() if value < 0.05}
    assert matter == {
        *((name, pixel) for name in ("no augmentation", "labels registered")),
        *((SHIFTS, rand), ("no dropout", warping)),
    }
    whole = " ".join((committed / "results/README.md").read_text().split())
    text = whole[whole.index("**With Adam** (") : whole.index("**With SGD** (")]
    others_of_usual = other_seeds["fold 6/6"]
    of_others = mean_and_deviation([run.primary.rand_error for run in others_of_usual], rand.digits)
    assert len(others_of_usual) == 9 and f"nine other seeds with the term have {of_others})" in text
    assert f"{border[0]} instead of {usual[0]} {told(NO_BORDER, warping)}; in one pass and with `rot7`" in text
    for tta in ("none", "rot7", "d4"):
        with_term, without = (errors(name, tta)[0] for name in ("as the paper", NO_BORDER))
        assert float(without[:8]) > float(with_term[:8])
    assert f"and {border[1]} instead of {usual[1]} {told(NO_BORDER, rand)}; nine" in text
    passes = errors(NO_BORDER, "none"), errors("as the paper", "none")
    assert f"In one pass the Rand error is {passes[0][1]} instead of {passes[1][1]}." in text
    assert f"The pixel error is {border[2]} instead of {usual[2]}." in text
    shifts = errors(SHIFTS)
    for name, of_name in (("no augmentation", augmentation), (SHIFTS, shifts)):
        assert f"{of_name[2]} {told(name, pixel)}) and {of_name[1]} {told(name, rand)})" in text
    assert f"with all {usual[2]} and {usual[1]}." in text
    one_pass = [errors(name, "none")[2] for name in ("no augmentation", "as the paper", SHIFTS)]
    assert (
        f"In one pass the pixel error is {one_pass[0]} without any and {one_pass[1]} with all, but {one_pass[2]}"
        in text
    )
    assert one_pass[2] < one_pass[1]
    intervals = []
    for metric in (pixel, rand):
        by_seed, of_control = (_by_seed(groups[name], metric) for name in (NO_DEFORMATION, "as the paper"))
        more = [by_seed[seed] - of_control[seed] for seed in range(5)]
        intervals.append((np.mean(more), *confidence_interval(more)))
    (of_pixel, *ends), (of_rand, *ends_of_rand) = intervals
    assert f"higher by {of_pixel:.4f} (95 %, not adjusted: {ends[0]:.4f} to {ends[1]:.4f}), the Rand error by" in text
    of_rand_too = f"{of_rand:.4f} ({ends_of_rand[0]:.4f} to {ends_of_rand[1]:.4f}; {_told(p[NO_DEFORMATION, rand])})"
    assert f"Rand error by {of_rand_too}." in text
    dunnett = {}
    for metric in TABLE_1_METRICS:
        pooled = [name for name in others if name != BATCH_NORM]  # to which seeds do more
        arms = [[*_by_seed(groups[name], metric).values()] for name in pooled]
        found = adjusted_p_values(arms, [*_by_seed(groups["as the paper"], metric).values()])
        dunnett |= {(name, metric): value for name, value in zip(pooled, found, strict=True)}
    without, usually = (_by_seed(groups[name], rand) for name in ("no augmentation", "as the paper"))
    assert all(without[seed] > usually[seed] for seed in usually) and "with each of five seeds, which the test" in whole
    assert {key for key in dunnett if (dunnett[key] < 0.05) != (p[key] < 0.05)} == {
        *(("no augmentation", rand), (SHIFTS, pixel), ("no dropout", warping)),
        *(("as first tried", metric) for metric in (rand, pixel)),
    }
    assert max(ends) < 0.0004 and "gains less than 0.0004 of pixel error" in whole
    none, padded = map(errors, NO_MATTER)
    of_none, of_usual = (_by_seed(groups[name], warping) for name in ("no dropout", "as the paper"))
    assert all(of_none[seed] > of_usual[seed] for seed in range(5))
    of_dunnett = f"; by Dunnett's test {dunnett['no dropout', warping]:.3f}"
    assert f"with each of the five seeds: {none[0]} {told('no dropout', warping)}{of_dunnett})." in text
    assert f"Its Rand and pixel errors, {none[1]} and {none[2]}, differ no more" in text
    assert f"padded with zeros there are {padded[0]}, {padded[1]} and {padded[2]}; with" in text
    release = errors("release")
    assert f"and twice the channels in the last one) {release[0]}, {release[1]} and {release[2]}." in text
    by_rand = sorted(groups[BATCH_NORM], key=lambda run: run.primary.rand_error)
    *usually, worst = [f"{run.primary.rand_error:.2f}" for run in by_rand]
    assert f"a Rand error of {worst} with one seed and of {usually[0]} to {usually[-1]} with the others" in text
    pixels = sorted(f"{run.primary.pixel_error:.4f}" for run in by_rand)
    assert f"pixel errors of {pixels[-1]}, and of {pixels[0]} to {pixels[-2]}" in text
    first = "as first tried"
    assert f"is not proved (p = {p[first, rand]:.3f} and {p[first, pixel]:.3f})." in whole
    changed = [run for name in others if name not in ADAM_ABLATIONS for run in groups[name]]
    assert not any(lost_levels(run.record.up_convolution_effect) for run in changed)
    assert f"None of the {len(changed)} trainings of these eight rows and of [registered" in text


def test_what_is_told_of_the_ablations_by_sgd(committed):
    runs = archive.read(committed / SGD_ABLATIONS)
    text = " ".join((committed / "results/README.md").read_text().split())
    errors = {}
    for group in ("as the paper", NO_BORDER, NO_DEFORMATION, "no augmentation"):
        of_group = [run for run in runs if run.group == group]
        assert len(of_group) == 5 and not any(lost_levels(run.record.up_convolution_effect) for run in of_group)
        errors[group] = [
            mean_and_deviation([run.primary.value(metric) for run in of_group], metric.digits)
            for metric in TABLE_1_METRICS
        ]
    usual, border, deformation, augmentation = errors.values()
    assert f"SGD has {usual[0]}, {usual[1]} and {usual[2]} (five seeds)" in text
    of_groups = {name: [run for run in runs if run.group == name] for name in errors}
    p = {}
    for metric in TABLE_1_METRICS:
        control, *others = (_by_seed(of_group, metric) for of_group in of_groups.values())
        found = paired_p_values(others, control)
        p |= {(name, metric): value for name, value in zip([*errors][1:], found, strict=True)}
    warping, rand, pixel = TABLE_1_METRICS
    assert {key for key, value in p.items() if value < 0.05} == {("no augmentation", pixel), (NO_DEFORMATION, rand)}
    of_augmentation = _told(p["no augmentation", pixel])
    assert f"the former is {augmentation[2]} instead of {usual[2]} ({of_augmentation})" in text
    in_one_pass = [
        {run.record.config.seed: run.scores["none"] for run in of_groups[group]}
        for group in ("no augmentation", "as the paper")
    ]
    pixels, warpings = (
        [
            mean_and_deviation([scores.value(metric) for scores in of_group.values()], metric.digits)
            for of_group in in_one_pass
        ]
        for metric in (pixel, warping)
    )
    assert f"the latter {pixels[0]} instead of {pixels[1]}; the warping error of one pass is higher" in text
    assert f"without it, with each of the five seeds, {warpings[0]} instead of {warpings[1]}." in text
    without, usually = in_one_pass
    assert all(without[seed].warping_error > usually[seed].warping_error for seed in usually)
    of_rand = f"is lower, {deformation[1]} instead of {usual[1]} ({_told(p[NO_DEFORMATION, rand])})"
    assert f"Without the elastic deformation the Rand error {of_rand}" in text
    assert f"the warping error is {deformation[0]}." in text
    by_adam = {run.name: run.primary for run in archive.read(committed / OF_ADAM)}
    for metric in (warping, rand):
        adams, sgds = (
            np.mean(
                [
                    of[f"no-border-term-seed-{n}"].value(metric) - of[f"as-the-paper-seed-{n}"].value(metric)
                    for n in range(5)
                ]
            )
            for of in (by_adam, {run.name: run.primary for run in runs})
        )
        assert (adams > 0) == (sgds > 0) == (metric == warping)
    assert "With SGD too the warping error is higher and the Rand error lower." in text
    of_border = f"they are {border[1]} and {border[0]} instead of {usual[0]}"
    assert f"{of_border} (p = {p[NO_BORDER, rand]:.3f} and {p[NO_BORDER, warping]:.3f})." in text
    assert f"None of the {len(runs)} trainings lost a level" in text
