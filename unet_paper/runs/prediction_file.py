"""Prediction from file to file: any size in bounded memory, and a killed one goes on where it was."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import tifffile

from unet_paper.compute.memory import release
from unet_paper.io.image_files import TIFF_SUFFIXES, open_stack
from unet_paper.io.pixel_size import tiff_options
from unet_paper.io.stack import require_gray
from unet_paper.overlap_tile import Block
from unet_paper.support.errors import BadInput
from unet_paper.support.files import why_not
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.progress import progress_bar

LARGEST_CLASSIC_TIFF = 2**32 - 2**25  # bytes, with room for its headers; above it a BigTIFF is written


def predict_file(predictor, image, out, made_with, channel=None, memory=None, largest_tile=None):
    """Predict an image file tile by tile into a TIFF of 32-bit floats, (Z, H, W), or (Z, K, H, W) with K > 2 classes.

    Parameters
    ----------
    predictor : prediction.Predictor
    image : path
        See `image_files.open_stack`, also for `channel`. Only the tiles' own pixels are in memory at a time.
    out : path
        The TIFF; a BigTIFF where it has to be. While it is being made it is `out`.partial, and `out`.progress says
        which tiles are done: the same call goes on from there.
    made_with : dict of plain values
        What the result depends on besides the image, such as the hash of the weights; also kept in the TIFF.
    memory, largest_tile
        See `prediction.predict_stack`.

    Returns
    -------
    The result's shape. Raises BadInput for an image that cannot be predicted, too small a disk, and a partial result
    that was made with something else.
    """
    image, out = Path(image), Path(out)
    if out.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{out} must be a TIFF, with a name that ends in .tif")
    if out.exists() and image.exists() and out.samefile(image):
        raise BadInput(f"{out} is the image itself, which would be lost; give another name for the result")
    stack = open_stack(image, channel, out.parent if out.parent.is_dir() else None)
    volume = stack.pixels
    predictor.check(volume)
    require_gray(stack)
    plan = predictor.plan(*volume.shape[1:], memory, largest_tile)
    made_with = made_with | {
        "tta": predictor.tta,
        "image_content_sha256": stack.content_sha256,
        "channel": channel,
    }
    shape = (len(volume), *volume.shape[1:])
    if predictor.maps > 1:
        shape = (len(volume), predictor.maps, *volume.shape[1:])

    with exclusive_lock(out.with_name(out.name + ".lock"), out):
        partial = PartialResult(out, shape, made_with, plan.blocks, stack.pixel_size)
        _predict(predictor, volume, partial, plan, bool(memory or largest_tile))
    return shape


def _predict(predictor, volume, partial, plan, tiles_were_chosen):
    """All tiles that are not done yet."""
    if partial.done:
        tiles = len(volume) * len(partial.blocks)
        logger.info(f"resuming: {len(partial.done)} of {tiles} tiles are done ({partial.path})")
        if tiles_were_chosen and partial.blocks != plan.blocks:
            logger.warning("note: the tiles are those that it was begun with; --tile and --memory are for a new one")
    else:
        logger.info(f"tiles: {plan}")
    remark = predictor.remark(volume)
    if remark:
        logger.warning(remark)
    jobs = [(index, number) for index in range(len(volume)) for number in range(len(partial.blocks))]
    with progress_bar(
        total=len(jobs),
        initial=len(partial.done),
        desc=f"predict {predictor.tta}",
        unit="tile",
    ) as bar:
        for job in jobs:
            if job in partial.done:
                continue
            index, number = job
            partial.write(job, predictor.predict_block(volume[index], partial.blocks[number]))
            release(volume)
            bar.update()
    partial.finish()


class PartialResult:
    """A TIFF in the making: the file itself, and beside it a list of the tiles that it holds.

    The list's first line says what is being made, with which blocks; each other line is a tile, (section, block
    number), written after the tile's pixels have reached the disk.
    """

    def __init__(self, out, shape, made_with, blocks, pixel_size=None):
        self.out = out
        self.pixel_size = pixel_size
        self.path = out.with_name(out.name + ".partial")
        self.journal = out.with_name(out.name + ".progress")
        self.blocks = blocks
        self.done = set()
        self._shape = shape
        made_with = {"shape": list(shape)} | made_with
        if self.path.is_file() and self.journal.is_file():
            self._go_on(made_with)
        if not self.done:
            self._begin(made_with)
        self._offset, self._dtype = self._layout()
        self._file = open(self.path, "r+b")
        self._list = open(self.journal, "a")

    def _layout(self):
        """Where the pixels begin, and their type. Raises ValueError unless all of them are there."""
        try:
            with tifffile.TiffFile(self.path) as file:
                offset, dtype = file.series[0].dataoffset, np.dtype(file.byteorder + "f4")
        except Exception as error:  # tifffile raises many kinds for a damaged file
            raise ValueError(str(error)) from None
        if offset is None or self.path.stat().st_size < offset + 4 * int(np.prod(self._shape, dtype=np.int64)):
            raise ValueError("it is too short")
        return offset, dtype

    def _go_on(self, made_with):
        """Take over what was done earlier, if it was the same and is whole."""
        text = self.journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # a line that was cut off does not count
        try:
            first, *lines = whole.decode().splitlines()
            begun = json.loads(first)
            blocks = tuple(Block(*sides) for sides in begun.pop("blocks"))
            differing = [name for name in made_with if begun.get(name) != made_with[name]]
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning(f"note: {self.journal} is damaged; the prediction begins anew")
            return
        if differing:
            raise BadInput(
                f"{self.path} is the partial result of another prediction ({', '.join(differing)} differ); delete it "
                f"and {self.journal.name}, or give another name"
            )
        try:
            done = {tuple(int(number) for number in line.split()) for line in lines}
            if not done <= {(index, number) for index in range(self._shape[0]) for number in range(len(blocks))}:
                raise ValueError("it lists tiles that do not exist")
            self._layout()
        except ValueError as error:
            logger.warning(f"note: the partial result {self.path} is damaged ({error}); the prediction begins anew")
            return
        if done:
            os.truncate(self.journal, len(whole))
            self.blocks, self.done = blocks, done

    def _begin(self, made_with):
        shape = self._shape
        size = 4 * int(np.prod(shape, dtype=np.int64))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path.parent).free
        if size > free:
            raise BadInput(f"{self.out} needs {size:,} bytes but its disk has {free:,} left; give another place")
        large = size > LARGEST_CLASSIC_TIFF
        text = "; ".join(f"{name} {value}" for name, value in made_with.items() if value is not None)
        options, entries = tiff_options(self.pixel_size, imagej=not large)
        metadata = entries | {"axes": "ZYX" if len(shape) == 3 else "ZCYX"}
        self.journal.unlink(missing_ok=True)
        tifffile.imwrite(
            self.path,
            shape=shape,
            dtype=np.float32,
            photometric="minisblack",
            imagej=not large,
            bigtiff=large,
            **options,
            metadata=metadata | ({"Description": text} if large else {"Info": f"probability of cell; {text}"}),
        )
        blocks = [[block.top, block.bottom, block.left, block.right] for block in self.blocks]
        temporary = self.journal.with_name(self.journal.name + ".new")
        temporary.write_text(json.dumps(made_with | {"blocks": blocks}) + "\n")
        os.replace(temporary, self.journal)

    def write(self, job, maps):
        """Put one tile's (maps, h, w) pixels into the file, and only then into the list."""
        try:
            self._write(job, maps)
        except OSError as error:
            raise BadInput(
                f"{self.path} cannot be written: {why_not(error)}; make room, and the same command goes on from there"
            ) from None
        self.done.add(job)

    def _write(self, job, maps):
        index, number = job
        block = self.blocks[number]
        height, width = self._shape[-2:]
        for channel, pixels in enumerate(maps.astype(self._dtype)):
            first = (index * len(maps) + channel) * height
            for row, values in enumerate(pixels):
                self._file.seek(self._offset + 4 * ((first + block.top + row) * width + block.left))
                self._file.write(values.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._list.write(f"{index} {number}\n")
        self._list.flush()

    def finish(self):
        """Give the file its own name."""
        self._file.close()
        self._list.close()
        os.replace(self.path, self.out)
        self.journal.unlink()
