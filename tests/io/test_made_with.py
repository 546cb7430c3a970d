"""What a result was made with travels in its file."""

import numpy as np
import pytest
import tifffile

from unet_paper.io import resumable_tiff
from unet_paper.io.image_files import open_stack
from unet_paper.io.resumable_tiff import Job, Rectangle, ResumableTiff
from unet_paper.io.stack import read_probabilities, write_stack

MADE_WITH = {"weights": "0" * 64, "tta": "rot7", "channel": None}


@pytest.mark.parametrize("largest", [resumable_tiff.LARGEST_CLASSIC_TIFF, 100])
def test_it_is_read_back(tmp_path, monkeypatch, largest):
    """Of an ImageJ file, and of a BigTIFF."""
    monkeypatch.setattr(resumable_tiff, "LARGEST_CLASSIC_TIFF", largest)
    out = tmp_path / "probability.tif"
    result = ResumableTiff(out, (1, 8, 9), MADE_WITH, [Rectangle(0, 8, 0, 9)])
    result.write(Job(0, 0), np.full((1, 8, 9), 0.5, np.float32))
    result.finish()
    with tifffile.TiffFile(out) as file:
        assert file.is_bigtiff == (largest == 100)
    found = read_probabilities(out)
    assert found.made_with["tta"] == "rot7" and found.made_with["weights"] == "0" * 64
    assert "channel" not in found.made_with and (found.pixels == 0.5).all()


def test_other_files_tell_nothing(tmp_path):
    write_stack(tmp_path / "mine.tif", np.zeros((1, 4, 4), np.float32), "tta: d4")
    assert open_stack(tmp_path / "mine.tif").made_with == {}
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 4), np.float32))
    assert open_stack(tmp_path / "plain.tif").made_with == {}
