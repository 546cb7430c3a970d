"""Section 3: learning, schedule, checkpoints that resume exactly, and a clean end when the loss explodes."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from unet_paper import checkpoint, training
from unet_paper.config import OPTIMISERS, PAPER, PROFILES
from unet_paper.datasets.training_set import draw_tile, prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.network import InvalidTileSize
from unet_paper.prediction import predict_stack
from unet_paper.runs.results import read_history
from unet_paper.schedule import learning_rate_at
from unet_paper.support import training_log
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.training import new_optimiser, new_training_network, seeds_of_step, train, training_step

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


@pytest.mark.long
def test_a_training_of_so_many_minutes_ends_when_they_are_over(training_set, tmp_path):
    config = replace(TINY, minutes=0.05, checkpoint_every=10_000, decay="trapezoid", learning_rate=1e-5)
    final = train(config, training_set, tmp_path / "run")
    assert final.seconds >= 3 and final.step == final.config.steps
    rows = read_history(tmp_path / "run" / "history.csv")
    assert rows[-1]["step"] == final.step and all(row["seconds"] < 3 for row in rows[:-1])
    assert all(0 < row["learning_rate"] <= config.learning_rate for row in rows)
    assert checkpoint.load(tmp_path / "run" / "weights.pt").config == final.config


def test_time_spent_compiling_is_no_pace_of_a_training_by_time(training_set, monkeypatch):
    """20 s of compiling and 40 steps of 1 s, by a clock set by hand."""
    seconds, asked = [0.0], []

    class Clock:
        monotonic = process_time = staticmethod(lambda: sum(seconds))

    def compiled(network, *_):
        seconds.append(20.0)
        return network

    def step_of_a_second(*arguments):
        seconds.append(1.0)
        return training_step(*arguments)

    def should_compile(*arguments):
        asked.append(arguments)
        return True

    monkeypatch.setattr(training_log, "time", Clock)
    monkeypatch.setattr(training, "should_compile", should_compile)
    monkeypatch.setattr(training, "compiled_network", compiled)
    monkeypatch.setattr(training, "training_step", step_of_a_second)
    config = replace(TINY, base_channels=2, tile_size=188, minutes=1.0, warmup=0.5, decay="constant", steps=7)
    final = train(config, training_set, torch_compile="auto")
    assert final.step == final.config.steps == 40
    rates = [row["learning_rate"] / config.learning_rate for row in final.history]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 1.0])
    ((choice, device, _, minutes),) = asked
    assert (choice, device.type, minutes) == ("auto", "cpu", 1.0)


def test_whether_to_compile_is_decided_by_the_steps_to_come(training_set, tmp_path, monkeypatch):
    """Not by those that a training which resumes has behind it."""
    asked = []
    monkeypatch.setattr(training, "should_compile", lambda *arguments: asked.append(arguments))
    config = replace(TINY, base_channels=2, tile_size=188, steps=5)
    run(training_set, tmp_path, replace(config, steps=3))
    run(training_set, tmp_path, config, checkpoint.load(tmp_path / "checkpoint.pt"))
    assert [steps for _, _, steps, _ in asked] == [3, 2]


@pytest.mark.long
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
) | dict(momentum=0.5, dropout=0.0, learning_rate=0.001, warmup=0.5, decay="cosine", weight_decay=0.1)
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


def test_a_checkpoint_stays_as_it_is_when_its_training_resumes(training_set, tmp_path):
    run(training_set, tmp_path, replace(TINY, steps=10))
    half = replace(checkpoint.load(tmp_path / "checkpoint.pt"), config=TINY)
    before = {key: state["momentum_buffer"].clone() for key, state in half.optimiser["state"].items()}
    first, again = (run(training_set, None, resume=half) for _ in range(2))
    assert all(torch.equal(half.optimiser["state"][key]["momentum_buffer"], kept) for key, kept in before.items())
    assert all(torch.equal(values, again.network[name]) for name, values in first.network.items())


def test_the_callers_random_numbers_are_left_alone(training_set):
    """Neither do the weights depend on them, nor do they on the training and on the network that is built."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    weights = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        final = run(training_set, None, replace(TINY, steps=2))
        final.build_network()
        weights.append(final.network)
        assert torch.equal(torch.rand(3), expected) == (seed == 5)
    assert all(torch.equal(values, weights[1][name]) for name, values in weights[0].items())


def test_what_a_training_refuses(training_set, tmp_path):
    with pytest.raises(BadInput, match="torch_compile is 'maybe'; it must be one of auto, on, off"):
        train(TINY, training_set, torch_compile="maybe")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="file"):
        run(training_set, tmp_path / "file" / "below", replace(TINY, steps=1))
    with pytest.raises(InvalidTileSize):
        run(training_set, None, replace(TINY, tile_size=189))


def test_weights_of_another_network_are_no_start(training_set):
    final = run(training_set, None, replace(TINY, steps=1))
    wider = checkpoint.new_network(replace(TINY, base_channels=4))
    with pytest.raises(BadInput, match="not those of the network, contracting.* for one; start from another network"):
        final.initialise(wider)
    of_three_classes = checkpoint.new_network(replace(TINY, classes=3))
    own = of_three_classes.classifier.weight.clone()
    final.initialise(of_three_classes)
    found = of_three_classes.state_dict()
    assert torch.equal(found["classifier.weight"], own)
    assert all(torch.equal(found[name], values) for name, values in final.network.items() if "classifier" not in name)


def test_a_long_gradient_is_shortened_as_a_whole(training_set):
    """All of it by one factor, so that it keeps its direction: no weight's part, and no layer's, on its own."""
    config = replace(TINY, base_channels=2, tile_size=188, dropout=0.0)
    batch = draw_tile(training_set, config, torch.Generator().manual_seed(0))

    def gradient(clip):
        torch.manual_seed(0)
        network = new_training_network(config, "cpu")
        training_step(network, new_optimiser(network, config), replace(config, gradient_clip=clip), *batch)
        return torch.cat([weights.grad.flatten() for weights in network.parameters()])

    whole = gradient(1e9)
    length = float(whole.norm())
    for part in (0.5, 0.01):
        torch.testing.assert_close(gradient(part * length), part * whole, rtol=1e-3, atol=1e-9)
    assert torch.equal(gradient(2 * length), whole)


def test_a_step_is_as_long_as_its_learning_rate_says(training_set):
    """Without momentum, and where all gradients are shortened to one length."""
    config = replace(TINY, base_channels=2, steps=6, warmup=3, momentum=0.0, learning_rate=0.1, gradient_clip=0.1)
    weights = []

    def note(step, network):
        weights.append(torch.cat([values.detach().flatten() for values in network.parameters()]))

    train(config, training_set, after_step=note)
    lengths = [float((after - before).norm()) for before, after in pairwise(weights)]
    rates = [learning_rate_at(step, config) for step in range(1, 6)]
    assert lengths == pytest.approx([0.1 * rate for rate in rates], rel=1e-3) and len(set(rates)) == 3


def test_an_output_that_is_the_same_everywhere_has_no_spread():
    """Each class by itself: that one of them is always far more likely says nothing of the image either."""
    logits = torch.tensor([-9.0, 9.0])[None, :, None, None].expand(1, 2, 4, 4).clone().requires_grad_()
    optimiser = torch.optim.SGD([logits], lr=0.0)
    batch = torch.zeros(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.long), torch.ones(1, 4, 4)
    assert training_step(lambda tile: logits * 1, optimiser, TINY, *batch)[2] == 0
    ramp = torch.tensor([0.0, 1.0, 2.0, 3.0]).expand(4, 4)
    assert training_step(lambda tile: logits + ramp, optimiser, TINY, *batch)[2] == 1.5


def test_time_adds_up_over_sessions(training_set, tmp_path):
    config = replace(TINY, base_channels=2, tile_size=188, steps=2, checkpoint_every=2)
    run(training_set, tmp_path, config)
    earlier = replace(
        checkpoint.load(tmp_path / "checkpoint.pt"),
        config=replace(config, steps=4),
        seconds=1e6,
        cpu_seconds=2e6,
        parts={"tiles": 3e5, "forward": 4e5},
    )
    started, cpu_started = time.monotonic(), time.process_time()
    final = run(training_set, tmp_path, earlier.config, earlier)
    taken, cpu_taken = time.monotonic() - started, time.process_time() - cpu_started
    assert 1e6 < final.seconds <= 1e6 + taken and 2e6 < final.cpu_seconds <= 2e6 + cpu_taken
    assert 3e5 < final.parts["tiles"] <= 3e5 + taken and 4e5 < final.parts["forward"] <= 4e5 + taken
    assert 0 < final.parts["backward"] <= taken
    assert final.history[-1]["seconds"] > 1e6


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


def test_every_step_of_every_seed_draws_anew():
    """The next step of a seed is not the step of the next seed, and a tile is not drawn with what dropout is."""
    drawn = [
        number
        for seed in (0, 1, 2, 2**63 - 1)
        for step in range(4)
        for number in seeds_of_step(replace(TINY, seed=seed), step)
    ]
    assert len(set(drawn)) == len(drawn) == 32 and all(0 <= number < 2**63 for number in drawn)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_weights_decay_by_either_optimiser(optimiser):
    """Of a gradient of 0 all that is left is the decay."""
    config = replace(TINY, base_channels=1, optimiser=optimiser, weight_decay=0.5, bias_rate=2.0)
    network = new_training_network(config, "cpu")
    before = float(network.classifier.weight.detach().abs().sum())
    for values in network.parameters():
        values.grad = torch.zeros_like(values)
    new_optimiser(network, config).step()
    assert float(network.classifier.weight.detach().abs().sum()) < before


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
