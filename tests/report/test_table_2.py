"""Table 2: the paper's rows, ours beside them, and never a phantom's."""

from dataclasses import replace

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import HELA, PHANTOM, U373
from unet_paper.datasets.folds import Protocol
from unet_paper.io.stack import write_stack
from unet_paper.metrics.seg import score_instances
from unet_paper.report.cell_report import write_cell_report, write_table_2
from unet_paper.report.table_2 import TABLE_2, each_run, table_2, table_2_document
from unet_paper.runs.cell_scoring import AtThreshold, CellScores
from unet_paper.runs.folder import RunFolder
from unet_paper.segmentation import RELEASED
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import write_json


@pytest.fixture
def cell_run(make_record):
    """Makes a run on cells whose SEG is a number of tenths."""

    def make(dataset, trained, tenths, profile="quick"):
        scored = "02" if trained == "01" else "01"
        protocol = Protocol.of_sequences(trained, (3, 4), scored, (7,))
        segment = np.where(np.arange(10) < tenths, 1, 0)[None]
        scores = CellScores(score_instances(np.ones((1, 10), int), segment), RELEASED, 1, tenths / 10)
        return make_record(PROFILES[profile], dataset, protocol), {"d4": scores}

    return make


def test_the_papers_rows_in_full():
    assert table_2([]).to_markdown().splitlines()[2:] == [
        "| IMCB-SG (2014) | 0.2669 | 0.2935 |",
        "| KTH-SE (2014) | 0.7953 | 0.4607 |",
        "| HOUS-US (2014) | 0.5323 | - |",
        "| second-best 2015 | 0.83 | 0.46 |",
        "| u-net (2015) | 0.9203 | 0.7756 |",
    ]


def test_the_mean_of_both_directions_is_our_row(cell_run):
    runs = [cell_run(U373, "01", 8), cell_run(U373, "02", 9), cell_run(HELA, "01", 6)]
    assert table_2(runs).to_markdown().splitlines()[-1] == ("| **ours, quick, d4** | **0.8500** | **0.6000 (1 run)** |")
    assert len(each_run(runs).rows) == 3


def test_trainings_by_minutes_share_a_row_though_none_has_as_many_steps(cell_run):
    by_time = []
    for trained, steps in (("01", 33), ("02", 37)):
        record, scores = cell_run(U373, trained, 8)
        by_time.append((replace(record, config=replace(record.config, minutes=0.5, steps=steps)), scores))
    assert table_2(by_time).to_markdown().splitlines()[-1] == (
        "| **ours, quick with minutes=0.5, d4** | **0.8000** | **-** |"
    )


def test_runs_on_cells_are_not_compared_in_table_1(cell_run, tmp_path, capsys):
    """And nothing is written."""
    cell_run(U373, "01", 8)[0].write(tmp_path / "run.json")
    assert main(["report", str(tmp_path), "--compare", str(tmp_path / "both.md")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} is a run on sequences of cells" in said and "reproduce/cells.sh" in said
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_report_refuses_another_map_than_was_scored_but_not_for_scores_of_segments(cell_run, tmp_path):
    """Whose hash is that of the segments."""
    run, (record, scores) = RunFolder(tmp_path), cell_run(U373, "01", 8)
    record.write(run.record)
    write_stack(run.probability("d4"), np.zeros((1, 4, 10), np.float32))
    for segmentation in (RELEASED, None):
        kept = replace(scores["d4"], segmentation=segmentation, labels_sha256="a" * 64, probability_sha256="b" * 64)
        write_json(run.scores("d4", "d4"), kept.to_json())
        if segmentation is not None:
            with pytest.raises(BadInput, match="is another map than the run's scores of d4 are of"):
                write_cell_report(run)
    assert "0.8000" in write_cell_report(run)


def test_an_empty_history_has_no_curve(cell_run, tmp_path):
    run = RunFolder(tmp_path / "run")
    record, scores = cell_run(U373, "01", 8)
    record.write(run.record)
    write_json(run.scores("d4", record.config.primary), scores["d4"].to_json())
    run.history.touch()
    assert "0.8000 (1 run)" in write_table_2(tmp_path, [run])
    assert "Loss and error" not in (tmp_path / "index.html").read_text()


def test_argmax_has_a_row_of_its_own_where_it_is_not_what_counts(cell_run):
    record, scores = cell_run(U373, "01", 8)
    tried = (AtThreshold(0.5, 0.7, 0, 0, 1.2),)
    counted = replace(scores["d4"], segmentation=replace(RELEASED, threshold=0.9), per_threshold=tried)
    rows = table_2([(record, {"d4": counted})]).rows[len(TABLE_2) :]
    assert [row[:2] for row in rows] == [
        ("ours, quick, d4", "0.8000 (1 run)"),
        ("ours, quick, d4, argmax", "0.7000 (1 run)"),
    ]
    assert "above 0.9, 8-connected" in table_2_document([(record, {"d4": counted})]).to_markdown()
    both = table_2([(record, {"d4": counted}), cell_run(U373, "02", 9)]).rows  # of the second it is what counts
    assert [row[1] for row in both[len(TABLE_2) :]] == ["0.8500", "0.8000"]


def test_rules_for_the_threshold_are_not_mixed(cell_run):
    (older, of_older), (record, scores) = cell_run(U373, "01", 8), cell_run(U373, "02", 9)
    runs = [(older, of_older), (replace(record, seg_of_training_frames={0.5: 0.6}), scores)]
    rows = [row[0] for row in table_2(runs).rows[len(TABLE_2) :]]
    assert rows == ["ours, quick, threshold by class weights, d4", "ours, quick, d4"]


def test_profiles_are_not_mixed(cell_run):
    table = table_2([cell_run(U373, "01", 8), cell_run(U373, "02", 9, "smoke")])
    assert [row[0] for row in table.rows[len(TABLE_2) :]] == ["ours, quick, d4", "ours, smoke, d4"]


def test_a_phantom_is_in_no_row_of_the_papers_table(cell_run):
    document = table_2_document([cell_run(PHANTOM, "01", 8)])
    text = document.to_markdown()
    assert len(table_2([cell_run(PHANTOM, "01", 8)]).rows) == len(TABLE_2)
    assert "the built-in phantom of drawn cells" in text and "| phantom-cells | 01 → 02 | 0 | d4 | 0.8000 |" in text
    assert "scores mean nothing" in table_2_document([cell_run(U373, "01", 8, "smoke")]).to_markdown()


def test_where_seg_is_lost(cell_run):
    row = each_run([cell_run(U373, "01", 8)]).to_markdown().splitlines()[-1]
    assert row == "| PhC-C2DH-U373 | 01 → 02 | 0 | d4 | 0.8000 | 1.0000 | 1 | 0 | 0 | 0 | 0 | 0.000 | 0.200 | 0.80 |"
    row = each_run([cell_run(U373, "01", 4)]).to_markdown().splitlines()[-1]
    assert "| 0.0000 | 0.0000 | 1 | 1 | 0 | 0 | 1 | 1.000 | 0.000 |" in row
