"""The sections of a run for its pictures: one array, also where they differ in size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unet_paper.io.image_folder import image_files, is_folder
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.sections import Sections
from unet_paper.io.stack import read_labels
from unet_paper.runs.folder import RunFolder


def read_shown(path: Path, read: Callable[[Path], ImageStack], rim: int | None = None) -> np.ndarray:
    """A stack, or the sections of a folder: (Z, H, W). Smaller ones get a rim, of the lowest value unless given: 0 in
    labels and probabilities, so that no cell is there.
    """
    if not is_folder(path):
        return read(path).pixels
    sections = [section for file in image_files([path]) for section in read(file).pixels]
    return padded(sections, rim)


def read_first(path: Path, read: Callable[[Path], ImageStack]) -> np.ndarray:
    """The first section of a stack or of a folder, (H, W), in its own size."""
    return read(image_files([path])[0] if is_folder(path) else path).pixels[0]


def first_unknown(run: RunFolder) -> np.ndarray | None:
    """Where the truth of a run's first section is not known, (H, W) bool; None where it is known everywhere."""
    return read_first(run.unknown, read_labels) > 0 if run.unknown.exists() else None


def read_unknown(run: RunFolder, count: int | None = None) -> np.ndarray | None:
    """Where the truth of a run's first `count` sections, or of all, is not known: (Z, H, W) bool; None where it is
    known everywhere.
    """
    return read_shown(run.unknown, read_labels, rim=0)[:count] > 0 if run.unknown.exists() else None


def padded(sections: Sections, rim: int | None = None) -> np.ndarray:
    """Sections of any sizes as one array, see `read_shown`."""
    if isinstance(sections, np.ndarray):
        return sections
    height, width = (max(section.shape[axis] for section in sections) for axis in (0, 1))
    beyond = min(section.min() for section in sections) if rim is None else rim
    shown = np.full((len(sections), height, width), beyond, sections[0].dtype)
    for canvas, section in zip(shown, sections, strict=True):
        canvas[: section.shape[0], : section.shape[1]] = section
    return shown
