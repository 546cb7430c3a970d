"""Blocks of volumes."""

import json

import numpy as np
import pytest

from unet_paper.overlap_tile import mirrored_region, plan_blocks
from unet_paper.test_time_augmentation import views
from unet_paper.volumes import result
from unet_paper.volumes.blocks import SHARD_PIXELS, Grid
from unet_paper.volumes.result import Layout, create_result, halved
from unet_paper.volumes.work import Region


def grid_of(depth, height, width, tile, together):
    return Grid.of_plan(depth, height, width, plan_blocks(height, width, views("none"), largest_tile=tile), together)


@pytest.mark.parametrize(
    ("shape", "tile", "together"), [((5, 150, 203), 252, 2), ((3, 40, 700), 300, 64), ((1, 1, 1), 300, 1)]
)
def test_each_pixel_is_in_one_block_and_one_shard(shape, tile, together):
    grid = grid_of(*shape, tile, together)
    times = np.zeros(shape, int)
    for number in range(len(grid)):
        found = grid[number]
        block = found.block
        times[found.first : found.last, block.top : block.bottom, block.left : block.right] += 1
        corner = (found.first, block.top, block.left)
        assert all(
            start == place * step for start, place, step in zip(corner, grid.index(number), grid.shard, strict=True)
        )
    assert (times == 1).all() and not any(side % 16 for side in grid.shard[1:])


def test_blocks_are_those_of_a_prediction_into_a_tiff():
    plan = plan_blocks(2000, 3000, views("d4"), largest_tile=700)
    grid = Grid.of_plan(4, 2000, 3000, plan, 1)
    assert [grid[number].block for number in range(len(plan.blocks))] == list(plan.blocks)


def test_sections_that_are_stored_together_are_done_together():
    assert grid_of(100, 900, 900, 700, 8).shard[0] == 8
    assert grid_of(100, 900, 900, 700, 24).shard[0] == 24
    deep = grid_of(5000, 9000, 9000, 1500, 128)
    assert 128 % deep.shard[0] == 0 and 1 < np.prod(deep.shard) <= SHARD_PIXELS
    assert grid_of(3, 900, 900, 700, 64).shard[0] == 3


@pytest.mark.parametrize("channels", [1, 3])
def test_chunks_divide_shards_and_levels_halve(channels):
    layout = Layout(grid_of(5, 9000, 9001, 1500, 4), channels, "0.5")
    assert layout.levels == 6 and layout.levels_of_a_block == 5
    assert layout.shape(1)[-3:] == (5, 4500, 4501) and layout.shape(5)[-2:] == (282, 282)
    for level in range(layout.levels):
        assert not any(shard % chunk for shard, chunk in zip(layout.shard(level), layout.chunk(level), strict=True))


def test_halved_takes_means():
    found = halved(np.float32([[[0, 2, 8], [4, 6, 0], [1, 1, 5]]]))
    assert np.array_equal(found, [[[3, 4], [1, 5]]])


@pytest.mark.parametrize(("channels", "name"), [(1, "probability of cell"), (3, "probabilities of 3 classes")])
def test_a_result_is_named_by_what_it_holds(channels, name, tmp_path):
    pytest.importorskip("ome_zarr", reason="needs the extra volumes")
    create_result(tmp_path / "out.zarr", Layout(grid_of(1, 90, 90, 300, 1), channels, "0.5"), {})
    attributes = json.loads((tmp_path / "out.zarr/zarr.json").read_text())["attributes"]
    assert attributes["ome"]["multiscales"][0]["name"] == name


def test_a_pixel_of_a_level_lies_amid_those_that_it_is_the_mean_of(tmp_path):
    pytest.importorskip("ome_zarr", reason="needs the extra volumes")
    layout = Layout(grid_of(1, 600, 600, 300, 1), 1, "0.5", (50.0, 4.0, 5.0), ("nanometer",) * 3, (0.0, 10.0, 20.0))
    create_result(tmp_path / "out.zarr", layout, {})
    attributes = json.loads((tmp_path / "out.zarr/zarr.json").read_text())["attributes"]
    levels = [level["coordinateTransformations"] for level in attributes["ome"]["multiscales"][0]["datasets"]]
    assert [level[0]["scale"] for level in levels] == [[50, 4, 5], [50, 8, 10]]
    assert [level[1]["translation"] for level in levels] == [[0, 40, 100], [0, 42, 102.5]]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_level_is_the_mean_of_the_one_below(tmp_path, monkeypatch, random, channels):
    """Also those that no block writes, which only very large volumes have."""
    pytest.importorskip("ome_zarr", reason="needs the extra volumes")
    monkeypatch.setattr(result, "LEVELS_OF_A_BLOCK", 1)
    monkeypatch.setattr(result, "SMALLEST_LEVEL", 16)
    pixels = random.random((channels, 3, 70, 150), np.float32)
    layout = Layout(Grid(pixels.shape[1:], (2, 32, 48)), channels, "0.5")
    create_result(tmp_path / "out.zarr", layout, {})
    made = result.Result(tmp_path / "out.zarr", layout)
    for number in range(len(layout.grid)):
        of_volume = layout.grid[number]
        block = of_volume.block
        made.write(
            number, pixels[:, of_volume.first : of_volume.last, block.top : block.bottom, block.left : block.right]
        )
    made.make_upper_levels()
    assert (layout.levels, layout.levels_of_a_block) == (5, 2)
    for level, array in enumerate(made.arrays):
        pixels = halved(pixels) if level else pixels
        np.testing.assert_allclose(np.asarray(array[...]).reshape(pixels.shape), pixels, rtol=1e-6)


def test_a_part_of_what_was_read_is_that_of_the_section(random):
    section = random.integers(0, 256, (40, 50), np.uint8)
    region = Region(section[:30, 10:], 0, 10, section.shape)
    assert np.array_equal(mirrored_region(region, -5, 20, 15, 45), mirrored_region(section, -5, 20, 15, 45))


def test_a_shard_of_several_channels_takes_no_more_memory():
    plan = plan_blocks(1000, 1000, views("none"), largest_tile=700)
    for channels in (1, 3, 50):
        depth, height, width = Grid.of_plan(64, 1000, 1000, plan, 64, channels).shard
        assert depth == 1 or channels * depth * height * width <= SHARD_PIXELS < 2 * channels * depth * height * width


@pytest.mark.parametrize(("side", "levels"), [(512, 1), (513, 2), (1024, 2)])
def test_there_are_as_many_levels_as_are_needed(side, levels):
    grid = Grid.of_plan(1, side, side, plan_blocks(side, side, views("none")), 1)
    assert Layout(grid, 1, "0.5").levels == levels
