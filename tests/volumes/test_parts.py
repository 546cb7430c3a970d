"""A result that several processes make, each a part of it."""

import os
import re
import socket
from contextlib import contextmanager

import numpy as np
import pytest

from unet_paper.io.image_files import open_stack
from unet_paper.support.parts import Part
from unet_paper.volumes import prediction
from unet_paper.volumes.job import WorkFolder
from unet_paper.volumes.prediction import Distribution, predict_volume
from unet_paper.volumes.result import Result
from unet_paper.volumes.work import Worker

pytest.importorskip("zarr")

BLOCKS = 8  # of the fixture's image with tiles of 252 px


def test_parts_make_one_result(request_of, expected, tmp_path, caplog):
    caplog.set_level("INFO", "unet_paper")
    request = request_of()
    for number in (3, 1):
        predict_volume(request, Distribution(part=Part(number, 3)))
        assert "the last part to end completes" in caplog.messages[-1] and not request.out.exists()
    predict_volume(request, Distribution(part=Part(2, 3)))
    assert np.array_equal(open_stack(request.out).pixels, expected)
    predict_volume(request, Distribution(part=Part(2, 3)))
    assert "already predicted" in caplog.messages[-1]
    logs = sorted(path for path in tmp_path.iterdir() if path != request.out)
    assert [path.name for path in logs] == [f"out.zarr.part-{number}-of-3.log" for number in (1, 2, 3)]
    lines = [line.split(" ", 1)[1] for path in logs for line in path.read_text().splitlines()]
    assert [line.split(" (")[0] for line in lines] == [f"block {number}" for number in range(BLOCKS)]
    where = rf"\): done in \d+\.\d s on {re.escape(socket.gethostname())}, process {os.getpid()}$"
    assert all(re.search(where, line) for line in lines), lines


def test_a_block_that_is_handed_out_again_is_not_made_again(request_of, monkeypatch):
    request = request_of()
    predict_volume(request, Distribution(part=Part(1, 4)))
    worker, written = Worker(request), []
    monkeypatch.setattr(Result, "write", lambda self, number, planes: written.append(number))
    for number in range(3):
        worker.do(number)
    assert written == [2]


def test_a_part_that_starts_late_leaves_the_result(request_of, caplog):
    caplog.set_level("INFO", "unet_paper")
    request = request_of()
    for _ in range(2):
        predict_volume(request, Distribution(part=Part(1, 1)), force=True)
    assert caplog.messages[-1] == f"{request.out} is already predicted; nothing to do"


def test_two_parts_may_end_at_once(request_of, expected, monkeypatch):
    request, original = request_of(), prediction.exclusive_lock
    predict_volume(request, Distribution(part=Part(1, 2)))

    @contextmanager
    def late(path, name):
        if path.name.endswith(".finish.lock"):
            monkeypatch.undo()
            folder = WorkFolder(request.out)
            prediction._finish(folder, folder.job().layout, Part(1, 2))  # the other part ends first
        with original(path, name):
            yield

    monkeypatch.setattr(prediction, "exclusive_lock", late)
    predict_volume(request, Distribution(part=Part(2, 2)))
    assert np.array_equal(open_stack(request.out).pixels, expected)


def test_a_process_that_ends_after_another_has_completed_the_result_says_so(request_of, caplog):
    caplog.set_level("INFO", "unet_paper")
    request = request_of()
    predict_volume(request, Distribution(part=Part(1, 2)))
    folder = WorkFolder(request.out)
    layout = folder.job().layout
    predict_volume(request, Distribution(part=Part(2, 2)))
    prediction._finish(folder, layout, None)
    assert caplog.messages[-1] == f"{request.out} is complete: another process has ended it"
