"""A run on people's own data is judged by what fits its labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import draw

from unet_paper.cli.commands import main
from unet_paper.config import PROFILES, Config
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.io.stack import write_sections, write_stack
from unet_paper.metrics.scores import Scores
from unet_paper.metrics.seg import InstanceScores, score_instances
from unet_paper.report import own_report
from unet_paper.report.cell_pictures import FILLS, NO_CELL, cells_in_colours, outcome
from unet_paper.report.colours import CIRCLES, NOT_SCORED
from unet_paper.report.comparison import comparison, comparison_page
from unet_paper.report.own_data import by_threshold, own_table
from unet_paper.report.own_report import _draw
from unet_paper.report.shown_threshold import how_shown
from unet_paper.runs.cell_scoring import AtThreshold, CellScores
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import cells_of_run
from unet_paper.runs.record import read_record
from unet_paper.segmentation import segment, segment_section

QUICK = Path(__file__).parents[2] / "results" / "phantom" / "demo"
COLUMNS = "| TTA | SEG | F1 at IoU 0.5 | cells | found | missed | split | merged | of no cell | pixel error |"


def nuclei():
    """(2, 90, 110) numbers of discs, and a probability in which one is missed, one split, and two merged, and a segment
    is of no cell.
    """
    numbers, probability = np.zeros((2, 90, 110), np.uint16), np.full((2, 90, 110), 0.1, np.float32)
    for section in range(2):
        for number, (y, x) in enumerate([(20, 20), (20, 60), (60, 20), (60, 50), (60, 65)], 1):
            disc = draw.disk((y, x), 7, shape=(90, 110))
            numbers[section][disc] = number
            if number != 1:
                probability[section][disc] = 0.9
        probability[section, 19:22, 50:70] = 0.2
        probability[section, 60, 57:59] = 0.9
        probability[section, 15:25, 90:100] = 0.9
    return numbers, probability


@pytest.fixture
def make_run(tmp_path, make_record):
    """Makes a run of predicted and scored nuclei."""

    def make(labels_are, config=None, metrics="all"):
        run = RunFolder(tmp_path / "run")
        run.path.mkdir()
        protocol = replace(Protocol.of_fold(Fold(1, 2), 4), labels_are=labels_are)
        make_record(config or Config(tta=("d4",), primary="d4"), "own", protocol).write(run.record)
        numbers, probability = nuclei()
        labels = numbers if labels_are == "instances" else (numbers > 0).astype(np.uint8) * 255
        write_stack(run.labels, labels)
        write_stack(run.volume, (100 * probability).astype(np.uint8))
        write_stack(run.probability("d4"), probability)
        files = [str(run.labels), str(run.probability("d4"))]
        assert main(["score", *files, "--metrics", metrics, "--json", str(run.scores("d4", "d4"))]) == 0
        return run

    return make


def test_cells_are_counted_and_the_challenges_rows_are_not_there(make_run, capsys):
    run = make_run("instances")
    assert main(["report", str(run.path)]) == 0
    table = run.own_table.read_text()
    scores = json.loads(run.scores("d4", "d4").read_text())
    counts = [scores[name] for name in ("found", "missed", "split", "merged", "unmatched")]
    assert counts == [6, 4, 2, 2, 6]
    assert COLUMNS in table and table in capsys.readouterr().out
    cells = (f"{scores['seg']:.4f}", f"{scores['f1']:.4f}", "10", *map(str, counts))
    row = f"| **d4** | {' | '.join(f'**{cell}**' for cell in cells)} |"
    assert row in table
    for word in ("human values", "u-net", "warping", "Rand", "paper's rows"):
        assert word not in table and word not in (run.path / "index.html").read_text().split("<script")[0]
    assert not run.table.exists()
    pictures = {path.name for path in run.path.glob("*.png")}
    assert {"result.png", "cells.png"} <= pictures and "thresholds.png" not in pictures


def test_each_count_is_in_its_own_column(make_record):
    """Numbers of which no two are alike, so that none is taken for another."""
    counts = InstanceScores(seg=0.5, f1=0.6, found=1, missed=2, split=3, merged=4, unmatched=5, objects=())
    cells = CellScores(counts, None, 1, None, per_threshold=(AtThreshold(0.3, 0.7, 6, 8, 0.75, 0.8),))
    record = make_record(Config(tta=("d4",), primary="d4"), "own", replace(Protocol.of_test(6, 2), labels_are="cells"))
    row = own_table(record, {"d4": Scores(0.1, 0.2, 0.4, {}, 2)}, {"d4": cells}).to_markdown().splitlines()[-1]
    assert row.replace("*", "") == "| d4 | 0.5000 | 0.6000 | 3 | 1 | 2 | 3 | 4 | 5 | 0.4000 |"
    assert by_threshold(cells).to_markdown().splitlines()[-1] == "| 0.3 | 0.7000 | 0.8000 | 6 | 8 | 0.75 |"


def test_cells_at_other_thresholds(make_run):
    run = make_run("instances", replace(Config(tta=("d4",), primary="d4")))
    assert main(["report", str(run.path)]) == 0
    numbers, probability = nuclei()
    text = run.own_table.read_text()
    for threshold in (0.8, 0.95):
        found = score_instances(numbers, segment(probability, threshold))
        cells = (found.seg, found.f1)
        assert f"| {threshold} | {' | '.join(f'{cell:.4f}' for cell in cells)} | {found.missed} |" in text
    assert "| **0.5** |" in text and "against the labels as they are given" in text


@pytest.mark.long
def test_membranes_have_the_errors_of_tessellations_too(make_run):
    run = make_run("membranes")
    assert main(["report", str(run.path)]) == 0
    assert COLUMNS.removesuffix(" |") + " | warping error | Rand error |" in run.own_table.read_text()
    assert "human values" not in run.own_table.read_text()
    assert (run.path / "thresholds.png").is_file()


def test_labels_of_another_shape_than_were_scored_are_refused(make_run, capsys):
    run = make_run("instances")
    numbers, _ = nuclei()
    write_stack(run.labels, numbers[:, :50])
    assert main(["report", str(run.path)]) == 2
    assert "evaluation-labels.tif has the shape (2, 50, 110), and " in capsys.readouterr().err


@pytest.mark.long
def test_smoke_says_that_it_means_nothing(make_run):
    run = make_run("cells", replace(PROFILES["smoke"], tta=("d4",), primary="d4"))
    assert main(["report", str(run.path)]) == 0
    assert "its scores mean nothing" in run.own_table.read_text()


def test_scored_by_the_challenges_metrics_alone(make_run):
    run = make_run("cells", metrics="challenge")
    assert main(["report", str(run.path)]) == 0
    table = run.own_table.read_text()
    assert "| **d4** | **-** | **-** |" in table and "score --metrics all" in table


def test_scored_by_seg_alone(make_run, capsys):
    run = make_run("cells", metrics="seg")
    assert main(["report", str(run.path)]) == 2
    assert "score the run with --metrics all" in capsys.readouterr().err


def test_colours_of_cells():
    numbers, probability = nuclei()
    truth = numbers[0]
    segments = np.zeros_like(truth)
    segments[:, :57][truth[:, :57] == 2] = 1
    segments[:, 57:][truth[:, 57:] == 2] = 2
    segments[truth == 3], segments[(truth == 4) | (truth == 5)], segments[15:25, 90:100] = 3, 4, 9
    shown = cells_in_colours(truth, segments, score_instances(truth, segments).objects)
    for place, name in (((20, 20), "missed"), ((60, 20), "right"), ((60, 50), "merged"), ((60, 65), "merged")):
        assert tuple(shown[place]) == FILLS[name]
    assert tuple(shown[15, 95]) == NO_CELL and tuple(shown[45, 45]) == (0, 0, 0)


def test_a_cell_in_small_pieces_is_missed_as_in_the_scores():
    """Two segments lie in it, and neither covers half of it."""
    truth = np.ones((1, 10, 30), np.uint8)
    segments = np.zeros_like(truth)
    segments[..., :10], segments[..., 20:] = 1, 2
    scores = score_instances(truth, segments)
    assert (scores.missed, scores.split) == (1, 1) and [outcome(cell) for cell in scores.objects] == ["missed"]


def test_colours_of_the_largest_numbers_of_cells():
    truth = nuclei()[0][0].astype(np.uint32)
    segments = np.where(truth % 2, truth, 0)
    wanted = cells_in_colours(truth, segments, score_instances(truth, segments).objects)
    truth[truth > 0] += np.uint32(4_000_000_000)
    assert np.array_equal(cells_in_colours(truth, segments, score_instances(truth, segments).objects), wanted)


def test_no_error_is_drawn_where_nothing_is_scored(make_run):
    run = make_run("instances")
    numbers, probability = nuclei()
    write_stack(run.unknown, (numbers > 0) != (probability > 0.5))
    record = read_record(run.record)
    _draw(run, record, 0.5, replace(cells_of_run(run, record)["d4"], segmentation=None))
    for picture in (run.path / "result.png", run.sections / "result.png"):
        shown = np.asarray(Image.open(picture).convert("RGB"))
        for kind in ("split", "merger"):
            assert not (shown == CIRCLES[kind]).all(-1).any()
        assert (shown == NOT_SCORED).all(-1).any()


@pytest.mark.long
def test_a_segment_where_nothing_is_scored_is_no_cell_too_many(make_run):
    run = make_run("instances")
    record, (_, probability) = read_record(run.record), nuclei()
    cells = cells_of_run(run, record)["d4"]
    unknown = np.zeros(probability.shape, bool)
    unknown[:, 10:30, 85:105] = True  # where a segment of no cell lies
    pictures = []
    for marked in (None, unknown):
        if marked is not None:
            write_stack(run.unknown, marked)
        _draw(run, record, 0.5, cells)
        pictures.append(np.asarray(Image.open(run.path / "cells.png").convert("RGB")))
    outlines = [(picture == np.array(NO_CELL)).all(-1).sum() for picture in pictures]
    assert outlines[1] < outlines[0]


@pytest.mark.long
def test_a_smaller_first_section_is_drawn_as_it_is(make_run):
    """Half as wide as the other one, of which it would get a rim."""
    run = make_run("instances")
    record, cells = read_record(run.record), cells_of_run(run, read_record(run.record))["d4"]
    numbers, probability = nuclei()
    stacks = run.volume, run.labels, run.probability("d4")
    for stack in stacks:
        stack.unlink()
    shapes = []
    for width in (110, 55):
        for stack, pixels in zip(stacks, (probability, numbers, probability), strict=True):
            write_sections(stack, [pixels[0, :, :width], pixels[1]], ["a", "b"])
        _draw(run, record, 0.5, replace(cells, segmentation=None))
        drawn = Image.open(run.path / "result.png")
        shapes.append(drawn.width / drawn.height)
    assert shapes[1] < 0.7 * shapes[0]


def test_a_comparison_has_what_fits_each_run(make_run):
    run = make_run("instances")
    alone = comparison([run.path])
    assert [getattr(column, "key", column) for column in alone.columns[4:]] == ["seg", "f1", "pixel_error"]
    beside_em = comparison([run.path, QUICK])
    assert [getattr(column, "key", column) for column in beside_em.columns[4:]] == [
        *("seg", "f1"),
        *("warping_error", "rand_error", "pixel_error"),
    ]
    own, *of_em = beside_em.rows
    assert own[4:6] == alone.rows[0][4:6] and own[6:8] == (None, None)
    assert all(row[4:6] == (None, None) and None not in row[6:] for row in of_em)


@pytest.mark.parametrize("labels_are, why", [("instances", "cells are numbered"), ("membranes", "both classes")])
def test_it_is_shown_at_the_threshold_of_its_metrics(make_run, labels_are, why):
    run = make_run(labels_are)
    threshold, told = how_shown(run, read_record(run.record), None)
    assert threshold == 0.5 and told.startswith(why)


@pytest.mark.parametrize(("labels_are", "curves"), [("instances", 0), ("membranes", 1)])
def test_a_page_of_several_runs_has_the_challenges_curves_where_they_fit(make_run, tmp_path, labels_are, curves):
    run = make_run(labels_are)
    assert len(comparison_page([run.path], tmp_path).curves) == curves


@pytest.mark.long
def test_cells_of_several_sizes_are_drawn_as_they_are_scored(make_run, monkeypatch):
    """A section's own border counts, and not that of the largest, into which it is drawn."""
    run, drawn = make_run("instances"), []
    record, cells = read_record(run.record), cells_of_run(run, read_record(run.record))["d4"]
    numbers, probability = nuclei()
    stacks = run.volume, run.labels, run.probability("d4")
    for stack, pixels in zip(stacks, (probability, numbers, probability), strict=True):
        stack.unlink()
        write_sections(stack, [pixels[0, :, :60], pixels[1]], ["a", "b"])
    settings = replace(cells.segmentation, outer=20)
    monkeypatch.setattr(own_report, "draw_cell_errors", lambda *given: drawn.append(given[2]))
    _draw(run, record, 0.5, replace(cells, segmentation=settings))
    assert len(drawn) == 2 and np.array_equal(*drawn)  # without the image and over it
    first, second = drawn[0]
    assert np.array_equal(first[:, :60], segment_section(probability[0, :, :60], settings))
    assert not first[:, 60:].any() and np.array_equal(second, segment_section(probability[1], settings))
    assert not np.array_equal(first, segment_section(np.pad(probability[0, :, :60], ((0, 0), (0, 50))), settings))
