"""The commands, end to end on a small phantom, and one sentence with exit code 2 for whatever is bad."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from skimage.measure import label

from unet_paper import checkpoint
from unet_paper.cli.commands import main
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.runs import predicting, training_run
from unet_paper.runs.record import read_record
from unet_paper.weight_map import weight_maps

TINY = ("--profile", "smoke", "--device", "cpu")
SETTINGS = ("base_channels=2", "steps=4", "tile_size=188", "checkpoint_every=2", "tta=none,d4", "primary=d4")
TINY_RUN = (*TINY, *(part for setting in SETTINGS for part in ("--set", setting)))


@pytest.fixture(scope="module")
def run(small_phantom, tmp_path_factory):
    """A trained, predicted, scored and reported run on the phantom's test stack."""
    run = tmp_path_factory.mktemp("results") / "phantom" / "tiny"
    assert main(["train", "--data", str(small_phantom), "--out", str(run), *TINY_RUN]) == 0
    for tta in ("none", "d4"):
        probability = run / f"probability-{tta}.tif"
        scores = run / ("scores.json" if tta == "d4" else "scores-none.json")
        weights = str(run / "weights.pt")
        stack = str(run / "evaluation-volume.tif")
        assert main(["predict", "--weights", weights, stack, str(probability), "--tta", tta]) == 0
        assert main(["score", str(run / "evaluation-labels.tif"), str(probability), "--json", str(scores)]) == 0
    assert main(["report", str(run)]) == 0
    return run


def test_what_a_run_leaves(run):
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and path.parent.name != "page"}
    assert len(list((run / "page").iterdir())) == 2 * (4 + 2 * 9) + 1  # two sections, nine thresholds, page.json
    assert files == {
        *("run.json", "scores.json", "scores-none.json", "table1.md", "history.csv", "weights.pt", "index.html"),
        *("checkpoint.pt", "checkpoint-before.pt"),
        *("weight-maps.tif", "evaluation-volume.tif", "evaluation-labels.tif"),
        *("probability-none.tif", "probability-d4.tif"),
        *("loss.png", "thresholds.png", "result.png", "splits-and-mergers.png", "weight-map.png"),
        *("sections/result.png", "sections/weight-map.png", "sections/deformations.png"),
        "sections/splits-and-mergers.png",
    }


@pytest.mark.long
def test_what_a_training_says_last(small_phantom, tmp_path, capsys):
    """The next commands, filled in, which then work; and that smoke means nothing."""
    out = tmp_path / "run"
    assert main(["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN]) == 0
    *_, title, predict, score, report, last = capsys.readouterr().out.splitlines()
    assert title == "next:" and last.endswith("its scores mean nothing")
    for command, name in ((predict, "predict"), (score, "score"), (report, "report")):
        _, _, words = command.partition("unet_paper ")
        assert words.split()[0] == name and main(shlex.split(words)) == 0
    assert "its scores mean nothing" in (out / "table1.md").read_text()
    assert capsys.readouterr().out.splitlines()[-1].endswith("its scores mean nothing")


@pytest.mark.parametrize(("optimiser", "notes"), [("adam", 1), ("sgd", 0)])
def test_a_training_says_which_settings_have_no_effect(small_phantom, tmp_path, capsys, monkeypatch, optimiser, notes):
    """And trains nevertheless: studies and older records have such settings."""
    trained = []
    monkeypatch.setattr(training_run, "train_run", lambda request, *_: trained.append(request) or sys.exit(9))
    given = ["--data", str(small_phantom), "--out", str(tmp_path / "run"), *TINY_RUN, "--optimiser", optimiser]
    with pytest.raises(SystemExit):
        main(["train", *given, "--set", "momentum=0.5"])
    assert len(trained) == 1 and trained[0].config.momentum == 0.5
    assert capsys.readouterr().out.count("note: of adam, the setting momentum has no effect") == notes


def test_the_record_is_complete_and_names_no_path(run, small_phantom):
    text = (run / "run.json").read_text()
    record = json.loads(text)
    assert record["status"] == "finished" and record["dataset"] == "phantom" and record["protocol"]["kind"] == "test"
    assert record["profile"] == "smoke"
    assert record["changes"] == {"base_channels": 2, "steps": 4, "tile_size": 188} | {
        "checkpoint_every": 2,
        "tta": ["none", "d4"],
        "primary": "d4",
    }
    assert record["configuration"]["momentum"] == {
        "value": 0.99,
        "source": "paper",
        "meaning": "momentum of the gradient descent",
    }
    assert set(record["data_sha256"]) == {"train-volume", "train-labels", "test-volume", "test-labels"}
    assert {"commit", "changed", "sources_sha256"} <= set(record["code"])
    assert {"processor", "cores", "device", "torch"} <= set(record["hardware"])
    assert {"started", "finished", "training_seconds"} <= set(record["times"])
    assert len(record["up_convolution_effect"]) == 4
    assert str(small_phantom) not in text and str(run.parent) not in text


def test_the_record_tells_how_much_memory_the_training_took(run):
    times = read_record(run / "run.json").times
    assert times.training_peak_mib is not None and 50 < times.training_peak_mib < 100_000
    assert times.training_peak_gpu_mib is None  # it is trained on the CPU


def test_the_table_has_the_papers_rows_and_says_what_the_run_is(run):
    table = (run / "table1.md").read_text()
    assert "| 1 | u-net | 0.000353 | 0.0382 | 0.0611 |" in table
    assert "| 10 | IDSIA-SCI | 0.000653 | 0.0189 | 0.1027 |" in table
    assert "NOT the ISBI stack" in table and "`smoke with base_channels=2" in table
    scores = json.loads((run / "scores.json").read_text())
    assert f"{scores['pixel_error']:.4f}" in table and f"{scores['rand_error']:.4f}" in table
    assert {metric.key for metric in CHALLENGE_METRICS} <= set(scores)
    assert f"| d4 | {scores['rand_error_pairs']:.4f} | {scores['v_rand']:.4f} | {scores['v_info']:.4f} |" in table


def test_the_maps(run):
    weights, probability = read_stack(run / "weight-maps.tif").pixels, read_stack(run / "probability-d4.tif").pixels
    assert weights.shape == (6, 128, 128) and weights.dtype == np.float32
    assert probability.shape == (2, 128, 128) and probability.dtype == np.float32
    assert 0 <= probability.min() and probability.max() <= 1
    for name in ("weight-maps", "evaluation-volume", "evaluation-labels", "probability-d4"):
        assert read_stack(run / f"{name}.tif").pixel_size == pytest.approx(EM)


def test_training_again_needs_a_word(run, small_phantom, capsys):
    arguments = ["train", "--data", str(small_phantom), "--out", str(run)]
    assert main([*arguments, *TINY_RUN]) == 2
    assert "--resume" in capsys.readouterr().err
    before = (run / "weights.pt").read_bytes()
    assert main([*arguments, *TINY_RUN, "--resume"]) == 0
    assert "already trained" in capsys.readouterr().out and (run / "weights.pt").read_bytes() == before
    assert main([*arguments, *TINY_RUN, "--set", "seed=5", "--resume"]) == 2
    assert "seed 0 -> 5" in capsys.readouterr().err


@pytest.mark.long
def test_a_fold(small_phantom, tmp_path):
    out = tmp_path / "fold"
    assert main(["train", "--data", str(small_phantom), "--out", str(out), "--fold", "2/3", *TINY_RUN]) == 0
    protocol = json.loads((out / "run.json").read_text())["protocol"]
    assert protocol["kind"] == "fold" and protocol["scored_sections"] == [2, 3]
    volume = read_stack(small_phantom / "train-volume.tif").pixels
    assert np.array_equal(read_stack(out / "evaluation-volume.tif").pixels, volume[2:4])
    assert len(read_stack(out / "weight-maps.tif").pixels) == 4
    assert main(["report", str(out)]) == 0
    assert "no metrics: predict evaluation-volume as probability-d4" in (out / "table1.md").read_text()


@pytest.mark.long
def test_sections_that_are_left_out(small_phantom, tmp_path):
    """They are neither trained on nor scored, and the record says so; resuming with others is refused."""
    out = tmp_path / "run"
    train = ["train", "--data", str(small_phantom), "--out", str(out), "--fold", "3/3", *TINY_RUN]
    assert main([*train, "--leave-out", "0,2-3"]) == 0
    protocol = json.loads((out / "run.json").read_text())["protocol"]
    assert protocol["left_out"] == [0, 2, 3] and len(protocol["training_sections"]) == 1
    volume = read_stack(small_phantom / "train-volume.tif").pixels
    assert np.array_equal(read_stack(out / "evaluation-volume.tif").pixels, volume[4:])
    labels = read_stack(small_phantom / "train-labels.tif").pixels[1:2]
    assert np.array_equal(read_stack(out / "weight-maps.tif").pixels > 10, weight_maps(labels) > 10)
    assert main(["report", str(out)]) == 0
    assert "Sections 0, 2, 3 were left out of the training" in (out / "table1.md").read_text()
    assert main([*train, "--resume"]) == 2


def test_the_border_of_a_prediction(run, tmp_path):
    """It can be chosen when predicting, and the result says which it is."""
    maps = []
    for border in ("mirror", "zeros"):
        out = tmp_path / f"{border}.tif"
        files = ["--weights", str(run / "weights.pt"), str(run / "evaluation-volume.tif"), str(out)]
        assert main(["predict", *files, "--tta", "none", "--extrapolation", border]) == 0
        maps.append(read_stack(out).pixels)
        assert f"extrapolation: {border}" in tifffile.TiffFile(out).imagej_metadata["Info"]
    assert np.array_equal(maps[0], read_stack(run / "probability-none.tif").pixels) and (maps[0] != maps[1]).any()


@pytest.mark.parametrize("in_float32", [False, True])
def test_the_precision_and_the_memory_of_a_prediction(run, tmp_path, monkeypatch, in_float32):
    given = []
    monkeypatch.setattr(predicting, "predict", lambda request, *_: given.append(request))
    files = [str(run / "evaluation-volume.tif"), str(tmp_path / "map.tif"), *(["--float32"] if in_float32 else [])]
    assert main(["predict", "--weights", str(run / "weights.pt"), *files, "--memory", "0.5"]) == 0
    assert [(request.float32, request.memory) for request in given] == [(in_float32, 2**29)]


def test_a_prediction_averages_as_its_training_was_set_up_for(run, tmp_path):
    """As the function does."""
    trained = checkpoint.load(run / "weights.pt")
    for primary in ("d4", "none"):
        weights, out = tmp_path / f"{primary}.pt", tmp_path / f"{primary}.tif"
        checkpoint.save(weights, replace(trained, config=replace(trained.config, primary=primary)))
        assert main(["predict", "--weights", str(weights), str(run / "evaluation-volume.tif"), str(out)]) == 0
        assert np.array_equal(read_stack(out).pixels, read_stack(run / f"probability-{primary}.tif").pixels)


def test_cells_with_a_prediction(run, tmp_path, capsys):
    """They are those that `segment` makes of the same probabilities."""
    image = str(run / "evaluation-volume.tif")
    probability, cells, other = (tmp_path / name for name in ("map.tif", "cells.tif", "other.tif"))
    predict = ["predict", "--weights", str(run / "weights.pt"), image, "--tta", "none"]
    cutting = ["--threshold", "0.3", "--min-size", "9"]
    assert main([*predict, str(probability), "--instances", str(cells), *cutting]) == 0
    assert np.array_equal(read_stack(probability).pixels, read_stack(run / "probability-none.tif").pixels)
    assert main(["segment", str(probability), str(other), *cutting]) == 0
    assert cells.read_bytes() == other.read_bytes()
    assert cells.with_suffix(".csv").read_bytes() == other.with_suffix(".csv").read_bytes()
    capsys.readouterr()
    new = str(tmp_path / "new.tif")
    for arguments, message in (
        ([new, "--min-size", "5"], "belong to --instances"),
        ([new, "--instances", str(cells)], "cells.tif is there already"),
        ([new, "--instances", new], "is named twice"),
        ([new, "--instances", image, "--force"], "is named twice"),
    ):
        assert main([*predict, *arguments]) == 2
        printed = capsys.readouterr()
        assert message in printed.err and not printed.out and not (tmp_path / "new.tif").exists()


@pytest.mark.long
def test_nothing_of_an_earlier_run_is_lost(small_phantom, tmp_path, capsys):
    out = tmp_path / "run"
    train = ["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN]
    assert main(train) == 0
    before = {name: (out / name).read_bytes() for name in ("run.json", "weights.pt", "history.csv")}
    for name in ("checkpoint.pt", "checkpoint-before.pt"):
        (out / name).unlink()
    (out / "mine.png").write_text("not a file of a run")
    assert main([*train, "--set", "seed=1"]) == 0
    assert "earlier/1" in capsys.readouterr().out and (out / "mine.png").exists()
    assert {name: (out / "earlier" / "1" / name).read_bytes() for name in before} == before
    assert json.loads((out / "run.json").read_text())["seed"] == 1


def test_a_diverged_run_says_so(small_phantom, tmp_path, capsys):
    out = tmp_path / "run"
    wild = ("--set", "learning_rate=1e9", "--set", "gradient_clip=1e9", "--set", "steps=60")
    assert main(["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN, *wild]) == 1
    assert "training stopped at step" in capsys.readouterr().err
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "diverged" and [what.split()[0] for what in record["diverged"]] == ["step"]


def test_what_an_older_record_lacks_is_added(small_phantom, tmp_path, capsys):
    command = ["train", "--data", str(small_phantom), "--out", str(tmp_path / "run"), *TINY_RUN, "--resume"]
    assert main(command) == 0
    whole = (tmp_path / "run" / "run.json").read_text()
    record = json.loads(whole)
    del record["up_convolution_effect"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert main(command) == 0 and "already trained" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == json.loads(whole)


def test_numbered_touching_cells(small_phantom, tmp_path):
    """A truth that numbers its cells, without any membrane between them, is trained on and scored with one."""
    labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((32, 32), int)).astype(np.uint8)
    folder = tmp_path / "data"
    write_stack(folder / "train-volume.tif", read_stack(small_phantom / "train-volume.tif").pixels)
    write_stack(folder / "train-labels.tif", np.stack([labels] * 6))
    out = tmp_path / "run"
    assert main(["train", "--data", str(folder), "--out", str(out), "--fold", "1/6", *TINY_RUN]) == 0
    truth = read_stack(out / "evaluation-labels.tif").pixels
    assert truth.shape == (1, 128, 128) and label(truth[0], connectivity=1).max() == 16
    assert json.loads((out / "run.json").read_text())["dataset"] == "own"


def test_a_training_can_be_watched(small_phantom, run, tmp_path, capsys):
    """--preview writes what the network finds in the first scored section; the weights are those of any training."""
    out = tmp_path / "watched"
    train = ["train", "--data", str(small_phantom), "--out", str(out), *TINY_RUN]
    assert main([*train, "--preview", "3"]) == 0
    assert "every 3 steps" in capsys.readouterr().out
    assert sorted(path.name for path in (out / "preview").iterdir()) == ["step-000003.png", "step-000004.png"]
    shown = np.asarray(Image.open(out / "preview" / "step-000004.png"))
    expected = read_stack(run / "probability-none.tif").pixels[0]
    assert shown.dtype == np.uint8 and np.abs(shown / 255 - expected).max() < 0.51 / 255 + 1e-6
    watched, alone = (checkpoint.load(folder / "weights.pt").network for folder in (out, run))
    assert all(torch.equal(values, alone[name]) for name, values in watched.items())


def test_as_a_program(tmp_path):
    """The module form, from another folder."""
    done = subprocess.run(
        [sys.executable, "-m", "unet_paper", "weights", "none.tif", "out.tif"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr
        == "python -m unet_paper weights: none.tif is not a file; give the path of a TIFF stack or an image\n"
    )


def test_numbering_and_scoring_cells_need_no_pytorch(tmp_path):
    """Which takes a second to load."""
    cell = np.pad(np.ones((1, 20, 20), np.float32), ((0, 0), (5, 5), (5, 5)))
    write_stack(tmp_path / "probability.tif", cell)
    write_stack(tmp_path / "labels.tif", cell.astype(np.uint8))
    code = (
        "import sys; from unet_paper.cli.commands import main; "
        "assert main(['segment', 'probability.tif', 'cells.tif']) == 0; "
        "assert main(['score', 'labels.tif', 'probability.tif', '--metrics', 'seg']) == 0; "
        "assert 'torch' not in sys.modules"
    )
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=here)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told_as_from_python(tmp_path, capsys):
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--device", "cuda"]) == 2
    assert "device is 'cuda', but PyTorch finds no GPUs here; give cpu" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_devices_and_pipes_are_not_replaced_by_files(tmp_path, capsys):
    pipe, labels = tmp_path / "pipe.tif", tmp_path / "labels.tif"
    os.mkfifo(pipe)
    write_stack(labels, np.eye(10, dtype=np.uint8)[None])
    assert main(["weights", str(labels), str(pipe), "--force"]) == 2
    assert "pipe.tif is a device or a pipe" in capsys.readouterr().err
    assert pipe.is_fifo()


@pytest.mark.long
def test_what_the_outputs_encoding_lacks_is_escaped(tmp_path):
    """As of a pipe on Windows: the work that comes after a sentence is done."""
    write_stack(tmp_path / "labels.tif", np.eye(9, dtype=np.uint8)[None])
    words = ["weights", str(tmp_path / "labels.tif"), str(tmp_path / "→.tif"), "--png", str(tmp_path / "maps")]
    done = subprocess.run(
        [sys.executable, "-m", "unet_paper", *words],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0 and rb"\u2192" in done.stdout and len(list((tmp_path / "maps").iterdir())) == 1


def test_a_finished_run_that_lost_what_is_predicted_gets_it_back(small_phantom, tmp_path, capsys):
    command = ["train", "--data", str(small_phantom), "--out", str(tmp_path / "run"), *TINY_RUN, "--resume"]
    assert main(command) == 0
    kept = [tmp_path / "run" / name for name in ("evaluation-volume.tif", "evaluation-labels.tif", "weights.pt")]
    before = [read_stack(path).pixels for path in kept[:2]], checkpoint.load(kept[2]).network
    kept[0].unlink()
    assert main(command) == 0 and "already trained" not in capsys.readouterr().out
    after = [read_stack(path).pixels for path in kept[:2]], checkpoint.load(kept[2]).network
    assert all(map(np.array_equal, before[0], after[0]))
    assert all(torch.equal(values, after[1][name]) for name, values in before[1].items())
    assert main(command) == 0 and "already trained" in capsys.readouterr().out
