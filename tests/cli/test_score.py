"""The command `score` with the challenge's metrics: what it prints, and what it says of labels and maps."""

import json

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.io.stack import write_stack
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.runs.folder import RunFolder

TINY = ("--profile", "smoke", "--device", "cpu")
SETTINGS = ("base_channels=2", "steps=4", "tile_size=188", "checkpoint_every=2", "tta=none,d4", "primary=d4")
TINY_RUN = (*TINY, *(part for setting in SETTINGS for part in ("--set", setting)))


def test_score_command(sections, tmp_path, capsys):
    labels = sections[1][:2, :100, :100]
    files = [str(tmp_path / name) for name in ("labels.tif", "perfect.tif")]
    write_stack(files[0], labels)
    write_stack(files[1], (labels > 0).astype(np.float32))
    assert main(["score", *files, "--json", str(tmp_path / "scores.json")]) == 0
    printed = capsys.readouterr()
    assert "Rand error        0.000000" in printed.out and "V_rand            1.000000" in printed.out
    assert "0 split and 0 merger pixels" in printed.out and "2/2" in printed.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [scores[metric.key] for metric in CHALLENGE_METRICS] == [0, 0, 0, 0, 1, pytest.approx(1)]
    assert np.shape(scores["warping_counts"]) == (10, 2, 6)


def test_score_says_where_a_map_without_cells_has_no_warping_error(sections, tmp_path, capsys):
    labels = sections[1][:1, :100, :100]
    truth, blank, perfect = (tmp_path / name for name in ("labels.tif", "blank.tif", "perfect.tif"))
    write_stack(truth, labels)
    write_stack(blank, np.full(labels.shape, 0.05, np.float32))
    write_stack(perfect, (labels > 0).astype(np.float32))
    for result, is_said in ((perfect, False), (blank, True)):
        assert main(["score", str(truth), str(result)]) == 0
        printed = capsys.readouterr()
        assert ("0.0% of the map is cell, and " in printed.out) == is_said
        assert printed.out.endswith("0 is best of the errors, 1 of V_rand and V_info\n")


def test_scores_of_a_run_leave_out_what_it_leaves_out(sections, tmp_path, capsys):
    """The pixels of its held-out sections whose truth is not known; those of other labels --unknown names."""
    labels = sections[1][:1, :100, :100]
    run, other = RunFolder(tmp_path / "run"), tmp_path / "labels.tif"
    for path, pixels in ((run.labels, labels), (other, labels), (run.unknown, np.indices(labels.shape)[1] < 30)):
        write_stack(path, pixels.astype(np.uint8))
    write_stack(run.probability("none"), (labels > 0) * (np.indices(labels.shape)[1] >= 30).astype(np.float32))
    for metrics in ("challenge", "all"):
        assert main(["score", str(run.labels), str(run.probability("none")), "--metrics", metrics]) == 0
        printed = capsys.readouterr().out
        assert "pixel error       0.000000" in printed and f"pixels that {run.unknown} marks count in" in printed
        assert "but SEG" not in printed
    assert main(["score", str(other), str(run.probability("none"))]) == 0
    assert "pixel error       0.000000" not in capsys.readouterr().out


def test_split_pixels_are_told_apart_from_merger_pixels(tmp_path, capsys):
    """Of a cell that the result cuts in two."""
    labels = np.zeros((1, 24, 24), np.uint8)
    labels[:, 2:22, 2:22] = 255
    cut = labels / np.float32(255)
    cut[:, :, 11:13] = 0
    files = [str(tmp_path / name) for name in ("labels.tif", "cut.tif")]
    for file, pixels in zip(files, (labels, cut), strict=True):
        write_stack(file, pixels)
    assert main(["score", *files, "--json", str(tmp_path / "scores.json")]) == 0
    counts = json.loads((tmp_path / "scores.json").read_text())["warping_counts_at_best"]
    assert counts["split"] > 0 == counts["merge"]
    assert f", {counts['split']} split and 0 merger pixels)" in capsys.readouterr().out


def test_score_says_what_it_takes_as_cell(tmp_path, capsys, random):
    labels = random.integers(1, 3, (1, 20, 20)).astype(np.uint8)
    write_stack(tmp_path / "labels.tif", labels)
    write_stack(tmp_path / "perfect.tif", (labels - 1).astype(np.float32))
    assert main(["score", str(tmp_path / "labels.tif"), str(tmp_path / "perfect.tif")]) == 0
    printed = capsys.readouterr().out
    assert "holds two values: 2 is taken as cell, 1 as membrane" in printed and "pixel error       0.000000" in printed


def test_a_map_of_half_of_the_cells_is_not_called_one_of_hardly_any(sections, tmp_path, capsys):
    labels = sections[1][:1, :100, :100]
    write_stack(tmp_path / "labels.tif", labels)
    half = (labels > 0).astype(np.float32)
    half[:, :50] = 0
    write_stack(tmp_path / "half.tif", half)
    assert main(["score", str(tmp_path / "labels.tif"), str(tmp_path / "half.tif")]) == 0
    assert "of the map is cell" not in capsys.readouterr().out


@pytest.mark.parametrize("touching", [False, True])
def test_score_says_where_cells_touch(tmp_path, capsys, touching):
    labels = np.zeros((1, 30, 30), np.uint8)
    labels[0, 2:12, 2:12], labels[0, 15:25, 2:12], labels[0, 2:12, 15:25] = 1, 2, 3
    write_stack(tmp_path / "map.tif", (labels > 0).astype(np.float32))
    labels[0, 12:15, 2:12] = touching
    write_stack(tmp_path / "labels.tif", labels)
    assert main(["score", str(tmp_path / "labels.tif"), str(tmp_path / "map.tif")]) == 0
    assert ("touch; they are separated by background" in capsys.readouterr().out) == touching
