"""Pictures of a training while it runs."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from unet_paper.checkpoint import new_network
from unet_paper.config import PROFILES
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import Predictor
from unet_paper.runs import preview
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.preview import Preview

CONFIG = replace(PROFILES["smoke"], base_channels=2, bfloat16=False)


def test_of_a_large_section_the_middle_is_shown(tmp_path, monkeypatch, random):
    monkeypatch.setattr(preview, "LARGEST_SIDE", 40)
    section = random.integers(0, 256, (50, 30), dtype=np.uint8)
    torch.manual_seed(0)
    network, standardisation = new_network(CONFIG), Standardisation(0.5, 0.2, "uint8")
    shown = Preview(RunFolder(tmp_path), 2, section, standardisation, CONFIG)
    for step in (1, 2, 3, 4, 5):
        shown.after_step(step, network)
    picture, other = sorted(shown.run.previews.iterdir())
    assert (picture.name, other.name) == ("step-000002.png", "step-000004.png") and network.training
    middle = np.ascontiguousarray(section[5:45])
    predictor = Predictor(network, standardisation, "none")
    expected = predictor.predict_block(middle, predictor.plan(40, 30).blocks[0])[0]
    assert np.abs(np.asarray(Image.open(picture)) / 255 - expected).max() < 0.51 / 255


def test_a_picture_that_cannot_be_written_does_not_end_the_training(tmp_path, caplog):
    run = RunFolder(tmp_path)
    run.previews.write_text("in its place")
    Preview(run, 1, np.eye(30, dtype=np.uint8), Standardisation(0.5, 0.2, "uint8"), CONFIG).after_step(
        1, new_network(CONFIG)
    )
    (said,) = caplog.messages
    assert "step-000001.png cannot be written" in said and "the training goes on without it" in said


def test_of_an_output_that_is_not_finite_there_is_none(tmp_path, caplog):
    """The training itself then says what is wrong."""
    network = new_network(CONFIG)
    torch.nn.init.constant_([*network.parameters()][-1], torch.nan)
    shown = Preview(RunFolder(tmp_path), 1, np.eye(30, dtype=np.uint8), Standardisation(0.5, 0.2, "uint8"), CONFIG)
    shown.after_step(1, network)
    (said,) = caplog.messages
    assert said == "note: at step 1 the network's output is not finite, and there is no preview of it"
    assert not shown.run.previews.exists()
