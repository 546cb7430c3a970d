"""What is done stays done: stops, damaged chunks, a full disk, other weights and images."""

import errno
import gc
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.io.image_files import open_stack
from unet_paper.io.stack import write_stack
from unet_paper.network import UNet
from unet_paper.runs.predicting import PredictionRequest
from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part
from unet_paper.volumes.job import WorkFolder
from unet_paper.volumes.prediction import Distribution, predict_volume
from unet_paper.volumes.result import Result
from unet_paper.volumes.work import Worker

pytest.importorskip("zarr")

BLOCKS = 8  # of the fixture's image with tiles of 252 px


class Killed(BaseException):
    pass


def test_resuming_computes_nothing_twice(request_of, expected, monkeypatch):
    request, predicted, original = request_of(), [], Result.write

    def write(self, number, planes):
        if len(predicted) in (2, 3):
            predicted.append(None)
            raise Killed
        predicted.append(number)
        original(self, number, planes)

    monkeypatch.setattr(Result, "write", write)
    attempts = 0
    while not request.out.exists():
        attempts += 1
        try:
            predict_volume(request)
        except Killed:
            assert len(WorkFolder(request.out).done()) == 2
    assert attempts == 3 and sorted(number for number in predicted if number is not None) == list(range(BLOCKS))
    assert np.array_equal(open_stack(request.out).pixels, expected)


def test_a_kill_after_the_result_has_its_name_leaves_nothing_for_ever(request_of, expected, monkeypatch):
    request, original = request_of(), os.rename

    def rename(source, target):
        original(source, target)
        if Path(target) == request.out:
            raise Killed

    folder = WorkFolder(request.out)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "rename", rename)
        predict_volume(request)
    (folder.path / "earlier").mkdir()  # what it would have replaced
    predict_volume(request)
    assert not folder.path.exists() and np.array_equal(open_stack(request.out).pixels, expected)


def test_weights_that_were_trained_anew_are_read_anew(request_of, weights, pixels, tmp_path):
    """A worker of a cluster lives on; the paths are those of the request before."""
    write_stack(tmp_path / "image.tif", pixels[:1, :16, :16])
    request = replace(request_of(image=tmp_path / "image.tif"), weights=tmp_path / "weights.pt")
    shutil.copy(weights, request.weights)
    predict_volume(request)
    before = np.asarray(open_stack(request.out).pixels)
    trained = checkpoints.load(weights)
    trained.network["classifier.bias"] += torch.tensor([0.0, 1.0])
    checkpoints.save(request.weights, trained)
    predict_volume(request, force=True)
    after = np.asarray(open_stack(request.out).pixels)
    assert np.allclose(after, 1 / (1 + (1 / before - 1) / np.e), atol=1e-5)


def test_network_and_image_do_not_stay_in_memory(request_of, pixels, tmp_path):
    def alive():
        return sum(type(each) in (UNet, Worker) for each in gc.get_objects())

    write_stack(tmp_path / "image.tif", pixels[:1, :16, :16])
    gc.collect()
    before = alive()
    predict_volume(request_of(image=tmp_path / "image.tif"))
    gc.collect()
    assert alive() == before


def test_a_folder_that_cannot_be_made_leaves_nothing(request_of, monkeypatch):
    """Else it would stay, and be in the way of `train --resume` where it lies in a run's folder."""

    def create(path, layout, made_with):
        path.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("unet_paper.volumes.job.create_result", create)
    request = request_of()
    with pytest.raises(BadInput, match="out.zarr.partial cannot be written: No space left on device"):
        predict_volume(request)
    assert not any(path.is_dir() for path in request.out.parent.iterdir())


def test_a_result_begun_with_something_else_is_refused(request_of, image, weights, tmp_path):
    predict_volume(request_of(), Distribution(part=Part(1, 4)))
    other = PredictionRequest(weights, image, tmp_path / "out.zarr", "d4", largest_tile=284)
    with pytest.raises(BadInput, match=r"partial result of another prediction \(tta differ\)"):
        predict_volume(other)
    with pytest.raises(BadInput, match=r"out.zarr.partial was begun as OME-Zarr 0.5, not 0.4; "):
        predict_volume(request_of(), version="0.4")
    (tmp_path / "out.zarr.partial" / "plan.json").write_text("{")
    with pytest.raises(BadInput, match="plan.json is damaged"):
        predict_volume(request_of())


def test_a_copy_of_the_image_is_told_from_it(request_of, image, tmp_path, caplog):
    """Unless it keeps the times. What is done is kept, as a damaged file may have been put right."""
    copied = tmp_path / "copy.zarr"
    predict_volume(request_of(), Distribution(part=Part(1, 4)))
    shutil.copytree(image, copied, copy_function=shutil.copy)
    said = "the image's files have other names, sizes or times now"
    predict_volume(request_of(image=copied), Distribution(part=Part(2, 4)))
    assert said in caplog.text and "is kept: delete it if the image is another one" in caplog.text
    caplog.clear()
    shutil.rmtree(copied)
    shutil.copytree(image, copied)
    predict_volume(request_of(image=copied))
    assert said not in caplog.text


def test_the_blocks_are_those_that_it_was_begun_with(request_of, image, weights, expected, tmp_path):
    predict_volume(request_of(), Distribution(part=Part(1, 4)))
    predict_volume(PredictionRequest(weights, image, tmp_path / "out.zarr", "none", largest_tile=400))
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, expected)


def test_a_block_that_fails_is_named_and_the_rest_is_done(request_of, make_zarr, pixels, expected, tmp_path):
    image = make_zarr(tmp_path / "image.zarr", pixels)
    chunk = image / "full" / "c" / "1" / "1" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(b"junk" * 20)
    message = (
        r"4 of 8 blocks failed \(4, 5, 6, 7\).* block 4 \(sections 2 to 2, rows 0 to 47.* is damaged in sections 2"
    )
    with pytest.raises(BadInput, match=message):
        predict_volume(request_of(image=image))
    assert WorkFolder(tmp_path / "out.zarr").done() == {0, 1, 2, 3}
    failed = re.findall(r"block (\d) \(sections 2 .*: failed \(.* is damaged", (tmp_path / "out.zarr.log").read_text())
    assert failed == ["4", "5", "6", "7"]
    chunk.write_bytes(content)
    predict_volume(request_of(image=image))
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, expected)


def test_values_that_are_no_numbers_fail_in_their_block(weights_of, make_zarr, pixels, tmp_path):
    """At once where a sample of the volume holds one."""
    values = pixels.astype(np.float32) / 255
    values[1, 65, 30] = np.nan
    image = make_zarr(tmp_path / "image.zarr", values)
    request = PredictionRequest(weights_of("float32"), image, tmp_path / "out.zarr", "none", largest_tile=252)
    with pytest.raises(BadInput, match=r"4 of 8 blocks failed \(0, 1, 2, 3\).* values that are not finite"):
        predict_volume(request)
    assert not request.out.exists() and WorkFolder(request.out).done() == {4, 5, 6, 7}
    values[1, 20, 30] = np.nan
    other = make_zarr(tmp_path / "other.zarr", values)
    with pytest.raises(BadInput, match="other.zarr holds values that are not finite in section 1"):
        predict_volume(replace(request, image=other))


def test_blocks_without_a_mark_are_no_result(request_of, monkeypatch):
    """As where a worker of another machine writes into a folder of its own."""
    monkeypatch.setattr(WorkFolder, "mark", lambda folder, number: None)
    with pytest.raises(BadInput, match="8 blocks are reported as done and have no mark .* must share"):
        predict_volume(request_of())
    assert not request_of().out.exists()


def test_a_log_that_cannot_be_written_ends_nothing(request_of, expected, tmp_path, caplog):
    (tmp_path / "out.zarr.log").mkdir()
    predict_volume(request_of())
    assert "out.zarr.log cannot be written" in caplog.text
    assert np.array_equal(open_stack(tmp_path / "out.zarr").pixels, expected)


def test_a_full_disk_ends_it_at_once(request_of, expected, monkeypatch):
    written, original = [], Result.write

    def write(self, number, planes):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(number)
        original(self, number, planes)

    monkeypatch.setattr(Result, "write", write)
    with pytest.raises(BadInput, match="No space left on device; make room, and the same command resumes"):
        predict_volume(request_of())
    monkeypatch.undo()
    assert written == [0, 1]
    predict_volume(request_of())
    assert np.array_equal(open_stack(request_of().out).pixels, expected)


def test_machines_that_compute_otherwise_are_refused(request_of, monkeypatch):
    request = request_of()
    predict_volume(request, Distribution(part=Part(1, 4)))
    monkeypatch.setattr("unet_paper.volumes.work.make_predictor", lambda request: (None, {"precision": "another"}))
    with pytest.raises(BadInput, match="precision is another, and .* begun with b?float"):
        Worker(request)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_ends_it_at_the_first_block(request_of, monkeypatch, number):
    written = []

    def write(self, block, planes):
        written.append(block)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Result, "write", write)
    with pytest.raises(BadInput, match=f"{os.strerror(number)}; make room, and the same command resumes"):
        predict_volume(request_of())
    assert written == [0]
