"""A folder of images as one stack, of which one file is in memory."""

import numpy as np
import pytest
from skimage.io import imsave

from unet_paper.io import folder_stack
from unet_paper.io.folder_stack import FolderStack, open_volume
from unet_paper.io.image_files import open_stack
from unet_paper.io.stack import write_stack
from unet_paper.support.errors import BadInput


@pytest.fixture
def sections(random):
    return random.integers(0, 256, (12, 20, 31), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, sections):
    for number, section in enumerate(sections):
        imsave(tmp_path / f"section{number}.png", section, check_contrast=False)
    return tmp_path


def test_sections_are_in_the_order_of_their_numbers(folder, sections):
    found = open_volume(folder).pixels
    assert found.shape == sections.shape and found.dtype == np.uint8
    assert np.array_equal(found, sections)
    assert np.array_equal(found.read(slice(9, 11), slice(3, 9), slice(0, 31)), sections[9:11, 3:9])


def test_each_file_is_read_once_and_no_other(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(folder_stack, "open_stack", lambda path, *rest: opened.append(path.name) or open_stack(path))
    found = open_volume(folder).pixels
    for rows in (slice(0, 10), slice(10, 20)):
        found.read(slice(4, 5), rows, slice(0, 31))
    assert opened == ["section0.png", "section4.png"]


def test_a_section_is_the_one_asked_for_whatever_another_thread_keeps(folder, sections, monkeypatch):
    found = open_volume(folder).pixels
    of_another = property(lambda _: (7, sections[7]), lambda *_: None)
    monkeypatch.setattr(FolderStack, "_kept", of_another, raising=False)
    assert np.array_equal(found, sections)


def test_files_must_be_alike(folder, sections):
    imsave(folder / "section3.png", sections[0, 1:], check_contrast=False)
    with pytest.raises(BadInput, match=r"section3.png has shape \(1, 19, 31\) of uint8.* have one size and type"):
        np.asarray(open_volume(folder).pixels)
    write_stack(folder / "a.tif", sections)
    with pytest.raises(BadInput, match="a.tif has 12 sections; of a folder that is one volume each file is a section"):
        open_volume(folder)


def test_what_is_no_folder_is_opened_as_ever(folder, sections):
    assert np.array_equal(open_volume(folder / "section2.png").pixels, sections[2:3])
