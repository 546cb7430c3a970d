"""What is being made, kept beside it: the plan that all processes follow, and a done mark for each block."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_paper.support.errors import BadInput
from unet_paper.support.files import LEFTOVER, why_not
from unet_paper.support.json_files import write_json
from unet_paper.support.logs import logger
from unet_paper.volumes.blocks import Grid
from unet_paper.volumes.result import Layout, create_result

MARKS_OF_A_FOLDER = 1000
IMAGE_FILES = "image_files_sha256"  # in what a job is made with


def difference(made_with: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words, in what two predictions differ; "" where in nothing. Earlier versions did not tell the files."""
    wanted = {name: value for name, value in wanted.items() if name != IMAGE_FILES or name in made_with}
    names = [name for name, value in wanted.items() if made_with.get(name) != value]
    if names == [IMAGE_FILES]:
        return "the image's files have other names, sizes or times now, as copies have that are made without cp -p"
    return f"{', '.join(names)} differ" if names else ""


@dataclass(frozen=True)
class Job:
    """What is made, and with what: plain values that the pixels depend on."""

    layout: Layout
    made_with: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for plan.json."""
        layout = self.layout
        return {
            "made_with": dict(self.made_with),
            "shape": list(layout.grid.shape),
            "shard": list(layout.grid.shard),
            "channels": layout.channels,
            "version": layout.version,
            "scale": list(layout.scale),
            "units": list(layout.units),
            "origin": list(layout.origin),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Job":
        """The inverse of `to_json`."""
        names = ("shape", "shard", "scale", "units", "origin")
        shape, shard, scale, units, origin = (tuple(values[name]) for name in names)
        layout = Layout(Grid(shape, shard), values["channels"], values["version"], scale, units, origin)
        return cls(layout, dict(values["made_with"]))


class WorkFolder:
    """The folder OUT.zarr.partial while OUT.zarr is made: the result, the plan, and the done marks."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(out.name + ".partial")
        self.result = self.path / "result.zarr"
        self.plan = self.path / "plan.json"
        self.marks = self.path / "done"
        self.earlier = self.path / "earlier"  # what had the result's name, as long as it is being replaced

    def begin(self, job: Job) -> Job:
        """The folder of a job, made unless it is there. Returns the job that it was begun with, which may have other
        blocks.

        Several processes may call this at once: one of them makes the folder, whole or not at all. Raises BadInput for
        a folder that was made with something else. Other files of the same image are said only: a damaged chunk may
        have been put right, and what is done stays good.
        """
        if not self.plan.is_file():
            self._make(job)
        begun = self.job()
        before = dict(begun.made_with, shape=begun.layout.grid.shape)
        wanted = dict(job.made_with, shape=job.layout.grid.shape)
        differing = difference(before, wanted)
        if differing and not difference({**before, IMAGE_FILES: job.made_with.get(IMAGE_FILES)}, wanted):
            logger.warning(
                f"{self.path}: {differing}; what is done there is kept: delete it if the image is another one"
            )
        elif differing:
            raise BadInput(
                f"{self.path} is the partial result of another prediction ({differing}); delete it, or give another "
                "name"
            )
        return begun

    def _make(self, job: Job) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = tempfile.TemporaryDirectory(dir=self.path.parent, prefix=LEFTOVER, ignore_cleanup_errors=True)
            with temporary as folder:
                made = WorkFolder(Path(folder) / self.out.name)
                made.marks.mkdir(parents=True)
                create_result(made.result, job.layout, job.made_with)
                write_json(made.plan, job.to_json())
                self._take_name(made)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written: {why_not(error)}; give another folder") from None

    def _take_name(self, made: "WorkFolder") -> None:
        """Rename a folder that is made to this one's name, unless another process was faster."""
        try:
            os.rename(made.path, self.path)
        except OSError:
            if not self.plan.is_file():
                raise BadInput(f"{self.path} is in the way and is no partial result; delete it") from None

    def job(self) -> Job:
        """The job that the folder was begun with. Raises BadInput for a damaged plan."""
        try:
            return Job.from_json(json.loads(self.plan.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self.plan} is damaged ({error}); delete {self.path}, and the prediction begins anew"
            ) from None

    def _mark(self, number: int) -> Path:
        return self.marks / str(number // MARKS_OF_A_FOLDER) / str(number)

    def is_done(self, number: int) -> bool:
        """Whether a block's pixels are in the result."""
        return self._mark(number).is_file()

    def mark(self, number: int) -> None:
        """Say that they are, and have reached the disk."""
        path = self._mark(number)
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def done(self) -> set[int]:
        """Numbers of the blocks that are done."""
        try:
            folders = [folder for folder in os.scandir(self.marks) if folder.name.isdecimal()]
            marks = [mark.name for folder in folders for mark in os.scandir(folder.path)]
            return {int(name) for name in marks if name.isdecimal()}  # others are of the file system
        except FileNotFoundError:  # another process has finished
            return set()

    def finish(self) -> None:
        """Give the result its own name, in place of what had it."""
        if self.out.exists():
            os.rename(self.out, self.earlier)
        os.rename(self.result, self.out)
        self.clear()

    def clear(self) -> None:
        """Delete what is left when the result has its own name; also of a process that was killed before it could."""
        left = any(path.exists() for path in (self.plan, self.marks, self.earlier))
        if left and not self.result.exists():  # in this order: a folder that is just made has its result from the first
            self.plan.unlink(missing_ok=True)
            shutil.rmtree(self.path, ignore_errors=True)
