"""What the page of a run is told of its pictures."""

import json

import pytest

from unet_paper.report.figures import read_captions
from unet_paper.report.viewer.layers import SectionPictures
from unet_paper.report.viewer.run_page import described_pictures
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
