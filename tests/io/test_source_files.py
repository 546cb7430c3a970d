"""A stack's files are known by their names, sizes and times."""

import os
import shutil

import numpy as np
from skimage.io import imsave

from unet_paper.io.folder_stack import open_volume
from unet_paper.io.source_files import files_sha256


def changed_by(path, change):
    """Whether a change of something gives another hash to the volume at a path."""
    before = files_sha256(open_volume(path))
    change()
    return files_sha256(open_volume(path)) != before


def a_second_later(path):
    told = path.stat()
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns + 10**9))


def test_a_single_file(tmp_path, random):
    pixels = random.integers(0, 256, (2, 9, 8), np.uint8)
    for path in (tmp_path / "image.tif", tmp_path / "image.png"):
        imsave(path, pixels[0], check_contrast=False)
        before = files_sha256(open_volume(path))
        shutil.copy2(path, tmp_path / f"copy{path.suffix}")
        assert files_sha256(open_volume(tmp_path / f"copy{path.suffix}")) == before
        assert changed_by(path, lambda path=path: a_second_later(path))
        assert not changed_by(path, lambda: (tmp_path / "other").touch())


def test_every_file_of_a_folder(tmp_path, random):
    for number in range(3):
        imsave(tmp_path / f"{number}.png", random.integers(0, 256, (9, 8), np.uint8), check_contrast=False)
    assert changed_by(tmp_path, lambda: a_second_later(tmp_path / "2.png"))
    assert changed_by(tmp_path, lambda: shutil.move(tmp_path / "2.png", tmp_path / "3.png"))
