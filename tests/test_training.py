"""Section 3: learning, schedule, checkpoints that resume exactly, and a clean end when the loss explodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper import checkpoint
from unet_paper.cli.values import changed_config, recipe
from unet_paper.config import BEFORE, OPTIMISERS, PAPER, PROFILES, Config, optimiser_settings
from unet_paper.datasets.training_set import draw_tile, prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.prediction import predict_stack
from unet_paper.runs.from_arrays import _config
from unet_paper.runs.results import read_history
from unet_paper.schedule import is_complete, learning_rate_at, momentum_at, schedule_after, set_rates
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.training import (
    new_optimiser,
    new_training_network,
    train,
)

TINY = replace(PROFILES["smoke"], base_channels=3, steps=20, tile_size=204, checkpoint_every=10)


@pytest.fixture(scope="module")
def training_set(small_phantom):
    volume = read_stack(small_phantom / "train-volume.tif").pixels
    labels = read_labels(small_phantom / "train-labels.tif").pixels
    return prepare_training_set(volume, labels, TINY, "cpu")


def run(training_set, folder, config=TINY, resume=None):
    return train(config, training_set, folder, {}, resume)


def test_prepared_stack(training_set, small_phantom):
    images, labels, weights = (
        torch.stack(values) for values in (training_set.images, training_set.labels, training_set.weights)
    )
    assert images.mean() == pytest.approx(0, abs=1e-4)
    assert images.std() == pytest.approx(1, abs=1e-3)
    truth = read_labels(small_phantom / "train-labels.tif").pixels > 0
    assert np.array_equal(labels.numpy(), truth.astype(np.float32))
    assert weights[labels == 0].min() > weights[labels == 1].max()


def test_learning_rate_rises_and_falls_to_zero():
    config = replace(PAPER, steps=1000, warmup=0.1, learning_rate=0.5)
    rates = [learning_rate_at(step, config) for step in range(1000)]
    assert rates[0] == pytest.approx(0.005) and rates[99] == pytest.approx(0.5) and max(rates) == pytest.approx(0.5)
    assert np.all(np.diff(rates[:100]) > 0) and np.all(np.diff(rates[100:]) <= 0) and rates[-1] < 1e-5
    assert learning_rate_at(999, replace(config, decay="constant")) == 0.5


def test_a_warmup_of_so_many_steps_does_not_depend_on_the_length():
    short, long = (
        replace(PAPER, steps=steps, warmup=100, momentum_warmup=200, decay="trapezoid") for steps in (1000, 5000)
    )
    for at in (learning_rate_at, momentum_at):
        assert [at(step, short) for step in range(800)] == [at(step, long) for step in range(800)]
    assert learning_rate_at(99, short) == PAPER.learning_rate > learning_rate_at(98, short)
    assert momentum_at(200, short) == 0.99 > momentum_at(199, short)


def test_a_training_of_so_many_minutes_ends_when_they_are_over(training_set, tmp_path):
    config = replace(TINY, minutes=0.05, checkpoint_every=10_000, decay="trapezoid", learning_rate=1e-5)
    final = train(config, training_set, tmp_path / "run")
    assert final.seconds >= 3 and final.step == final.config.steps
    rows = read_history(tmp_path / "run" / "history.csv")
    assert rows[-1]["step"] == final.step and all(row["seconds"] < 3 for row in rows[:-1])
    assert all(0 < row["learning_rate"] <= config.learning_rate for row in rows)
    assert checkpoint.load(tmp_path / "run" / "weights.pt").config == final.config


def test_the_steps_that_fit_a_time_are_those_of_the_pace_so_far():
    config = replace(PAPER, minutes=10.0)
    assert schedule_after(50, 60.0, config).steps == 500
    assert schedule_after(0, 0.0, config) == config and schedule_after(50, 60.0, PAPER) == PAPER
    assert not is_complete(10**6, 599.0, config) and is_complete(1, 600.0, config)
    assert is_complete(PAPER.steps, 1.0, PAPER) and not is_complete(PAPER.steps - 1, 1e9, PAPER)


def test_it_learns_which_pixels_are_cells(training_set, small_phantom, tmp_path):
    config = replace(TINY, base_channels=6, steps=120, tile_size=252)
    final = run(training_set, tmp_path, config)
    assert [row["step"] for row in final.history] == list(range(10, 121, 10))
    assert final.history[-1]["loss"] < 0.75 * final.history[0]["loss"]
    volume = read_stack(small_phantom / "test-volume.tif").pixels
    cell = read_labels(small_phantom / "test-labels.tif").pixels > 0
    probability = predict_stack(final.build_network(), final.standardisation, volume, "none")
    assert probability[cell].mean() > probability[~cell].mean() + 0.05


CHANGES = dict(
    w_0=0.0, sigma=2.0, contrast=0.0, brightness=0.0, rotate=False, flip=False, displacement_sigma=0.0, grid_points=5
) | dict(momentum=0.5, dropout=0.0, learning_rate=0.001, warmup=0.5, decay="constant", weight_decay=0.1)
CHANGES |= dict(gradient_clip=0.1, seed=7, variant="release", padding="zeros", batch_norm=True, optimiser="adam")
CHANGES |= dict(class_balance=0.0, shift=False)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_changes_the_training(name, small_phantom, training_set, tmp_path):
    config = replace(TINY, base_channels=2, steps=4)
    changed = replace(config, **{name: CHANGES[name]})
    plain = run(training_set, tmp_path / "plain", config)
    stacks = (
        read_stack(small_phantom / "train-volume.tif").pixels,
        read_labels(small_phantom / "train-labels.tif").pixels,
    )
    other = run(prepare_training_set(*stacks, changed, "cpu"), tmp_path / "changed", changed)
    assert any(not torch.equal(value, other.network[key]) for key, value in plain.network.items())


def test_a_resumed_run_equals_one_that_was_never_stopped(training_set, tmp_path):
    whole = run(training_set, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(step, _):
        if step == 13:
            raise Stop

    with pytest.raises(Stop):
        train(TINY, training_set, tmp_path / "stopped", {}, after_step=stop)
    half = checkpoint.load(tmp_path / "stopped" / "checkpoint.pt")
    assert half.step == 10 and not (tmp_path / "stopped" / "weights.pt").exists()
    resumed = run(training_set, tmp_path / "stopped", resume=half)
    assert all(torch.equal(resumed.network[name], values) for name, values in whole.network.items())
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]


def test_history_file(training_set, tmp_path):
    final = run(training_set, tmp_path)
    rows = read_history(tmp_path / "history.csv")
    assert rows == final.history and set(rows[0]) == {"step", "loss", "tile_error", "learning_rate", "seconds"}
    assert all(0 < row["tile_error"] < 1 for row in rows)


def test_a_run_of_the_first_format_goes_on(training_set, tmp_path):
    """Its checkpoints lack the tiles' error."""
    final = run(training_set, tmp_path / "whole")
    half = run(training_set, tmp_path, replace(TINY, steps=TINY.steps // 2))
    values = torch.load(tmp_path / "checkpoint.pt") | {"format": 1, "config": TINY.as_dict()}
    values["loss_sum"] = values.pop("sums")[0]
    values["history"] = [{name: row[name] for name in row if name != "tile_error"} for row in half.history]
    torch.save(values, tmp_path / "checkpoint.pt")
    again = run(training_set, tmp_path, resume=checkpoint.load(tmp_path / "checkpoint.pt"))
    assert again.step == TINY.steps and len(read_history(tmp_path / "history.csv")) == len(final.history)


def test_seeds(training_set, tmp_path):
    first, again, other = (
        run(training_set, tmp_path / str(k), replace(TINY, seed=seed)) for k, seed in enumerate((0, 0, 1))
    )
    assert first.history[-1]["loss"] == again.history[-1]["loss"] != other.history[-1]["loss"]


def test_an_exploding_loss_ends_the_run_and_keeps_the_last_good_checkpoint(training_set, tmp_path):
    good = run(training_set, tmp_path)
    (tmp_path / "weights.pt").unlink()
    wild = replace(TINY, steps=200, learning_rate=1e6, gradient_clip=1e9, decay="constant")
    with pytest.raises(Diverged, match=r"step \d+: .*last good checkpoint is .*checkpoint.pt"):
        run(training_set, tmp_path, wild, resume=good_checkpoint(tmp_path))
    kept = checkpoint.load(tmp_path / "checkpoint.pt")
    assert kept.step == good.step and all(torch.isfinite(values).all() for values in kept.network.values())
    assert not (tmp_path / "weights.pt").exists()


def good_checkpoint(folder):
    return checkpoint.load(folder / "checkpoint.pt")


def test_weights_file_builds_the_same_network(training_set, tmp_path):
    final = run(training_set, tmp_path)
    loaded = checkpoint.load(tmp_path / "weights.pt")
    assert loaded.config == TINY and loaded.standardisation == training_set.standardisation
    image = torch.randn(1, 1, 188, 188)
    with torch.no_grad():
        assert torch.equal(loaded.build_network()(image), final.build_network()(image))


def test_tiles_have_the_papers_sizes(training_set):
    tile, labels, weights = draw_tile(training_set, PAPER, torch.Generator().manual_seed(0))
    assert tile.shape == (1, 1, 572, 572) and labels.shape == weights.shape == (1, 388, 388)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 nor this"])
def test_damaged_checkpoint(tmp_path, content):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(BadInput, match="weights.pt cannot be read as a checkpoint"):
        checkpoint.load(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    "change",
    [
        dict(tile_size=571),
        dict(base_channels=0),
        dict(momentum=1.0),
        dict(decay="step"),
        dict(tta=("d5",)),
        dict(gradient_clip=float("inf")),
        dict(contrast=-1.0),
        dict(displacement_sigma=1e30),
        dict(tile_size=188 + 16 * 10**400),
        dict(steps=10**400),
        dict(checkpoint_every=10**400),
        dict(learning_rate=float("inf")),
    ],
)
def test_settings_that_no_run_can_have(change):
    with pytest.raises(BadInput):
        replace(PAPER, **change).check()


def test_every_setting_says_where_it_comes_from():
    described = PAPER.described()
    assert {entry["source"] for entry in described.values()} == {"paper", "release", "ours"}
    assert described["momentum"] == {"value": 0.99, "source": "paper", "meaning": described["momentum"]["meaning"]}
    assert PROFILES["quick"].described()["base_channels"]["source"] == "ours"
    for name, value in dict(
        base_channels=64, tile_size=572, momentum=0.99, w_0=10, sigma=5, displacement_sigma=10, grid_points=3
    ).items():
        assert described[name]["value"] == value and described[name]["source"] == "paper"
    of_another = replace(PAPER, variant="release", warmup=0).described()
    sources = {name: of_another[name]["source"] for name in ("variant", "warmup")}
    assert sources == {"variant": "release", "warmup": "ours"}


def test_quick_changes_only_width_optimiser_steps_and_what_the_paper_leaves_open():
    quick, paper = PROFILES["quick"].described(), PAPER.described()
    changed = {name for name in paper if quick[name]["value"] != paper[name]["value"]}
    assert changed - {name for name in paper if paper[name]["source"] == "ours"} == {"base_channels", "optimiser"}


def test_a_trapezoid_is_flat_until_the_last_fifth():
    config = replace(PAPER, steps=1000, warmup=0.1, learning_rate=0.5, decay="trapezoid")
    rates = [learning_rate_at(step, config) for step in range(1000)]
    assert set(rates[100:801]) == {0.5} and rates[900] == pytest.approx(0.25) and 0 < rates[-1] < 0.003
    longer = replace(config, steps=2000, warmup=0.05)  # the same trunk
    assert rates[:800] == pytest.approx([learning_rate_at(step, longer) for step in range(800)])


def test_the_momentum_rises_where_that_is_asked_for():
    config = replace(PAPER, steps=1000, momentum_warmup=0.2)
    found = [momentum_at(step, config) for step in range(1000)]
    assert found[0] == pytest.approx(0.9) and found[100] == pytest.approx(0.945) and set(found[200:]) == {0.99}
    assert momentum_at(0, replace(config, momentum_warmup=0)) == 0.99
    assert momentum_at(0, replace(config, momentum=0.5)) == 0.5


def test_rates_of_a_step_reach_the_optimiser():
    config = replace(TINY, bias_rate=2.0, momentum_warmup=0.5)
    network = new_training_network(config, "cpu")
    optimiser = new_optimiser(network, config)
    set_rates(optimiser, config, 5)
    weights, biases = optimiser.param_groups
    assert biases["lr"] == 2 * weights["lr"] == 2 * learning_rate_at(5, config)
    assert weights["momentum"] == momentum_at(5, config) < 0.99
    assert all(values.ndim == 1 for values in biases["params"]) and len(biases["params"]) == len(weights["params"])
    assert len(new_optimiser(network, TINY).param_groups) == 1


def test_each_profile_can_train_by_either_optimiser():
    for name, profile in PROFILES.items():
        sgd, adam = (replace(profile, **optimiser_settings(optimiser, name)) for optimiser in OPTIMISERS)
        assert (sgd.optimiser, sgd.momentum, adam.optimiser) == ("sgd", 0.99, "adam")
        assert adam.learning_rate == (0.0003 if name == "paper" else 0.001)
        assert profile in (sgd, adam)
    by_sgd = changed_config(PROFILES["quick"], recipe("quick", "sgd", None))
    assert by_sgd.learning_rate == 0.016 and by_sgd.momentum_warmup == PAPER.momentum_warmup == 500
    assert by_sgd.up_convolution_fan_in == PAPER.up_convolution_fan_in == "blob"


def test_an_optimiser_given_by_name_brings_its_rate():
    for name, profile in PROFILES.items():
        for optimiser in OPTIMISERS:
            named = replace(profile, **optimiser_settings(optimiser, name))
            assert changed_config(profile, [f"optimiser={optimiser}"]) == named
            assert _config(name, {"optimiser": optimiser}) == named
    given = changed_config(PROFILES["quick"], ["learning_rate=0.002", "optimiser=sgd"])
    assert (given.optimiser, given.learning_rate, given.momentum_warmup) == ("sgd", 0.002, 500)


def test_older_records_and_checkpoints_had_other_initial_weights_and_no_rising_momentum():
    first = {name: value for name, value in PAPER.as_dict().items() if name not in BEFORE}
    assert Config.from_dict(first) == replace(PAPER, up_convolution_fan_in="input", momentum_warmup=0.0)
    assert Config.from_dict(PAPER.as_dict()) == PAPER
