"""The report of a run on more than two classes."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tifffile

import unet_paper
from unet_paper.cli.commands import main
from unet_paper.config import Config
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.io.stack import write_stack
from unet_paper.metrics.class_scores import score_classes
from unet_paper.report import class_report
from unet_paper.report.class_report import (
    FEW,
    MOST_COLUMNS,
    SMOKE_NOTE,
    by_tta,
    class_colours,
    class_document,
    class_figure,
    confusion_table,
    each_class,
)
from unet_paper.report.colours import COMPONENTS, SPLIT
from unet_paper.runs.class_scoring import are_classes_of_run
from unet_paper.runs.folder import RunFolder

SCHEMA = Path(unet_paper.__file__).parent / "runs/schemas/class-scores.json"
PROTOCOL = replace(Protocol.of_fold(Fold(1, 2), 4), labels_are="classes")


@pytest.fixture
def run(tmp_path, make_record, random):
    """A run of predicted and scored sections of three classes."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    make_record(Config(classes=3, tta=("none", "d4"), primary="d4"), "own", PROTOCOL).write(run.record)
    truth = random.integers(0, 3, (2, 40, 60)).astype(np.uint8)
    write_stack(run.labels, truth)
    write_stack(run.volume, truth * 80)
    maps = random.dirichlet((1, 1, 1), truth.shape).astype(np.float32).transpose(0, 3, 1, 2)
    tifffile.imwrite(run.probability("d4"), maps, imagej=True, metadata={"axes": "ZCYX"})
    assert main(["score", str(run.labels), str(run.probability("d4")), "--json", str(run.scores("d4", "d4"))]) == 0
    return run


def scored_again(run):
    files = [str(run.labels), str(run.probability("d4"))]
    return main(["score", *files, "--json", str(run.scores("d4", "d4")), "--force"])


def test_table_pictures_and_page(run, capsys):
    assert main(["report", str(run.path)]) == 0
    text = run.own_table.read_text()
    scores = json.loads(run.scores("d4", "d4").read_text())
    jsonschema.validate(scores, json.loads(SCHEMA.read_text()))
    row = [scores["accuracy"], scores["mean_iou"], *scores["iou"]]
    assert f"| **d4** | {' | '.join(f'**{value:.4f}**' for value in row)} |" in text
    assert text in capsys.readouterr().out and "not yet scored" not in text and "has no metrics" not in text
    for picture in (run.path / "result.png", run.sections / "result.png"):
        assert picture.is_file()
    page = run.page.read_text()
    assert "Truth and result (section 0, d4)" in page and "There is no viewer here: it shows two classes" in page


def test_another_map_than_was_scored_is_refused(run, capsys):
    maps = tifffile.imread(run.probability("d4"))
    tifffile.imwrite(run.probability("d4"), maps[:, ::-1], imagej=True, metadata={"axes": "ZCYX"})
    assert main(["report", str(run.path)]) == 2
    assert "probability-d4.tif is not what the run's scores of d4 are of" in capsys.readouterr().err


@pytest.mark.parametrize("change", [lambda labels: 2 - labels, lambda labels: labels[:, :30]])
def test_other_labels_than_were_scored_are_refused(run, capsys, change):
    truth = tifffile.imread(run.labels)
    write_stack(run.labels, np.ascontiguousarray(change(truth)))
    assert main(["report", str(run.path)]) == 2
    assert "evaluation-labels.tif is not what the run's scores of d4 are of" in capsys.readouterr().err


@pytest.mark.parametrize("count", [2, 4])
def test_results_of_another_number_of_classes_are_refused(run, random, capsys, count):
    maps = random.dirichlet([1] * count, (2, 40, 60)).astype(np.float32).transpose(0, 3, 1, 2)
    if count == 2:
        write_stack(run.probability("d4"), maps[:, 1])
    else:
        tifffile.imwrite(run.probability("d4"), maps, imagej=True, metadata={"axes": "ZCYX"})
    files = [str(run.labels), str(run.probability("d4"))]
    assert main(["report", str(run.path)]) == 2
    assert "does not hold the probabilities of the run's 3 classes" in capsys.readouterr().err
    if count == 2:  # the run says that its labels are classes
        assert main(["score", *files]) == 2
        assert "holds 3 classes, and the result the probability of one" in capsys.readouterr().err
        return
    assert scored_again(run) == 0
    assert main(["report", str(run.path)]) == 2
    assert "scores.json is of 4 classes, and the run of 3" in capsys.readouterr().err


def test_scores_of_another_kind_are_refused(run, capsys):
    run.scores("d4", "d4").write_text(json.dumps({"warping_error": 0.1}))
    assert main(["report", str(run.path)]) == 2
    assert "it holds no scores of classes (KeyError('confusion')); score the run again" in capsys.readouterr().err


def test_pixels_of_unknown_truth_are_counted(run):
    marks = np.zeros((2, 40, 60), np.uint8)
    marks[:, :3] = 1
    write_stack(run.unknown, marks)
    assert scored_again(run) == 0
    assert main(["report", str(run.path)]) == 0
    assert "360 pixels of unknown truth count in nothing." in run.own_table.read_text()


def test_a_run_whose_sections_differ_in_size(run, random):
    """Its files are a folder, and what is reported is what was scored."""
    for stack in (run.labels, run.volume, run.probability("d4")):
        stack.unlink()
    for number, height in enumerate((40, 30)):
        truth = random.integers(0, 3, (1, height, 50)).astype(np.uint8)
        maps = random.dirichlet((1, 1, 1), truth.shape).astype(np.float32).transpose(0, 3, 1, 2)
        write_stack(run.path / f"evaluation-labels/s{number}.tif", truth)
        write_stack(run.path / f"evaluation-volume/s{number}.tif", truth)
        (run.path / "probability-d4").mkdir(exist_ok=True)
        info = {"Info": f"probabilities of 3 classes\nshape: {maps.shape}", "axes": "ZCYX"}
        tifffile.imwrite(run.path / f"probability-d4/s{number}.tif", maps, imagej=True, metadata=info)
    assert scored_again(run) == 0
    assert main(["report", str(run.path)]) == 0 and (run.sections / "result.png").is_file()


def test_scores_of_another_augmentation_are_refused(run, capsys):
    change_scores(run, lambda content: content | {"tta": "none"})
    assert main(["report", str(run.path)]) == 2
    assert "holds metrics of --tta none, where those of d4 belong" in capsys.readouterr().err


def test_what_can_no_longer_be_compared_is_taken_at_its_word(run):
    """Scores that tell no hashes, and a run whose stacks are elsewhere."""
    change_scores(run, lambda content: {key: value for key, value in content.items() if "sha256" not in key})
    assert main(["report", str(run.path)]) == 0
    run.labels.unlink()
    assert main(["report", str(run.path)]) == 0 and "**d4**" in run.own_table.read_text()


def change_scores(run, change):
    path = run.scores("d4", "d4")
    content = json.loads(path.read_text())
    assert "code" in content
    path.write_text(json.dumps(change(content)))


def test_only_the_labels_of_a_run_on_classes_are_known_to_be_classes(run, make_record):
    assert are_classes_of_run(run.labels) and not are_classes_of_run(run.path / "other.tif")
    assert main(["score", str(run.labels), str(run.probability("d4")), "--labels-are", "cells"]) == 2
    make_record(Config(classes=2), "own", PROTOCOL).write(run.record)
    assert not are_classes_of_run(run.labels)


@pytest.mark.long
def test_what_the_report_draws(run, random, monkeypatch):
    """The pixels of unknown truth, loss and weight map, and the paper's figures only where they are asked for."""
    marks = np.zeros((2, 40, 60), np.uint8)
    marks[:, :3] = 1
    write_stack(run.unknown, marks)
    write_stack(run.weight_maps, random.random((2, 40, 60)).astype(np.float32))
    run.history.write_text("step,loss,learning_rate\n10,0.7,0.1\n20,0.6,0.1\n")
    assert scored_again(run) == 0
    unknown, figures = [], []
    drawn = class_report.class_figure
    monkeypatch.setattr(class_report, "class_figure", lambda *given: unknown.append(given[4]) or drawn(*given))
    monkeypatch.setattr(class_report, "write_figures", lambda *given: figures.append(given))
    class_report.write_class_report(run)
    assert len(unknown) == 2 and all(np.array_equal(shown, marks[0] > 0) for shown in unknown) and not figures
    assert (run.path / "weight-map.png").is_file() and (run.path / "loss.png").is_file()
    class_report.write_class_report(run, figures=True)
    assert figures


def test_what_the_document_says(make_record):
    config = Config(classes=3, tta=("none", "d4"), primary="d4")
    right, half = score_classes([[0, 0, 0, 1]], [[0, 0, 0, 1]]), score_classes([[0, 0, 0, 1]], [[0, 0, 1, 1]])

    def said(scores, **settings):
        return class_document(make_record(replace(config, **settings), "own", PROTOCOL), scores).to_markdown()

    text = said({"none": right, "d4": half})
    assert "Each class (d4)" in text and "**d4**" in text and "**none**" not in text and "unknown truth" not in text
    assert SMOKE_NOTE not in text and SMOKE_NOTE in said({"d4": half}, profile="smoke")
    assert "1 pixel of unknown truth counts in nothing" in said({"d4": replace(half, ignored_pixels=1)})
    assert "| 0 | 75.0 |" in each_class(half).to_markdown()
    assert "taken for 15" in said({"d4": score_classes([range(16)], [range(16)])})
    assert "IoU of 7" in said({"d4": score_classes([range(8)], [range(8)])})


def test_it_is_not_compared_with_runs_that_have_other_metrics(run, tmp_path, capsys):
    assert main(["report", str(run.path), "--compare", str(tmp_path / "both.md")]) == 2
    assert "is a run on 3 classes, which --compare does not take" in capsys.readouterr().err


def test_an_unscored_run_says_so(make_record):
    text = class_document(make_record(Config(classes=3), "own", PROTOCOL), {}).to_markdown()
    assert "not yet scored on the 2 held out as fold 1/2" in text and "has no metrics" in text


def test_what_is_taken_for_what():
    scores = score_classes([[0, 0, 0, 1]], [[0, 0, 3, 1]])
    rows = confusion_table(scores).to_markdown().splitlines()[2:]
    assert rows[0] == "| class 0 | **66.7** | 0.0 | 0.0 | 33.3 |" and rows[2] == "| class 2 | - | - | **-** | - |"
    assert "|---|---:|---:|---:|---:|" in confusion_table(scores).to_markdown()
    assert (
        by_tta({"d4": scores}, "d4")
        .to_markdown()
        .splitlines()[0]
        .endswith("| IoU of 0 | IoU of 1 | IoU of 2 | IoU of 3 |")
    )


def test_of_many_classes_the_tables_stay_narrow(make_record):
    numbers = np.arange(MOST_COLUMNS + 1)[None]
    scores = score_classes(numbers, numbers)
    assert len(scores.confusion) > FEW
    text = class_document(make_record(Config(classes=17), "own", PROTOCOL), {"d4": scores}).to_markdown()
    assert "taken for" not in text and "IoU of" not in text and "| 16 | 5.9 | 1.0000 | 1.0000 |" in text


def test_the_picture_shows_classes_errors_and_what_is_not_scored():
    truth, found = np.array([[0, 1, 2, 9]]), np.array([[0, 1, 1, 9]])
    unknown = np.array([[True, False, False, False]])
    figure = class_figure(truth, found, 3, "section 4", unknown)
    drawn = [axis.images[0].get_array() for axis in figure.axes[:3]]
    assert drawn[0][0].tolist() == [[128] * 3, list(COMPONENTS[0]), list(COMPONENTS[1]), list(COMPONENTS[0])]
    assert drawn[1][0, 2].tolist() == list(COMPONENTS[0])
    assert drawn[2][0].tolist() == [[128] * 3, [255] * 3, list(SPLIT), [255] * 3]
    assert class_colours(np.array([[0]])).tolist() == [[[0, 0, 0]]]
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["class 0", "classes 1, 9", *(f"class {number}" for number in range(2, 9))]  # eight colours
    titles = [axis.get_title(loc="left") for axis in figure.axes[:3]]
    assert titles[2].split()[-3:] == ["not", "scored", "gray"] and "gray" not in "".join(titles[:2])
    beside = class_figure(truth, found, 3, "section 4", None, np.zeros((1, 4), np.uint8))
    assert [len(axis.images) for axis in beside.axes[:4]] == [1] * 4
    (legend,) = class_figure(truth * 0, np.array([[0, 1, 4, 3]]), 2, "section 4").legends
    assert legend.get_texts()[-1].get_text() == "class 4"
    assert [axis.get_title(loc="left").split()[1] for axis in beside.axes[:4]] == ["image", "truth", "result,", "wrong"]
