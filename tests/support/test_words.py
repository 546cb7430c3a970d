"""Counts in messages, as they are written and as commands print them."""

import numpy as np
import pytest

from unet_paper.cli.commands import main
from unet_paper.config import Config
from unet_paper.datasets.folds import Protocol
from unet_paper.datasets.labels import interpret_labels
from unet_paper.io.stack import write_stack
from unet_paper.report.table_1 import what_was_scored
from unet_paper.support.words import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (12345, "12,345 cells")])
def test_one_is_no_plural(count, text):
    assert counted(count, "cell") == text


def test_commands_count_one_of_what_they_made(tmp_path, capsys):
    cell = np.pad(np.ones((1, 20, 20), np.float32), ((0, 0), (5, 5), (5, 5)))
    labels, probability = str(tmp_path / "labels.tif"), str(tmp_path / "probability.tif")
    write_stack(labels, cell.astype(np.uint8))
    write_stack(probability, cell)
    assert main(["weights", labels, str(tmp_path / "weights.tif")]) == 0
    assert "wrote 1 weight map, " in capsys.readouterr().out
    assert main(["segment", probability, str(tmp_path / "cells.tif")]) == 0
    assert "numbered 1 cell (probability above 0.5, 4-connected); it has 400 px\n" in capsys.readouterr().out
    assert main(["score", labels, probability, "--metrics", "seg"]) == 0
    printed = capsys.readouterr().out
    assert "(1 cell)" in printed and "1 cell found, 0 missed, 0 split; 0 segments merged, 0 of no cell" in printed


def test_one_cell_that_is_lost(caplog):
    """Of two cells of a pixel each, which touch."""
    interpret_labels(np.array([[[1, 2, 0]]], np.uint8), "instances", "labels.tif")
    assert "note: 1 cell of labels.tif is too thin to be separated from its neighbours, and is lost" in caplog.messages


def test_one_section_was_trained_on(make_record):
    record = make_record(Config(), "own", Protocol.unscored(1))
    assert "Trained on 1 section; the run itself scored nothing." in what_was_scored(record)
