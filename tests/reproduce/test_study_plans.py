"""What a study plans, keeps and refuses."""

import os
import re
import shlex
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

from reproduce.cell_recipe import cell_changes
from reproduce.studies import __main__ as studies
from reproduce.studies import archive, carrying_out, cells, table_1
from reproduce.studies.carrying_out import of_part
from reproduce.studies.catalogue import STUDIES, folder_of, runs_of
from reproduce.studies.definitions import ABLATIONS, SCORED_FOLD, Run
from reproduce.studies.kept import (
    records_of,
    require_as_planned,
    require_same_data,
    require_shorter_branches,
    require_studys_own,
)
from reproduce.studies.pages import gather
from reproduce.studies.plans import require_own_settings
from unet_paper.cli.settings import changed_config
from unet_paper.config import OPTIMISERS, PROFILES, Config, optimiser_settings, without_effect
from unet_paper.datasets.cell_tracking import HELA, U373
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part

RESULTS = Path(__file__).parents[2] / "results"
RECORDS, HISTORIES = ((RESULTS / "isbi/folds" / name).read_bytes() for name in ("records.jsonl", "histories.csv"))


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", STUDIES)
def test_every_run_has_a_folder_of_its_own_and_settings_that_exist(name, profile):
    runs = runs_of(name, 3, profile)
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        changes = [f"{setting}={value}" for setting, value in run.changes.items()]
        changed_config(PROFILES[run.profile or profile], changes).check()
        assert (run.fold == "1/6") == (name in ("hyper-parameter-search", "adam-rate"))


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("optimiser", [None, *OPTIMISERS])
def test_what_a_study_says_of_itself_is_so_of_its_runs(name, optimiser):
    study, runs = STUDIES[name], runs_of(name, 2, optimiser=optimiser)
    assert study.name == name and study.summary and not (study.is_release and study.of_cells)
    assert all(run.fold is None for run in runs) == (study.is_release or study.of_cells)
    assert all(run.trained_on is not None for run in runs) == study.of_cells
    if study.control is not None:  # of every seed the first, and of a group of its own
        groups = [run.group for run in runs]
        assert groups[0] == study.control and groups.count(study.control) == 2 < len(groups)
    assert study.takes_optimiser or runs == runs_of(name, 2)


def test_the_help_names_every_study(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["studies", "--help"])
    with pytest.raises(SystemExit, match="0"):
        studies.main()
    said = capsys.readouterr().out
    told = re.findall("^  (\\S+) {2,}\\S", said.split("NAME is one of\n")[1].split("\n\n")[0], re.MULTILINE)
    assert told == [*STUDIES, "all"] and "folds, ablations and release, one after the other" in said
    assert all(study.summary in re.sub(r"\s+", " ", said) for study in STUDIES.values())


def settings_of(run: Run, profile: str) -> Config:
    """What a run trains with."""
    return changed_config(PROFILES[profile], [f"{name}={value}" for name, value in run.changes.items()])


def test_an_ablation_changes_one_thing():
    """But for those that are several by their name."""
    several = {
        "as the paper": 0,
        "no augmentation": 6,
        "no augmentation but shifts": 5,
        "padded, batch norm": 2,
        "labels registered": 2,
    }
    changed = {name: len(changes) for name, changes in ABLATIONS.items()}
    assert {name: count for name, count in changed.items() if count != 1} == several


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("optimiser", [None, *OPTIMISERS])
def test_no_two_ablations_are_the_same(profile, optimiser):
    trained = {run.group: settings_of(run, profile) for run in runs_of("ablations", 1, profile, optimiser)}
    alike = [(one, other) for one, other in combinations(trained, 2) if trained[one] == trained[other]]
    assert not alike and next(iter(trained)) == "as the paper"


@pytest.mark.parametrize("study", [name for name, study in STUDIES.items() if study.takes_optimiser])
def test_unless_adam_is_asked_for_a_study_has_todays_sgd(study):
    assert runs_of(study, 2, optimiser="sgd") == runs_of(study, 2)
    wanted = {name: str(value) for name, value in optimiser_settings("sgd", "quick").items()}
    assert all({name: str(run.changes[name]) for name in wanted} == wanted for run in runs_of(study, 2))
    assert folder_of(study, "quick", "sgd") == folder_of(study, "quick", None) == study


@pytest.mark.parametrize("name", STUDIES)
def test_parts_make_each_run_once_and_keep_branches_together(name):
    runs = runs_of(name, 3)
    parts = [of_part(runs, Part(number, 4)) for number in range(1, 5)]
    assert sorted(run.name for part in parts for run in part) == sorted(run.name for run in runs)
    trunks = [{run.trunk for run in part if run.trunk} for part in parts]
    assert sum(map(len, trunks)) == len(set().union(*trunks))


def test_registered_arms_have_the_recipe_of_the_folds_that_speak_for_them():
    arms = {run.name: run for run in runs_of("arms", 1)}
    (quarter,) = (run for name, run in arms.items() if name == "registered-quarter")
    fold = runs_of("registered-folds", 1, optimiser="adam")[0]
    assert quarter.changes == fold.changes | {"steps": 10_000, "warmup": 125.0} and quarter.fold is None
    folds = archive.read(RESULTS / "isbi/registered-folds-paper-adam")
    for run in (arms[f"registered-full-{tiles}"] for tiles in (2500, 4000, 8000)):
        planned = changed_config(PROFILES["paper"], [f"{name}={value}" for name, value in run.changes.items()])
        used = folds[0].record.config.as_dict()
        differing = {name for name, value in planned.as_dict().items() if used[name] != value}
        differing -= {*without_effect(planned, used)}
        assert differing <= {"steps", "warmup", "checkpoint_every", "profile"} and run.trunk == "registered-full-trunk"


def test_runs_of_another_recipe_are_not_taken_for_the_studys(tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    planned = [replace(run, changes=run.changes | {"momentum_warmup": 0.0}) for run in runs_of("folds", 1)]
    require_as_planned(tmp_path, records_of(found), planned, "quick", {"momentum_warmup": "500"})
    require_as_planned(tmp_path, {}, planned, "quick", {})
    with pytest.raises(BadInput, match="fold-1 with momentum_warmup=500.0, and 0.0 is planned; give another --out"):
        require_as_planned(tmp_path, records_of(found), planned, "quick", {})


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


def test_runs_of_another_length_go_to_a_folder_of_their_own(monkeypatch, tmp_path):
    folders = []
    monkeypatch.setattr(carrying_out, "carry_out_scored", lambda study, folder, request: folders.append(folder.name))
    usual = dict.fromkeys(("seeds", "part", "scheduler", "out", "deadline"))
    for changes in ({}, {"steps": "5000", "warmup": "125"}, {"steps": "2500"}, {"seed": "1"}):
        asked = {"data": tmp_path, "profile": "quick", "optimiser": "adam", "only": "", "is_of_all": False}
        carrying_out.carry_out(STUDIES["folds"], carrying_out.Request(changes=changes, **asked, **usual))
    assert folders == ["folds-adam", "folds-adam-5000-tiles", "folds-adam", "folds-adam"]


def test_each_length_of_quick_has_a_folder_of_its_own():
    assert folder_of("folds", "quick", "adam", 5000) == "folds-adam-5000-tiles"
    assert folder_of("folds", "quick", None, 100) == "folds-100-tiles"
    assert folder_of("folds", "quick", "adam", 2500) == folder_of("folds", "quick", "adam") == "folds-adam"
    assert folder_of("registered-folds", "paper", "adam", 2500) == "registered-folds-paper-adam"


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


@pytest.mark.parametrize(
    ("name", "options", "setting"),
    [
        ("seeds", [], "seed=5"),
        ("budgets", ["--seeds", "1"], "base_channels=9"),
        ("ablations", ["--only", "border-term"], "w_0=2"),
        ("ablations", [], "w_0=3"),
        ("adam-rate", [], "learning_rate=0.1"),
        ("all", [], "w_0=1"),
        (cells.STUDY, [], "rotate=true"),
    ],
)
def test_what_tells_runs_apart_is_not_set(tmp_path, monkeypatch, capsys, name, options, setting):
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "new"), "--set", setting, *options]
    monkeypatch.setattr(sys, "argv", ["studies", name, *given])
    assert studies.main() == 2 and not (tmp_path / "new").exists()
    assert re.search(rf"^--set {setting}: \S+ is told from \S+ by its own \w+; leave", capsys.readouterr().err)


def test_what_runs_have_in_common_may_be_set():
    for name, setting in (("folds", "momentum_warmup"), ("seeds", "steps"), ("ablations", "tile_size")):
        require_own_settings(runs_of(name, 3), runs_of(name, 3), {setting: "1"})
    runs = runs_of("ablations", 1)
    require_own_settings(runs, runs[:1], {"learning_rate": "0.1"})


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["folds", "--set", "steps"], "--set steps: '' is not a whole number"),
        (["cells-ablations", "--set", "step=3"], "there is no setting 'step'"),
        (["all", "--only", "typo"], "--only typo: no run of these studies has that in its name"),
        (["folds", "--only", "typo"], "--only typo: no run of the study has that in its name; there is fold-1"),
        (["cells-ablations", "--only", "typo"], "--only typo: no run"),
        (["budgets", "--optimiser", "adam"], "--optimiser adam: budgets trains by its own; leave the option out"),
        (["release", "--profile", "paper", "--optimiser", "sgd"], "--optimiser sgd: release trains by its own;"),
        (["cells-ablations", "--optimiser", "sgd"], "--optimiser sgd: cells-ablations trains by its own;"),
        (["folds", "--optimiser", "sgd", "--set", "optimiser=adam"], "--set optimiser=adam name two optimisers"),
        (["seeds", "--set", "optimiser=adam"], "--set optimiser=adam: seeds would train at sgd's rate; leave that"),
        (
            ["arms", "--optimiser", "adam"],
            "to one of folds, registered-folds, seeds, ablations\n",
        ),
        (["cells-ablations", "--set", "steps=7"], "with steps=1500, and 7 is planned; give another --out"),
    ],
)
def test_what_a_study_refuses(tmp_path, monkeypatch, capsys, options, message):
    shutil.copy(RESULTS / "cells/cells-ablations-quick/PhC-C2DH-U373/records.jsonl", tmp_path)
    out = tmp_path if message.startswith("with") else tmp_path / "new"
    monkeypatch.setattr(sys, "argv", ["studies", *options, "--data", str(tmp_path / "nowhere"), "--out", str(out)])
    assert studies.main() == 2 and message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_a_folder_that_cannot_be_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    given = ["--data", str(tmp_path), "--out", str(tmp_path / ("a" * 300))]
    monkeypatch.setattr(sys, "argv", ["studies", "folds", *given])
    assert studies.main() == 2 and "histories.csv: File name too long\n" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("distributed") is not None, reason="the extra `volumes` is there")
def test_workers_need_an_extra(tmp_path, monkeypatch, capsys):
    given = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--scheduler", "tcp://nowhere:1"]
    monkeypatch.setattr(sys, "argv", ["studies", "folds", *given])
    assert studies.main() == 2 and "--scheduler needs the package distributed; install" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ablations", cells.STUDY])
@pytest.mark.parametrize(
    "option, value", [("--seeds", "0"), ("--seeds", "-1"), ("--minutes", "nan"), ("--minutes", "0")]
)
def test_numbers_that_no_study_can_have(tmp_path, monkeypatch, capsys, name, option, value):
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "new"), f"{option}={value}"]
    monkeypatch.setattr(sys, "argv", ["studies", name, *given])
    with pytest.raises(SystemExit) as stop:
        studies.main()
    assert stop.value.code == 2 and f"argument {option}: {value!r} is not a" in capsys.readouterr().err


def test_two_seeds_of_adam_are_trained_in_float32_too():
    """Beside the same in bfloat16; none of the five that chose the recipe, and none of SGD."""
    runs = {run.name: run for run in runs_of("seeds", 14, optimiser="adam")}
    exact = {name for name, run in runs.items() if run.changes.get("bfloat16") is False}
    assert exact == {"float32-seed-5", "float32-seed-6"} and len(runs) == 16
    for name in exact:
        assert runs[name].changes == runs[name.removeprefix("float32-")].changes | {"bfloat16": False}
    assert len(runs_of("seeds", 14)) == 14 and len(runs_of("seeds", 5, optimiser="adam")) == 5
