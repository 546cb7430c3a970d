"""What the pages say in words: each number is that of its records. Only what git holds is looked at."""

import itertools

import numpy as np

from reproduce.studies import archive, cells, table_1
from reproduce.studies.definitions import FIRST_ADAM, GAP, NO_GAP
from reproduce.studies.statistics import confidence_interval, mean_and_deviation, paired_p_values
from reproduce.studies.table_1 import LONGER, LONGEST
from unet_paper.cli.settings import changed_config, recipe
from unet_paper.config import BEFORE, OF_SGD, PROFILES, Config, without_effect
from unet_paper.datasets.cell_tracking import HELA, U373
from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, TABLE_1_METRICS
from unet_paper.report.table_1 import TABLE_1
from unet_paper.runs.cell_scoring import TRIED_THRESHOLDS
from unet_paper.runs.diagnostics import lost_levels
from unet_paper.runs.record import read_record
from unet_paper.runs.results import read_history
from unet_paper.support.json_files import read_json

SGD_ABLATIONS, OF_ADAM = "results/isbi/ablations", "results/isbi/ablations-adam"
NO_BORDER, NO_DEFORMATION = "no border term", "no elastic deformation"
OF_RECIPE = ("optimiser", "learning_rate", "momentum_warmup", "up_convolution_fan_in", "decay")
FULL_BY_ADAM = "64-channels-Adam-seed-0-2500"
RELEASED = "registered-quarter"
MORE_TILES, CELL_STUDIES = "results/cells/cells-ablations-quick-4500-tiles", "results/cells/*/*/records.jsonl"


def is_as_first_tried(config: Config) -> bool:
    """Whether these are the initial weights, the decay and, of SGD, the momentum that the first networks had."""
    settings, idle = config.as_dict(), without_effect(config, BEFORE)
    return all(settings[name] == value for name, value in BEFORE.items() if name not in idle)


def test_the_readme_quotes_the_scores_of_cells(committed):
    readme = (committed / "README.md").read_text()

    def told(dataset: str, group: str) -> str:
        """mean ± standard deviation (how many seeds)"""
        found = cells.read(committed / "results/cells/cells-ablations-quick" / dataset)
        seg = [seed["seg"] for seed in cells.by_seed(found, group).values()]
        return f"{mean_and_deviation(seg, 4)} ({len(seg)} seeds)"

    u373, hela = (told(dataset, cells.CONTROL) for dataset in (U373, HELA))
    without, not_deformed = (told(HELA, group) for group in (NO_BORDER, NO_DEFORMATION))
    more = cells.read(committed / MORE_TILES / HELA)
    of_more = {seed: values["seg"] for seed, values in cells.by_seed(more, cells.CONTROL).items()}
    longer = mean_and_deviation([*of_more.values()], 4)
    for row in (
        f"mean of both directions, d4 | {u373} | {hela} |",
        f"the same with 4,500 tiles | - | {longer} ({len(of_more)} seeds) |",
        f"without the border term of the weight map | - | {without} |",
        f"without elastic deformation | - | {not_deformed} |",
    ):
        assert row in readme
    text = " ".join((committed / "results/README.md").read_text().split())
    assert f"{u373} on PhC-U373" in text and f"{hela} on DIC-HeLa" in text
    found = cells.read(committed / "results/cells/cells-ablations-quick" / HELA)
    of_groups = [cells.by_seed(found, group) for group in (cells.CONTROL, NO_BORDER, NO_DEFORMATION)]
    control, *others = ({seed: values["seg"] for seed, values in group.items()} for group in of_groups)
    p, _ = paired_p_values(others, control)
    gains = [seg - control[seed] for seed, seg in of_more.items()]
    shorter = mean_and_deviation([control[seed] for seed in of_more], 4)
    page = f"{MORE_TILES}/{HELA}/README.md".removeprefix("results/")
    told = f"SEG is {longer} with [4,500]({page}) and {shorter} with 1,500, higher by {np.mean(gains):.3f}"
    low, high = confidence_interval(gains)
    of_each = f"with each seed by {min(gains):.3f} to {max(gains):.3f}."
    assert len(gains) == 3 and f"{told} (95 %: {low:.3f} to {high:.3f}), {of_each}" in text
    assert f"on HeLa is {without[:-1]}; p = {p:.3f})" in text
    by_argmax, without_term = (
        mean_and_deviation([values[cells.ARGMAX] for values in group.values()], 4) for group in of_groups[:2]
    )
    assert f"at one half, as in the authors' scripts, SEG is {without_term} instead of {by_argmax}." in text
    gains = [
        np.mean([group[seed][what] for seed in group]) for what in ("seg", cells.ARGMAX) for group in of_groups[:2]
    ]
    of_both = gains[0] - gains[1], gains[2] - gains[3]
    told = f"The border term adds {of_both[0]:.2f} of SEG on HeLa, where cells touch ("
    told += f"each network at the threshold that suits its training frames; {of_both[1]:.2f} with all at one half)"
    assert told in " ".join(readme.split())
    assert (
        f"gains {of_both[0]:.2f} of SEG on HeLa, where cells touch; {of_both[1]:.2f} with all thresholds at one half"
        in text
    )
    chosen = [run.primary.segmentation.threshold for run in found if run.group == NO_BORDER]
    assert len(chosen) == 6 and chosen.count(0.95) == 5 and max(TRIED_THRESHOLDS) == 0.95
    lower = [control[seed] - others[1][seed] for seed in control]
    low, high = confidence_interval(lower)
    told = f"lower by {np.mean(lower):.3f} (95 %: {low:.3f} to {high:.3f})"
    assert f"without it SEG is {not_deformed}, {told}: three" in text
    for trained, moves, which in (("01", "on 02 it rises", 1), ("02", "on 01 it falls", -1)):
        before, after = (
            {run.record.config.seed: run.primary.scores.seg for run in runs if run.name.endswith(trained)}
            for runs in ([run for run in found if run.group == cells.CONTROL], more)
        )
        assert after.keys() == of_more.keys() and all(which * (after[seed] - before[seed]) > 0 for seed in after)
        shown = [mean_and_deviation([of[seed] for seed in after], 3) for of in (before, after)]
        assert f"{moves}, from {shown[0]} to {shown[1]}" in text


def test_what_is_told_of_the_official_test_sections(committed):
    papers = dict(zip(TABLE_1_METRICS, next(errors for _, group, *errors in TABLE_1 if group == "u-net"), strict=True))
    scores = read_json(committed / "results/isbi/final/test-scores-rot7.json")
    warping, rand, pixel = (scores["all_pixels"][metric.key] / papers[metric] for metric in TABLE_1_METRICS)
    of_exact = scores["exact_rows"]["rand_error"] / papers[TABLE_1_METRICS[1]]
    readme, text = (" ".join((committed / page).read_text().split()) for page in ("README.md", "results/README.md"))
    told = f"warping error is {warping:.1f} times the paper's, its Rand error {rand:.1f} and its pixel error"
    assert f"{told} {pixel:.1f} times (7 rotations)." in readme
    of_d4 = read_json(committed / "results/isbi/final/test-scores.json")["all_pixels"]
    told = f"{warping:.1f} times the paper's warping error, {of_exact:.1f} to {rand:.1f} times its Rand error"
    errors = [scores[pixels]["rand_error"] for pixels in ("exact_rows", "all_pixels")]
    of_rand = f"({errors[0]:.4f} on the rows of which no label was filled, {errors[1]:.4f} on all)"
    assert f"{told} {of_rand}, {pixel:.1f} times its pixel error" in text
    final = read_record(committed / "results/isbi/final/run.json")
    hours = final.times.training_seconds / 3600 * PROFILES["paper"].steps / final.config.steps
    full = archive.read(committed / "results/isbi/registered-folds-paper-adam")
    later = [
        run.record.times.training_seconds / 3600 * PROFILES["paper"].steps / run.record.config.steps for run in full
    ]
    assert "30,000 tiles, about a day of one or two CPU cores, were not run." in readme
    assert 22 < hours < 28 and 21 < np.mean(later) < 28
    by_sgd = archive.from_folder(committed / "results/isbi/final-fold").primary
    assert "is four times as high on fold 6/6 of the" in text
    assert round(by_sgd.warping_error / of_d4["warping_error"]) == 4
    by_adam = next(run.primary for run in archive.read(committed / "results/isbi/budgets") if run.name == FULL_BY_ADAM)
    assert by_adam.rand_error < by_sgd.rand_error and by_adam.pixel_error < by_sgd.pixel_error
    assert "on a fold the full network's Rand and pixel errors are lower with Adam than with SGD." in readme


def test_the_readme_quotes_the_errors_of_networks_like_the_released_one(committed):
    readme = " ".join((committed / "README.md").read_text().split())
    folder = committed / "results/isbi"
    alike, full = archive.read(folder / LONGEST), archive.read(folder / "registered-folds-paper-adam")
    of_alike, of_full = (
        [np.mean([run.primary.value(metric) for run in runs]) for metric in TABLE_1_METRICS] for runs in (alike, full)
    )
    best = " and ".join(f"{error:.3f}" for error in of_alike[1:])
    assert f"Rand and pixel errors of {best}, each at its best threshold." in readme
    lower, at_half = ([float(error.split()[0]) for error in table_1.errors_at(alike, "d4", cut)] for cut in (0.2, 0.5))
    thick = " and ".join(f"{error:.3f}" for error in at_half)
    assert f"membranes come out thicker: {thick}; try 0.2." in readme and all(np.array(lower) < at_half)
    assert {run.record.config.steps for run in full} == {2500}
    assert f"Rand and pixel errors on these folds are {of_full[1]:.3f} and {of_full[2]:.3f}." in readme


def test_rows_of_the_quarter_network_are_of_todays_recipe_or_say_so(committed):
    for entry, runs in table_1.read_entries(committed / "results/isbi").items():
        for config in [run.record.config for run in runs if "quarter network" in entry.title]:
            assert is_as_first_tried(config) == ("as first tried" in entry.title), entry
            today = changed_config(PROFILES["quick"], [f"optimiser={config.optimiser}"]).as_dict()
            different = {name for name in OF_RECIPE if today[name] != config.as_dict()[name]} - {*OF_SGD}
            assert not different or "as first tried" in entry.title, entry


def test_the_profiles_are_the_committed_runs_recipes(committed):
    """All settings but those that a run is said to differ in: a default that changes makes the tables another's."""
    folder, undone = committed / "results/isbi", ["registration_x=0.15", "registration_y=0.6"]
    for profile, optimiser, others, config in (
        ("quick", "adam", [], archive.read(folder / "folds-adam")[0].record.config),
        ("quick", "sgd", [], archive.read(folder / "folds")[0].record.config),
        ("quick", "adam", [*undone, "steps=10000", "warmup=125"], read_record(folder / RELEASED / "run.json").config),
        (
            "paper",
            "adam",
            [*undone, "steps=2500", "checkpoint_every=125"],
            archive.read(folder / "registered-folds-paper-adam")[0].record.config,
        ),
    ):
        assert changed_config(PROFILES[profile], [*recipe(profile, optimiser, None), *others]) == config


def test_what_is_told_of_both_optimisers_on_the_folds(committed, other_seeds):
    errors = {}
    for study in ("folds-adam", "folds", "registered-folds-adam", LONGER, f"registered-{LONGER}", LONGEST):
        runs = sorted(archive.read(committed / "results/isbi" / study), key=lambda run: str(run.record.protocol.fold))
        assert [str(run.record.protocol.fold) for run in runs] == [f"{number}/5" for number in range(1, 6)]
        errors[study] = np.array([[run.primary.value(metric) for metric in TABLE_1_METRICS] for run in runs])
    readme = " ".join((committed / "README.md").read_text().split())
    assert (errors[LONGER] < errors["folds-adam"]).all() and "lower all three errors on [each of five folds](" in readme
    unseen = errors[LONGEST][1:4].mean(axis=0)
    told = f"Folds 2 to 4 have {unseen[0]:.6f}, {unseen[1]:.4f} and {unseen[2]:.4f} with the released network's recipe,"
    assert told in readme
    assert (errors["folds-adam"].mean(axis=0) < errors["folds"].mean(axis=0)).all()
    text = " ".join((committed / "results/README.md").read_text().split())
    for each in errors.values():
        warping, rand, pixel = each.mean(axis=0)
        assert f" | {warping:.6f} | {rand:.4f} | {pixel:.4f} |" in text
    more = errors["folds"][:, -1] - errors["folds-adam"][:, -1]  # pixel error
    assert (more > 0).all() and f"by {more.min():.4f} to {more.max():.4f}, where seeds" in text
    differences = {study: each - errors["folds-adam"] for study, each in errors.items()}
    means = {study: (each.mean(0), each.std(0, ddof=1)) for study, each in differences.items()}
    pixel = {study: f"{abs(mean[2]):.4f} ± {deviation[2]:.4f}" for study, (mean, deviation) in means.items()}
    assert f"lies below Adam's by {pixel['registered-folds-adam']}, both with 2,500 tiles;" in text
    lowered = [
        f"the {metric.title} by {abs(mean):.{metric.digits}f} ± {deviation:.{metric.digits}f}"
        for metric, mean, deviation in zip(TABLE_1_METRICS, *means[LONGER], strict=True)
    ]
    told = f"twice the tiles lower {lowered[0]}, {lowered[1]} and {lowered[2]} (one standard deviation of the five"
    assert told in text and "each of them on all five." in text and (differences[LONGER] < 0).all()
    shares = [round(float(share)) for share in -errors["folds-adam"].mean(0) / means[LONGER][0]]
    assert shares == [10, 6, 71] and "their means by a tenth, a sixth and a seventieth" in text
    assert f"SGD's pixel error lies above Adam's by {pixel['folds']}." in text
    assert f"SGD's Rand error is higher by {means['folds'][0][1]:.3f} ± {means['folds'][1][1]:.3f}, nearly all" in text
    assert differences["folds"][3, 1] > 0.9 * differences["folds"][:, 1].sum()
    of_seeds = [
        np.std([run.primary.rand_error for run in archive.read(committed / study) if run.group == group], ddof=1)
        for study, group in ((OF_ADAM, "as the paper"), (SGD_ABLATIONS, "as the paper"))
    ]
    of_folds = [errors[study][:, 1].std(ddof=1) for study in ("folds-adam", "folds")]
    told = f"seeds by {of_seeds[0]:.3f} with Adam and by {of_seeds[1]:.3f} with SGD (one standard deviation)"
    assert f"{told}, folds by {of_folds[0]:.3f} and by {of_folds[1]:.3f}." in text
    adams = [run.primary for run in archive.read(committed / OF_ADAM) if run.group == "as the paper"]
    adams += [run.primary for run in other_seeds["fold 6/6"]]
    rand, pixels = ([getattr(run, name) for run in adams] for name in ("rand_error", "pixel_error"))
    ranges = f"from {min(rand):.3f} to {max(rand):.3f} and from {min(pixels):.4f} to {max(pixels):.4f}"
    assert len(adams) == 14 and f"With Adam fourteen seeds range {ranges}." in text


def test_the_pages_count_the_trainings_that_lost_levels(committed):
    told = {
        name: [run.record for run in archive.read(committed / "results/isbi" / name)]
        for name in (
            "ablations-adam",
            "adam-rate",
            "folds-adam",
            "folds",
            LONGER,
            "seeds-adam",
        )
    }
    arms = [read_record(committed / "results/isbi" / arm / "run.json") for arm in ("quarter-adam", "quarter-sgd")]
    by_adam = [
        record
        for records in told.values()
        for record in records
        if record.config.optimiser == "adam"
        and is_as_first_tried(record.config)
        and record.config.learning_rate == FIRST_ADAM["learning_rate"]
        and record.up_convolution_effect
    ]
    with_lost = [lost for record in by_adam if (lost := lost_levels(record.up_convolution_effect))]
    assert with_lost == [2]
    on_cells = [run for kept in committed.glob(CELL_STUDIES) for run in cells.read(kept.parent)]
    of_cells = [run.record for run in on_cells if run.group == cells.CONTROL]
    assert not any(lost_levels(run.record.up_convolution_effect) for run in on_cells)
    today = [*told["folds"], *told["folds-adam"], *arms, *told["seeds-adam"], *told[LONGER]]
    today += [run.record for run in archive.read(committed / SGD_ABLATIONS) if run.group == "as the paper"]
    today += [run.record for run in archive.read(committed / OF_ADAM) if run.group == "as the paper"]
    of_em = sum(record.config.optimiser == "adam" for record in today)
    of_sgd = len(today) - of_em
    today += of_cells
    registered = [run.record for run in archive.read(committed / OF_ADAM) if run.group == "labels registered"]
    for folder in ("registered-folds-adam", f"registered-{LONGER}", LONGEST):
        registered += [run.record for run in archive.read(committed / "results/isbi" / folder)]
    registered += [run.record for run in archive.read(committed / "results/isbi/gap") if run.group in (GAP, NO_GAP)]
    full = [run.record for run in archive.read(committed / "results/isbi/registered-folds-paper-adam")]
    for of_width, arm in ((registered, "registered-quarter"), (full, "registered-full-2500")):
        of_width.append(read_record(committed / "results/isbi" / arm / "run.json"))
    assert not any(lost_levels(record.up_convolution_effect) for record in (*registered, *full))
    for record in today:
        assert changed_config(PROFILES["quick"], [f"optimiser={record.config.optimiser}"]).learning_rate == (
            record.config.learning_rate
        )
        assert (record.config.decay, record.config.up_convolution_fan_in) == ("trapezoid", "blob")
        assert lost_levels(record.up_convolution_effect) == 0
    text = " ".join((committed / "results/README.md").read_text().split())
    assert of_em == 27 and f"nor did {len(of_cells)} on cells" in text
    steep = [run.record for run in archive.read(committed / "results/isbi/budgets") if run.record.config.steps == 2500]
    steep = [record for record in [*steep, *told["ablations-adam"]] if record.config.decay == "trapezoid"]
    steep = [record for record in steep if record.config.optimiser == "adam" and record.config.learning_rate == 0.001]
    assert len(steep) == 5 and sum(lost_levels(record.up_convolution_effect) > 0 for record in steep) == 1
    lost_at = [
        (record.config.learning_rate, lost_levels(record.up_convolution_effect or ())) for record in told["adam-rate"]
    ]
    assert sorted(lost_at) == [(0.0003, 0), (0.0003, 0), (0.001, 0), (0.001, 0), (0.003, 2), (0.003, 2)]
    readme, text = (" ".join((committed / page).read_text().split()) for page in ("README.md", "results/README.md"))
    assert (len(registered), len(full)) == (25, 6) and "nor 31 with registered labels (25 of the quarter" in text
    assert len(today) == of_em + of_sgd + len(of_cells)
    assert f"Of today's recipes [none of {len(today) + len(registered) + len(full)}](" in readme
    assert f"as first tried one of {len(by_adam) + 5} did, and with a rate that stayed at 0.001 until the last" in text
    assert "until the last fifth one of five, and one of three with the first initial weights" in text
    assert of_sgd == 11 and "none of eleven trainings with today's recipe did" in text


def test_the_losses_of_the_arms_are_those_of_their_histories(committed):
    text = (committed / "results/README.md").read_text()
    for arm in ("quarter-sgd", "quarter-adam", "full-adam-2500", "registered-full-2500"):
        losses = [row["loss"] for row in read_history(committed / "results/isbi" / arm / "history.csv")]
        assert f"{np.mean(losses[-50:]):.3f}" in text  # a row is the mean of ten tiles


def test_what_a_gap_costs_and_what_may_help_there(committed):
    runs = {(run.group, str(run.record.protocol.fold)): run for run in archive.read(committed / "results/isbi/gap")}
    text = " ".join((committed / "results/README.md").read_text().split())
    assert {run.record.first.precision for run in runs.values()} == {"float32"}
    assert {run.record.config.seed for run in runs.values()} == {0} and len(runs) == 8
    ends = {"3/3": (range(20, 30), range(15), range(5, 20)), "1/3": (range(10), range(15, 30), range(10, 25))}
    for (group, fold), run in runs.items():
        scored, behind, adjoining = ends[fold]
        protocol = run.record.protocol
        assert protocol.scored_sections == tuple(scored)
        assert protocol.training_sections == tuple(adjoining if group == NO_GAP else behind)
        row = " | ".join(metric.formatted(run.primary.value(metric)) for metric in TABLE_1_METRICS)
        assert f"| {group} | {scored[0]} to {scored[-1]} | {row} |" in text
    rand, pixel = (
        {key: run.primary.value(metric) for key, run in runs.items()} for metric in (RAND_ERROR, PIXEL_ERROR)
    )
    costs = [" and ".join(f"{of[GAP, fold] - of[NO_GAP, fold]:.4f}" for fold in ends) for of in (rand, pixel)]
    assert f"costs Rand error, {costs[0]}, and pixel error, {costs[1]}." in text
    raised = [f"from {rand[NO_GAP, fold]:.3f} to {rand[GAP, fold]:.3f}" for fold in ends]
    assert f"raises the Rand error {raised[0]}, at the other end {raised[1]}; twice the" in text
    changed = "gap, twice the gray-value range", "gap, twice the displacements"
    for group, fold in itertools.product(changed, ends):
        for metric in TABLE_1_METRICS:
            assert runs[group, fold].primary.value(metric) < runs[GAP, fold].primary.value(metric)
    gray, moved = ([rand[GAP, fold] - rand[group, fold] for fold in ends] for group in changed)
    told = " and ".join(f"{less:.4f}" for less in gray)
    assert f"lower at either end, the Rand error by {told}: two thirds of what the gap costs, and more than" in text
    shares = [less / (rand[GAP, fold] - rand[NO_GAP, fold]) for less, fold in zip(gray, ends, strict=True)]
    assert 0.6 < shares[0] < 0.7 and 1 < shares[1]
    assert f"lower them too, the Rand error by {' and '.join(f'{less:.4f}' for less in moved)}." in text
    for setting in ("contrast", "brightness"):
        assert {getattr(runs[changed[0], fold].record.config, setting) for fold in ends} == {0.4}
