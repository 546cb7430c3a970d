"""Numbered cells in a file, as Fiji shows them."""

import csv

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.color import rgb2lab
from skimage.segmentation import expand_labels

from unet_paper.io.numbered_cells import cell_colours, scattered, write_cells, write_table
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_labels


def shown_by_imagej(path):
    """(Z, H, W, 3): the lookup table at the numbers, over the display range, as ImageJ's ShortProcessor does it."""
    with tifffile.TiffFile(path) as file:
        lowest, highest = (file.imagej_metadata[name] for name in ("min", "max"))
        table = np.array(file.pages[0].tags[320].value).reshape(3, 256).T // 257
        numbers = file.asarray().reshape(-1, *file.pages[0].shape)
        index = np.floor((numbers - lowest) * 256 / (highest - lowest + 1) + 0.5).astype(int)
    return table[np.clip(index, 0, 255)]


def grid(rows, columns, side=4):
    """Touching squares, numbered row by row."""
    return np.kron(np.arange(1, rows * columns + 1).reshape(rows, columns), np.ones((side, side), int)).astype(np.int32)


def test_it_reads_back(tmp_path):
    cells = np.stack([grid(3, 4), np.zeros((12, 16), np.int32)])
    write_cells(tmp_path / "cells.tif", cells, "three rows", PixelSize(4.0, 4.0, 50.0))
    found = read_labels(tmp_path / "cells.tif")
    assert np.array_equal(found.pixels, cells) and found.pixels.dtype == np.uint16
    assert found.pixel_size == pytest.approx((4, 4, 50))
    with tifffile.TiffFile(tmp_path / "cells.tif") as file:
        assert file.imagej_metadata["Info"] == "three rows" and file.series[0].axes == "ZYX"
    assert np.array_equal(np.asarray(Image.open(tmp_path / "cells.tif")), cells[0])  # another reader sees the numbers


@pytest.mark.parametrize("count", [12, 255, 256, 700, 5000])
def test_neighbours_differ_in_colour_and_from_the_background(tmp_path, count):
    columns = max(side for side in range(1, int(count**0.5) + 1) if count % side == 0)
    cells = scattered(grid(count // columns, columns)[None])
    write_cells(tmp_path / "cells.tif", cells, "")
    shown = rgb2lab(shown_by_imagej(tmp_path / "cells.tif")[0] / 255)
    assert shown[..., 0].min() > 30
    assert len(np.unique(cells)) == count
    for axis in (0, 1):
        apart = np.diff(cells[0], axis=axis) != 0
        assert np.linalg.norm(np.diff(shown, axis=axis), axis=-1)[apart].min() > 8


def test_colours_are_apart():
    positions = rgb2lab(cell_colours()[None] / 255)[0]
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1) + 1e3 * np.eye(256)
    assert distances.min() > 8 and distances[0].min() > 40


def test_few_cells_keep_their_numbers():
    cells = grid(3, 4)
    assert scattered(cells) is cells
    assert np.array_equal(np.unique(scattered(grid(20, 20))), np.arange(1, 401))


def test_many_cells(tmp_path):
    cells = scattered(np.arange(1, 70_001, dtype=np.int32).reshape(1, 200, 350))
    write_cells(tmp_path / "cells.tif", cells, "many")
    found = read_labels(tmp_path / "cells.tif").pixels
    assert found.dtype == np.uint32 and np.array_equal(found, cells)


@pytest.mark.parametrize("shape", [(2, 5, 1), (1, 5, 1), (1, 1, 5), (1, 1, 1)])
def test_cells_one_pixel_wide_or_high_keep_their_shape(tmp_path, shape, random):
    cells = random.integers(0, 9, shape).astype(np.int32)
    write_cells(tmp_path / "cells.tif", cells, "narrow")
    assert np.array_equal(read_labels(tmp_path / "cells.tif").pixels, cells)


def test_table(tmp_path):
    write_table(tmp_path / "cells.csv", ("cell", "x"), [(1, 2 / 3), (70_000, 1234.5), (2, 123456.75)])
    with open(tmp_path / "cells.csv", newline="") as file:
        assert list(csv.reader(file)) == [["cell", "x"], ["1", "0.666667"], ["70000", "1234.5"], ["2", "123456.75"]]
    assert b"\r" not in (tmp_path / "cells.csv").read_bytes()


def test_scattered_numbers_are_far_apart_where_cells_are_irregular(random):
    seeds = np.zeros((300, 300), np.int32)
    places = random.choice(300 * 300, 600, replace=False)
    seeds.ravel()[np.sort(places)] = np.arange(1, 601)
    cells = scattered(expand_labels(seeds, 100))
    index = np.floor(cells * 256 / (cells.max() + 1) + 0.5)
    for axis in (0, 1):
        apart = np.diff(cells, axis=axis) != 0
        assert (np.diff(index, axis=axis)[apart] != 0).mean() > 0.99
