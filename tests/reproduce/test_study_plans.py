"""What a study plans and refuses."""

import re
import shutil
import sys
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

from reproduce.studies import __main__ as studies
from reproduce.studies import archive, carrying_out, cells
from reproduce.studies.carrying_out import of_part
from reproduce.studies.catalogue import STUDIES, folder_of, runs_of
from reproduce.studies.definitions import ABLATIONS, Run
from reproduce.studies.plans import require_own_settings
from unet_paper.cli.settings import changed_config
from unet_paper.cli.values import sections
from unet_paper.config import OPTIMISERS, PROFILES, Config, optimiser_settings, without_effect
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.support.parts import Part

RESULTS = Path(__file__).parents[2] / "results"


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


def test_across_a_gap_all_train_on_as_many_sections_and_none_beside_those_that_are_scored():
    apart = {}
    for run in runs_of("gap", 2):
        protocol = Protocol.of_fold(Fold.parse(run.fold), 30).without(sections(run.leave_out))
        assert len(protocol.training_sections) == 15 and len(protocol.scored_sections) == 10
        nearest = min(abs(one - other) for one in protocol.training_sections for other in protocol.scored_sections)
        apart.setdefault(run.group, set()).add(nearest)
    assert apart.pop("no gap") == {1} and set(apart) and all(nearest == {6} for nearest in apart.values())
    config = settings_of(runs_of("gap", 1)[0], "quick")
    assert config.changes() == {"registration_x": 0.15, "registration_y": 0.6, "tta": ("none", "d4")}


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
