"""What speeds things up changes nothing else: compilation, bfloat16 in prediction, and how speed is measured."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from reproduce.benchmarks.baselines.process import BaselineProcess
from unet_paper import checkpoint
from unet_paper.checkpoint import new_network
from unet_paper.compute import torch_compile as compilation
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.compute.torch_compile import compiled_network, should_compile
from unet_paper.config import PAPER, PROFILES
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import predict_stack
from unet_paper.training import train

TINY = replace(PROFILES["smoke"], base_channels=3, steps=20, tile_size=204, checkpoint_every=10)


@pytest.fixture(scope="module")
def training_set(small_phantom):
    volume, labels = (
        read_stack(small_phantom / "train-volume.tif").pixels,
        read_labels(small_phantom / "train-labels.tif").pixels,
    )
    return prepare_training_set(volume, labels, TINY, "cpu")


def test_when_compilation_pays():
    assert should_compile("on", "cpu", 1) and not should_compile("off", "cuda", 10**6)
    assert should_compile("auto", "cuda", compilation.SHORTEST) and not should_compile(
        "auto", "cuda", compilation.SHORTEST - 1
    )
    assert not should_compile("auto", "cpu", 10**6)


def test_compilation_pays_in_a_training_by_time_that_is_long_against_it():
    """Its steps are not known: those of its settings do not count."""
    assert should_compile("auto", "cuda", 1, 30.0) and not should_compile("auto", "cuda", 10**6, 29.0)
    assert should_compile("on", "cpu", 1, 0.5) and not should_compile("on", "cpu", 1, 0.0)
    assert not should_compile("auto", "cpu", 1, 1e6) and not should_compile("off", "cuda", 1, 1e6)


def test_without_a_compiler_training_runs_uncompiled(training_set, tmp_path, monkeypatch, caplog):
    def broken(network):
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    caplog.set_level("INFO", "unet_paper")
    losses = []
    for choice in ("off", "on"):
        final = train(TINY, training_set, tmp_path / choice, {}, torch_compile=choice)
        losses.append([row["loss"] for row in final.history])
    assert losses[0] == losses[1]
    compiling, failed = caplog.messages
    assert "compiling" in compiling and "--compile off (from Python torch_compile='off')" in compiling
    assert "without it" in failed and failed.endswith("(no compiler)")


def test_trying_out_the_compiled_network_leaves_its_statistics_alone(monkeypatch):
    """Else a training that resumes, and so tries it out once more, would differ from one that was never stopped."""
    monkeypatch.setattr(torch, "compile", lambda network: network)
    network = new_network(replace(PAPER, base_channels=2, batch_norm=True))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    compiled_network(network, torch.randn(1, 1, 188, 188), False)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_scores():
    torch.manual_seed(0)
    network = new_network(replace(PAPER, base_channels=4, dropout=0.0))
    tile = torch.randn(1, 1, 252, 252)
    faster = compiled_network(network, tile, False)
    assert faster is not network
    assert all(values.grad is None for values in network.parameters())
    torch.testing.assert_close(faster(tile), network(tile), rtol=1e-4, atol=1e-4)


def test_parts_of_the_training_time(training_set, tmp_path):
    first = train(replace(TINY, steps=10), training_set, tmp_path, {})
    assert set(first.parts) == {"tiles", "forward", "backward", "optimiser", "checkpoints"}
    assert 0.5 * first.seconds < sum(first.parts.values()) <= first.seconds
    resumed = train(
        TINY,
        training_set,
        tmp_path,
        {},
        resume=checkpoint.load(tmp_path / "checkpoint.pt"),
    )
    assert all(resumed.parts[name] > first.parts[name] for name in ("tiles", "forward", "backward", "optimiser"))
    assert resumed.cpu_seconds > first.cpu_seconds > 0


@pytest.mark.skipif(not computes_in_bfloat16("cpu"), reason="this processor does not compute in bfloat16")
@pytest.mark.parametrize("tta", ["none", "rot7", "d4"])
def test_prediction_in_bfloat16_is_near(small_phantom, tta):
    torch.manual_seed(0)
    network, volume = (
        new_network(replace(PAPER, base_channels=8)),
        read_stack(small_phantom / "test-volume.tif").pixels[:1],
    )
    given = (network, Standardisation(0.5, 0.2, "uint8"), volume, tta)
    exact, fast = (predict_stack(*given, bfloat16=wanted) for wanted in (False, True))
    assert not np.array_equal(exact, fast) and fast.dtype == np.float32
    assert np.abs(exact - fast).mean() < 0.005


def test_kept_memory_leaves_results_alone():
    lines = (
        "import torch; from unet_paper.compute.allocator import keep_freed_memory",
        "keep_freed_memory(); [torch.ones(2**24).sum() for _ in range(3)]; print(int(torch.ones(2**24).sum()))",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout.strip() == str(2**24)


def test_baselines_run_in_a_process_of_their_own():
    baseline = BaselineProcess("scores", ["pixel_f", "rand_f"], np.eye(8)[None] > 0, np.eye(8)[None])
    assert baseline.seconds() > 0 and baseline.seconds() > 0
    baseline.close()
