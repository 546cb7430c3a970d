"""SEG of segments of cells, and what is not judged where the truth is not known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import HELA, PHANTOM
from unet_paper.datasets.folds import Protocol
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_stack, write_eight_bits, write_stack
from unet_paper.metrics.seg import score_instances
from unet_paper.runs.cell_scoring import CellScores, numbered, read_cell_scores, score_cells, score_segments
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.instances import is_numbered, segment_file
from unet_paper.runs.own_scoring import score_all
from unet_paper.segmentation import RELEASED, CellSegmentation
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json

RESULTS = Path(__file__).parents[2] / "results"
ALL = CellSegmentation(connectivity=8, min_size=1)


def test_what_is_found_where_nothing_is_annotated_is_no_error_and_changes_no_seg():
    masks = np.zeros((1, 10, 30), np.uint16)
    masks[0, 2:8, 2:8] = 1
    unknown = np.zeros(masks.shape, bool)
    unknown[0, :, 8:20] = True
    segments = np.zeros_like(masks)
    segments[0, 2:8, 2:10] = 1  # reaches into what is unknown
    segments[0, 2:8, 12:18] = 2  # lies there
    segments[0, 2:8, 24:28] = 3  # is of nothing
    scores = score_segments(masks, segments, unknown)
    assert scores.seg == score_instances(masks, segments).seg == 36 / 48
    assert (scores.found, scores.unmatched) == (1, 1) and scores.f1 == 2 / 3
    assert score_segments(masks, segments).unmatched == 2
    large = np.where(segments > 0, segments + np.uint32(4_000_000_000), 0)  # numbers need not be areas' indices
    assert score_segments(masks, large, unknown).unmatched == 1


@pytest.mark.parametrize(("beyond", "unmatched"), [(3, 1), (4, 1), (5, 0)])
def test_a_segment_that_lies_mostly_in_what_is_unknown_is_left_out(beyond, unmatched):
    """Mostly is more than half."""
    masks = np.zeros((1, 10, 30), np.uint16)
    unknown = np.zeros(masks.shape, bool)
    unknown[..., 20:] = True
    segments = np.zeros_like(masks)
    segments[0, 4, 20 + beyond - 8 : 20 + beyond] = 1
    masks[0, 0, :5] = segments[0, 0, :5] = 2
    assert score_segments(masks, segments, unknown).unmatched == unmatched


def test_what_is_counted_of_cells_with_masks_does_not_depend_on_what_is_unknown():
    """A segment that joins two of them is a merger also where it reaches far into what is not annotated."""
    masks = np.zeros((1, 10, 30), np.uint16)
    masks[0, 2:4, 2:6], masks[0, 6:8, 2:6] = 1, 2
    unknown = np.zeros(masks.shape, bool)
    unknown[..., 8:] = True
    segments = np.ones_like(masks)
    scores = score_segments(masks, segments, unknown)
    assert (scores.merged, scores.found, scores.unmatched) == (1, 2, 0)
    assert scores.seg == score_instances(masks, segments).seg > 0


def test_a_cell_that_is_found_counts_in_f1_wherever_it_lies():
    masks = np.zeros((2, 10, 30), np.uint16)
    masks[:, 2:8, 2:8] = 1
    unknown = np.zeros(masks.shape, bool)
    unknown[1] = True
    scores = score_segments(masks, masks, unknown)
    assert (scores.found, scores.missed, scores.unmatched, scores.f1) == (2, 0, 0, 1)


def test_parts_that_touch_by_a_corner_are_two_cells():
    diagonal = np.eye(3, dtype=np.uint8)[None] * 255
    assert numbered(diagonal, Path("mask.tif")).tolist() == [[[1, 0, 0], [0, 2, 0], [0, 0, 3]]]


@pytest.fixture
def files(tmp_path):
    """Masks, probabilities and what is unknown, of two frames."""
    masks = np.zeros((2, 60, 60), np.uint16)
    masks[:, 10:40, 10:40], masks[1, 42:58, 10:50] = 3, 9
    probability = (masks > 0).astype(np.float32)
    probability[0, 10:40, 40:45] = 0.8
    write_stack(tmp_path / "masks.tif", masks)
    write_stack(tmp_path / "probability.tif", probability, pixel_size=PixelSize(650.0, 640.0))
    write_stack(tmp_path / "unknown.tif", np.zeros(masks.shape, bool))
    return tmp_path


def test_scores_of_files(files):
    settings = replace(RELEASED, outer=0)
    out = files / "scores.json", files / "segments.tif"
    scores = score_cells(files / "masks.tif", files / "probability.tif", settings, files / "unknown.tif", *out)
    assert scores.scores.seg == pytest.approx((900 / 1050 + 1 + 1) / 3) and scores.frames == 2
    assert scores.size_ratio == 1 and read_cell_scores(out[0]) == scores
    assert CellScores.from_json(scores.to_json()) == scores
    seg_at = {each.threshold: each.seg for each in scores.per_threshold}
    assert seg_at[0.5] == scores.scores.seg and seg_at[0.8] == 1 == seg_at[0.95]
    assert read_stack(out[1]).pixel_size == pytest.approx((650, 640, 0))
    given = score_cells(files / "masks.tif", out[1], settings)
    assert given.scores == scores.scores and given.segmentation is None
    assert CellScores.from_json(given.to_json()) == given
    strict = score_cells(files / "masks.tif", files / "probability.tif", replace(settings, threshold=0.85))
    assert strict.scores.seg == 1 and strict.by_argmax.seg == scores.scores.seg and scores.by_argmax is None


def test_a_lone_number_of_a_run_on_sequences_is_one_cell(tmp_path, make_record):
    """Whose parts meet at a corner; in other labels of two values each connected part is a cell."""
    cell = np.zeros((1, 60, 60), np.uint16)
    cell[:, 10:30, 10:30] = cell[:, 30:50, 30:50] = 7
    run = RunFolder(tmp_path)
    write_stack(run.labels, cell)
    write_stack(tmp_path / "probability.tif", (cell > 0).astype(np.float32))
    files = run.labels, tmp_path / "probability.tif", CellSegmentation(connectivity=8)
    assert score_cells(*files).scores.found == 2
    make_record(PROFILES["smoke"], PHANTOM, Protocol.of_sequences("01", (3,), "02", (7,))).write(run.record)
    as_a_run = score_cells(*files).scores
    assert (as_a_run.seg, as_a_run.found, as_a_run.missed) == (1, 1, 0)
    assert score_cells(*files, labels_are="cells").scores.found == 2  # as said


@pytest.mark.parametrize(
    "change",
    [
        {"seg": None},
        {"f1": "x"},
        {"found": "x"},
        {"frames": -1},
        {"size_ratio": "b"},
        {"per_threshold": [{"threshold": 0.5, "seg": 1, "missed": 0, "merged": 0, "size_ratio": "z"}]},
        {"per_threshold": [{"threshold": "x", "seg": 1, "missed": 0, "merged": 0, "size_ratio": None}]},
        {"segmentation": {"threshold": {"value": "x"}}},
        {"segmentation": {"threshold": {"value": None}}},
    ],
)
def test_values_that_no_score_has_are_refused(files, change):
    scores = score_cells(files / "masks.tif", files / "probability.tif", RELEASED).to_json()
    with pytest.raises(BadInput, match="it holds no scores of cells"):
        CellScores.from_json(scores | change)


def test_a_map_in_eight_bits_is_of_probabilities(files):
    write_eight_bits(files / "bytes.tif", read_stack(files / "probability.tif").pixels, "d4")
    exact, rounded = (
        score_cells(files / "masks.tif", files / name, RELEASED) for name in ("probability.tif", "bytes.tif")
    )
    assert rounded.scores == exact.scores and rounded.segmentation == exact.segmentation and rounded.tta == "d4"


def test_cells_numbered_in_a_map_in_eight_bits_are_cells(files):
    write_eight_bits(files / "bytes.tif", read_stack(files / "probability.tif").pixels, "d4")
    segment_file(files / "bytes.tif", files / "cells.tif", ALL)
    assert is_numbered(files / "bytes.tif", files / "cells.tif", ALL)
    write_eight_bits(files / "other.tif", read_stack(files / "probability.tif").pixels, "none")
    assert not is_numbered(files / "other.tif", files / "cells.tif", ALL)
    assert not is_numbered(files / "bytes.tif", files / "cells.tif", replace(ALL, min_size=2))
    scores = score_cells(files / "masks.tif", files / "cells.tif", ALL)
    assert scores.segmentation is None and scores.tta == "d4"
    assert scores.scores.seg == score_cells(files / "masks.tif", files / "bytes.tif", ALL).scores.seg > 0.9


def test_score_seg_on_the_command_line(files, capsys):
    names = [str(files / name) for name in ("masks.tif", "probability.tif")]
    more = ["--unknown", str(files / "unknown.tif"), "--segments", str(files / "cells.tif"), "--json"]
    seg = ["--metrics", "seg", "--segmentation", HELA]
    assert main(["score", *names, *seg, *more, str(files / "scores.json")]) == 0
    assert capsys.readouterr().out.startswith("SEG               0.952381  (3 cells)\n")
    assert read_json(files / "scores.json")["seg"] == pytest.approx(0.952381, abs=1e-6)
    assert read_stack(files / "cells.tif").pixels.max() == 2
    assert main(["score", *names, "--segments", str(files / "other.tif")]) == 2
    assert "--segments belongs to --metrics seg" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", [0.5, 0.9])
@pytest.mark.parametrize("region", ["ignore", "unknown", "both"])
def test_the_row_of_the_threshold_that_counts_is_the_score(files, random, threshold, region):
    """Also of what is found where the truth is not known."""
    masks, probability = (read_stack(files / f"{name}.tif").pixels for name in ("masks", "probability"))
    masks[:, :9, :30], probability[:, 2:7, 5:20], probability[:, 50:55, 52:57] = 99, 1, 1
    marks = np.zeros(masks.shape, np.uint8)
    marks[:, 48:, 45:] = 1
    probability *= random.uniform(0.9, 1, probability.shape).astype(np.float32)
    for name, pixels in (("masks", masks), ("probability", probability), ("unknown", marks)):
        write_stack(files / f"{name}.tif", pixels)
    known = files / "unknown.tif" if region != "ignore" else None
    ignore = 99 if region != "unknown" else None
    settings = CellSegmentation(threshold=threshold)
    paths = files / "masks.tif", files / "probability.tif"
    alone = score_cells(*paths, settings, known, ignore=ignore)
    beside = score_all(*paths, segmentation=settings, unknown=known, ignore=ignore).cells
    for scores in (alone, beside):
        row = next(each for each in scores.per_threshold if each.threshold == threshold)
        counts = scores.scores
        assert (row.seg, row.f1, row.missed, row.merged) == (counts.seg, counts.f1, counts.missed, counts.merged)
        assert row.size_ratio == scores.size_ratio


def test_what_labels_mean_is_said_of_both_kinds_of_metrics(files):
    """Of membranes, where the lower value is cell."""
    membranes = (read_stack(files / "masks.tif").pixels == 0).astype(np.uint8) * 255
    write_stack(files / "membranes.tif", membranes)
    write_stack(files / "probability.tif", 1 - membranes / np.float32(255))
    scores = score_all(files / "membranes.tif", files / "probability.tif", labels_are="membranes")
    assert scores.cells.scores.seg == 1 and scores.challenge.pixel_error == 0


def test_size_is_the_segments_area_by_the_masks_in_the_middle_of_all(files):
    segments = read_stack(files / "masks.tif").pixels.copy()
    segments[0, 10:40, 40:50] = 3  # 1200 px of 900
    segments[1, 10:40, 5:10] = 3  # 1050 px of 900
    write_stack(files / "segments.tif", segments)
    assert score_cells(files / "masks.tif", files / "segments.tif", ALL).size_ratio == 1050 / 900


def test_the_largest_numbers_of_cells(files):
    numbers = read_stack(files / "masks.tif").pixels.astype(np.uint32)
    numbers[numbers > 0] += np.uint32(4_000_000_000)
    write_stack(files / "large.tif", numbers)
    scores = score_cells(files / "masks.tif", files / "large.tif", ALL)
    assert scores.scores.seg == 1 and scores.size_ratio == 1


@pytest.mark.parametrize("ignore", [None, 3])
def test_marks_of_another_size(files, ignore):
    write_stack(files / "unknown.tif", np.zeros((2, 60, 50), np.uint8))
    with pytest.raises(BadInput, match=r"unknown.tif \(2, 60, 50\); both must be the same"):
        score_cells(files / "masks.tif", files / "probability.tif", ALL, files / "unknown.tif", ignore=ignore)


def test_a_mask_with_a_third_value_is_no_numbered_cells(files, caplog):
    """255 where nobody annotated: as a cell it would be half of each frame."""
    mask = (read_stack(files / "masks.tif").pixels > 0).astype(np.uint8)
    mask[:, :, 30:] = 255
    write_stack(files / "sparse.tif", mask)
    result = files / "sparse.tif", files / "probability.tif", ALL
    with pytest.raises(BadInput, match="holds 0, 1, 255; .*where 255 marks pixels that nobody .*--ignore 255"):
        score_cells(*result)
    score_cells(*result, labels_are="instances")
    assert "1 and 255 are taken as numbers of cells" in caplog.text and "--ignore 255" in caplog.text
    assert score_cells(*result, ignore=255).scores.seg == 1


def test_classes_are_said_to_look_like_that(files, caplog):
    """Once also beside the challenge's metrics, which say it too."""
    classes = np.zeros((2, 60, 60), np.uint8)
    for row, column in ((5, 5), (5, 25), (5, 45), (25, 5), (25, 25), (25, 45)):
        classes[:, row : row + 10, column : column + 10] = 2
        classes[:, row + 1 : row + 9, column + 1 : column + 9] = 1
    write_stack(files / "classes.tif", classes)
    score_cells(files / "classes.tif", files / "probability.tif", ALL)
    assert "in 24 pieces, for 4 numbers" in caplog.text
    caplog.clear()
    score_all(files / "classes.tif", files / "probability.tif")
    assert caplog.text.count("in 24 pieces") == 1


def test_files_that_do_not_fit(files):
    write_stack(files / "short.tif", np.zeros((1, 60, 60), np.float32))
    with pytest.raises(BadInput, match="both must be the same"):
        score_cells(files / "masks.tif", files / "short.tif", ALL)
    write_stack(files / "nothing.tif", np.zeros((2, 60, 60), np.uint16))
    with pytest.raises(BadInput, match="no object"):
        score_cells(files / "nothing.tif", files / "probability.tif", ALL)
    (files / "scores.json").write_text("{}")
    with pytest.raises(BadInput, match="scores.json: it holds no scores of cells .*score the run again"):
        read_cell_scores(files / "scores.json")


def test_committed_scores_load_and_come_back_unchanged():
    for path in RESULTS.rglob("scores*.json"):
        content = read_json(path)
        assert "seg" not in content or CellScores.from_json(content).to_json() == content
