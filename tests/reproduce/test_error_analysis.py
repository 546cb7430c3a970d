"""Why scores are what they are: each figure on sections where the answer is known."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reproduce.studies.error_analysis import levels_part, report, warping_part
from reproduce.studies.errors_of_map import by_size, rand_by_threshold, thicker_membranes, thickness
from unet_paper import checkpoint
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Protocol
from unet_paper.io.stack import write_stack
from unet_paper.metrics import score, warping_errors
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.network import UNet
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture
def truth():
    """Two cells of 60 x 28 px and, in the right one, a small cell of 5 x 5 px; membranes of 4 px and of 1 px."""
    cells = np.zeros((1, 60, 60), bool)
    cells[0, :, :28] = cells[0, :, 32:] = True
    cells[0, 20:27, 40:47] = False
    cells[0, 21:26, 41:46] = True
    return cells


def test_thickness(truth):
    assert thickness(~truth[:, :15]) == pytest.approx(4, abs=0.3)
    assert thickness(np.zeros((1, 9, 9), bool)) == 0


def test_a_perfect_proposal_misses_nothing(truth):
    rows = rand_by_threshold(truth, truth.astype(float))
    assert all(row[1:4] == (0, 1, 1) for row in rows)
    counts = by_size(truth, warping_errors(truth, truth.astype(float), 0.5))
    assert not counts[0].any() and not counts[1] and not counts[2].any()


def test_thick_membranes_cost_recall_and_mergers_precision(truth):
    thick, merged = truth.astype(float), truth.astype(float)
    thick[0, :, 24:36] = 0
    merged[0, 30:32, 28:32] = 1
    for proposal, precision, recall in ((thick, 1, "less"), (merged, "less", 1)):
        row = rand_by_threshold(truth, proposal)[5]
        assert row[2] == precision if precision == 1 else row[2] < 0.9
        assert row[3] == recall if recall == 1 else row[3] < 0.9
    assert rand_by_threshold(truth, thick)[5][4] < 0.2 * rand_by_threshold(truth, thick)[5][1]


def test_mergers_by_the_smaller_cell_and_splits_by_the_width(truth):
    proposal = truth.astype(float)
    proposal[0, 20:27, 40:47] = 1  # the small cell is gone
    mergers, inside, splits = by_size(truth, warping_errors(truth, proposal, 0.5))
    assert mergers[0] == inside > 0 and not mergers[1:].any() and not splits.any()
    truth[0, :, 28:32], truth[0, 20:27, 40:47] = False, True
    truth[0, 27:34, 27:34] = False  # the small cell lies between the two large ones
    truth[0, 28:33, 28:33] = True
    proposal = truth.astype(float)
    proposal[0, 28:33, 27] = 1
    mergers, inside, _ = by_size(truth, warping_errors(truth, proposal, 0.5))
    assert mergers[0] > 0 and not inside
    proposal = truth.astype(float)
    proposal[0, 40:44, :28] = 0  # the left cell is cut
    mergers, inside, splits = by_size(truth, warping_errors(truth, proposal, 0.5))
    assert not mergers.any() and not inside and splits.sum() > 0


def test_mergers_far_from_all_cells_are_counted_apart():
    truth, proposal = np.zeros((1, 30, 30), bool), np.zeros((1, 30, 30))
    truth[0, :5] = True
    proposal[0, 20:25] = 1
    kinds = np.where(proposal > 0, MERGE, 0)
    assert list(by_size(truth, kinds)[0]) == [0, 0, 0, 0, 150]


@pytest.mark.parametrize(("side", "columns", "size"), [(10, 10, 1), (9, 11, 0), (20, 25, 2), (20, 24, 1), (40, 50, 3)])
def test_a_cell_of_a_limit_is_above_it(side, columns, size):
    truth, kinds = np.zeros((1, 60, 60), bool), np.zeros((1, 60, 60), np.uint8)
    truth[0, :side, :columns] = True
    kinds[0, side + 1, 3] = MERGE
    assert np.flatnonzero(by_size(truth, kinds)[0]).tolist() == [size]


@pytest.mark.parametrize(("height", "width"), [(3, 0), (5, 1), (9, 1), (11, 2), (21, 2)])
def test_splits_by_the_half_width_of_a_long_cell(height, width):
    truth, kinds = np.zeros((1, 60, 60), bool), np.zeros((1, 60, 60), np.uint8)
    truth[0, 20 : 20 + height] = True
    kinds[0, 20 + height // 2, 30] = SPLIT
    assert np.flatnonzero(by_size(truth, kinds)[2]).tolist() == [width]


def test_mergers_and_splits_are_told_apart(truth):
    """The small cell is gone, which is a merger inside a larger one; and the left cell is cut."""
    proposal = truth.astype(float)
    proposal[0, 20:27, 40:47], proposal[0, 40:44, :28] = 1, 0
    kinds = warping_errors(truth, proposal, 0.5)[0]
    merged, split = np.count_nonzero(kinds == MERGE), np.count_nonzero(kinds == SPLIT)
    assert merged != split and min(merged, split) > 0
    lines = warping_part(truth, proposal, 0.5, ["the section"])
    assert f"1 mergers ({merged} px), by the area of the smallest cell that is merged:" in lines
    assert any(line.startswith(f"{merged} px (100%) are at segments below 500 px²") for line in lines)
    assert f"1 splits ({split} px), by the cell's half width there:" in lines
    sizes, widths, sections = (line.splitlines() for line in lines if line.startswith("|"))
    assert sizes[0] == "| below 100 px² | 100 to 500 px² | 500 to 2000 px² | 2000 px² and more | no cell near |"
    assert sizes[-1] == f"| {merged} px (100%) | 0 px (0%) | 0 px (0%) | 0 px (0%) | 0 px (0%) |"
    assert widths[0] == "| below 3 px | 3 to 6 px | 6 px and more |"
    assert sections[-1] == f"| the section | 1 | {merged} | 1 | {split} |"


def test_levels_are_called_from_the_deepest_on():
    table = levels_part([0.1, 0.2, 0.3, 0.4])[-2].splitlines()
    assert table[0] == "| from level 5 | from level 4 | from level 3 | from level 2 |"
    assert table[-1] == "| 0.1000 | 0.2000 | 0.3000 | 0.4000 |"


def test_thicker_membranes(truth):
    assert (thicker_membranes(truth, 0) == truth).all()
    thicker = thicker_membranes(truth, 2)[0]
    assert not thicker[:, 26:34].any()
    assert thicker[:20, :26].all() and thicker[:18, 34:].all()  # nothing is taken at the image's edge
    assert thicker[21:26, 41:46].sum() == 1


def test_a_run_without_scores(tmp_path, make_record):
    make_record(PROFILES["smoke"]).write(tmp_path / "run.json")
    with pytest.raises(BadInput, match="holds no scores of none; give a run that was predicted and scored"):
        report(tmp_path)


@pytest.mark.long
def test_the_report_of_a_run(truth, tmp_path, make_record):
    run = RunFolder(tmp_path / "run")
    config = replace(PROFILES["smoke"], base_channels=2)
    probability = np.where(truth, 0.8, 0.15).astype(np.float32)
    write_stack(run.labels, truth)
    write_stack(run.probability("none"), probability)
    write_json(run.scores("none", "none"), score(truth, probability).to_json())
    make_record(config).write(run.record)
    text = report(run.path)
    best = json.loads((run.path / "scores.json").read_text())["best_threshold"]["rand_error"]
    assert f"| {best:.1f} (best) | 0.0000 | 1.0000 | 1.0000 |" in text and "0 mergers (0 px)" in text
    assert "| section 0 | 0 | 0 | 0 | 0 |" in text and "| 1 px | " in text
    assert "deep levels" not in text
    torch.manual_seed(0)
    network = UNet(base_channels=2)
    torch.nn.init.constant_(network.expanding[-2][-2].bias, -1e6)  # the last convolution before the last up-convolution
    standardisation = checkpoint.Standardisation(0.5, 0.2, "uint8")
    state = network.state_dict()
    checkpoint.save(run.weights, checkpoint.Checkpoint(1, config, standardisation, state, None, [], {}, 0.0))
    write_stack(run.volume, np.where(truth, 200, 50).astype(np.uint8))
    assert "| 0.0000 | 0.0000 | 0.0000 | 0.0000 |" in report(run.path)
    run.probability("none").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "reproduce.studies.error_analysis", run.path], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "probability-none.tif" in done.stderr


def test_runs_of_classes_and_of_cells_are_refused_for_what_they_are(make_record, tmp_path):
    """Whose scores the challenge's metrics are not."""
    sequences = Protocol.of_sequences("01", (0,), "02", (0, 3))
    for name, record in (
        ("classes", make_record(replace(PROFILES["smoke"], classes=3), "own", Protocol.of_test(6, 2))),
        ("cells", make_record(PROFILES["smoke"], "DIC-C2DH-HeLa", sequences)),
    ):
        record.write(tmp_path / name / "run.json")
        write_json(tmp_path / name / "scores.json", {"seg": 0.5})
        with pytest.raises(BadInput, match="is no run on a stack of membranes"):
            report(tmp_path / name)


@pytest.mark.parametrize("labels_are", ["instances", "cells"])
def test_what_has_no_membranes_is_refused(make_record, tmp_path, labels_are):
    """Touching cells would be one cell here, and what is ignored would count."""
    protocol = replace(Protocol.of_test(6, 2), labels_are=labels_are)
    make_record(PROFILES["smoke"], "own", protocol).write(tmp_path / "run.json")
    with pytest.raises(BadInput, match="is no run on a stack of membranes"):
        report(tmp_path)
