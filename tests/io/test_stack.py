"""Stacks: what is written is read, whole or not at all."""

import numpy as np
import pytest
import tifffile

from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.sections import as_sections, note_odd_axes
from unet_paper.io.stack import read_labels, read_probabilities, read_stack, write_stack
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_round_trip(tmp_path, dtype, random):
    stack = random.integers(0, 100, (3, 5, 7)).astype(dtype)
    write_stack(tmp_path / "new" / "stack.tif", stack)
    read = read_stack(tmp_path / "new" / "stack.tif").pixels
    assert read.dtype == dtype and np.array_equal(read, stack)


NARROW = [(2, 5, 1), (1, 5, 1), (1, 1, 5), (3, 1, 1), (1, 1, 1), (4, 3, 1), (2, 4, 3)]  # (Z, H, W)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", NARROW)
def test_sections_one_pixel_wide_or_high_keep_their_shape(tmp_path, shape, dtype, random):
    stack = random.integers(0, 100, shape).astype(dtype)
    write_stack(tmp_path / "stack.tif", stack, "title\nmade of: noise", PixelSize(4.0, 4.0, 50.0))
    read = read_stack(tmp_path / "stack.tif")
    assert read.pixels.dtype == dtype and np.array_equal(read.pixels, stack)
    assert read.made_with == {"made of": "noise"}


@pytest.mark.parametrize(("dtype", "distance"), [(np.uint8, 50), (np.float32, 50), (np.int32, 50)])
def test_the_size_of_a_pixel_is_read_back(tmp_path, dtype, distance):
    """Also where height and width differ, and of types that ImageJ does not know."""
    write_stack(tmp_path / "stack.tif", np.zeros((2, 5, 7), dtype), pixel_size=PixelSize(4.0, 5.0, 50.0))
    assert read_stack(tmp_path / "stack.tif").pixel_size == pytest.approx((4, 5, distance))


def test_one_section_and_one_page_files(tmp_path, random):
    image = random.integers(0, 255, (5, 7), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image)
    assert np.array_equal(read_stack(tmp_path / "image.tif").pixels, image[None])
    write_stack(tmp_path / "stack.tif", image[None])
    assert np.array_equal(read_stack(tmp_path / "stack.tif").pixels, image[None])


def test_three_sections_are_not_mistaken_for_colours(tmp_path, random):
    stack = random.integers(0, 255, (3, 5, 7), dtype=np.uint8)
    write_stack(tmp_path / "stack.tif", stack)
    assert np.array_equal(read_stack(tmp_path / "stack.tif").pixels, stack)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_labels_and_probabilities_are_checked(tmp_path):
    for values, read, match in (
        (np.zeros((1, 2, 2), np.float32), read_labels, "float32"),
        (np.full((1, 2, 2), -1, np.int32), read_labels, "negative"),
        (np.zeros((1, 2, 2), np.uint8), read_probabilities, "uint8"),
        (np.full((1, 2, 2), 2, np.float32), read_probabilities, "outside 0 to 1"),
        (np.full((1, 2, 2), np.nan, np.float32), read_probabilities, "outside 0 to 1"),
    ):
        write_stack(tmp_path / "x.tif", values)
        with pytest.raises(BadInput, match=match):
            read(tmp_path / "x.tif")


def test_few_narrow_sections_are_no_picture_in_colour():
    assert as_sections(np.zeros((4, 50, 4), np.uint8), "images").shape == (4, 50, 4)
    with pytest.raises(BadInput, match="in colour"):
        as_sections(np.zeros((5, 50, 4), np.uint8), "images")


@pytest.mark.parametrize(
    ("shape", "said"),
    [((200, 100, 30), False), ((200, 130, 30), True), ((100, 200, 30), False), ((300, 300, 64), False)],
)
def test_axes_that_look_interchanged(shape, said, caplog):
    note_odd_axes(shape, "a")
    assert bool(caplog.messages) == said
