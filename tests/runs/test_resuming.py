"""In what a training may differ from the one that it resumes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper.checkpoint import Checkpoint, load
from unet_paper.config import PAPER, Config
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.io.stack import write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.runs.resuming import changed_data, changed_settings
from unet_paper.runs.training_run import TrainingRequest, train_run
from unet_paper.support.errors import BadInput
from unet_paper.support.files import LEFTOVER


def test_what_has_no_effect_on_adam_may_differ():
    """A training by Adam of before the momentum rose goes on."""
    began = replace(PAPER, optimiser="adam", momentum_warmup=0.0)
    checkpoint = Checkpoint(1, began, Standardisation(0.0, 1.0, "uint8"), {}, None, [], {}, 1.0)
    now = replace(began, momentum_warmup=500.0)
    assert changed_settings(checkpoint, now) == {}
    assert changed_settings(checkpoint, replace(now, warmup=0.0)) == {"warmup": (0.05, 0.0)}
    by_sgd = replace(checkpoint, config=replace(began, optimiser="sgd"))
    assert changed_settings(by_sgd, replace(now, optimiser="sgd")) == {"momentum_warmup": (0.0, 500.0)}


@pytest.mark.parametrize(
    ("dtype", "labels_sha256", "meant", "told"),
    [
        (np.uint8, "b", {}, []),
        (np.uint8, "c", {}, ["train-labels.tif"]),
        (np.int8, "b", {}, ["gray values uint8 -> int8"]),  # whose bytes, and so whose hash, may be the same
        (np.uint8, "b", {"labels_are": "membranes"}, ["labels_are 'cells' -> 'membranes'"]),
        (np.uint8, "b", {"ignore": 9}, ["ignore None -> 9"]),
        (np.uint8, "b", {"left_out": (1,)}, ["left_out () -> (1,)"]),
    ],
)
def test_what_is_trained_on_and_what_it_means_may_not_differ(dtype, labels_sha256, meant, told):
    began = replace(Protocol.unscored(2), labels_are="cells")
    data = {"train-volume": "a", "train-labels": "b"}
    checkpoint = Checkpoint(1, PAPER, Standardisation(0.0, 1.0, "uint8"), {}, None, [], data, 1.0)
    sections = np.zeros((2, 4, 4), dtype)
    now = Stacks(sections, sections, None, None, replace(began, **meant), data | {"train-labels": labels_sha256}, "own")
    assert changed_data(checkpoint, began, now) == told


def test_a_run_that_was_killed_after_its_last_step_is_finished_by_the_same_command(small_phantom, tmp_path):
    """Else it has weights, and no report is ever made of it."""
    config = Config(base_channels=1, tile_size=188, steps=1, tta=("none",), primary="none")
    request = TrainingRequest(small_phantom, tmp_path, config, Fold(1, 6), resume=True)
    record = train_run(request)
    replace(record, status="training").write(tmp_path / "run.json")
    assert train_run(request).status == read_record(tmp_path / "run.json").status == "finished"


@pytest.fixture
def request_of_a_run(small_phantom, tmp_path):
    """Of a training that is done."""
    config = Config(base_channels=1, tile_size=188, steps=1, tta=("none",), primary="none")
    request = TrainingRequest(small_phantom, tmp_path, config, Fold(1, 6))
    train_run(request)
    return request


def test_a_run_of_which_the_earlier_checkpoint_is_left_needs_a_word_too(request_of_a_run):
    """As one that was killed between the two renames."""
    run = RunFolder(request_of_a_run.out)
    run.checkpoint.replace(run.earlier_checkpoint)
    with pytest.raises(BadInput, match="already holds a run; add --resume"):
        train_run(request_of_a_run)


def test_what_would_be_refused_again_is_not_advised(request_of_a_run):
    other = replace(request_of_a_run, config=replace(request_of_a_run.config, seed=5), resume=True)
    with pytest.raises(BadInput, match="; give another --out, or continue it with --set seed=0$"):
        train_run(other)
    with pytest.raises(BadInput, match="seed 0 -> 5.*; give another --out$"):
        train_run(replace(other, fold=Fold(2, 6)))


def test_a_training_of_constant_rate_may_end_where_it_stands_and_not_before():
    began = replace(PAPER, decay="constant", steps=40, warmup=3.0, momentum_warmup=4.0)
    at_20 = Checkpoint(20, began, Standardisation(0.0, 1.0, "uint8"), {}, None, [], {}, 1.0)
    assert changed_settings(at_20, replace(began, steps=20)) == {}
    assert changed_settings(at_20, replace(began, steps=19)) == {"steps": (40, 19)}


def test_a_cell_that_is_split_is_another_truth(tmp_path, random):
    numbers = np.zeros((3, 60, 60), np.uint8)
    numbers[:, 5:25, 5:50], numbers[:, 30:50, 5:50] = 1, 2
    write_stack(tmp_path / "train-volume.tif", random.integers(0, 256, numbers.shape, np.uint8))
    write_stack(tmp_path / "train-labels.tif", numbers)
    config = Config(base_channels=1, tile_size=188, steps=1, tta=("none",), primary="none")
    request = TrainingRequest(tmp_path, tmp_path / "run", config, Fold(1, 3), resume=True)
    train_run(request)
    train_run(request)  # nothing to do
    numbers[:, 5:25, 27:50] = 3
    write_stack(tmp_path / "train-labels.tif", numbers)
    with pytest.raises(BadInput, match="train-labels.tif"):
        train_run(request)


def test_no_option_is_advised_that_a_folder_of_stacks_does_not_take(tmp_path, random):
    write_stack(tmp_path / "train-volume.tif", random.integers(0, 256, (2, 60, 60), np.uint8))
    write_stack(tmp_path / "train-labels.tif", np.full((2, 60, 60), -1, np.int16))
    with pytest.raises(BadInput, match="holds negative labels; labels are 0 = background .membrane. and above$"):
        train_run(TrainingRequest(tmp_path, tmp_path / "run", PAPER))


def test_a_finished_run_keeps_what_others_write_there(request_of_a_run):
    """As its report, while the command is given once more."""
    run = RunFolder(request_of_a_run.out)
    others, again = run.path / f"{LEFTOVER}abc.png", replace(request_of_a_run, resume=True)
    others.touch()
    train_run(again)
    assert others.exists()
    run.weights.unlink()
    train_run(again)  # which finishes it
    assert not others.exists()


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_damaged_weights_of_a_finished_run_are_written_again(request_of_a_run, caplog, keep):
    run = RunFolder(request_of_a_run.out)
    whole, again = load(run.weights), replace(request_of_a_run, resume=True)
    run.weights.write_bytes(run.weights.read_bytes()[:keep])
    train_run(again)
    assert "they are written again" in caplog.text
    restored = load(run.weights)
    assert all((restored.network[name] == values).all() for name, values in whole.network.items())
    caplog.clear()
    train_run(again)
    assert "they are written again" not in caplog.text


def test_what_is_no_runs_weights_is_not_replaced(request_of_a_run):
    """Somebody's file of that name."""
    run = RunFolder(request_of_a_run.out)
    torch.save(torch.nn.Linear(1, 1).state_dict(), run.weights)
    theirs = run.weights.read_bytes()
    with pytest.raises(BadInput, match="weights.pt"):
        train_run(replace(request_of_a_run, resume=True))
    assert run.weights.read_bytes() == theirs
