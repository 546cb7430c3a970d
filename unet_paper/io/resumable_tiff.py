"""A TIFF that is written block by block, and resumed after its process was killed."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from unet_paper.io.made_with import described
from unet_paper.io.pixel_size import PixelSize, tiff_options
from unet_paper.io.sections import Block
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write, why_not
from unet_paper.support.logs import logger

LARGEST_CLASSIC_TIFF = 2**32 - 2**25  # bytes, with room for its headers; above it a BigTIFF is written
PARTIAL = ".partial"
JOURNAL = ".progress"  # the longest of the endings that files beside one in the making have


class Job(NamedTuple):
    """One block of one section."""

    section: int
    block: int  # its number


class ResumableTiff:
    """A TIFF of 32-bit floats in the making: the file itself, and beside it a journal of the blocks that it holds.

    The journal's first line says what is being made, with which blocks. Each other line is a Job, written after its
    pixels have reached the disk. The end of a `with` closes both, and what is done is kept.
    """

    def __init__(
        self,
        out: Path,
        shape: tuple[int, ...],
        made_with: Mapping[str, Any],
        blocks: Sequence[Block],
        pixel_size: PixelSize | None = None,
    ) -> None:
        """Begin the file, or resume it with the blocks that it was begun with.

        shape : (Z, H, W) or (Z, K, H, W). made_with : plain values that the pixels depend on, kept in the TIFF.
        Raises BadInput where the disk is too small, for a partial file that was made with something else, and for
        somebody's file in the place of one.
        """
        self.out = out
        self.pixel_size = pixel_size
        self.path = out.with_name(out.name + PARTIAL)
        self.journal = out.with_name(out.name + JOURNAL)
        self.blocks = tuple(blocks)
        self.done: set[Job] = set()
        self._shape = shape
        made_with = {"shape": list(shape), **made_with}
        if self.path.is_file() and self.journal.is_file():
            self._resume(made_with)
        else:
            self._require_own()
        if not self.done:
            self._begin(made_with)
        self._offset, self._dtype = self._layout()
        self._file = open(self.path, "r+b")
        try:
            self._list = open(self.journal, "a", encoding="utf-8")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "ResumableTiff":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def jobs(self) -> list[Job]:
        """All blocks of all sections, in order."""
        return [Job(section, block) for section in range(self._shape[0]) for block in range(len(self.blocks))]

    def _layout(self) -> tuple[int, np.dtype]:
        """Where the pixels begin, and their type. Raises ValueError unless all of them are there."""
        try:
            with tifffile.TiffFile(self.path) as file:
                offset, dtype = file.series[0].dataoffset, np.dtype(file.byteorder + "f4")
        except Exception as error:  # tifffile raises many kinds for a damaged file
            raise ValueError(str(error)) from None
        if offset is None or self.path.stat().st_size < offset + 4 * int(np.prod(self._shape, dtype=np.int64)):
            raise ValueError("it is too short")
        return offset, dtype

    def _require_own(self) -> None:
        """Raise BadInput where one of the two files is there alone and is nobody's partial result: a journal comes
        first and goes last.
        """
        if os.path.lexists(self.path):
            lost = self.path
        elif os.path.lexists(self.journal) and not self._is_journal():
            lost = self.journal
        else:
            return
        raise BadInput(
            f"{lost} is no part of a prediction, and would be lost to that of {self.out.name}; move it away, or give "
            "another name"
        )

    def _is_journal(self) -> bool:
        try:
            first, *_ = self.journal.read_text(encoding="utf-8").splitlines()
            return "blocks" in json.loads(first)
        except (OSError, ValueError, TypeError):
            return False

    def _resume(self, made_with: Mapping[str, Any]) -> None:
        """Take over what was done earlier, if it was the same and is whole."""
        text = self.journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # a line without its end does not count
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
            done = {Job(*map(int, line.split(" "))) for line in lines}
            if not done <= {Job(section, block) for section in range(self._shape[0]) for block in range(len(blocks))}:
                raise ValueError("it lists tiles that do not exist")
            self._layout()
        except (ValueError, TypeError) as error:
            logger.warning(f"note: the partial result {self.path} is damaged ({error}); the prediction begins anew")
            return
        if done:
            os.truncate(self.journal, len(whole))
            self.blocks, self.done = blocks, done

    def _begin(self, made_with: Mapping[str, Any]) -> None:
        """An empty file of the whole size, and a journal of its first line."""
        size = 4 * int(np.prod(self._shape, dtype=np.int64))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path.parent).free
        if size > free:
            raise BadInput(f"{self.out} needs {size:,} bytes but its disk has {free:,} left; give another folder")
        large = size > LARGEST_CLASSIC_TIFF
        of_classes = len(self._shape) == 4
        text = described(
            f"probabilities of {self._shape[1]} classes" if of_classes else "probability of cell", made_with
        )
        imagej = not large and self._shape[-1] > 1  # one column would be taken for a pixel's samples
        options, entries = tiff_options(self.pixel_size, imagej)
        metadata = entries | {"axes": "ZYX" if len(self._shape) == 3 else "ZCYX"}
        with atomic_write(self.journal) as temporary:
            temporary.write_text(json.dumps({**made_with, "blocks": self.blocks}) + "\n", encoding="utf-8")
        tifffile.imwrite(
            self.path,
            shape=self._shape,
            dtype=np.float32,
            photometric="minisblack",
            imagej=imagej,
            bigtiff=large,
            **options,
            metadata=metadata | {"Info" if imagej else "Description": text},
        )

    def write(self, job: Job, planes: np.ndarray) -> None:
        """Put one block's (K, h, w) pixels into the file, and only then into the journal."""
        try:
            self._write(job, planes)
        except OSError as error:
            raise BadInput(
                f"{self.path} cannot be written: {why_not(error)}; make room, and the same command resumes from there"
            ) from None
        self.done.add(job)

    def _write(self, job: Job, planes: np.ndarray) -> None:
        block = self.blocks[job.block]
        height, width = self._shape[-2:]
        for channel, pixels in enumerate(planes.astype(self._dtype)):
            first = (job.section * len(planes) + channel) * height
            for row, values in enumerate(pixels):
                self._file.seek(self._offset + 4 * ((first + block.top + row) * width + block.left))
                self._file.write(values.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._list.write(f"{job.section} {job.block}\n")
        self._list.flush()

    def close(self) -> None:
        """Close both files; the next ResumableTiff of this name resumes."""
        for file in (self._file, self._list):
            with suppress(OSError):  # of what could not be written before, which `write` has told
                file.close()

    def finish(self) -> None:
        """Give the file its own name."""
        self._file.close()
        self._list.close()
        os.replace(self.path, self.out)
        self.journal.unlink()
