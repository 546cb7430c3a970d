"""The plot of a study's runs: one row that is far off does not press the others together."""

from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.studies import archive
from reproduce.studies.definitions import runs_of
from reproduce.studies.plot import draw, limits_without_a_far_row

RESULTS = Path(__file__).parents[2] / "results"


def test_a_far_row_is_left_out_of_the_axis():
    assert limits_without_a_far_row([[1.0, 1.1], [1.2], [1.0, 9.0]]) == pytest.approx((0.98, 1.22))
    assert limits_without_a_far_row([[1.0, 1.1], [1.2], [1.5]]) == pytest.approx((0.98, 1.22))


def test_runs_of_a_far_row_that_are_better_than_all_others_are_shown():
    assert limits_without_a_far_row([[1.0, 1.1], [1.2], [0.5, 9.0]]) == pytest.approx((0.48, 1.22))


@pytest.mark.parametrize(
    "rows", [[[1.0], [1.2], [1.5]], [[1.0], [1.0], [1.6]], [[1.0], [9.0]], [[1.0]], [[9.0, 9.1], [9.2], [1.0]]]
)
def test_other_rows_are_all_shown(rows):
    """Where none is far, where the others are one or all the same, and where the far one is the better."""
    assert limits_without_a_far_row(rows) is None


def test_both_kinds_are_drawn(tmp_path):
    runs = runs_of("ablations", 1, optimiser="adam")
    kept = archive.read(RESULTS / "isbi/ablations-adam")
    finished = {run.name: next(made for made in kept if made.name == run.name) for run in runs}
    draw(tmp_path / "far.png", runs, finished)
    alike = {name: replace(run, scores=finished[runs[0].name].scores) for name, run in finished.items()}
    draw(tmp_path / "near.png", runs, alike)
    assert (tmp_path / "far.png").read_bytes() != (tmp_path / "near.png").read_bytes()
