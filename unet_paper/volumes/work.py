"""The work of one block: read its region with the context, predict, write one shard, leave a done mark.

It may be done again at any time, by any process: it writes the same pixels to the same shard.
"""

import errno
import os
import socket
import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import cast

import numpy as np
import torch

from unet_paper.io.folder_stack import open_volume
from unet_paper.io.stack import require_no_nodata
from unet_paper.network import CONTEXT
from unet_paper.overlap_tile import Block, View, mirrored_indices
from unet_paper.runs.predicting import PredictionRequest, make_predictor
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.test_time_augmentation import moved
from unet_paper.volumes.job import WorkFolder
from unet_paper.volumes.result import Result

ATTEMPTS = 3  # at a block, before it is given up
# Sums round differently with another number of threads. With one, all processes give the same bits.
THREADS = 1


@dataclass(frozen=True)
class Outcome:
    """How the work of a block ended."""

    number: int
    error: str | None = None
    is_fatal: bool = False  # no other block would fare better: the disk is full
    seconds: float = 0.0
    worker: str = ""  # its machine and process; "" for one that died


@dataclass(frozen=True)
class Region:
    """Part of a section that was read, in the place of all of it: an (H, W) array that knows these pixels alone."""

    pixels: np.ndarray
    top: int
    left: int
    shape: tuple[int, int]  # of the section

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return self.pixels.dtype

    def __getitem__(self, sides: tuple[slice, slice]) -> np.ndarray:
        rows, columns = sides
        crop = self.pixels[
            rows.start - self.top : rows.stop - self.top, columns.start - self.left : columns.stop - self.left
        ]
        assert crop.shape == (rows.stop - rows.start, columns.stop - columns.start), "beyond what was read"
        return crop


def region_of(block: Block, shape: tuple[int, int], views: list[View], registration: tuple[float, float]) -> Block:
    """What the views read of an (H, W) section for a block, its context included."""
    rows: list[int] = []
    columns: list[int] = []

    def read(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        for sides, (start, stop), length in ((rows, (top, bottom), shape[0]), (columns, (left, right), shape[1])):
            indices = mirrored_indices(start, stop, length)
            sides += [int(indices.min()), int(indices.max()) + 1]
        return torch.zeros(1).expand(bottom - top, right - left)

    def no_network(tile: torch.Tensor) -> torch.Tensor:
        height, width = tile.shape
        return torch.zeros(1).expand(1, height - 2 * CONTEXT, width - 2 * CONTEXT)

    for view in views:
        view.predict(block, shape, moved(read, registration), no_network)
    return Block(min(rows), max(rows), min(columns), max(columns))


class Worker:
    """All that this process needs for the blocks of one request, opened once."""

    def __init__(self, request: PredictionRequest) -> None:
        self.folder = WorkFolder(request.out)
        self.job = self.folder.job()
        self.predictor, made_with = make_predictor(request)
        for name, value in made_with.items():
            if self.job.made_with[name] != value:
                raise BadInput(
                    f"here {name} is {value}, and {self.folder.path} was begun with {self.job.made_with[name]}; the "
                    "machines must be alike, or --float32 be given from the start"
                )
        self.stack = open_volume(request.image, request.channel, request.out.parent)
        self.volume = self.stack.pixels
        self.result = Result(self.folder.result, self.job.layout)
        shape, predictor = self.job.layout.grid.shape[1:], self.predictor
        region = partial(region_of, shape=shape, views=predictor.views, registration=predictor.registration)
        self._region = lru_cache(maxsize=16)(region)

    def do(self, number: int) -> None:
        """The work of one block."""
        if self.folder.is_done(number):
            return
        of_volume = self.job.layout.grid[number]
        block, shape = of_volume.block, self.job.layout.grid.shape[1:]
        region = self._region(block)
        pixels = self._read(of_volume.first, of_volume.last, region)
        planes = np.empty((self.predictor.out_channels, len(pixels), *block.shape), np.float32)
        for index, section in enumerate(pixels):
            require_no_nodata(self.stack, section, f"section {of_volume.first + index}")
            known = cast(np.ndarray, Region(section, region.top, region.left, shape))
            planes[:, index] = self.predictor.predict_block(known, block)
        self.result.write(number, planes)
        self.folder.mark(number)

    def _read(self, first: int, last: int, region: Block) -> np.ndarray:
        rows, columns = slice(region.top, region.bottom), slice(region.left, region.right)
        read = getattr(self.volume, "read", None)
        if read is not None:
            return np.asarray(read(slice(first, last), rows, columns))
        return np.array(self.volume[first:last, rows, columns])


@lru_cache(maxsize=1)
def opened(request: PredictionRequest, plan: bytes) -> Worker:
    """The Worker for the blocks of a request, kept from one to the next.

    plan : the content of the job's; under the paths of an earlier request there may be other weights, another image.
    """
    return Worker(request)


def attempt(request: PredictionRequest, number: int) -> Outcome:
    """Do a block, with a second and a third try where it fails by something that may pass."""
    began = time.monotonic()
    outcome = _attempt(request, number)
    worker = f"{socket.gethostname()}, process {os.getpid()}"
    return replace(outcome, seconds=time.monotonic() - began, worker=worker)


def _attempt(request: PredictionRequest, number: int) -> Outcome:
    torch.set_num_threads(THREADS)
    error = ""
    for _ in range(ATTEMPTS):
        try:
            opened(request, WorkFolder(request.out).plan.read_bytes()).do(number)
            return Outcome(number)
        except BadInput as bad:
            return Outcome(number, str(bad))
        except OSError as problem:
            error = f"{problem.filename or ''} {problem.strerror or problem}".strip()
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                return Outcome(number, error, is_fatal=True)
        except Exception as problem:  # memory that is taken, or whatever else befell this block alone
            error = str(problem) or type(problem).__name__
        logger.warning(f"note: block {number} failed: {error}")
    return Outcome(number, f"{error} ({ATTEMPTS} attempts)")
