"""Fine-tuning: a training from the weights of another one."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper import checkpoint, train
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.phantom import make_phantom
from unet_paper.io.stack import write_stack
from unet_paper.runs.record import read_record
from unet_paper.runs.starting_weights import StartingWeights
from unet_paper.support.errors import BadInput

TINY = dict(profile="smoke", base_channels=2, steps=2, tile_size=188, device="cpu")
FEW = ["--profile", "smoke", "--set", "steps=2", "--set", "tile_size=188", "--device", "cpu"]
BOTH = ["--set", "registration_x=0.15", "--set", "registration_y=0.6"]
STILL = dict(learning_rate=1e-30)  # a rate at which nothing moves


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(3, 64, seed=4)


@pytest.fixture(scope="module")
def trained(phantom):
    return train(*phantom, "cells", optimiser="adam", **TINY)


@pytest.fixture
def files(phantom, trained, tmp_path):
    """Images of another type, their labels, and the weights, both a run's and published."""
    write_stack(tmp_path / "images.tif", phantom[0].astype(np.uint16) * 100 + 7)
    write_stack(tmp_path / "labels.tif", phantom[1])
    checkpoint.save(tmp_path / "weights.pt", trained)
    checkpoint.publish(tmp_path / "weights.safetensors", trained)
    return tmp_path


def finetune(folder, *options, weights="weights.pt", out="run"):
    own = ["--images", folder / "images.tif", "--labels", folder / "labels.tif", "--labels-are", "cells"]
    start = [] if weights is None else ["--from", folder / weights]
    return main([str(word) for word in ["train", *own, "--out", folder / out, *start, *FEW, *options]])


def test_it_starts_from_the_weights(phantom, trained):
    tuned = train(*phantom, "cells", start=trained, **{**TINY, **STILL})
    assert all(
        torch.allclose(values, tuned.network[name], rtol=0, atol=1e-20) for name, values in trained.network.items()
    )
    again = train(*phantom, "cells", start=trained, **TINY)
    assert not torch.equal(again.network["classifier.weight"], trained.network["classifier.weight"])


def test_settings_of_the_network_that_weights_do_not_tell_are_the_new_trainings(phantom, trained):
    """dropout acts in training only, up_convolution_fan_in on weights that are drawn only: what is recorded is used."""
    own = replace(trained, config=replace(trained.config, dropout=0.0, up_convolution_fan_in="input"))
    tuned = train(*phantom, "cells", start=own, **TINY, dropout=0.25, up_convolution_fan_in="blob")
    assert (tuned.config.dropout, tuned.config.up_convolution_fan_in) == (0.25, "blob")
    usual = train(*phantom, "cells", start=own, **TINY)
    assert usual.config.dropout == PROFILES["smoke"].dropout


def test_weights_that_are_no_numbers_are_refused(files, trained, capsys):
    spoilt = trained.network | {"classifier.bias": torch.full((2,), torch.nan)}
    checkpoint.save(files / "weights.pt", replace(trained, network=spoilt))
    assert finetune(files) == 2 and not (files / "run").exists()
    assert "weights.pt has weights that are not finite; start from another network" in capsys.readouterr().err


def test_the_network_is_that_of_the_weights(phantom, trained):
    settings = {name: value for name, value in TINY.items() if name != "base_channels"}
    tuned = train(*phantom, "cells", start=trained, **settings)
    assert tuned.config.base_channels == 2 and tuned.config.optimiser == "adam"
    with pytest.raises(BadInput, match="has base_channels 2, and 4 is asked for"):
        train(*phantom, "cells", start=trained, **{**TINY, "base_channels": 4})


def test_a_rate_that_is_given_stays(trained):
    start = StartingWeights.of(trained)
    assert start.config(PROFILES["paper"], ()).learning_rate == trained.config.learning_rate
    own = start.config(replace(PROFILES["paper"], learning_rate=0.5), ("learning_rate",))
    assert (own.learning_rate, own.optimiser, own.steps) == (0.5, "sgd", PROFILES["paper"].steps)


def test_other_classes_get_a_new_last_layer(phantom, trained):
    images, labels = phantom
    classes = (labels > 0).astype(np.uint8)
    classes[:, :20] = 2
    tuned = train(images, classes, "classes", start=trained, **{**TINY, **STILL})
    assert tuned.network["classifier.weight"].shape[0] == 3
    for name, values in trained.network.items():
        if not name.startswith("classifier"):
            assert torch.allclose(values, tuned.network[name], rtol=0, atol=1e-20)


@pytest.mark.long
@pytest.mark.parametrize("weights", ["weights.pt", "weights.safetensors"])
def test_the_command(files, trained, weights, capsys):
    assert finetune(files, weights=weights) == 0
    said = capsys.readouterr().out
    assert f"starting from {files / weights} (2 base channels, 2 steps); optimiser adam" in said
    record = read_record(files / "run" / "run.json")
    assert record.start.weights == weights and record.start.data_sha256 == trained.data
    assert record.config.base_channels == 2
    assert record.standardisation.dtype == "uint16"  # of these images, not of the weights'
    assert json.loads((files / "run" / "run.json").read_text())["start"]["steps"] == 2


@pytest.mark.long
def test_resumed_it_is_the_same(files):
    assert finetune(files, "--set", "checkpoint_every=1", out="whole") == 0
    assert finetune(files, "--set", "checkpoint_every=1") == 0
    run = files / "run"
    (run / "checkpoint-before.pt").replace(run / "checkpoint.pt")
    (run / "weights.pt").unlink()
    assert finetune(files, "--set", "checkpoint_every=1", "--resume") == 0
    assert [session.step for session in read_record(run / "run.json").sessions] == [0, 1]
    whole, resumed = (checkpoint.load(files / name / "weights.pt") for name in ("whole", "run"))
    assert all(torch.equal(values, resumed.network[name]) for name, values in whole.network.items())


def test_resumed_from_others_it_is_refused(files, trained, capsys):
    """Also from others of the same name."""
    assert finetune(files) == 0
    assert finetune(files, "--resume", weights="weights.safetensors") == 2
    assert "began from weights.pt and would be resumed from weights.safetensors" in capsys.readouterr().err
    checkpoint.save(files / "weights.pt", replace(trained, step=3))
    assert finetune(files, "--resume") == 2
    assert "would be resumed from weights.pt, another file" in capsys.readouterr().err
    assert finetune(files, "--resume", weights=None) == 2
    assert "began from weights.pt and would be resumed from new weights" in capsys.readouterr().err


@pytest.mark.long
def test_images_that_the_weights_have_seen(files, capsys):
    """Where some of them are held out."""
    assert finetune(files, out="first") == 0
    assert "these very images" not in capsys.readouterr().out
    assert finetune(files, "--fold", "3/3", weights="first/weights.pt") == 0
    assert "was trained on these very images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "base_channels=8"], "has base_channels 2, and 8 is asked for"),
        (["--branch-of", "."], "takes no settings"),
        (["--from", "none.pt"], "none.pt is not a file"),
    ],
)
def test_what_is_refused(files, capsys, options, message):
    assert finetune(files, *options) == 2
    assert message in capsys.readouterr().err and not (files / "run").exists()


@pytest.mark.long
def test_a_registration_is_not_taken_over_and_that_is_said(files, capsys):
    trained = checkpoint.load(files / "weights.pt")
    config = replace(trained.config, registration_x=0.15, registration_y=0.6)
    checkpoint.save(files / "registered.pt", replace(trained, config=config))
    for number, (options, told) in enumerate([([], True), (["--set", "registration_x=0.15"], True), (BOTH, False)]):
        assert finetune(files, *options, weights="registered.pt", out=f"run-{number}") == 0
        assert ("is of labels registered by (0.15, 0.6) px" in capsys.readouterr().out) == told
    assert read_record(files / "run-0" / "run.json").config.registration == (0.0, 0.0)


def test_weights_in_the_home_folder(phantom, files, monkeypatch):
    monkeypatch.setenv("HOME", str(files))
    assert StartingWeights.read("~/weights.pt").sha256 == StartingWeights.read(files / "weights.pt").sha256
    assert train(*phantom, "cells", start="~/weights.pt", **TINY).step == 2
