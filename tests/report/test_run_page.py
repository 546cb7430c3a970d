"""What the page of a run is told of its pictures."""

import pytest

from unet_paper.report.viewer.run_page import described_pictures
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput


@pytest.mark.parametrize("content", ["5", "null", "[]", '{"sections": 3}', '{"other": 1}'])
def test_a_damaged_description_of_the_pictures_is_one_sentence(tmp_path, content):
    run = RunFolder(tmp_path)
    assert described_pictures(run) is None
    run.pictures.mkdir()
    (run.pictures / "page.json").write_text(content)
    with pytest.raises(BadInput, match=r"page.json is not as `report` writes it; delete .* and try again"):
        described_pictures(run)
