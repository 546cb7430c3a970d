"""The table of a study: the records of runs that were made, with errors of which the outcome is known."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from reproduce.studies import archive, tables
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import runs_of, usual_seeds
from reproduce.studies.definitions import Run
from reproduce.studies.pages import write
from unet_paper.metrics.registry import CHALLENGE_METRICS

RESULTS = Path(__file__).parents[2] / "results/isbi"
MADE, MADE_BY_SGD = ({run.name: run for run in archive.read(RESULTS / f"ablations{end}")} for end in ("-adam", ""))
RUNS = runs_of("ablations", 3, optimiser="adam")


def with_errors(run: Run, error: float, effect: tuple[float, ...] | None = None) -> StudyRun:
    """A run that has the record of the one that was made, this run's name and seed, and `error` for every metric."""
    seed = run.changes["seed"]
    known = MADE if run.changes["optimiser"] == "adam" else MADE_BY_SGD
    made = known[run.name.replace(f"seed-{seed}", "seed-0")]
    errors = {metric.key: error for metric in CHALLENGE_METRICS}
    record = replace(made.record, name=run.name, config=replace(made.record.config, seed=seed))
    return StudyRun(
        run.name,
        replace(record, up_convolution_effect=effect),
        {tta: replace(scores, **errors) for tta, scores in made.scores.items()},
        replace(made.primary, **errors) if run.zeros_too else None,
        made.history,
    )


@pytest.fixture
def table(tmp_path):
    """Writes the table of some runs, and returns its text."""

    def write_table(found: list[StudyRun], runs: list[Run] = RUNS) -> str | None:
        archive.write(tmp_path, found)
        return write(tmp_path, "ablations", runs, "adam" if runs[0].changes["optimiser"] == "adam" else None)

    return write_table


def test_it_says_how_far_each_row_lies_from_the_first_and_how_many_runs_are_done(table, tmp_path):
    found = []
    for run in RUNS:
        seed = run.changes["seed"]
        if run.group == "as the paper":
            found.append(with_errors(run, 0.1 + 0.01 * seed))
        elif run.group == "release" and seed < 2:
            found.append(with_errors(run, 0.2))
    text = table(found)
    assert "studies ablations --optimiser adam` from" in text  # of all seeds that are planned
    assert f"its runs, 5 of {len(RUNS)} so far." in text and "the rows with several runs (3 degrees of freedom" in text
    lines = text.splitlines()
    # the squares within the rows are (0.01^2 + 0.01^2) and 0, of 3 degrees; the means 0.2 and 0.11 lie 0.09 apart
    spread = (0.0002 / 3) ** 0.5
    assert f"| standard deviation of one run |  |{f' {spread:.7f} |' * 3}{f' {spread:.5f} |' * 6}" in lines
    assert f"| release | 2 |{f' {0.09 / (spread * (1 / 2 + 1 / 3) ** 0.5):+.1f} |' * 9}" in lines
    assert any(line.startswith("Zeros beyond the image") and "Rand error +0.00000 ±" in line for line in lines)
    assert sum(line.startswith("| release-seed-") and line.endswith("| AMD EPYC |") for line in lines) == 2
    assert (tmp_path / "README.md").read_text() == text
    assert (tmp_path / "plot.png").is_file()


def test_a_row_to_which_seeds_do_more_hides_nothing_of_the_others(table):
    """It is in the paired table alone, and the row beside it is not compared with it either."""
    apart, *others = "padded, batch norm", "release", "padded", "no dropout"
    runs = [run for run in RUNS if run.group in ("as the paper", apart, *others)]
    far = {apart: 3.0, "padded": 0.003}
    text = table([with_errors(run, 0.1 + far.get(run.group, 0.001) * run.changes["seed"]) for run in runs])
    assert f'Not there, nor in Dunnett\'s test: "{apart}", whose runs lie' in text
    differences, paired, dunnett = text.split("\n\n| what | ")[2:5]
    assert f"| {apart} |" not in differences and f"| {apart} | - | - | - |" in dunnett and f"| {apart} | 0." in paired
    assert "known from the other rows with several runs (8 degrees of freedom" in text


def test_a_machine_without_bfloat16_is_named_so(table):
    runs = [with_errors(run, 0.1) for run in RUNS if run.group == "as the paper"]
    (session, *others), slower = runs[0].record.sessions, runs[0].record
    slower = replace(slower, sessions=(replace(session, precision="float32"), *others))
    asked_for = replace(slower, config=replace(slower.config, bfloat16=False))
    records = [slower, runs[1].record, replace(asked_for, config=replace(asked_for.config, seed=2))]
    text = table(
        [replace(run, record=replace(record, name=run.name)) for run, record in zip(runs, records, strict=True)]
    )
    of_runs = [line for line in text.splitlines() if line.startswith("| as-the-paper-seed-")]
    assert [" EPYC in float32 |" in line for line in of_runs] == [True, False, False]


def test_zeros_beyond_the_image_are_compared_in_runs_that_have_both(table):
    """Of three runs of the control one has no such prediction and one is inactive."""
    runs = [run for run in RUNS if run.group == "as the paper"]
    found = [with_errors(run, 0.1 * run.changes["seed"]) for run in runs]
    found[0] = replace(found[0], zeros=None)
    found[1] = replace(found[1], record=replace(found[1].record, up_convolution_effect=(0.0,)))
    found[2] = replace(found[2], zeros=replace(found[2].zeros, rand_error=0.25))
    text = table([*found, with_errors(RUNS[1], 0.1)])
    assert "the same weights (d4): warping error +0.0000000, Rand error +0.05000, pixel error +0.00000." in text


def test_errors_that_are_all_the_same(table):
    """As of networks that have hardly learnt: there is nothing to measure by, and the table is written all the same."""
    found = [with_errors(run, 0.1) for run in RUNS if run.changes["seed"] < 2]
    lines = table(found).splitlines()
    assert f"| release | 2 |{' - |' * 9}" in lines and f"| release |{' - |' * 3}" in lines


def test_nothing_is_compared_before_there_is_something_to_compare(table):
    text = table([with_errors(run, 0.1 + 0.01 * run.changes["seed"]) for run in RUNS if run.group == "as the paper"])
    assert f"3 of {len(RUNS)} so far" in text and "Standardised" not in text


def test_a_run_that_diverged_is_named_and_in_no_row(table, tmp_path):
    record = replace(MADE["release-seed-0"].record, status="diverged")
    record.write(tmp_path / RUNS[-1].name / "run.json")
    lines = table([with_errors(run, 0.1) for run in RUNS[:-1]]).splitlines()
    assert f"Diverged, twice from their last checkpoint, and in no row: {RUNS[-1].name}." in lines
    assert "so far" not in lines[2] and not any(line.startswith(f"| {RUNS[-1].name}") for line in lines)


def test_a_run_with_inactive_deep_levels_is_shown_and_in_no_mean(table):
    lost, found = ["release-seed-0", "padded-batch-norm-seed-1", "release-seed-1"], []
    for run in RUNS:
        seed = run.changes["seed"]
        if seed < 2:
            known = seed == 1 or run.name in lost
            effect = (0.0, 0.0, 0.2, 0.0 if run.name in lost else 0.1) if known else None
            found.append(with_errors(run, 0.9 if run.name in lost else 0.1 + 0.01 * seed, effect))
    text = table(found)
    assert f"in no mean: {', '.join(lost)}." in text and "12 of the 26 runs were trained before" in text
    assert "| padded, batch norm | 1 and 1 inactive | d4 | 0.100000 | 0.1000 |" in text and "| release |" not in text
    assert "| padded | 2 | d4 | 0.105000 ± 0.007071 |" in text
    assert all(f"| {name} (inactive) |" in text for name in lost) and "| padded-batch-norm-seed-0 |" in text


def test_levels_that_were_lost_are_counted_and_stay_in_the_mean(table):
    lost = {"release-seed-0": (0.0, 0.0, 0.1, 0.2), "release-seed-1": (0.1, 0.0, 0.1, 0.2)}
    runs = [run for run in RUNS if run.group in ("as the paper", "release") and run.changes["seed"] < 2]
    text = table([with_errors(run, 0.1, lost.get(run.name)) for run in runs])
    ends = {line.split(" |")[0]: line.rsplit("| ", 1)[1] for line in text.splitlines() if "-seed-" in line}
    assert [ends[f"| {run.name}"] for run in runs] == ["- |", "2 |", "- |", "0 |"]
    assert "| release | 2 | d4 |" in text and "levels lost: how many of the deepest levels" in text


@pytest.mark.parametrize(
    ("folder", "study", "title", "options"),
    [
        ("folds", "folds", "folds, with SGD", ""),
        ("folds-adam", "folds", "folds, with Adam", " --optimiser adam"),
        ("folds-adam-5000-tiles", "folds", "folds, with Adam", " --optimiser adam --set steps=5000 --set warmup=125"),
        (
            *("registered-folds-paper-adam", "registered-folds", "registered-folds, with Adam"),
            " --profile paper --optimiser adam --set steps=2500",
        ),
        ("adam-rate", "adam-rate", "adam-rate", ""),
        ("ablations", "ablations", "ablations, with SGD", ""),
    ],
)
def test_the_page_names_the_command_that_makes_such_a_study(folder, study, title, options):
    first = archive.read(RESULTS / folder)[0]
    assert tables.title(study, first.record) == title
    by = "adam" if first.record.config.optimiser == "adam" else None
    assert (
        tables.command(study, first.name, first.record, optimiser=by) == f"python -m reproduce.studies {study}{options}"
    )


@pytest.mark.parametrize(
    ("study", "seeds", "options"), [("adam-rate", 1, " --seeds 1"), ("ablations", 3, ""), ("folds", 1, "")]
)
def test_the_command_names_another_number_of_seeds_than_a_study_takes(study, seeds, options):
    first = archive.read(RESULTS / study)[0]
    assert tables.command(study, first.name, first.record, seeds) == f"python -m reproduce.studies {study}{options}"


def test_the_steps_of_a_run_by_minutes_are_no_option():
    run = archive.read(RESULTS / "folds")[0]
    record = replace(run.record, config=replace(run.record.config, minutes=9.0, steps=812))
    assert tables.command("folds", run.name, record) == "python -m reproduce.studies folds --set minutes=9"


def test_single_runs_alone_are_not_compared(table):
    runs = runs_of("ablations", 1, optimiser="adam")
    text = table([with_errors(run, 0.1) for run in runs], runs)
    assert "so far" not in text and "Standardised" not in text and f"| {runs[-1].name} |" in text


@pytest.mark.long
def test_ablations_by_adam_are_compared_with_adam(table):
    runs = runs_of("ablations", 2, optimiser="adam")
    assert {run.changes["optimiser"] for run in runs} == {"adam"} and len({run.group for run in runs}) == 13
    steps = {"as the paper": 0.01, "padded": 0.02}  # from the first seed to the second
    made = [
        with_errors(run, 0.1 + steps.get(run.group, 0.011) * run.changes["seed"] + 0.3 * (run.group == "padded"))
        for run in runs
    ]
    text = table(made, runs)
    assert text.startswith("# ablations, with Adam\n") and "so far" not in text
    assert "| padded | < 0.001 | < 0.001 | < 0.001 |" in text
    paired = text.split("the paired t-test")[1].split("Dunnett's")[0]  # 12 times that of one row
    p = 12 * stats.ttest_1samp([0.3, 0.31], 0).pvalue
    assert f"| padded | {p:.3f} | {p:.3f} | {p:.3f} |" in paired and "| no border term | 1.000 |" in paired
    assert "left out" not in text.split("Each run")[1]
    of_sgd = runs_of("ablations", 2)
    by_sgd = table([with_errors(run, 0.1) for run in of_sgd], of_sgd)
    assert "; its width, length and optimiser are ours." in text and "its width and length are ours." in by_sgd


def test_no_table_without_the_run_that_others_are_compared_with(table, tmp_path):
    assert table([with_errors(RUNS[1], 0.1)]) is None and not (tmp_path / "README.md").exists()


def test_seeds_are_as_many_as_asked_for_and_need_no_first(tmp_path):
    assert [run.name for run in runs_of("seeds", usual_seeds("seeds"))] == [f"seed-{seed}" for seed in range(5)]
    kept = [run for run in archive.read(RESULTS / "seeds-adam") if run.group == "fold 6/6"]
    archive.write(tmp_path, kept)
    text = write(tmp_path, "seeds", runs_of("seeds", 20, optimiser="adam"), "adam")
    assert "studies seeds --optimiser adam --seeds 20` from the records of its runs, 9 of 22 so far." in text
    assert f"| fold 6/6 | {len(kept)} | d4 |" in text and "| seed-0 |" not in text


def test_what_is_kept_comes_back_whole(tmp_path):
    archive.write(tmp_path, list(MADE.values()))
    assert archive.read(tmp_path) == list(MADE.values())


def test_the_metrics_with_zeros_beyond_the_image_are_read(tmp_path):
    run = shutil.copytree(RESULTS.parent / "phantom/demo", tmp_path / "run")
    assert archive.from_folder(run).zeros is None
    shutil.copy(run / "scores-none.json", run / "scores-extrapolation-zeros.json")
    read = archive.from_folder(run)
    assert read.zeros == read.scores["none"]


def test_records_are_kept_last_and_are_read_without_histories(tmp_path, monkeypatch):
    """As where a first write is killed, or another part is about to write the histories."""
    runs = list(MADE.values())[:2]
    archive.write(tmp_path, runs)
    (tmp_path / archive.HISTORIES).unlink()
    assert archive.read(tmp_path) == [replace(run, history=[]) for run in runs]

    def killed(path, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "write_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        archive.write(tmp_path / "new", runs)
    assert archive.read(tmp_path / "new") == []


def test_fewer_seeds_than_are_kept_lose_none(table, tmp_path):
    names = [run.name for run in RUNS]
    found = [with_errors(run, 0.1 + 0.01 * run.changes["seed"]) for run in RUNS]
    text = table(found, runs_of("ablations", 1, optimiser="adam"))
    assert sorted(run.name for run in archive.read(tmp_path)) == sorted(names)
    assert RUNS[0].name in text and RUNS[-1].name not in text
