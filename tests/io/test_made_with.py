"""What a result was made with travels in its file."""

import numpy as np
import pytest
import tifffile

from unet_paper.io import resumable_tiff
from unet_paper.io.image_files import open_stack
from unet_paper.io.made_with import EIGHT_BITS
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.resumable_tiff import Job, ResumableTiff
from unet_paper.io.sections import Block
from unet_paper.io.stack import read_probabilities, write_eight_bits, write_stack
from unet_paper.support.errors import BadInput

MADE_WITH = {"weights": "0" * 64, "tta": "rot7", "channel": None}


@pytest.mark.parametrize("largest", [resumable_tiff.LARGEST_CLASSIC_TIFF, 100])
def test_it_is_read_back(tmp_path, monkeypatch, largest):
    """Of an ImageJ file, and of a BigTIFF; and so is the size of a pixel."""
    monkeypatch.setattr(resumable_tiff, "LARGEST_CLASSIC_TIFF", largest)
    out = tmp_path / "probability.tif"
    result = ResumableTiff(out, (1, 8, 9), MADE_WITH, [Block(0, 8, 0, 9)], PixelSize(4.0, 5.0))
    result.write(Job(0, 0), np.full((1, 8, 9), 0.5, np.float32))
    result.finish()
    with tifffile.TiffFile(out) as file:
        assert file.is_bigtiff == (largest == 100)
    found = read_probabilities(out)
    assert found.made_with["tta"] == "rot7" and found.made_with["weights"] == "0" * 64
    assert "channel" not in found.made_with and (found.pixels == 0.5).all()
    assert found.pixel_size == pytest.approx((4, 5, 0))


def test_other_files_tell_nothing(tmp_path):
    write_stack(tmp_path / "mine.tif", np.zeros((1, 4, 4), np.float32), "tta: d4")
    assert open_stack(tmp_path / "mine.tif").made_with == {}
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 4), np.float32))
    assert open_stack(tmp_path / "plain.tif").made_with == {}


def test_a_map_in_eight_bits(tmp_path, random):
    """Is read as probabilities, and so is none that does not say it holds them."""
    probability = random.random((2, 9, 8), np.float32)
    write_eight_bits(tmp_path / "map.tif", probability, "d4")
    stack = read_probabilities(tmp_path / "map.tif")
    assert tifffile.imread(tmp_path / "map.tif").dtype == np.uint8 and stack.pixels.dtype == np.float32
    assert np.abs(stack.pixels - probability).max() <= 0.5001 / 255 and stack.made_with["tta"] == "d4"
    pixels = tifffile.imread(tmp_path / "map.tif")
    tifffile.imwrite(tmp_path / "other.tif", pixels, description="a mask, d4")
    with pytest.raises(BadInput, match="uint8 values"):
        read_probabilities(tmp_path / "other.tif")
    tifffile.imwrite(tmp_path / "other.tif", pixels.astype(np.uint16), description=f"{EIGHT_BITS}, d4")
    with pytest.raises(BadInput, match="uint16 values"):
        read_probabilities(tmp_path / "other.tif")
