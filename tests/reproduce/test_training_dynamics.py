"""The first steps of a training, watched: what a training does, level by level, and resumed where it was stopped."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from reproduce.studies import dynamics_summary, training_dynamics
from reproduce.studies.training_dynamics import ARMS, levels_of, main, norm, train_and_watch
from unet_paper.checkpoint import new_network
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.datasets.training_stacks import load
from unet_paper.training import train


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_it_watches_what_a_training_does(small_phantom, tmp_path):
    config = replace(PROFILES["smoke"], bfloat16=False)  # in bfloat16 the two round differently
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


def test_a_study_resumes(small_phantom, tmp_path, monkeypatch):
    monkeypatch.setitem(training_dynamics.PROFILES, "quick", PROFILES["smoke"])

    def run(seeds):
        options = ["--seeds", str(seeds), "--steps", "10", "--arms", "blob;Adam"]
        monkeypatch.setattr(sys, "argv", ["x", "--data", str(small_phantom), "--out", str(tmp_path), *options])
        main()

    run(1)
    first = (tmp_path / "steps.csv").read_text()
    run(2)
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


def test_fewer_steps_than_levels_csv_has_rows_for(tmp_path):
    """As where the loss of all seeds of an arm was no number at once."""
    steps = [{"arm": "blob", "seed": seed, "step": "1", "loss": "0.7", "gradient_norm": "1"} for seed in "01"]
    row = dynamics_summary.text(steps, []).splitlines()[6].split("|")
    assert [cell.strip() for cell in row[1:4]] == ["blob", "2", "1"] and {cell.strip() for cell in row[7:11]} == {"-"}
    dynamics_summary.draw(tmp_path / "plot.png", steps, [])


def test_every_arm_is_a_set_of_settings_that_exist():
    known = set(PROFILES["quick"].as_dict())
    assert all(set(changes) <= known for changes in ARMS.values())
