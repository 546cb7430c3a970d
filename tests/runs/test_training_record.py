"""What the record of a training tells of it."""

from dataclasses import replace

import pytest
import torch

from unet_paper.config import PROFILES
from unet_paper.runs.record import read_record
from unet_paper.runs.training_run import TrainingRequest, train_run

TINY = replace(PROFILES["smoke"], base_channels=1, tile_size=188, steps=2)


@pytest.mark.parametrize("choice", ["off", "on"])
@pytest.mark.parametrize("works", [False, True])
def test_a_network_is_said_to_be_compiled_where_that_was_done(small_phantom, tmp_path, monkeypatch, choice, works):
    """And not where compiling failed and the training ran without it."""

    def compiler(network):
        if not works:
            raise RuntimeError("no compiler")
        return lambda tile: network(tile)

    monkeypatch.setattr(torch, "compile", compiler)
    request = TrainingRequest(small_phantom, tmp_path / "run", TINY, torch_compile=choice)
    sessions = train_run(request).sessions
    assert [session.compiled for session in sessions] == [choice == "on" and works]
    assert read_record(tmp_path / "run/run.json").sessions == sessions
