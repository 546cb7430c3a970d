"""A phantom of touching cells in the cell tracking challenge's layout, for machines without its data. Not real cells.

Every cell is a blob around a point; where blobs meet, each pixel goes to the one whose middle is nearer in units of its
radius, so that cells touch along curved lines. From frame to frame they move and bend a little. Inside they are about
as bright as the background: texture and a faint rim tell them from it.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from unet_paper.datasets.cell_tracking import SEQUENCES
from unet_paper.io.stack import write_stack
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json

PX_PER_CELL = 4400  # px of the frame for each cell, touching ones and the background between them
RADII = (24.0, 36.0)  # px
HARMONICS = (2, 3, 4)  # bumps around a blob
STEP = 2.5  # px that a cell moves from frame to frame, standard deviation
MARKER = 4  # px: radius of a tracked cell's marker
SMALLEST = 300  # px: what is left of a cell behind others or at the border, if it is smaller, is no cell
PARTLY_ANNOTATED = 3  # every so many frames, from the second on, some cells have a marker and no mask
WITHOUT_MASK = 4  # of those frames every so many cells


@dataclass(frozen=True)
class _Cells:
    """Blobs: one row for each cell."""

    centres: np.ndarray  # (N, 2) rows and columns, px
    radii: np.ndarray  # (N,) px
    bumps: np.ndarray  # (N, HARMONICS, 2) cosine and sine parts of the radius

    def moved(self, random: np.random.Generator) -> "_Cells":
        """The same a frame later."""
        return replace(
            self,
            centres=self.centres + random.normal(0, STEP, self.centres.shape),
            bumps=0.9 * self.bumps + random.normal(0, 0.02, self.bumps.shape),
        )

    def labels(self, size: int) -> np.ndarray:
        """(size, size) uint16: the number of the cell of each pixel, from 1; 0 is background."""
        nearest, labels = np.full((size, size), np.inf), np.zeros((size, size), np.uint16)
        for number, (centre, radius, bumps) in enumerate(zip(self.centres, self.radii, self.bumps, strict=True), 1):
            first, last = ((centre + sign * 2 * radius).astype(int).clip(0, size) for sign in (-1, 1))
            window = np.s_[first[0] : last[0], first[1] : last[1]]
            y, x = np.mgrid[window]
            down, right = y - centre[0], x - centre[1]
            angle = np.arctan2(down, right)
            reach = 1 + sum(
                cosine * np.cos(harmonic * angle) + sine * np.sin(harmonic * angle)
                for harmonic, (cosine, sine) in zip(HARMONICS, bumps, strict=True)
            )
            relative = np.hypot(down, right) / (radius * reach)
            mine = (relative < 1) & (relative < nearest[window])
            nearest[window][mine] = relative[mine]
            labels[window][mine] = number
        return _without_pieces(labels)


def make_cell_phantom(frames: int, size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames and masks of one sequence, one after the other: (size, size) uint8 gray values, uint16 numbered cells."""
    random = np.random.default_rng(seed)
    count = max(2, size * size // PX_PER_CELL)
    cells = _Cells(
        _spread_points(random, count, size),
        random.uniform(*RADII, count),
        random.normal(0, 0.05, (count, len(HARMONICS), 2)),
    )
    texture = random.normal(0, 1, (size, size))
    shading = ndimage.gaussian_filter(random.normal(0, 1, (size, size)), size / 6)
    shading *= 6 / shading.std()
    for _ in range(frames):
        labels = cells.labels(size)
        yield _image(random, labels, texture, shading), labels
        cells = cells.moved(random)


def _spread_points(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Points of which none are very near to one another, as far as there is room."""
    points = [random.uniform(0, size, 2)]
    while len(points) < count:
        tried = random.uniform(0, size, (8, 2))
        distances = np.linalg.norm(tried[:, None] - np.array(points)[None], axis=2).min(1)
        near = np.abs(distances - 1.6 * np.mean(RADII))  # beside another cell rather than far from all
        points.append(tried[np.argmin(near)])
    return np.array(points)


def _without_pieces(labels: np.ndarray) -> np.ndarray:
    """The largest piece of every cell, and none of those that are too small."""
    kept = np.zeros_like(labels)
    for number, box, of_cell in _cells_of(labels):
        pieces, _ = ndimage.label(of_cell)
        areas = np.bincount(pieces.ravel())[1:]
        if areas.max() >= SMALLEST:
            kept[box][pieces == 1 + areas.argmax()] = number
    return kept


def _cells_of(labels: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
    """Of every cell its number, its bounding box and, in that, its pixels."""
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None:
            yield number, box, labels[box] == number


def _depth(of_cell: np.ndarray) -> np.ndarray:
    """Distance from the cell's own border, px; also where that is the frame's."""
    return ndimage.distance_transform_edt(np.pad(of_cell, 1))[1:-1, 1:-1]


def _image(random: np.random.Generator, labels: np.ndarray, texture: np.ndarray, shading: np.ndarray) -> np.ndarray:
    """What a microscope might show of the cells."""
    inside = labels > 0
    depth = np.zeros(labels.shape)  # px from the cell's own border
    for _, box, of_cell in _cells_of(labels):
        depth[box][of_cell] = _depth(of_cell)[of_cell]
    grain = ndimage.gaussian_filter(texture, 1.6)
    organelles = ndimage.gaussian_filter(np.roll(texture, 7, axis=1), 3.2)
    image = 110 + shading + 4 * grain / grain.std()
    image += np.where(inside, 9 * organelles / organelles.std() + 5, 0)
    image += np.where(inside, 16 * np.exp(-((depth - 1.5) ** 2) / 5), 0)  # a faint rim
    image = ndimage.gaussian_filter(image, 1.0) + random.normal(0, 5, labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def _markers(labels: np.ndarray) -> np.ndarray:
    """A disc in the middle of every cell: uint16."""
    markers = np.zeros_like(labels)
    for number, box, of_cell in _cells_of(labels):
        depth = _depth(of_cell)
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        y, x = np.mgrid[: of_cell.shape[0], : of_cell.shape[1]]
        markers[box][of_cell & ((y - row) ** 2 + (x - column) ** 2 <= MARKER**2)] = number
    return markers


def write_cell_phantom(folder: Path | str, frames: int = 6, size: int = 384, seed: int = 0) -> None:
    """Write two sequences of `frames` frames in the challenge's layout; `phantom.json` marks the folder as a phantom.
    A phantom that the folder holds already is deleted first.

    Raises BadInput for figures that make no phantom, and for a folder that holds other sequences.
    """
    folder = Path(folder)
    if frames < 1 or size < 128 or seed < 0:
        raise BadInput(f"a phantom of {frames} frames of {size} px, seed {seed}; at least 1 frame, 128 px and seed 0")
    if any((folder / name).exists() for name in SEQUENCES) and not (folder / "phantom.json").is_file():
        raise BadInput(f"{folder} holds sequences that are no phantom; name another folder")
    with atomic_write(folder / "phantom.json") as temporary:  # first: one half drawn must not pass for real data
        text = json.dumps({"seed": seed, "frames": frames, "size": size}, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")
        for name in SEQUENCES:
            for part in (folder / name, folder / f"{name}_GT"):
                if part.exists():
                    shutil.rmtree(part)
    for number, name in enumerate(SEQUENCES):
        for frame, (image, labels) in enumerate(make_cell_phantom(frames, size, seed + number)):
            masks = labels.copy()
            if frame % PARTLY_ANNOTATED == 1:
                masks[labels % WITHOUT_MASK == 1] = 0
            for path, pixels in (
                (f"{name}/t{frame:03}", image),
                (f"{name}_GT/SEG/man_seg{frame:03}", masks),
                (f"{name}_GT/TRA/man_track{frame:03}", _markers(labels)),
            ):
                write_stack(folder / f"{path}.tif", pixels[None])


def is_whole(folder: Path | str) -> bool:
    """Whether a folder holds a phantom that `write_cell_phantom` drew to its end: all frames that it tells of, and no
    others. Raises BadInput for a damaged phantom.json.
    """
    folder = Path(folder)
    described = read_json(folder / "phantom.json") if (folder / "phantom.json").is_file() else {}
    if not isinstance(described, dict):
        raise BadInput(f"{folder / 'phantom.json'} is not as it was written; delete {folder}, which can be drawn anew")
    frames = described.get("frames")
    kinds = [f"{name}{files}.tif" for name in SEQUENCES for files in ("/t*", "_GT/SEG/man_seg*", "_GT/TRA/man_track*")]
    return all(len(list(folder.glob(kind))) == frames for kind in kinds)
