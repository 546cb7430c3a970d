"""`predict_file`: the same map as in memory, in bounded memory, and nothing lost when it is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.io.resumable_tiff import ResumableTiff
from unet_paper.io.sections import Block
from unet_paper.io.stack import read_probabilities, read_stack, write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import Predictor, predict_stack
from unet_paper.runs.file_prediction import is_made, predict_file
from unet_paper.runs.predicting import PredictionRequest, make_predictor
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock

STANDARDISATION = Standardisation(0.5, 0.2, "uint8")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained network's weights.pt."""
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(1)
    network = checkpoints.new_network(PROFILES["smoke"]).state_dict()
    checkpoints.save(path, Checkpoint(1, PROFILES["smoke"], STANDARDISATION, network, None, [], {}, 0.0))
    return path


@pytest.fixture
def image(tmp_path, random):
    write_stack(tmp_path / "image.tif", random.integers(0, 256, (2, 150, 203), dtype=np.uint8))
    return tmp_path / "image.tif"


def predictor(weights, tta="none"):
    return Predictor(checkpoints.load(weights).build_network(), STANDARDISATION, tta)


def test_two_processes_do_not_write_one_file(weights, image, tmp_path):
    out = tmp_path / "out.tif"
    with exclusive_lock(tmp_path / "out.tif.lock", out), pytest.raises(BadInput, match="out.tif is being written by"):
        predict_file(predictor(weights), image, out, {})
    assert not out.exists()


def test_maps_lie_on_the_image_unless_those_of_registered_labels_are_asked_for(weights, image, tmp_path, capsys):
    trained = checkpoints.load(weights)
    beside = replace(trained, config=replace(trained.config, registration_x=0.15, registration_y=0.6))
    checkpoints.save(tmp_path / "beside.pt", beside)
    out, volume = tmp_path / "out.tif", read_stack(image).pixels
    words = ["predict", "--weights", str(tmp_path / "beside.pt"), str(image), str(out), "--tta", "none"]
    request = PredictionRequest(tmp_path / "beside.pt", image, out, "none")
    ways = [make_predictor(replace(request, registered=asked)) for asked in (False, True)]
    for options, registration in (([], (0.0, 0.0)), (["--registered"], (0.15, 0.6))):
        assert main([*words, *options, "--force"]) == 0
        how = {"bfloat16": trained.config.bfloat16, "registration": registration}
        expected = predict_stack(trained.build_network(), STANDARDISATION, volume, "none", **how)
        assert np.array_equal(read_stack(out).pixels, expected)
        told = [is_made(*way, image, out, None) for way in ways]
        assert told == [not options, bool(options)]
    assert "--registered changes nothing" not in capsys.readouterr().out
    words[2] = str(weights)
    assert main([*words, "--registered", "--force"]) == 0 and "--registered changes nothing" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("tta", ["none", "d4", "rot7"])
def test_equals_the_prediction_in_memory(weights, image, tmp_path, tta, caplog):
    caplog.set_level("INFO", "unet_paper")
    out = tmp_path / "folder" / "out.tif"
    shape = predict_file(predictor(weights, tta), image, out, {}, largest_tile=284)
    found = read_stack(out).pixels
    assert found.shape == shape == (2, 150, 203) and found.dtype == np.float32
    network = checkpoints.load(weights).build_network()
    expected = predict_stack(network, STANDARDISATION, read_stack(image).pixels, tta, 284)
    assert np.array_equal(found, expected)
    said = caplog.messages[0]
    assert said.startswith("tiles: ") and "times the least possible work" in said
    assert [path.name for path in out.parent.iterdir()] == ["out.tif"]


def test_an_image_that_cannot_be_mapped(weights, image, tmp_path):
    stack = read_stack(image).pixels
    tifffile.imwrite(tmp_path / "packed.tif", stack, photometric="minisblack", compression="zlib", tile=(64, 64))
    for source in (image, tmp_path / "packed.tif"):
        predict_file(predictor(weights), source, tmp_path / f"of-{source.name}", {})
    assert np.array_equal(read_stack(tmp_path / "of-image.tif").pixels, read_stack(tmp_path / "of-packed.tif").pixels)


class Killed(Exception):
    pass


def test_resuming_computes_nothing_twice(weights, image, tmp_path):
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    predict_file(predictor(weights), image, whole, {}, largest_tile=252)
    computed = []

    class Interrupted(Predictor):
        def predict_block(self, section, block):
            if len(computed) in (3, 4, 9):
                computed.append(None)
                raise Killed
            computed.append(block)
            return super().predict_block(section, block)

    attempts = 0
    while not out.is_file():
        attempts += 1
        network = checkpoints.load(weights).build_network()
        try:
            # Another tile size on the way changes nothing: what was begun is finished.
            size = 252 if attempts == 1 else 300
            interrupted = Interrupted(network, STANDARDISATION, "none")
            predict_file(interrupted, image, out, {}, largest_tile=size)
        except Killed:
            assert not out.exists() and (tmp_path / "out.tif.partial").is_file()
    blocks = [block for block in computed if block is not None]
    assert attempts == 4 and len(blocks) == 2 * len(set(blocks))  # two sections
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda partial, journal: journal.write_bytes(journal.read_bytes() + b"1"),
        lambda partial, journal: journal.write_bytes(journal.read_bytes() + b"foo bar\n"),
        lambda partial, journal: journal.write_bytes(journal.read_bytes() + b"\0" * 50),
        lambda partial, journal: journal.write_bytes(journal.read_bytes() + b"7 7\n"),
        lambda partial, journal: journal.write_bytes(b"junk\n"),
        lambda partial, journal: os.truncate(partial, 9000),
        lambda partial, journal: partial.write_bytes(b"junk"),
    ],
)
def test_a_damaged_partial_result_is_resumed_or_begun_anew(weights, image, tmp_path, damage):
    """Interrupted, damaged, resumed and interrupted again, finished: the map is whole."""
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    predict_file(predictor(weights), image, whole, {}, largest_tile=252)

    class Interrupted(Predictor):
        left = 2

        def predict_block(self, section, block):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return super().predict_block(section, block)

    for again in (False, True):
        network = checkpoints.load(weights).build_network()
        with pytest.raises(Killed):
            interrupted = Interrupted(network, STANDARDISATION, "none")
            predict_file(interrupted, image, out, {}, largest_tile=252)
        if not again:
            damage(tmp_path / "out.tif.partial", tmp_path / "out.tif.progress")
    predict_file(predictor(weights), image, out, {}, largest_tile=252)
    assert out.read_bytes() == whole.read_bytes()


def test_the_image_itself_is_never_written_over(weights, image, tmp_path, capsys):
    before = image.read_bytes()
    assert main(["predict", "--weights", str(weights), str(image), str(image)]) == 2
    assert main(["weights", str(image), str(image)]) == 2
    assert "would be lost" in capsys.readouterr().err and image.read_bytes() == before


@pytest.mark.parametrize("ending", [".partial", ".progress", ".lock"])
def test_no_file_is_taken_for_what_lies_beside_a_result_in_the_making(weights, image, tmp_path, ending):
    (tmp_path / f"out.tif{ending}").write_text("notes")
    with pytest.raises(BadInput, match=f"out.tif{ending} is no .*would be lost"):
        predict_file(predictor(weights), image, tmp_path / "out.tif", {})
    shutil.copy(image, tmp_path / f"other.tif{ending}")
    with pytest.raises(BadInput, match=f"other.tif{ending} is the image itself, which would be lost"):
        predict_file(predictor(weights), tmp_path / f"other.tif{ending}", tmp_path / "other.tif", {})
    assert (tmp_path / f"out.tif{ending}").read_text() == "notes"
    assert (tmp_path / f"other.tif{ending}").read_bytes() == image.read_bytes()


def test_a_journal_alone_is_begun_anew(weights, image, tmp_path):
    """As of a prediction that was killed before the map itself was there."""
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    predict_file(predictor(weights), image, whole, {})
    ResumableTiff(out, (2, 150, 203), {"weights": "any"}, (Block(0, 150, 0, 203),)).close()
    (tmp_path / "out.tif.partial").unlink()
    predict_file(predictor(weights), image, out, {})
    assert out.read_bytes() == whole.read_bytes() and not (tmp_path / "out.tif.progress").exists()


def test_a_map_that_is_made_stays_unless_it_is_forced(weights, image, tmp_path, capsys):
    """And another one is refused."""
    out = tmp_path / "out.tif"
    command = ["predict", "--weights", str(weights), str(image), str(out), "--tta", "none"]
    assert main(command) == 0
    made = out.stat().st_mtime_ns
    assert main(command) == 0 and "out.tif is already predicted" in capsys.readouterr().out
    assert main([*command[:-1], "d4"]) == 2 and "out.tif is there already" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == made
    assert main([*command, "--force"]) == 0 and out.stat().st_mtime_ns > made


def test_another_predictions_partial_result_is_refused(weights, image, tmp_path):
    blocks = (Block(0, 150, 0, 203),)
    ResumableTiff(tmp_path / "out.tif", (2, 150, 203), {"weights": "of another run"}, blocks)
    before = (tmp_path / "out.tif.progress").read_bytes()
    with pytest.raises(BadInput, match="another prediction .*weights"):
        predict_file(predictor(weights), image, tmp_path / "out.tif", {"weights": "mine"})
    assert (tmp_path / "out.tif.progress").read_bytes() == before


@pytest.mark.long
def test_killed_at_any_moment(weights, tmp_path, random):
    """SIGKILL in the middle of the work, several times; the end is as if nothing had happened."""
    image, out, whole = (tmp_path / name for name in ("image.tif", "out.tif", "whole.tif"))
    write_stack(image, random.integers(0, 256, (1, 440, 440), dtype=np.uint8))
    options = ["--tta", "none", "--tile", "252"]
    assert main(["predict", "--weights", str(weights), str(image), str(whole), *options]) == 0
    command = [sys.executable, "-m", "unet_paper", "predict", "--weights", str(weights), str(image), str(out), *options]
    progress, kills, done_before = tmp_path / "out.tif.progress", 0, 0

    def tiles_done():
        try:
            return progress.read_text().count("\n") - 1
        except FileNotFoundError:
            return done_before

    while not out.is_file():
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = done_before + int(random.integers(1, 15))
        while process.poll() is None:
            if kills < 3 and tiles_done() >= wanted:
                time.sleep(random.uniform(0, 0.02))
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                break
            time.sleep(0.002)
        assert process.returncode in (0, -signal.SIGKILL) and tiles_done() >= done_before
        done_before = tiles_done()
    assert kills >= 2 and out.read_bytes() == whole.read_bytes()
    assert not progress.exists() and not (tmp_path / "out.tif.partial").exists()


def test_too_small_a_disk_is_said_before_the_work(weights, image, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(BadInput, match="243,600 bytes but its disk has 1,000 left"):
        predict_file(predictor(weights), image, tmp_path / "out.tif", {})
    assert not list(tmp_path.glob("out*"))


def test_gray_values_unlike_the_training_stacks_are_said(weights, tmp_path, caplog):
    dark = np.zeros((1, 60, 60), np.uint8)
    dark[0, 0, 0] = 1
    write_stack(tmp_path / "dark.tif", dark)
    predict_file(predictor(weights), tmp_path / "dark.tif", tmp_path / "out.tif", {})
    assert "mean off by -2.5" in caplog.messages[-1] and "all black" in caplog.messages[-1]


def test_a_result_must_be_a_tiff(weights, image, tmp_path, capsys):
    assert main(["predict", "--weights", str(weights), str(image), str(tmp_path / "out.png")]) == 2
    assert "ends in .tif" in capsys.readouterr().err


def test_too_little_memory_is_said(weights, image, tmp_path, capsys):
    arguments = ["predict", "--weights", str(weights), str(image), str(tmp_path / "out.tif"), "--memory", "0.001"]
    assert main(arguments) == 2
    assert "allow more memory" in capsys.readouterr().err


def test_classes_of_one_section_are_no_sections(tmp_path, random):
    """ImageJ's description of (3, H, W) classes is that of three sections; what the map was made with tells more."""
    config = replace(PROFILES["smoke"], classes=3)
    network = checkpoints.new_network(config)
    for count in (1, 2):
        write_stack(tmp_path / "image.tif", random.integers(0, 256, (count, 60, 70), dtype=np.uint8))
        out = tmp_path / f"classes-of-{count}.tif"
        shape = predict_file(Predictor(network, STANDARDISATION, "none"), tmp_path / "image.tif", out, {})
        assert shape == (count, 3, 60, 70)
        with pytest.raises(BadInput, match=f"of-{count}.tif holds probabilities of 3 classes"):
            read_probabilities(out)
        with tifffile.TiffFile(out) as file:
            assert file.imagej_metadata["Info"].startswith("probabilities of 3 classes\n")


@pytest.mark.parametrize("classes", [2, 3])
def test_a_map_that_is_made_is_known_until_the_image_has_another_shape(tmp_path, random, classes):
    image, out, pixels = tmp_path / "image.tif", tmp_path / "out.tif", random.integers(0, 256, (2, 40, 60), np.uint8)
    write_stack(image, pixels)
    network = checkpoints.new_network(replace(PROFILES["smoke"], classes=classes))
    of_classes, made_with = Predictor(network, STANDARDISATION, "none"), {"weights_sha256": "a1"}
    assert not is_made(of_classes, made_with, image, out, None)
    predict_file(of_classes, image, out, made_with)
    assert is_made(of_classes, made_with, image, out, None)
    assert not is_made(of_classes, {"weights_sha256": "b2"}, image, out, None)
    write_stack(image, pixels.reshape(4, 20, 60))  # of the same hash
    assert not is_made(of_classes, made_with, image, out, None)
