"""The models as they are committed: the file that each record names, and weights that predict with no training."""

import os
from pathlib import Path

import numpy as np
import pytest

from reproduce.studies.release import LARGEST, PUBLISHED, compare, finish
from reproduce.studies.table_1 import TEST_PROBABILITY
from unet_paper.checkpoint import load_published
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.io.hashes import file_sha256
from unet_paper.io.stack import read_labels, read_stack, write_stack
from unet_paper.metrics import score
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.json_files import read_json

RESULTS = Path(__file__).parents[2] / "results/isbi"
PARAMETERS = {"registered-quarter": 1_940_834}
CHANNELS = {"registered-quarter": PROFILES["quick"].base_channels}


def test_what_half_precision_changes():
    full, half = np.array([[[0.4, 0.6, 0.5]]], np.float32), np.array([[[0.4, 0.3, 0.75]]], np.float32)
    compared = compare(full, half)
    assert compared["mean_difference"] == pytest.approx(0.55 / 3) and compared["sections"] == 1
    assert compared["largest_difference"] == pytest.approx(0.3)
    assert (compared["pixels_on_another_side_of_0.5"], compared["pixels"]) == (2, 3)


def test_weights_too_large_to_be_committed_are_no_release(tmp_path):
    def publish(word, weights, published, _):
        with open(published, "wb") as file:
            file.truncate(LARGEST + 1)

    with pytest.raises(ValueError, match="takes 64,000,001 bytes; at most 64,000,000 may be committed"):
        finish(RunFolder(tmp_path), tmp_path, publish)


@pytest.fixture(params=PARAMETERS)
def released(request):
    return RunFolder(RESULTS / request.param)


def test_it_is_the_file_that_was_compared_with_the_full_precision_one(released):
    weights, compared = released.path / PUBLISHED, read_json(released.path / "half-precision.json")
    assert weights.stat().st_size == compared["bytes"] <= LARGEST
    assert file_sha256(weights) == compared["sha256"]
    assert compared["sections"] == 30 and compared["largest_difference"] < 0.05
    assert compared["pixels_on_another_side_of_0.5"] < 1e-3 * compared["pixels"]


def test_it_was_trained_on_all_sections_as_its_record_says(released):
    record, weights = read_record(released.record), load_published(released.path / PUBLISHED)
    name = released.path.name
    assert weights.config.base_channels == record.config.base_channels == CHANNELS[name]
    assert weights.step == weights.config.steps == record.config.steps
    assert len(record.protocol.training_sections) == 30
    assert sum(values.numel() for values in weights.network.values()) == PARAMETERS[name]


def test_the_quarter_networks_probabilities_of_the_test_sections():
    path = RESULTS / "registered-quarter" / TEST_PROBABILITY
    stack = read_stack(path)
    assert stack.pixels.shape == (30, 512, 512) and stack.pixels.dtype == np.uint8 and path.stat().st_size < 6e6
    assert 0.6 < (stack.pixels > 127).mean() < 0.9


@pytest.mark.long
@pytest.mark.skipif("ISBI_DATA" not in os.environ, reason="ISBI_DATA names the test sections")
def test_predict_takes_the_quarter_network_by_itself(tmp_path):
    """Its map of a test section is the committed one."""
    write_stack(tmp_path / "a.tif", read_stack(Path(os.environ["ISBI_DATA"]) / "test-volume.tif").pixels[:1])
    assert main(["predict", str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), "--device", "cpu", "--registered"]) == 0
    committed = read_stack(RESULTS / "registered-quarter" / TEST_PROBABILITY).pixels[:1] / 255
    assert np.abs(read_stack(tmp_path / "b.tif").pixels - committed).mean() < 0.005


@pytest.mark.long
@pytest.mark.skipif("ISBI_DATA" not in os.environ, reason="the weights know the ISBI stack, which ISBI_DATA names")
def test_it_finds_the_cells_of_a_section(released, tmp_path):
    """Of one that it was trained on: no result, but what wrong or damaged weights would not do."""
    data = Path(os.environ["ISBI_DATA"])
    write_stack(tmp_path / "section.tif", read_stack(data / "train-volume.tif").pixels[:1])
    files = [str(path) for path in (released.path / PUBLISHED, tmp_path / "section.tif", tmp_path / "probability.tif")]
    assert main(["predict", "--weights", *files, "--tta", "none", "--device", "cpu"]) == 0
    truth, probability = (
        read_labels(data / "train-labels.tif").pixels[:1],
        read_stack(tmp_path / "probability.tif").pixels,
    )
    assert probability.shape == truth.shape and probability.dtype == np.float32
    assert score(truth, probability).pixel_error < 0.06
