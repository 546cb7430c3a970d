"""A GPU computes float32 as float32. PyTorch's settings for it are there without one, too."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper import prediction, training
from unet_paper.compute.precision import float32_unrounded
from unet_paper.config import PROFILES
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import predict_stack
from unet_paper.training import new_optimiser, new_training_network, training_step

CONV = torch.backends.cudnn.conv
GENERAL = ("pass", "backends.fp32_precision = 'ieee'", "backends.fp32_precision = 'tf32'")
OF_CONVOLUTIONS = ("conv.fp32_precision = 'tf32'", "cudnn.allow_tf32 = True")


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, prediction):
        monkeypatch.setattr(module, "float32_unrounded", lambda device: float32_unrounded("cuda"))


def test_the_backward_pass_is_in_float32_too(as_on_a_gpu):
    config = replace(PROFILES["smoke"], base_channels=1, bfloat16=False, dropout=0.0)
    network, seen = new_training_network(config, "cpu"), []
    for layer in (network.contracting[0][0], network.classifier):
        layer.register_forward_hook(lambda *_: seen.append(CONV.fp32_precision))
        layer.weight.register_hook(lambda _: seen.append(CONV.fp32_precision))
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    batch = torch.randn(1, 1, 188, 188), labels, torch.ones(1, 4, 4)
    before = CONV.fp32_precision
    training_step(network, new_optimiser(network, config), config, *batch)
    assert before == CONV.fp32_precision == "tf32" and seen == ["ieee"] * 4


def test_predictions_are_in_float32(as_on_a_gpu):
    network, seen = UNet(base_channels=1).eval(), []
    network.classifier.register_forward_hook(lambda *_: seen.append(CONV.fp32_precision))
    predict_stack(network, Standardisation(0.5, 0.2, "uint8"), np.zeros((9, 9), np.uint8), "none")
    assert seen == ["ieee"] and CONV.fp32_precision == "tf32"


@pytest.mark.long
@pytest.mark.parametrize("by_caller", GENERAL + OF_CONVOLUTIONS)
def test_what_the_caller_has_set_and_sets_later_holds(by_caller):
    """In a process of its own: what was set once for convolutions cannot be taken back."""
    lines = (
        "import torch; from unet_paper.compute.precision import fastest_algorithms, float32_unrounded",
        "backends, cudnn, conv = torch.backends, torch.backends.cudnn, torch.backends.cudnn.conv",
        "def told(): return [each.fp32_precision for each in (backends, cudnn, conv, cudnn.rnn, backends.cuda.matmul)]",
        f"{by_caller}; before = told(), cudnn.benchmark",
        "with float32_unrounded('cuda'), fastest_algorithms('cuda'):",
        "    assert conv.fp32_precision == 'ieee' and cudnn.benchmark",
        "assert (told(), cudnn.benchmark) == before, (told(), before)",
        "backends.fp32_precision = 'ieee'",
        f"assert conv.fp32_precision == '{'tf32' if by_caller in OF_CONVOLUTIONS else 'ieee'}'",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_a_cpu_leaves_the_settings_alone():
    with float32_unrounded("cpu"):
        assert CONV.fp32_precision == "tf32"
