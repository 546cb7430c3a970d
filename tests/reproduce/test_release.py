"""The final model as it is committed: the file that its record names, and weights that predict with no training."""

import os
from pathlib import Path

import numpy as np
import pytest

from reproduce.studies.release import LARGEST
from unet_paper.checkpoint import load_published
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.io.hashes import file_sha256
from unet_paper.io.stack import read_labels, read_stack, write_stack
from unet_paper.metrics import score
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.json_files import read_json

FINAL = RunFolder(Path(__file__).parents[2] / "results/isbi/final")
WEIGHTS = FINAL.path / "weights.safetensors"


def test_it_is_the_file_that_was_compared_with_the_full_precision_one():
    compared = read_json(FINAL.path / "half-precision.json")
    assert WEIGHTS.stat().st_size == compared["bytes"] <= LARGEST
    assert file_sha256(WEIGHTS) == compared["sha256"]
    assert compared["sections"] == 30 and compared["largest_difference"] < 0.05
    assert compared["pixels_on_another_side_of_0.5"] < 1e-3 * compared["pixels"]


def test_it_is_the_full_network_trained_on_all_sections_as_its_record_says():
    record, weights = read_record(FINAL.record), load_published(WEIGHTS)
    assert weights.config.base_channels == PROFILES["paper"].base_channels
    assert weights.step == weights.config.steps == record.config.steps
    assert len(record.protocol.training_sections) == 30
    assert sum(values.numel() for values in weights.network.values()) == 31_030_658


@pytest.mark.skipif("ISBI_DATA" not in os.environ, reason="the weights know the ISBI stack, which ISBI_DATA names")
def test_it_finds_the_cells_of_a_section(tmp_path):
    """Of one that it was trained on: no result, but what wrong or damaged weights would not do."""
    data = Path(os.environ["ISBI_DATA"])
    write_stack(tmp_path / "section.tif", read_stack(data / "train-volume.tif").pixels[:1])
    files = [str(path) for path in (WEIGHTS, tmp_path / "section.tif", tmp_path / "probability.tif")]
    assert main(["predict", "--weights", *files, "--tta", "none", "--device", "cpu"]) == 0
    truth, probability = (
        read_labels(data / "train-labels.tif").pixels[:1],
        read_stack(tmp_path / "probability.tif").pixels,
    )
    assert probability.shape == truth.shape and probability.dtype == np.float32
    assert score(truth, probability).pixel_error < 0.06
