"""The OME-Zarr that a prediction makes: its arrays, a pyramid, and the writing of one shard."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unet_paper.io.ome_zarr import ATTRIBUTE
from unet_paper.support.errors import BadInput
from unet_paper.volumes.blocks import Grid

SMALLEST_LEVEL = 512  # px; a level of at most this height and width is the last of the pyramid
LEVELS_OF_A_BLOCK = 4  # a block on the 16 px grid can be halved so often without its neighbours
CHUNK = 256  # px, about the height and width of what a viewer reads at a time


@dataclass(frozen=True)
class Layout:
    """How the result is stored."""

    grid: Grid
    channels: int  # of the result
    version: str
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of a pixel, (z, y, x), in `units`
    units: tuple[str, str, str] = ("", "", "")  # in OME's words; "" where none is told
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the first pixel, (z, y, x) in px

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the array's axes."""
        return ("z", "y", "x") if self.channels == 1 else ("c", "z", "y", "x")

    @property
    def levels(self) -> int:
        """Of the pyramid, the full resolution too."""
        longest, count = max(self.grid.shape[1:]), 1
        while longest > SMALLEST_LEVEL:
            longest, count = -(-longest // 2), count + 1
        return count

    @property
    def levels_of_a_block(self) -> int:
        """Levels that the work of a block writes; the others are made of these when all blocks are done."""
        return min(self.levels, 1 + LEVELS_OF_A_BLOCK)

    def shape(self, level: int) -> tuple[int, ...]:
        """Of a level's array."""
        depth, height, width = self.grid.shape
        return (*self._classes, depth, -(-height // 2**level), -(-width // 2**level))

    def shard(self, level: int) -> tuple[int, ...]:
        """Of a level's array; a block's own where blocks write the level."""
        depth, down, across = self.grid.shard
        shift = min(level, LEVELS_OF_A_BLOCK)
        return (*self._classes, depth, down >> shift, across >> shift)

    def chunk(self, level: int) -> tuple[int, ...]:
        """Of a level's array: what is read at a time; it divides the shard."""
        *_, down, across = self.shard(level)
        return (*(1 for _ in self._classes), 1, _near_chunk(down), _near_chunk(across))

    @property
    def _classes(self) -> tuple[int, ...]:
        return () if self.channels == 1 else (self.channels,)


def _near_chunk(length: int) -> int:
    """The divisor of a length that is nearest to CHUNK."""
    divisors = [length // parts for parts in range(1, length + 1) if length % parts == 0]
    return min(divisors, key=lambda divisor: abs(np.log(divisor / CHUNK)))


def create_result(path: Path, layout: Layout, made_with: Mapping[str, Any]) -> None:
    """An OME-Zarr without pixels. `made_with`: plain values, kept among its attributes."""
    import zarr
    from ome_zarr.format import format_from_version
    from ome_zarr.writer import write_multiscales_metadata

    zarr_format: Any = 3 if layout.version == "0.5" else 2
    group = zarr.create_group(path, zarr_format=zarr_format)
    datasets = []
    for level in range(layout.levels):
        sharded = {"chunks": layout.chunk(level), "shards": layout.shard(level), "dimension_names": layout.axes}
        plain = {"chunks": layout.shard(level), "chunk_key_encoding": {"name": "v2", "separator": "/"}}
        options: Any = sharded if zarr_format == 3 else plain
        group.create_array(str(level), shape=layout.shape(level), dtype="float32", fill_value=0, **options)
        datasets.append({"path": str(level), "coordinateTransformations": _placed(layout, level)})
    axes: Any = [_axis(name, layout) for name in layout.axes]
    what = f"probabilities of {layout.shape(0)[0]} classes" if "c" in layout.axes else "probability of cell"
    write_multiscales_metadata(group, datasets, fmt=format_from_version(layout.version), axes=axes, name=what)
    group.attrs[ATTRIBUTE] = dict(made_with)


def _placed(layout: Layout, level: int) -> list[dict[str, Any]]:
    """Scale and translation of a level: its pixels lie in the middle of those that they are the mean of."""
    factors = (1, 2**level, 2**level)
    scale = [length * factor for length, factor in zip(layout.scale, factors, strict=True)]
    shift = [
        length * (first + (factor - 1) / 2)
        for length, first, factor in zip(layout.scale, layout.origin, factors, strict=True)
    ]
    channel = len(layout.axes) - 3
    return [
        {"type": "scale", "scale": [1.0] * channel + scale},
        {"type": "translation", "translation": [0.0] * channel + shift},
    ]


def _axis(name: str, layout: Layout) -> dict[str, str]:
    if name == "c":
        return {"name": name, "type": "channel"}
    unit = layout.units["zyx".index(name)]
    return {"name": name, "type": "space"} | ({"unit": unit} if unit else {})


def made_with_of(path: Path) -> dict[str, Any] | None:
    """What a finished result was made with; None for anything else."""
    import zarr

    try:
        return dict(zarr.open_group(path, mode="r").attrs[ATTRIBUTE])  # type: ignore[arg-type]
    except Exception:  # of many kinds: it is no zarr, or not one of ours
        return None


class Result:
    """The arrays of a result in the making."""

    def __init__(self, path: Path, layout: Layout) -> None:
        import zarr

        self.path, self.layout = path, layout
        try:
            group = zarr.open_group(path, mode="r+")
            self.arrays: list[Any] = [group[str(level)] for level in range(layout.levels)]
        except Exception as error:  # of many kinds, for metadata that is damaged
            raise BadInput(
                f"{path} is damaged ({error}); delete {path.parent}, and the prediction begins anew"
            ) from None

    def write(self, number: int, planes: np.ndarray) -> None:
        """Put a block's (channels, z, h, w) pixels onto the disk, into its shard of each level that blocks write."""
        index = self.layout.grid.index(number)
        for level in range(self.layout.levels_of_a_block):
            planes = halved(planes) if level else planes
            self._write_shard(level, index, planes)

    def make_upper_levels(self) -> None:
        """The levels above those that blocks write, shard by shard, each of the one below."""
        for level in range(self.layout.levels_of_a_block, self.layout.levels):
            depth, down, across = self.layout.shard(level)[-3:]
            below = self.arrays[level - 1]
            sections, height, width = self.layout.shape(level)[-3:]
            for z in range(-(-sections // depth)):
                for y in range(-(-height // down)):
                    for x in range(-(-width // across)):
                        sides = (
                            slice(z * depth, (z + 1) * depth),
                            slice(2 * y * down, 2 * (y + 1) * down),
                            slice(2 * x * across, 2 * (x + 1) * across),
                        )
                        planes = np.asarray(below[(..., *sides)])
                        self._write_shard(level, (z, y, x), halved(planes.reshape(-1, *planes.shape[-3:])))

    def _write_shard(self, level: int, index: tuple[int, int, int], planes: np.ndarray) -> None:
        array, shard = self.arrays[level], self.layout.shard(level)[-3:]
        sides = tuple(
            slice(position * step, position * step + length)
            for position, step, length in zip(index, shard, planes.shape[-3:], strict=True)
        )
        array[(..., *sides)] = planes if self.layout.channels > 1 else planes[0]
        key = (*(0 for _ in self.layout.axes[:-3]), *index)
        _sync(self.path / str(level) / array.metadata.encode_chunk_key(key))


def halved(planes: np.ndarray) -> np.ndarray:
    """(..., h, w) -> half as high and wide, rounded up: the mean of every 2 x 2 px, ends repeated."""
    height, width = planes.shape[-2:]
    planes = np.pad(planes, [(0, 0)] * (planes.ndim - 2) + [(0, height % 2), (0, width % 2)], mode="edge")
    return (planes[..., ::2, ::2] + planes[..., 1::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, 1::2]) / 4


def _sync(path: Path) -> None:
    """Wait until a file has reached the disk. There is none where all pixels are 0."""
    try:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    except FileNotFoundError:
        pass
