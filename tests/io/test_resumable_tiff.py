"""A TIFF in the making: what its journal counts, and its size."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unet_paper.io import resumable_tiff
from unet_paper.io.image_files import open_stack
from unet_paper.io.resumable_tiff import LARGEST_CLASSIC_TIFF, Job, ResumableTiff
from unet_paper.io.sections import Block
from unet_paper.support.errors import BadInput


def test_a_line_without_its_end_does_not_count(tmp_path):
    blocks = (Block(0, 16, 0, 16), Block(0, 16, 16, 20))
    with ResumableTiff(tmp_path / "out.tif", (1, 16, 20), {"weights": "a"}, blocks) as first:
        first.write(Job(0, 0), np.ones((1, 16, 16), np.float32))
    with open(first.journal, "a") as file:
        file.write("0 1")  # no end of line: its pixels may not be there
    with ResumableTiff(tmp_path / "out.tif", (1, 16, 20), {"weights": "a"}, ()) as again:
        assert again.done == {(0, 0)} and again.blocks == blocks


@pytest.fixture
def one_block(tmp_path):
    return tmp_path / "out.tif", (1, 16, 16), {"weights": "a"}, (Block(0, 16, 0, 16),)


def test_an_interruption_closes_the_files_and_keeps_what_is_done(one_block):
    with pytest.raises(KeyboardInterrupt), ResumableTiff(*one_block) as result:
        result.write(Job(0, 0), np.ones((1, 16, 16), np.float32))
        raise KeyboardInterrupt
    assert result._file.closed and result._list.closed
    with ResumableTiff(*one_block) as again:
        assert again.done == {(0, 0)}
        again.finish()
    assert (open_stack(one_block[0]).pixels == 1).all()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk to try")
@pytest.mark.parametrize("name", ["_file", "_list"])
def test_a_full_disk_is_told_once(one_block, name):
    """Closing tries once more to write what is left."""
    with pytest.raises(BadInput, match="No space left on device; make room, and the same command resumes"):
        with ResumableTiff(*one_block) as result:
            getattr(result, name).close()
            setattr(result, name, open("/dev/full", "r+b" if name == "_file" else "w"))
            result.write(Job(0, 0), np.ones((1, 16, 16), np.float32))
    assert result._file.closed and result._list.closed


def test_a_journal_that_cannot_be_opened_leaves_no_file_open(one_block, monkeypatch):
    opened = []

    def one_only(*arguments, **options):
        if opened:
            raise PermissionError
        opened.append(open(*arguments, **options))
        return opened[0]

    monkeypatch.setattr(resumable_tiff, "open", one_only, raising=False)
    with pytest.raises(PermissionError):
        ResumableTiff(*one_block)
    assert opened[0].closed


@pytest.mark.parametrize("shape", [(2, 5, 1), (1, 1, 5), (1, 1, 1), (2, 3, 5, 1), (1, 3, 1, 1), (1, 3, 1, 5)])
def test_results_one_pixel_wide_or_high_keep_their_shape(tmp_path, shape, random):
    values = random.random((shape[0], *((1,) if len(shape) == 3 else ()), *shape[1:]), np.float32)
    result = ResumableTiff(tmp_path / "out.tif", shape, {"weights": "a"}, (Block(0, shape[-2], 0, shape[-1]),))
    for job in result.jobs:
        result.write(job, values[job.section])
    result.finish()
    stack = open_stack(tmp_path / "out.tif", None if len(shape) == 3 else 0)
    assert np.array_equal(stack.pixels, values[:, 0]) and stack.made_with["weights"] == "a"
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert np.array_equal(file.asarray().reshape(shape), values.reshape(shape))


def test_a_result_too_large_for_a_classic_tiff_is_a_big_one(tmp_path):
    shape = (2, 2**14 + 2**12, 2**15)
    assert 4 * np.prod(shape) > LARGEST_CLASSIC_TIFF
    result = ResumableTiff(tmp_path / "out.tif", shape, {"weights": "a"}, (Block(0, 16, 0, 16),))
    last = np.full((1, 16, 16), 0.25, np.float32)
    result.blocks = (Block(shape[1] - 16, shape[1], shape[2] - 16, shape[2]),)
    result.write(Job(1, 0), last)
    result.finish()
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.is_bigtiff and file.series[0].shape == shape
    assert (tifffile.memmap(tmp_path / "out.tif", mode="r")[1, -16:, -16:] == 0.25).all()
    assert os.stat(tmp_path / "out.tif").st_blocks * 512 < 2**26  # empty parts take no room where the disk allows


def test_what_is_written_after_half_a_line_counts(tmp_path):
    """A line of which a killed program wrote a part is cut off, and not joined with the next one."""
    blocks = (Block(0, 16, 0, 16), Block(0, 16, 16, 20))
    given = tmp_path / "out.tif", (1, 16, 20), {"weights": "a"}, blocks
    with ResumableTiff(*given) as first:
        first.write(Job(0, 0), np.ones((1, 16, 16), np.float32))
    with open(first.journal, "a") as file:
        file.write("0 1")
    with ResumableTiff(*given) as again:
        again.write(Job(0, 1), np.ones((1, 16, 4), np.float32))
    with ResumableTiff(*given) as last:
        assert last.done == {(0, 0), (0, 1)}
