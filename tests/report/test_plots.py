"""The curves of one run, and of many."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from unet_paper.config import PROFILES
from unet_paper.metrics import score
from unet_paper.report import comparison as comparisons
from unet_paper.report.comparison import comparison_page
from unet_paper.report.plots import DRAWN, SMALLEST_DRAWN, history_figure, thresholds_figure
from unet_paper.runs.results import read_run


def histories(count):
    rows = [{"step": step, "loss": 1 / step, "tile_error": 0.1, "learning_rate": 0.01} for step in range(1, 101)]
    return {f"sections-21-to-24-left-out-seed-{number}": rows for number in range(count)}


def scores(count):
    truth = np.zeros((1, 40, 40), bool)
    truth[0, :, :18] = truth[0, :, 22:] = True
    found = score(truth, np.where(truth, 0.8, 0.3))
    return {name: found for name in histories(count)}


@pytest.mark.parametrize("count", [1, 5, 9, 36])
@pytest.mark.parametrize("draw", [lambda n: history_figure(histories(n)), lambda n: thresholds_figure(scores(n))])
def test_curves_have_room_beside_their_legend(draw, count):
    figure = draw(count)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that does not work out is a warning
        figure.canvas.draw()
    smallest = min(axis.get_window_extent().height for axis in figure.axes)
    assert smallest > 200  # px
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
    (legend,) = legends
    place, whole = legend.get_window_extent(), figure.bbox
    assert 0 <= place.x0 < place.x1 <= whole.width and 0 <= place.y0 < place.y1 <= whole.height
    assert len(legend.get_texts()) == count + (count == 1 and "mean over" in legend.get_texts()[-1].get_text())


@pytest.mark.parametrize(("lowest", "highest"), [(0.09, 0.15), (0.047, 0.052), (0.01, 0.9), (0.905, 0.9999)])
def test_an_axis_of_a_narrow_range_has_ticks_too(lowest, highest):
    curve = tuple(np.linspace(lowest, highest, 10))
    (found,) = scores(1).values()
    curves = {name: curve for name in found.curves}
    figure = thresholds_figure({"one": replace(found, curves=curves)})
    figure.canvas.draw()
    for axis in figure.axes[:5]:
        low, high = axis.get_ylim()
        assert sum(low <= tick <= high for tick in axis.get_yticks()) >= 2


def test_every_curve_is_an_error_and_its_dot_the_least(random_stack):
    found = score(*random_stack((1, 40, 40), "float64"))
    axes = thresholds_figure({"one": found}).axes[: len(DRAWN)]
    for axis, metric in zip(axes, DRAWN, strict=True):
        line, dot = axis.lines
        error = found.value(metric) if metric.better == "lower" else 1 - found.value(metric)
        assert line.get_ydata().min() == dot.get_ydata()[0] == pytest.approx(max(error, SMALLEST_DRAWN))
        assert dot.get_xdata()[0] == found.best_threshold[metric.key]


def test_a_smoothed_curve_stands_at_the_end_of_its_windows():
    raw, smooth = history_figure(histories(1)).axes[0].lines
    assert raw.get_xdata()[0] == 1 and smooth.get_xdata()[[0, -1]].tolist() == [4, 100]
    assert smooth.get_ydata()[[0, -1]] == pytest.approx([np.mean(raw.get_ydata()[:4]), np.mean(raw.get_ydata()[-4:])])


def test_an_empty_history_has_no_curve(make_record, tmp_path):
    make_record(PROFILES["smoke"]).write(tmp_path / "run.json")
    (tmp_path / "history.csv").touch()
    assert comparison_page([tmp_path], tmp_path).curves == []


def test_a_page_of_several_runs_reads_each_once(make_record, tmp_path, monkeypatch):
    """Scores have megabytes."""
    for name in ("a", "b"):
        make_record(PROFILES["smoke"]).write(tmp_path / name / "run.json")
    seen = []
    monkeypatch.setattr(comparisons, "read_run", lambda run: seen.append(run.path.name) or read_run(run))
    page = comparison_page([tmp_path / "a", tmp_path / "b"], tmp_path)
    (table,) = page.document.blocks
    assert seen == ["a", "b"] and [row[0] for row in table.rows] == ["a", "b"]


def test_names_are_shown_as_they_are():
    """Two `$` hold no formula, and a name that begins with `_` is one."""
    (rows,) = histories(1).values()
    names = ["x$a_$b", "_first", "a_$", "plain"]
    figure = history_figure(dict.fromkeys(names, rows))
    figure.canvas.draw()
    shown = [text.get_text().strip().replace(r"\$", "$") for text in figure.axes[0].get_legend().get_texts()]
    assert shown == names
