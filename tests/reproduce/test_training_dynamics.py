"""The first steps of a training, watched: what a training does, level by level, and resumed where it was stopped."""

import csv
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from reproduce.studies import dynamics_summary, training_dynamics
from reproduce.studies.training_dynamics import ARMS, levels_of, main, norm, train_and_watch, write_rows
from unet_paper.checkpoint import new_network
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.datasets.training_stacks import load
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock
from unet_paper.training import train


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.long
def test_it_watches_what_a_training_does(small_phantom, tmp_path):
    config = replace(PROFILES["smoke"], bfloat16=False)  # in bfloat16 the masks of dropout differ
    stacks = load(small_phantom, Fold.parse("1/6"))
    training_set = prepare_training_set(stacks.volume, stacks.labels, config, "cpu")
    watched = [row["loss"] for row, _ in train_and_watch(config, training_set, 10)]
    trained = train(config, training_set, tmp_path, {})
    assert sum(watched) / 10 == pytest.approx(trained.history[0]["loss"], rel=1e-5)


def test_what_is_told_of_each_level(small_phantom, monkeypatch):
    """Gradients before they are clipped, updates, which without momentum go with them, and the ReLUs that are dead."""
    plain = {"optimiser": "sgd", "momentum": 0.0, "momentum_warmup": 0.0, "warmup": 0.0, "gradient_clip": 0.01}
    tiny = {"base_channels": 2, "tile_size": 188, "dropout": 0.0, "bfloat16": False}
    config = replace(PROFILES["smoke"], **plain, **tiny)
    stacks = load(small_phantom, Fold.parse("1/6"))
    training_set = prepare_training_set(stacks.volume, stacks.labels, config, "cpu")

    def with_a_dead_level(config):
        network = new_network(config)
        *_, last = (layer for layer in network.contracting[1] if isinstance(layer, torch.nn.Conv2d))
        torch.nn.init.constant_(last.bias, -1e3)
        return network

    monkeypatch.setattr(training_dynamics, "EVERY", 1)
    monkeypatch.setattr(training_dynamics, "new_network", with_a_dead_level)
    ((step, levels),) = train_and_watch(config, training_set, 1)
    torch.manual_seed(config.seed)
    parts = levels_of(with_a_dead_level(config))
    assert list(parts)[4:7] == ["contracting 4", "up-convolution 3", "expanding 3"]
    assert list(parts)[-3:] == ["up-convolution 0", "expanding 0", "classifier"]
    assert [row["level"] for row in levels] == list(parts)
    gradients, moved = (np.array([row[name] for row in levels]) for name in ("gradient_norm", "update_over_weight"))
    moved *= [norm(list(part.parameters())) for part in parts.values()]
    assert step["gradient_norm"] == pytest.approx(np.sqrt((gradients**2).sum()), rel=1e-4) and gradients.sum() > 0.1
    assert moved / moved.sum() == pytest.approx(gradients / gradients.sum(), abs=0.02)
    assert np.sqrt((moved**2).sum()) == pytest.approx(0.01 * config.learning_rate, rel=0.02)
    dead = {row["level"]: row["dead_share"] for row in levels}
    assert dead["contracting 1"] == 1 and dead["contracting 0"] < 1 and dead["classifier"] == ""


def rows_of(arm, seed, losses):
    """Rows of steps.csv."""
    row = {"arm": arm, "seed": str(seed), "gradient_norm": "1"}
    return [row | {"step": str(step), "loss": str(loss)} for step, loss in enumerate(losses, 1)]


@pytest.fixture
def study(small_phantom, tmp_path, monkeypatch):
    """Carries out a study of ten steps of a small network; returns its exit code."""
    monkeypatch.setitem(training_dynamics.PROFILES, "quick", PROFILES["smoke"])

    def study(seeds, *options, arms="blob;Adam", data=small_phantom):
        given = ["--data", str(data), "--out", str(tmp_path), "--seeds", str(seeds), "--steps", "10", "--arms", arms]
        monkeypatch.setattr(sys, "argv", ["x", *given, *options])
        return main()

    return study


@pytest.mark.long
def test_a_study_resumes(study, tmp_path):
    study(1)
    first = (tmp_path / "steps.csv").read_text()
    study(2)
    assert (tmp_path / "steps.csv").read_text().startswith(first)
    steps, levels = read(tmp_path / "steps.csv"), read(tmp_path / "levels.csv")
    assert [(row["arm"], row["seed"]) for row in steps[::10]] == [
        ("blob", "0"),
        ("Adam", "0"),
        ("blob", "1"),
        ("Adam", "1"),
    ]
    assert len(levels) == 4 * 14 and all(float(row["update_over_weight"]) > 0 for row in levels)
    assert {row["dead_share"] == "" for row in levels if row["level"].startswith(("up", "classifier"))} == {True}
    table = [line for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith("|")][2:]
    assert [[cell.strip() for cell in row.split("|")[1:3]] for row in table] == [["blob", "2"], ["Adam", "2"]]
    assert (tmp_path / "plot.png").is_file()


def test_rows_that_another_process_writes_meanwhile_stay(study, tmp_path, monkeypatch):
    """Those of the same arm and seed too, which are not added to."""
    theirs = rows_of("Adam", 0, [0.7] * 10)

    def with_theirs(watched, **_):
        write_rows(tmp_path / "steps.csv", training_dynamics.STEP_COLUMNS, theirs)
        return watched

    monkeypatch.setattr(training_dynamics, "progress_bar", with_theirs)
    assert study(1, arms="blob") == 0
    kept = read(tmp_path / "steps.csv")
    assert kept[:10] == theirs and [row["arm"] for row in kept[10:]] == ["blob"] * 10
    training_dynamics.keep(tmp_path, rows_of("Adam", 0, [0.6] * 10), [])
    assert read(tmp_path / "steps.csv") == kept


def test_levels_of_one_that_was_killed_between_the_files_are_replaced(tmp_path):
    def levels_of(seed, share):
        row = {"arm": "Adam", "seed": str(seed), "step": "10", "level": "classifier", "dead_share": ""}
        return [row | {"gradient_norm": "1", "update_over_weight": str(share)}]

    theirs = [*levels_of(0, 0.1), *levels_of(1, 0.2)]
    write_rows(tmp_path / "levels.csv", training_dynamics.LEVEL_COLUMNS, theirs)
    training_dynamics.keep(tmp_path, rows_of("Adam", 0, [0.7] * 10), levels_of(0, 0.3))
    assert read(tmp_path / "levels.csv") == [*levels_of(1, 0.2), *levels_of(0, 0.3)]


def test_rows_are_added_when_another_process_has_written_its_own(tmp_path, monkeypatch):
    given = (tmp_path, rows_of("Adam", 0, [0.7]), [])
    adding = threading.Thread(target=training_dynamics.keep, args=given)
    with exclusive_lock(tmp_path / "rows.lock", tmp_path):
        adding.start()
        adding.join(0.3)
        assert adding.is_alive() and not (tmp_path / "steps.csv").exists()
        monkeypatch.setattr(training_dynamics, "WAIT", 0.0)
        with pytest.raises(BadInput, match="is being written by another process"):
            training_dynamics.keep(*given)
    adding.join(60)
    assert read(tmp_path / "steps.csv") == given[1]


@pytest.mark.parametrize(
    ("losses", "options", "message"),
    [
        ([0.7] * 12, (), "holds blob, seed 0, with 12 steps, and 10 are planned; give another --out, or --steps 12"),
        ([0.7] * 9, (), "with 9 steps, and 10"),
        ([0.7] * 11 + ["nan"], (), "with 12 steps, and 10"),
        ([0.7] * 8 + ["nan"], (), None),
        ([0.7] * 10, (), None),
        ([0.7] * 12, ("--steps", "12"), None),
        ([0.7] * 12, ("--arms", "as is"), None),
    ],
)
def test_arms_that_are_there_have_as_many_steps(study, tmp_path, capsys, losses, options, message):
    """But for one that diverged before, and one that is not asked for. What is all there needs no training."""
    every = rows_of("blob", 0, losses) + rows_of("as is", 0, [0.7] * 10)
    write_rows(tmp_path / "steps.csv", training_dynamics.STEP_COLUMNS, every)
    assert study(1, *options, arms="blob") == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err and read(tmp_path / "steps.csv") == every


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": "blob;adam", "data": "nowhere"}, "--arms: there is no arm 'adam'; choose from as is; blob; "),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_what_the_first_steps_refuse(study, tmp_path, capsys, options, message):
    assert study(1, **options) == 2 and not [*tmp_path.glob("*.csv")]
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_there_is_no_page_of_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(tmp_path)])
    assert main() == 2 and "holds no steps.csv; give --data" in capsys.readouterr().err


def test_fewer_steps_than_levels_csv_has_rows_for(tmp_path):
    """As where the loss of all seeds of an arm was no number at once."""
    steps = [{"arm": "blob", "seed": seed, "step": "1", "loss": "0.7", "gradient_norm": "1"} for seed in "01"]
    row = dynamics_summary.text(steps, []).splitlines()[6].split("|")
    assert [cell.strip() for cell in row[1:4]] == ["blob", "2", "1"] and {cell.strip() for cell in row[7:11]} == {"-"}
    dynamics_summary.draw(tmp_path / "plot.png", steps, [])


def test_every_arm_is_a_set_of_settings_that_exist():
    known = set(PROFILES["quick"].as_dict())
    assert all(set(changes) <= known for changes in ARMS.values())
