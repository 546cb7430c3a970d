"""What the page of a run is told of its pictures."""

import json
import os

import numpy as np
import pytest

from unet_paper.config import PROFILES
from unet_paper.datasets.cell_tracking import HELA
from unet_paper.datasets.folds import Protocol
from unet_paper.report.figures import read_captions
from unet_paper.report.shown_sections import padded
from unet_paper.report.viewer.layers import SectionPictures
from unet_paper.report.viewer.run_page import address_of, described_pictures, section_names
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput

WHOLE = {"sections": 1, "size": [4, 4], "layers": [], "thresholds": [0.5], "largest_weight": None, "spots": [[[]]]}
WRONG: tuple[dict, ...] = (
    {"thresholds": 5},
    {"layers": "a"},
    {"size": [1]},
    {"spots": []},
    {"sections": "x"},
    {"new": 1},
)


@pytest.mark.parametrize(
    "content", ["5", "null", "[]", '{"sections": 3}', *(json.dumps(WHOLE | wrong) for wrong in WRONG)]
)
def test_a_damaged_description_of_the_pictures_is_one_sentence(tmp_path, content):
    run = RunFolder(tmp_path)
    assert described_pictures(run) is None
    run.pictures.mkdir()
    (run.pictures / "page.json").write_text(json.dumps(WHOLE))
    assert described_pictures(run) == SectionPictures(**WHOLE)
    (run.pictures / "page.json").write_text(content)
    with pytest.raises(BadInput, match=r"page.json is not as `report` writes it; delete .* and try again"):
        described_pictures(run)


@pytest.mark.parametrize("content", ["5", "null", "[]", '{"figure": 5}'])
def test_damaged_captions_are_one_sentence(tmp_path, content):
    run = RunFolder(tmp_path)
    assert read_captions(run) == []
    run.figures.mkdir()
    (run.figures / "captions.json").write_text(content)
    with pytest.raises(BadInput, match="captions.json is not as `report --figures` writes it; delete "):
        read_captions(run)


def test_frames_of_either_direction_have_names_of_their_own(make_record):
    """As a page has both, and says which section is another than on the left."""
    both = [Protocol.of_sequences("01", (0,), "02", (0, 3)), Protocol.of_sequences("02", (0,), "01", (0, 3))]
    first, second = (section_names(make_record(PROFILES["smoke"], HELA, protocol), 2) for protocol in both)
    assert first == ["sequence 02, frame 000", "sequence 02, frame 003"] and set(first).isdisjoint(second)


def test_a_page_finds_its_runs_wherever_they_are(tmp_path, monkeypatch):
    """Between two drives of Windows there is no relative path."""
    run = tmp_path / "a run"
    assert [address_of(run, folder) for folder in (run, tmp_path, tmp_path / "page")] == ["", "a%20run/", "../a%20run/"]

    def on_another_drive(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", on_another_drive)
    assert address_of(run, tmp_path) == f"{run.as_uri()}/" and run.as_uri().endswith("/a%20run")


def test_the_rim_of_smaller_sections_holds_what_is_asked_for():
    sections = [np.full((2, 3), 0.4), np.full((1, 2), 0.3)]
    assert padded(sections)[1].tolist() == [[0.3, 0.3, 0.3]] * 2
    assert padded(sections, rim=0)[1].tolist() == [[0.3, 0.3, 0], [0, 0, 0]]
