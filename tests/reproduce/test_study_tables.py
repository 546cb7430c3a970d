"""The table of a programme's runs: the records of runs that were made, with errors of which the outcome is known."""

import json
from pathlib import Path

from reproduce.studies.__main__ import write_tables
from reproduce.studies.definitions import runs_of
from unet_paper.metrics.registry import CHALLENGE_METRICS

MADE = Path(__file__).parents[2] / "results/isbi/ablations"
RUNS = runs_of("ablations", 3)


def with_errors(folder, run, error):
    """A run in `folder` that has the record of the one that was made, this run's seed, and `error` for every score."""
    made, place = MADE / run.name.replace(f"seed-{run.changes['seed']}", "seed-0"), folder / run.name
    place.mkdir(parents=True)
    for path in made.glob("*.json"):
        content = json.loads(path.read_text())
        if path.name == "run.json":
            content["configuration"]["seed"]["value"] = run.changes["seed"]
        else:
            content |= {metric.key: error for metric in CHALLENGE_METRICS}
        (place / path.name).write_text(json.dumps(content))
    (place / "table1.md").write_text((made / "table1.md").read_text())


def test_it_says_how_far_each_row_lies_from_the_first_and_how_many_runs_are_done(tmp_path):
    for run in RUNS:
        seed = run.changes["seed"]
        if run.group == "as the paper":
            with_errors(tmp_path, run, 0.1 + 0.01 * seed)
        elif run.group == "Adam" and seed < 2:
            with_errors(tmp_path, run, 0.2)
    text = write_tables(tmp_path, "ablations", RUNS)
    assert f"its runs, 5 of {len(RUNS)} so far." in text and "the rows with several runs (3 degrees of freedom)" in text
    lines = text.splitlines()
    # the squares within the rows are (0.01^2 + 0.01^2) and 0, of 3 degrees; the means 0.2 and 0.11 lie 0.09 apart
    spread = (0.0002 / 3) ** 0.5
    assert f"| standard deviation of one run | |{f' {spread:.7f} |' * 3}{f' {spread:.5f} |' * 6}" in lines
    assert f"| Adam | 2 |{f' {0.09 / (spread * (1 / 2 + 1 / 3) ** 0.5):+.1f} |' * 9}" in lines
    assert any(line.startswith("With zeros beyond the border") and "Rand error +0.00000 ±" in line for line in lines)
    assert sum(line.startswith("| Adam-seed-") and line.endswith("| AMD EPYC |") for line in lines) == 2
    assert (tmp_path / "README.md").read_text() == text
    assert (tmp_path / "ablations.png").is_file() and (tmp_path / "index.html").is_file()


def test_sections_left_out_far_and_near_are_compared_with_each_other(tmp_path):
    errors = {"as the paper": 0.1, "sections 0 to 3 left out": 0.2, "sections 21 to 24 left out": 0.5}
    for run in RUNS:
        if run.group in errors and run.changes["seed"] < 2:
            with_errors(tmp_path, run, errors[run.group] + 0.01 * run.changes["seed"])
    lines = write_tables(tmp_path, "ablations", RUNS).splitlines()
    # two runs each, 0.01 apart: the deviation of one run, and of the difference of such means, is 0.01 / sqrt(2)
    multiple = f"{0.3 / (0.01 / 2**0.5):+.1f}"
    assert f"| sections 21 to 24 left out, beside sections 0 to 3 left out | 2 |{f' {multiple} |' * 9}" in lines


def test_errors_that_are_all_the_same(tmp_path):
    """As of networks that have hardly learnt: there is nothing to measure by, and the table is written all the same."""
    for run in RUNS:
        if run.changes["seed"] < 2:
            with_errors(tmp_path, run, 0.1)
    assert f"| Adam | 2 |{' - |' * 9}" in write_tables(tmp_path, "ablations", RUNS).splitlines()


def test_nothing_is_compared_before_there_is_something_to_compare(tmp_path):
    for run in RUNS:
        if run.group == "as the paper":
            with_errors(tmp_path, run, 0.1 + 0.01 * run.changes["seed"])
    text = write_tables(tmp_path, "ablations", RUNS)
    assert f"3 of {len(RUNS)} so far" in text and "multiples" not in text


def test_a_run_that_diverged_is_named_and_in_no_row(tmp_path):
    for run in RUNS:
        with_errors(tmp_path, run, 0.1)
    record = tmp_path / RUNS[-1].name / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "diverged"}))
    (tmp_path / RUNS[-1].name / "table1.md").unlink()
    lines = write_tables(tmp_path, "ablations", RUNS).splitlines()
    assert f"Diverged, twice from their last checkpoint, and in no row: {RUNS[-1].name}." in lines
    assert "so far" not in lines[2] and not any(line.startswith(f"| {RUNS[-1].name}") for line in lines)


def test_a_run_that_is_cut_off_is_shown_and_in_no_mean(tmp_path):
    lost = ["release-seed-0", "Adam-seed-1", "release-seed-1"]
    for run in RUNS:
        if run.changes["seed"] < 2:
            with_errors(tmp_path, run, 0.9 if run.name in lost else 0.1 + 0.01 * run.changes["seed"])
            record = tmp_path / run.name / "run.json"
            content = json.loads(record.read_text())
            if run.changes["seed"] == 1 or run.name in lost:
                content["changes_without_up_convolution"] = [0.0, 0.0, 0.2, 0.0 if run.name in lost else 0.1]
            record.write_text(json.dumps(content))
    text = write_tables(tmp_path, "ablations", RUNS)
    assert f"in no mean: {', '.join(lost)}." in text and "11 of the 24 runs were trained before" in text
    assert "| Adam | 1 and 1 cut off | d4 | 0.100000 | 0.1000 |" in text and "| release |" not in text
    assert "| padded | 2 | d4 | 0.105000 ± 0.007071 |" in text
    assert all(f"| {name} (cut off) |" in text for name in lost) and "| Adam-seed-0 |" in text


def test_single_runs_alone_are_not_compared(tmp_path):
    runs = runs_of("ablations", 1)
    for run in runs:
        with_errors(tmp_path, run, 0.1)
    text = write_tables(tmp_path, "ablations", runs)
    assert "so far" not in text and "multiples" not in text and f"| {runs[-1].name} |" in text


def test_no_table_without_the_run_that_others_are_compared_with(tmp_path):
    with_errors(tmp_path, RUNS[1], 0.1)
    assert write_tables(tmp_path, "ablations", RUNS) is None and not (tmp_path / "README.md").exists()
