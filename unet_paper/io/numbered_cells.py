"""Numbered cells as files: a TIFF that Fiji shows with a colour for each cell, and a table."""

import csv
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.color import rgb2lab

from unet_paper.io.pixel_size import PixelSize, tiff_options
from unet_paper.io.resumable_tiff import LARGEST_CLASSIC_TIFF
from unet_paper.io.tiff_directory import COLOUR_MAP
from unet_paper.support.files import atomic_write

COLOURS = 255  # that ImageJ's lookup table has besides the background's
LIGHTNESS = (35, 95)  # of the colours, in CIELAB: neither lost on black nor all white
GOLDEN = (math.sqrt(5) - 1) / 2
SHORTS = 3  # TIFF's number for the type


def write_cells(path: Path | str, cells: np.ndarray, info: str, pixel_size: PixelSize | None = None) -> None:
    """Write numbered cells, (Z, H, W) from 0 on, as a TIFF of 16 bits with `cell_colours` as ImageJ writes them.

    Numbers above 65,535, or more than 4 GiB, are of 32 bits or a BigTIFF and without colours, which Fiji opens too;
    cells 1 px wide are without colours.
    """
    largest = int(cells.max(initial=0))
    stored = cells.astype(np.uint16 if largest < 2**16 else np.uint32)
    large = stored.nbytes >= LARGEST_CLASSIC_TIFF
    imagej = largest < 2**16 and not large and cells.shape[-1] > 1  # one column would be taken for samples
    options, entries = tiff_options(pixel_size, imagej)
    metadata: dict[str, Any] = {"axes": "ZYX", **entries, "Info" if imagej else "Description": info}
    if imagej:
        metadata |= {"min": 0.0, "max": float(max(largest, COLOURS))}  # up to 255, a number is a colour's
        table = cell_colours().T.astype(np.uint16) * 257
        options["extratags"] = [(COLOUR_MAP, SHORTS, table.size, table.ravel().tolist(), True)]
    with atomic_write(path) as temporary:
        tifffile.imwrite(
            temporary, stored, photometric="minisblack", imagej=imagej, bigtiff=large, metadata=metadata, **options
        )


def scattered(cells: np.ndarray) -> np.ndarray:
    """The same cells, numbered for `write_cells`: of more than 255, near ones get numbers that are far apart.

    Fiji gives numbers that follow one another one colour then, and the lowest the background's: these are left out.
    """
    count = int(cells.max(initial=0))
    if count <= COLOURS:
        return cells
    step = next(step for step in range(round(GOLDEN * count), count + 1) if math.gcd(step, count) == 1)
    first = 1 + count // (2 * COLOURS + 1)
    numbers = np.zeros(count + 1, cells.dtype)
    numbers[1:] = first + np.arange(count, dtype=np.int64) * step % count
    return numbers[cells]


@cache
def cell_colours() -> np.ndarray:
    """(256, 3) uint8: black, and 255 colours, each as far from those before it as there is one (Glasbey's way)."""
    steps = np.linspace(0, 255, 12).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    positions = rgb2lab(candidates[None] / 255)[0]
    bright = (positions[:, 0] >= LIGHTNESS[0]) & (positions[:, 0] <= LIGHTNESS[1])
    candidates, positions = candidates[bright], positions[bright]
    distance = np.linalg.norm(positions, axis=1)  # to black, the background
    chosen: list[int] = []
    while len(chosen) < COLOURS:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(positions - positions[chosen[-1]], axis=1))
    return np.concatenate([np.zeros((1, 3), np.uint8), candidates[chosen]])


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Sequence[int | float]]) -> None:
    """Write a CSV; floats with six digits, and with three behind the point."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(_digits(value) if isinstance(value, float) else value for value in row)


def _digits(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) >= 1000 else f"{value:.6g}"
