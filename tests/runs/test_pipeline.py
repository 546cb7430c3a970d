"""The stages of a run after its training: a pipeline that is given once more does nothing twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import Config
from unet_paper.datasets.folds import Fold
from unet_paper.io.stack import read_probabilities, write_sections, write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.pipeline import Stage, carry_out, run_pipeline
from unet_paper.runs.record import read_record
from unet_paper.runs.training_run import TrainingRequest
from unet_paper.support.json_files import read_json

CONFIG = Config(base_channels=1, tile_size=188, tta=("none",), primary="none")


def save_weights(run, seed):
    torch.manual_seed(seed)
    network = checkpoints.new_network(CONFIG).state_dict()
    weights = Checkpoint(1, CONFIG, Standardisation(0.5, 0.2, "uint8"), network, None, [], {}, 0.0)
    checkpoints.save(run.weights, weights)


@pytest.mark.parametrize("widths", [(40, 40), (40, 50)], ids=["a file", "a folder"])
def test_what_the_same_prediction_has_made_is_kept_and_others_are_replaced(make_record, tmp_path, random, widths):
    """Of a stack in one file as of sections of several sizes, which are a folder."""
    run, record = RunFolder(tmp_path / "run"), make_record(CONFIG)
    run.path.mkdir()
    save_weights(run, 1)
    sections = [random.integers(0, 256, (30, width), dtype=np.uint8) for width in widths]
    write_sections(run.volume, np.stack(sections) if widths[0] == widths[1] else sections, ["a", "b"])

    def predicted():
        carry_out(Stage("predict", "none"), run, record, lambda folder: None)
        out = run.probability("none")
        return {path: path.stat().st_mtime_ns for path in (out.iterdir() if out.is_dir() else [out])}

    first = predicted()
    assert first and predicted() == first
    other = next(iter(first))
    write_stack(other, read_probabilities(other).pixels)
    mended = predicted()
    assert mended[other] > first[other] and all(mended[path] == first[path] for path in first if path != other)
    save_weights(run, 2)
    again = predicted()
    assert all(again[path] > mended[path] for path in again)


def test_own_results_are_scored_where_the_truth_is_known(make_record, tmp_path):
    run = RunFolder(tmp_path)
    labels = np.zeros((1, 20, 20), np.uint8)
    labels[:, 2:9, 2:9] = 255
    write_stack(run.labels, labels)
    write_stack(run.unknown, np.broadcast_to(np.arange(20)[:, None] >= 13, labels.shape).copy())
    write_stack(run.probability("none"), labels / np.float32(255))
    carry_out(Stage("score", "none"), run, make_record(CONFIG, "own"), lambda folder: None)
    assert read_json(run.scores("none", "none"))["ignored_pixels"] == 7 * 20


def test_times_are_those_of_the_call_that_trained(small_phantom, tmp_path):
    """One that only went on with the later stages would tell that the whole took a moment."""
    request = TrainingRequest(small_phantom, tmp_path, replace(CONFIG, steps=1), Fold(1, 6), resume=True)
    record = run_pipeline(request, lambda folder: None)
    assert list(record.times.pipeline_seconds) == ["train", "predict none", "score none", "report", "all"]
    longer = record.with_times(training_seconds=1e6)
    longer.write(tmp_path / "run.json")
    assert run_pipeline(request, lambda folder: None).times == longer.times == read_record(tmp_path / "run.json").times
