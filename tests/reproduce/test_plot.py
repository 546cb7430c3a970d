"""The plot of a study's runs: one row that is far off does not press the others together."""

from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.studies import archive, plot
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import ADAM_ABLATIONS, WITH_ADAM
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


@pytest.fixture
def with_inactive(tmp_path, monkeypatch):
    """Draws a study of which the runs of these groups are inactive; returns the figures, which are not written."""
    runs = runs_of("ablations", 1, optimiser="adam")
    kept = {run.name: run for run in archive.read(RESULTS / "isbi/ablations-adam")}
    figures = []
    monkeypatch.setattr(plot, "save_figure", lambda figure, _: figures.append(figure))

    def with_inactive(*groups):
        effects = {run.name: (0.0 if run.group in groups else 0.1,) for run in runs}
        records = {name: replace(kept[name].record, up_convolution_effect=effect) for name, effect in effects.items()}
        draw(
            tmp_path / "plot.png", runs, {name: replace(kept[name], record=record) for name, record in records.items()}
        )
        return figures

    return with_inactive


def test_nothing_is_drawn_where_all_runs_are_inactive(with_inactive):
    assert with_inactive(*WITH_ADAM, *ADAM_ABLATIONS) == []


@pytest.mark.parametrize(("inactive", "lines"), [(WITH_ADAM[1], 1), (WITH_ADAM[0], 0)])
def test_the_dotted_line_is_the_controls(with_inactive, inactive, lines):
    (figure,) = with_inactive(inactive)
    assert [sum(line.get_linestyle() == ":" for line in axis.get_lines()) for axis in figure.axes] == [lines] * 3
    assert (f"dotted: {WITH_ADAM[0]}" in figure.get_suptitle()) == ("dotted" in figure.get_suptitle()) == bool(lines)
