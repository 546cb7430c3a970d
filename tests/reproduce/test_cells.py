"""cells.sh, as a new user runs it."""

import argparse
import json
import shutil
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from reproduce import cells, script
from unet_paper.cli.parser import parse
from unet_paper.cli.settings import changed_config
from unet_paper.config import PROFILES
from unet_paper.datasets import cell_phantom as phantoms
from unet_paper.datasets.cell_tracking import HELA, U373, SequenceFiles, read_sequence
from unet_paper.report.cell_report import write_table_2
from unet_paper.runs.cell_segmentation import best_threshold
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock

ROOT = Path(__file__).parents[2]
TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188")]


@pytest.mark.long
def test_without_data_it_ends_on_the_phantom_and_says_so(clone, run_script, cell_phantom):
    shutil.copytree(cell_phantom, clone / "data" / "phantom-cells")
    done = run_script("cells.sh", "--profile", "smoke", "--train-on", "01", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("THIS RUN IS ON A PHANTOM") == 2
    folder = clone / "results" / "phantom" / "cells" / "smoke"
    run = folder / "phantom-cells-trained-on-01"
    record = json.loads((run / "run.json").read_text())
    jsonschema.validate(record, json.loads((ROOT / "unet_paper/runs/schemas/run.json").read_text()))
    assert record["protocol"]["sequences"] == ["01", "02"] and record["configuration"]["optimiser"]["value"] == "adam"
    scores = json.loads((run / "scores.json").read_text())
    assert 0 <= scores["seg"] <= 1 and scores["segmentation"]["min_size"]["value"] == 501
    seg = {float(at): value for at, value in record["seg_of_training_frames"].items()}
    assert scores["segmentation"]["threshold"]["value"] == best_threshold(seg)
    for text in (done.stdout, (folder / "table2.md").read_text(), (run / "table2.md").read_text()):
        assert "u-net (2015) | 0.9203 | 0.7756" in text and "the built-in phantom of drawn cells" in text
    assert (
        (folder / "index.html").is_file() and (run / "index.html").is_file() and not (clone / "results/cells").exists()
    )
    assert {"figure-3-weight-map.png", "figure-4-segmentation.png"} <= {
        path.name for path in (run / "figures").iterdir()
    }
    weights = (run / "weights.pt").stat().st_mtime_ns
    again = run_script("cells.sh", "--profile", "smoke", "--train-on", "01", *TINY)
    assert again.returncode == 0 and "already trained" in again.stdout + again.stderr
    assert (run / "weights.pt").stat().st_mtime_ns == weights


@pytest.mark.parametrize("given", [["--optimiser", "sgd"], []])
def test_an_optimiser_of_set_is_not_trained_at_the_rate_of_another(tmp_path, monkeypatch, given):
    """Neither that of another option, nor that of the experiment's own optimiser."""
    made = []
    monkeypatch.setattr(cells, "find_data", lambda options: [tmp_path / HELA])
    monkeypatch.setattr(script, "make_run", lambda *words: made.append(words[2]().config) or sys.exit(9))
    monkeypatch.setattr(sys, "argv", ["cells", "--profile", "quick", "--set", "optimiser=adam", *given])
    if given:
        with pytest.raises(BadInput, match="--optimiser sgd and --set optimiser=adam name two optimisers"):
            cells.experiment(cells.parse())
        return
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--set", "optimiser=sgd"])
    with pytest.raises(SystemExit):
        cells.experiment(cells.parse())
    assert [(config.optimiser, config.learning_rate) for config in made] == [("sgd", 0.016)]


@pytest.mark.parametrize(("only", "trained"), [(None, ["01", "02"]), ("02", ["02"])])
def test_the_trainings_that_are_shown_are_those_that_are_made(tmp_path, monkeypatch, only, trained):
    """Settings of --set win over the experiment's own."""
    made = []
    monkeypatch.setattr(script, "make_run", lambda *given: made.append(given))
    options = argparse.Namespace(train_on=only, optimiser="adam", minutes=None, set=["steps=7"])
    runs = cells.make_runs(options, [tmp_path / HELA], tmp_path / "out", "quick")
    assert [run.path.name for run in runs] == [f"{HELA}-trained-on-{sequence}" for sequence in trained]
    for sequence, run, (words, folder, request) in zip(trained, runs, made, strict=True):
        shown = parse([*map(str, words)])
        assert request().config == changed_config(PROFILES[shown.profile], shown.changes)
        assert (request().config.steps, request().config.tta, request().config.optimiser) == (7, ("none", "d4"), "adam")
        assert request().source == SequenceFiles(shown.data, shown.sequence) == SequenceFiles(tmp_path / HELA, sequence)
        assert run == folder and shown.out == request().out == run.path and shown.resume and request().resume


@pytest.mark.long
def test_data_that_is_not_there(run_script, tmp_path):
    done = run_script("cells.sh", "--require-real")
    assert done.returncode == 2 and "nothing was run" in done.stdout
    done = run_script("cells.sh", "--data", tmp_path / "nowhere")
    assert done.returncode == 2 and "nowhere is no folder" in done.stderr and "Traceback" not in done.stderr


def test_data_is_read_where_it_was_said_to_be(tmp_path, monkeypatch, capsys):
    """Not what lies in data/ctc, unless nothing is said, or it is what the named archive holds."""
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    kept, given = tmp_path / "data" / "ctc", tmp_path / "given"
    (kept / U373 / "01_GT").mkdir(parents=True), (given / HELA / "01_GT").mkdir(parents=True)

    def found(data):
        return cells.find_data(argparse.Namespace(data=data, dataset=None))

    assert found(None) == [kept / U373] and found(given) == [given / HELA]
    assert f"{given} holds no {U373}: the other is trained on alone" in capsys.readouterr().out
    with pytest.raises(BadInput, match=f"typo is no folder; give the one that holds {U373} or {HELA}"):
        found(tmp_path / "typo")
    with pytest.raises(BadInput, match=f"{HELA} is a data set itself; give the folder that holds it: {given}"):
        found(given / HELA)
    with pytest.raises(BadInput, match=f"data holds neither {U373} nor {HELA}"):
        found(tmp_path / "data")
    shutil.make_archive(str(given / U373), "zip", kept, U373)
    assert found(given) == [kept / U373, given / HELA] and "holds no" not in capsys.readouterr().out


def test_a_phantom_that_was_interrupted_is_drawn_again(tmp_path, monkeypatch, capsys):
    written, original = [], phantoms.write_stack

    def write_stack(path, pixels):
        if len(written) == 7:  # of the second sequence a frame has no mask yet
            written.append(path)
            raise KeyboardInterrupt
        written.append(path)
        original(path, pixels)

    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells, "write_cell_phantom", partial(cells.write_cell_phantom, frames=2, size=128))
    monkeypatch.setattr(phantoms, "write_stack", write_stack)
    with pytest.raises(KeyboardInterrupt):
        cells.phantom()
    assert read_sequence(cells.phantom(), "02").numbers == (0, 1)
    assert capsys.readouterr().out.count("drawing the phantom") == 2
    cells.phantom()
    assert "drawing the phantom" not in capsys.readouterr().out


def test_one_draws_the_phantom_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    with (
        exclusive_lock(tmp_path / "data/phantom-cells.lock", "it"),
        pytest.raises(BadInput, match="phantom-cells is be"),
    ):
        cells.phantom()


def test_a_phantom_that_another_process_has_just_drawn_is_left_alone(tmp_path, monkeypatch, capsys):
    @contextmanager
    def lock_that_had_to_be_waited_for(path, what):
        phantoms.write_cell_phantom(what, frames=2, size=128)
        with exclusive_lock(path, what):
            yield

    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(script, "exclusive_lock", lock_that_had_to_be_waited_for)
    assert len(read_sequence(cells.phantom(), "02").numbers) == 2
    assert "drawing the phantom" not in capsys.readouterr().out


def test_ctrl_c_between_the_stages(tmp_path, monkeypatch, capsys):
    def stopped(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells, "write_cell_phantom", stopped)
    monkeypatch.setattr(sys, "argv", ["cells.py", "--profile", "smoke"])
    monkeypatch.delenv("CTC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert cells.main() == 130
    assert capsys.readouterr().err == "\nstopped; the same command resumes\n" and not (tmp_path / "results").exists()


def test_the_table_keeps_the_runs_of_other_calls(tmp_path):
    """Of another data set, and of the other direction; not those that have not finished."""
    names = [f"{name}-trained-on-{trained}" for name in (U373, HELA) for trained in ("01", "02")]
    for name in names[1:]:
        shutil.copytree(ROOT / "results/cells/quick" / name, tmp_path / name)
    (tmp_path / names[0]).mkdir()
    (tmp_path / names[1] / "index.html").touch()
    shown = cells.with_finished_ones(tmp_path, [RunFolder(tmp_path / names[3])])
    assert [run.path.name for run in shown] == names[1:]
    text = write_table_2(tmp_path, shown)
    assert all(f"| {name.split('-trained')[0]} | " in text for name in names)
    page = (tmp_path / "index.html").read_text()
    assert f"{names[1]}/index.html" in page and f"{names[2]}/index.html" not in page
    made = [RunFolder(tmp_path / names[0])]
    assert cells.with_finished_ones(tmp_path, made)[0] is made[0]


@pytest.mark.parametrize("name", ["phantom", "archive", "write_table_2"])
def test_what_cannot_be_written_is_told_in_a_sentence(name, tmp_path, monkeypatch, capsys):
    """The phantom's folder, that of an archive, and the table of the runs."""
    for module in (cells, script):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["cells.py", "--profile", "smoke"])
    monkeypatch.setattr(cells, "make_runs", lambda *_: [])
    monkeypatch.delenv("CTC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    if name != "write_table_2":
        (tmp_path / "data").touch()
    if name == "archive":
        (tmp_path / "packed").mkdir()
        (tmp_path / "packed" / f"{HELA}.zip").touch()
        monkeypatch.setattr(sys, "argv", ["cells.py", "--data", str(tmp_path / "packed")])
    elif name == "write_table_2":
        monkeypatch.setattr(cells, "is_whole", lambda _: True)
        (tmp_path / "results").touch()
    assert cells.main() == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("reproduce/cells.sh: ")
    assert ("cannot be unpacked into" if name == "archive" else "cannot be written") in told


@pytest.mark.slow
def test_the_archive_as_the_challenge_offers_it(clone, run_script, cell_phantom):
    """Both directions, from an archive; and once more."""
    (clone / "given").mkdir()
    shutil.copytree(cell_phantom, clone / "packed" / "DIC-C2DH-HeLa", ignore=shutil.ignore_patterns("phantom.json"))
    shutil.make_archive(str(clone / "given" / "DIC-C2DH-HeLa"), "zip", clone / "packed", "DIC-C2DH-HeLa")
    done = run_script("cells.sh", "--data", clone / "given", "--profile", "smoke", *TINY)
    assert done.returncode == 0, done.stderr
    folder = clone / "results" / "cells" / "smoke"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        f"DIC-C2DH-HeLa-trained-on-{name}" for name in ("01", "02")
    ]
    assert "ours, smoke with" in (folder / "table2.md").read_text()
    weights = folder / "DIC-C2DH-HeLa-trained-on-01" / "weights.pt"
    made = weights.stat().st_mtime_ns
    again = run_script("cells.sh", "--data", clone / "given", "--profile", "smoke", *TINY)
    assert again.returncode == 0 and "already trained" in again.stdout + again.stderr
    assert weights.stat().st_mtime_ns == made
