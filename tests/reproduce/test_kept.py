"""What a study keeps of earlier runs: by its own settings and of its own data, or refused."""

import os
import re
import shlex
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.cell_recipe import cell_changes
from reproduce.studies import __main__ as studies
from reproduce.studies import archive, cells, table_1
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import SCORED_FOLD, Run
from reproduce.studies.kept import (
    records_of,
    require_as_planned,
    require_same_data,
    require_shorter_branches,
    require_studys_own,
)
from reproduce.studies.pages import gather
from unet_paper.config import optimiser_settings
from unet_paper.datasets.cell_tracking import HELA, U373
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput

RESULTS = Path(__file__).parents[2] / "results"
RECORDS, HISTORIES = ((RESULTS / "isbi/folds" / name).read_bytes() for name in ("records.jsonl", "histories.csv"))


def test_runs_of_another_recipe_are_not_taken_for_the_studys(tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    planned = [replace(run, changes=run.changes | {"momentum_warmup": 0.0}) for run in runs_of("folds", 1)]
    require_as_planned(tmp_path, records_of(found), planned, "quick", {"momentum_warmup": "500"})
    require_as_planned(tmp_path, {}, planned, "quick", {})
    with pytest.raises(BadInput, match="fold-1 with momentum_warmup=500.0, and 0.0 is planned; give another --out"):
        require_as_planned(tmp_path, records_of(found), planned, "quick", {})


def test_nor_are_runs_of_other_sections(tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    for change, told in (({"fold": "6/6"}, "fold 6/6"), ({"leave_out": "3-4"}, "fold 1/5 without 3, 4")):
        first, *others = runs_of("folds", 1)
        with pytest.raises(
            BadInput, match=re.escape(f"fold-1 of other sections (fold 1/5) than are planned ({told});")
        ):
            require_as_planned(tmp_path, records_of(found), [replace(first, **change), *others], "quick", {})


def command_of(page):
    """The study, profile, optimiser, usual changes and given ones of the command that a page names."""
    words = shlex.split(re.search(r"`python -m reproduce\.studies ([^`]*)`", page.read_text())[1])
    given = dict(zip(words[1::2], words[2::2], strict=True))
    changes = [text.split("=", 1) for option, text in zip(words, words[1:], strict=False) if option == "--set"]
    profile = given.get("--profile", "quick")
    usual = [text.split("=", 1) for text in cell_changes(profile)] if words[0] == cells.STUDY else []
    return words[0], profile, given.get("--optimiser"), dict(usual), dict(changes)


@pytest.mark.parametrize("page", sorted(path.parent.relative_to(RESULTS) for path in RESULTS.rglob("records.jsonl")))
def test_the_command_that_a_page_names_takes_the_runs_that_are_kept(page):
    """All of a run's settings are compared; without those that were given, or with others, it is refused."""
    study, profile, optimiser, usual, given = command_of(RESULTS / page / "README.md")
    kept = cells.read(RESULTS / page) if study == cells.STUDY else archive.read(RESULTS / page)
    records, runs = records_of({run.name: run for run in kept}), runs_of(study, 20, profile, optimiser)
    assert {run.name for run in runs} >= records.keys()
    require_as_planned(page, records, runs, profile, usual | given)
    for name, value in given.items():
        others = {other: given[other] for other in given if other != name}
        with pytest.raises(BadInput, match=f"with {name}={value}.*, and .* is planned; give another --out"):
            require_as_planned(page, records, runs, profile, usual | others)
    if not all(run.profile for run in runs):
        with pytest.raises(BadInput, match=rf"of the profile {profile}, and smoke is planned; .* --profile {profile}$"):
            require_as_planned(page, records, runs, "smoke", usual | given)


def test_files_that_no_study_has_written_are_not_replaced(tmp_path):
    for name, text in (("README.md", "notes"), ("plot.png", ""), ("runs.csv", "a,b"), ("histories.csv", "step")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadInput, match=f"{name} is no study's, and would be lost; give another --out"):
            require_studys_own(tmp_path)
        (tmp_path / name).unlink()
    for name in ("runs.csv", "histories.csv"):  # of a study that was stopped before it wrote its records
        shutil.copy(RESULTS / "isbi/folds" / name, tmp_path)
    require_studys_own(tmp_path)
    for name in ("README.md", "records.jsonl"):
        shutil.copy(RESULTS / "isbi/folds" / name, tmp_path)
    (tmp_path / "plot.png").touch()
    require_studys_own(tmp_path)


def test_of_adam_the_momentum_is_not_compared(tmp_path):
    """That of its first runs did not rise, which had no effect."""
    name = "as-first-tried-seed-0"
    found = {run.name: run for run in archive.read(RESULTS / "isbi/ablations-adam") if run.name == name}
    first = {"up_convolution_fan_in": "input", "decay": "cosine", "learning_rate": "0.001"}
    planned = [Run(name, "Adam", SCORED_FOLD, optimiser_settings("adam", "quick"))]
    require_as_planned(tmp_path, records_of(found), planned, "quick", first)
    with pytest.raises(BadInput, match=f"{name} with decay=cosine, and trapezoid is planned; give another --out"):
        require_as_planned(tmp_path, records_of(found), planned, "quick", first | {"decay": "trapezoid"})


def test_settings_that_the_kept_runs_do_not_have_are_refused(tmp_path):
    runs, found = runs_of("folds", 1), {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    same = {"steps": "2500", "tta": "none,rot7,d4", "rotate": "TRUE", "class_balance": "1", "minutes": "0"}
    require_as_planned(tmp_path, records_of(found), runs, "quick", same)
    other = {"steps": "10", "base_channels": "4", "class_balance": "0", "rotate": "false", "tta": "none"}
    began = "--set steps=2500 --set base_channels=16 --set class_balance=1.0 --set rotate=True --set tta=none,rot7,d4"
    with pytest.raises(BadInput, match=f"fold-1 with steps=2500, and 10 is planned; give another --out, or {began}$"):
        require_as_planned(tmp_path, records_of(found), runs, "quick", other)


def test_steps_of_branches_and_of_runs_by_minutes_are_their_own(tmp_path):
    runs = runs_of("budgets", 2)
    found = {run.name: run for run in archive.read(RESULTS / "isbi/budgets")}
    require_as_planned(
        tmp_path, records_of(found), runs, "quick", {"steps": "10", "decay": "constant", "warmup": "125"}
    )
    with pytest.raises(BadInput, match=r"with warmup=125.0, and 100.0 is planned; .* --set warmup=125.0$"):
        require_as_planned(tmp_path, records_of(found), runs, "quick", {"steps": "10", "warmup": "100"})
    kept = archive.read(RESULTS / "isbi/folds")[0]
    by_minutes = replace(kept.record, config=replace(kept.record.config, minutes=5.0))
    found = {kept.name: replace(kept, record=by_minutes)}
    require_as_planned(tmp_path, records_of(found), runs_of("folds", 1), "quick", {"minutes": "5", "steps": "10"})
    with pytest.raises(BadInput, match=r"with minutes=5.0, and 0.0 is planned"):
        require_as_planned(tmp_path, records_of(found), runs_of("folds", 1), "quick", {"minutes": "0"})


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("records.jsonl", RECORDS[:5000], "records.jsonl, line 1 is no run as a study keeps it (Unterminated string"),
        ("records.jsonl", RECORDS + b"{}\n", "records.jsonl, line 6 is no run as a study keeps it (it lacks 'scores')"),
        ("records.jsonl", b"\xff\n", "records.jsonl, line 1 is no run as a study keeps it ('utf-8' codec"),
        ("histories.csv", HISTORIES + b"fold-5,2", "histories.csv is damaged after 1250 rows (a row has"),
        ("histories.csv", b"run,loss\nfold-1,2\n", "histories.csv is damaged after 0 rows (it lacks 'step')"),
    ],
)
def test_archives_that_were_cut_off(tmp_path, monkeypatch, capsys, file, content, message):
    """What is left of them is not taken for all that there was, and not written over."""
    for name in ("records.jsonl", "histories.csv"):
        shutil.copy(RESULTS / "isbi/folds" / name, tmp_path)
    (tmp_path / file).write_bytes(content)
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["studies", "seeds", *given])
    assert studies.main() == 2 and message in capsys.readouterr().err
    assert (tmp_path / file).read_bytes() == content


def test_a_damaged_archive_is_no_missing_row(tmp_path):
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds/records.jsonl").write_bytes(RECORDS[:5000])
    with pytest.raises(BadInput, match="records.jsonl, line 1"):
        table_1.write(tmp_path)


def test_a_longer_branch_waits_for_the_shorter_ones(tmp_path):
    """The training that both leave does not go back."""
    runs = [run for run in runs_of("budgets", 1) if run.trunk == runs_of("budgets", 1)[0].trunk]
    shorter, longer = runs[:2]
    require_shorter_branches(tmp_path, {}, runs, runs)
    require_shorter_branches(tmp_path, {}, runs, [shorter])
    require_shorter_branches(tmp_path, {shorter.name: None}, runs, [shorter, longer])
    require_shorter_branches(tmp_path, {longer.name: None}, runs, [longer])
    with pytest.raises(BadInput, match=f"{longer.name} is a branch .* by --only {shorter.name}, or both"):
        require_shorter_branches(tmp_path, {}, runs, [longer])
    begun = RunFolder(tmp_path / shorter.name).record
    begun.parent.mkdir()
    begun.touch()
    require_shorter_branches(tmp_path, {}, runs, [longer])
    shutil.rmtree(tmp_path / shorter.name)
    trunk = RunFolder(tmp_path / str(longer.trunk))
    trunk.path.mkdir()
    record = read_record(RESULTS / "isbi/final/run.json")
    for steps, is_past in ((shorter.trunk_steps, False), (longer.trunk_steps, True)):
        replace(record, config=replace(record.config, steps=steps)).write(trunk.record)
        with nullcontext() if is_past else pytest.raises(BadInput):  # nothing can be done about it any more
            require_shorter_branches(tmp_path, {}, runs, [longer])


def test_runs_of_own_stacks_are_gathered(tmp_path):
    """Their table has another name than the challenge's."""
    shutil.copytree(RESULTS / "phantom/demo", tmp_path / "fold-1")
    RunFolder(tmp_path / "fold-1").table.rename(RunFolder(tmp_path / "fold-1").own_table)
    assert list(gather(tmp_path, runs_of("folds", 1))) == ["fold-1"]


def test_runs_of_other_data_are_not_taken_for_the_studys(small_phantom, tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    require_same_data(tmp_path, {}, small_phantom)
    require_same_data(tmp_path, records_of(found), tmp_path / "nowhere")
    message = f"holds fold-1, which was trained on other data than {small_phantom} (train-labels, train-volume); "
    with pytest.raises(BadInput, match=re.escape(message)):
        require_same_data(tmp_path, records_of(found), small_phantom)
    untold = {name: replace(run, record=replace(run.record, data_sha256={})) for name, run in found.items()}
    with pytest.raises(BadInput, match=re.escape(message)):
        require_same_data(tmp_path, records_of(untold), small_phantom)
    if os.environ.get("ISBI_DATA"):
        require_same_data(tmp_path, records_of(found), Path(os.environ["ISBI_DATA"]))


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get("CTC_DATA"), reason="CTC_DATA names no folder of the cell tracking challenge")
def test_frames_of_another_data_set_are_not_taken_for_the_studys(tmp_path):
    kept = cells.read(RESULTS / "cells/cells-ablations-quick" / U373)
    found = {run.name: run for run in kept}
    require_same_data(tmp_path, records_of(found), Path(os.environ["CTC_DATA"]) / U373)
    with pytest.raises(BadInput, match=rf"holds {kept[0].name}, which was .*{HELA} \(01-images, 01-masks"):
        require_same_data(tmp_path, records_of(found), Path(os.environ["CTC_DATA"]) / HELA)
    with pytest.raises(BadInput, match="holds no masks of sequence 01; the challenge's layout"):
        require_same_data(tmp_path, records_of(found), Path(os.environ["CTC_DATA"]))
