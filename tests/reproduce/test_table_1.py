"""Our rows beside the paper's table 1: what is said of runs that are not committed yet."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.studies import archive
from reproduce.studies.archive import StudyRun
from reproduce.studies.table_1 import duration, errors_of, hardware, of_test_labels, read_entries, scored_on
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput

RESULTS = Path(__file__).parents[2] / "results/isbi"


def test_a_time_as_people_say_it():
    assert [duration(seconds) for seconds in (60, 3599, 3600, 5400)] == ["1 min", "60 min", "1.0 h", "1.5 h"]


@pytest.mark.parametrize(
    ("threads", "precision", "device", "said"),
    [
        ([1], "bfloat16", "cpu", "1 CPU core"),
        ([2, 1, 2], "bfloat16", "cpu", "1 or 2 CPU cores"),
        ([2], "float32", "cpu", "2 CPU cores in float32"),
        ([8], "float32", "NVIDIA X", "NVIDIA X"),
    ],
)
def test_what_a_run_was_trained_on(make_record, threads, precision, device, said):
    record = make_record(PROFILES["quick"])
    session = replace(record.first, precision=precision)
    sessions = (replace(session, hardware=replace(session.hardware, device=device, threads=n)) for n in threads)
    assert hardware(replace(record, sessions=tuple(sessions))) == said


@pytest.mark.parametrize(
    ("protocols", "said"),
    [
        ([Protocol.of_fold(Fold(6, 6), 30)], "fold 6/6 of the training stack"),
        ([Protocol.of_fold(Fold(6, 6), 30)] * 2, "fold 6/6 of the training stack, 2 seeds"),
        ([Protocol.of_fold(Fold(n, 5), 30) for n in (1, 2)], "2 folds of the training stack"),
        ([Protocol.of_test(30, 30)], "test stack, official labels"),
        ([Protocol.unscored(30)], "nothing"),
    ],
)
def test_what_runs_are_scored_on(make_record, protocols, said):
    records = [make_record(PROFILES["quick"], "isbi", protocol) for protocol in protocols]
    assert scored_on([StudyRun("run", record, {}) for record in records]) == said


def test_errors_are_of_runs_that_all_have_them():
    runs = archive.read(RESULTS / "folds")[:2]
    lacking = replace(runs[0], scores={"none": runs[0].scores["none"]})
    assert errors_of([lacking, runs[1]], "d4") is None and errors_of(runs, "d4") is not None


def test_without_scores_of_test_sections_nothing_is_said_of_their_labels():
    found = read_entries(RESULTS)
    assert of_test_labels(RESULTS / "elsewhere", found) == []
    assert of_test_labels(RESULTS, found)[0] == "## The labels of the test sections"


@pytest.fixture
def released(tmp_path):
    """The folder of a released network, in a folder of results of its own."""
    folder = tmp_path / "quarter-adam"
    folder.mkdir()
    for name in ("run.json", "history.csv"):
        shutil.copy(RESULTS / "quarter-adam" / name, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "damaged", "message"),
    [
        ("history.csv", lambda text: f"{text}2501,not a number\n", "history.csv is no history of a training"),
        ("run.json", lambda text: text[:-100], "run.json cannot be read as JSON"),
        ("run.json", lambda text: text.replace('"status"', '"state"'), "run.json: it is not a run's record"),
    ],
)
def test_a_damaged_release_is_no_missing_row(released, name, damaged, message):
    assert [entry.study for entry in read_entries(released.parent)] == ["quarter-adam"]
    (released / name).write_text(damaged((released / name).read_text()))
    with pytest.raises(BadInput, match=message):
        read_entries(released.parent)


@pytest.mark.parametrize("status", ["training", "interrupted", "diverged"])
def test_a_run_that_has_not_finished_has_no_row(released, status):
    """Though its history ends in the middle of a line."""
    replace(read_record(released / "run.json"), status=status).write(released / "run.json")
    with open(released / "history.csv", "a") as history:
        history.write("2501,0.")
    assert read_entries(released.parent) == {}


def test_without_a_record_there_is_no_run(released):
    (released / "run.json").unlink()
    assert read_entries(released.parent) == {}
