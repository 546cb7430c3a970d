"""The wrapped network and its one-file source: they predict as this program does."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from unet_paper.export.architecture import architecture_source, same_size_network, same_size_options
from unet_paper.export.sample import as_training_stack
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.overlap_tile import Block
from unet_paper.prediction import Predictor

ALONE = """
import json, sys, torch
sys.modules["unet_paper"] = None  # so that it cannot be imported
from architecture import SameSizeUNet
network = SameSizeUNet(**json.loads(sys.argv[1]))
network.load_state_dict(torch.load("weights.pt", weights_only=True))
with torch.no_grad():
    torch.save(network.eval()(torch.load("image.pt")), "out.pt")
"""


def predicts_as_this_program_does(checkpoint, section):
    network, config = checkpoint.build_network(), checkpoint.config
    predictor = Predictor(network, checkpoint.standardisation, "none", extrapolation=config.extrapolation)
    expected = predictor.predict_block(section, Block(0, 112, 0, 176))
    with torch.no_grad():
        found = same_size_network(checkpoint)(torch.from_numpy(section.astype(np.float32))[None, None])[0].numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_it_predicts_as_this_program_does(checkpoint_of_any_kind, random):
    predicts_as_this_program_does(checkpoint_of_any_kind, random.integers(0, 256, (112, 176)).astype(np.uint8))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_it_standardises_gray_values_of_any_type(make_checkpoint, random, dtype):
    largest = np.iinfo(dtype).max if dtype != "float32" else 1
    predicts_as_this_program_does(make_checkpoint(dtype), (random.random((112, 176)) * largest).astype(dtype))


def test_its_source_needs_no_other_file(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(classes=3, padding="zeros", batch_norm=True, extrapolation="zeros")
    network, image = same_size_network(checkpoint), torch.randn(1, 1, 112, 128)
    (tmp_path / "architecture.py").write_text(architecture_source())
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch.save(image, tmp_path / "image.pt")
    options = json.dumps(same_size_options(checkpoint))
    subprocess.run([sys.executable, "-c", ALONE, options], cwd=tmp_path, check=True)
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "out.pt"), network(image))


@pytest.mark.parametrize("padding", ["valid", "zeros"])
@pytest.mark.filterwarnings("ignore")
def test_a_traced_network_takes_other_sizes(padding):
    network = UNet(base_channels=2, padding=padding).eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(1, 1, 188, 188))
        image = torch.randn(2, 1, 220, 252)
        assert torch.equal(traced(image), network(image))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float64"])
def test_a_sample_has_the_training_stacks_gray_values(random, dtype):
    standardisation = Standardisation(0.5, 0.1, dtype)
    gray = as_training_stack(random.normal(7, 3, (64, 64)), standardisation)
    seen = standardisation(gray_values(gray))
    assert gray.dtype.name == (dtype if dtype != "float64" else "float32")
    assert abs(seen.mean()) < 0.02 and abs(seen.std() - 1) < 0.02
