"""Opening OME-Zarr (0.1 to 0.5) as stacks: a multiscale image at its full resolution, read where it is asked for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unet_paper.io.lazy_stack import LazyStack
from unet_paper.io.meaning import several_classes
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.raw_image import Kind
from unet_paper.support.errors import BadInput
from unet_paper.support.extras import require_extra
from unet_paper.support.words import counted

SUFFIX = ".zarr"
ATTRIBUTE = "unet_paper"  # of the group of a result of ours: what it was made with
WRITTEN_VERSIONS = ("0.4", "0.5")  # 0.5 is zarr 3, which has shards
MOST_COUNTED = 100_000  # chunks
MARKERS = ("zarr.json", ".zgroup", ".zarray")  # one of them lies in every zarr
FIRST_AXES = ("t", "c", "z", "y", "x")  # of versions 0.1 and 0.2, which do not name them
NANOMETRES = {
    "picometer": 1e-3,
    "angstrom": 0.1,
    "nanometer": 1.0,
    "micrometer": 1e3,
    "millimeter": 1e6,
    "centimeter": 1e7,
    "meter": 1e9,
}


@dataclass(frozen=True)
class Zarr:
    """A multiscale image at full resolution."""

    pixels: "ZarrStack"
    pixel_size: PixelSize | None
    origin: tuple[float, float, float]  # of the first pixel, (z, y, x), in px of this image
    version: str  # of OME-Zarr
    made_with: Mapping[str, str]  # of a result of ours


class ZarrStack(LazyStack):
    """The sections of a zarr array: one time, one channel."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of a pixel, (z, y, x), in `units`
    units: tuple[str, str, str] = ("", "", "")  # in OME's words; "" where none is told

    def __init__(self, path: Path, array: Any, axes: str, channel: int) -> None:
        """array : of zarr, with axes of t, c, z, y, x in this order. path : for messages."""
        lengths = dict(zip(axes, array.shape, strict=True))
        dtype = np.dtype(np.uint8) if array.dtype == bool else np.dtype(array.dtype).newbyteorder("=")
        super().__init__((lengths.get("z", 1), lengths["y"], lengths["x"]), dtype)
        self.path, self.array, self.axes, self.channel = path, array, axes, channel

    @property
    def chunk_depth(self) -> int:
        """Sections that are stored, and so are read, together."""
        return int(self.array.chunks[self.axes.index("z")]) if "z" in self.axes else 1

    @property
    def missing_value(self) -> float:
        """What missing chunks are read as: 0 where the array names nothing, as version 2 of zarr allows (null)."""
        return float(self.array.fill_value or 0)

    def missing_chunks(self) -> tuple[int, int]:
        """(chunks, or shards, that are not stored, how many there would be); none is counted of more than can be
        listed while somebody waits.
        """
        count = self.stored_chunks()
        return (count - self.array._nshards_initialized if count <= MOST_COUNTED else 0), count

    def stored_chunks(self) -> int:
        """How many files its pixels lie in, where none is missing: chunks, or the shards that hold them."""
        stored = self.array.shards or self.array.chunks
        return math.prod(-(-length // step) for length, step in zip(self.array.shape, stored, strict=True))

    def read(self, sections: slice, rows: slice, columns: slice) -> np.ndarray:
        """See LazyStack. Raises BadInput for a damaged chunk."""
        of_axis: dict[str, slice | int] = {"t": 0, "c": self.channel, "z": sections, "y": rows, "x": columns}
        try:
            pixels = np.asarray(self.array[tuple(of_axis[axis] for axis in self.axes)])
        except MemoryError:
            raise
        except Exception as error:  # of the codecs, each of which has its own
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BadInput(
                f"{self.path} is damaged in sections {sections.start} to {sections.stop - 1}, rows {rows.start} to "
                f"{rows.stop - 1}, columns {columns.start} to {columns.stop - 1} ({error}); get these chunks again"
            ) from None
        return np.ascontiguousarray(pixels if "z" in self.axes else pixels[None], self.dtype)


def is_zarr(path: Path) -> bool:
    """Whether a folder holds a zarr."""
    return path.is_dir() and any((path / name).is_file() for name in MARKERS)


def open_zarr(path: Path, channel: int | str | None = None, kind: Kind = "image") -> Zarr:
    """The full resolution of the multiscale image in a folder.

    Raises BadInput for a zarr that is no multiscale image, that has several times or, without `channel`, several
    channels, and where the packages for it are missing.
    """
    require_extra("zarr", f"reading {path}")
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except Exception as error:  # of many kinds, for metadata that is damaged
        raise BadInput(f"{path} cannot be read as OME-Zarr ({error}); give the folder of a multiscale image") from None
    attributes: dict[str, Any] = dict(group.attrs)
    described = attributes.get("ome", attributes)
    if not isinstance(described, dict) or not described.get("multiscales"):
        raise _no_image(path, described)
    try:
        image = described["multiscales"][0]
        level = image["datasets"][0]
        array: Any = group[level["path"]]
        axes, units = _axes(image, array.ndim)
        scale, translation = _placed(image, level, array.ndim)
    except Exception as error:
        raise BadInput(f"{path} cannot be read as OME-Zarr (its description lacks {error}); write it anew") from None
    version = str(described.get("version") or image.get("version") or "0.4")
    lengths = dict(zip(axes, array.shape, strict=True))
    if channel is None and kind != "image" and lengths.get("c", 1) > 1 and array.dtype.kind == "f":
        raise several_classes(path, lengths["c"], kind)
    stack = ZarrStack(path, array, axes, _channel(path, lengths, channel, kind))
    if stack.size == 0:
        raise BadInput(f"{path} has shape {stack.shape}; give at least one section of at least one pixel")
    placed = dict(zip(axes, zip(scale, translation, units, strict=True), strict=True))
    z, y, x = (placed.get(axis, (1.0, 0.0, "")) for axis in "zyx")
    stack.scale, stack.units = (z[0], y[0], x[0]), (z[2], y[2], x[2])
    told = attributes.get(ATTRIBUTE)
    made_with = {name: str(value) for name, value in told.items()} if isinstance(told, dict) else {}
    return Zarr(stack, _pixel_size(placed), (z[1] / z[0], y[1] / y[0], x[1] / x[0]), version, made_with)


def _no_image(path: Path, described: Any) -> BadInput:
    """What a zarr without a multiscale image is."""
    inside = sorted(child.name for child in path.iterdir() if is_zarr(child))
    if isinstance(described, dict) and ("plate" in described or "bioformats2raw.layout" in described) or inside:
        example = f", such as {path / inside[0]}" if inside else ""
        return BadInput(f"{path} is no multiscale image but holds some; give one of them{example}")
    return BadInput(f"{path} is a zarr without OME's description of a multiscale image; give one that has it")


def _axes(image: Mapping[str, Any], ndim: int) -> tuple[str, tuple[str, ...]]:
    """(names of the axes, their units), checked."""
    axes = image.get("axes", FIRST_AXES)
    names = "".join(axis if isinstance(axis, str) else axis["name"] for axis in axes)
    units = tuple("" if isinstance(axis, str) else axis.get("unit", "") for axis in axes)
    order = [name for name in "tczyx" if name in names]
    if len(names) != ndim or list(names) != order or not names.endswith("yx"):
        raise ValueError(f"axes of t, c, z, y, x in this order for {ndim} dimensions; it has {names!r}")
    return names, units


def _placed(image: Mapping[str, Any], level: Mapping[str, Any], ndim: int) -> tuple[list[float], list[float]]:
    """(scale, translation) of a level along each axis, all transformations taken together."""
    scale, translation = np.ones(ndim), np.zeros(ndim)
    for owner in (level, image):
        for step in owner.get("coordinateTransformations", ()):
            if step["type"] == "scale":
                factor = np.array(step["scale"], float)
                scale, translation = scale * factor, translation * factor
            elif step["type"] == "translation":
                translation = translation + np.array(step["translation"], float)
    if not (np.isfinite(scale).all() and (scale > 0).all() and np.isfinite(translation).all()):
        raise ValueError("scales above 0")
    return scale.tolist(), translation.tolist()


def _channel(path: Path, lengths: Mapping[str, int], channel: int | str | None, kind: Kind) -> int:
    """The number of the channel that is meant."""
    if lengths.get("t", 1) != 1:
        raise BadInput(f"{path} holds {lengths['t']} times; give a zarr of one of them")
    count = lengths.get("c", 1)
    if channel == "gray":
        raise BadInput(f"{path} is a zarr, whose channels are not red, green and blue; give the number of one")
    if channel is None and count > 1:
        option = f" (--channel takes one, from 0 to {count - 1})" if kind == "image" else ""
        raise BadInput(f"{path} holds {count} channels; give one channel only{option}")
    if not 0 <= int(channel or 0) < count:
        raise BadInput(f"{path} has {counted(count, 'channel')}, numbered from 0; there is no channel {channel}")
    return int(channel or 0)


def _pixel_size(placed: Mapping[str, tuple[float, float, str]]) -> PixelSize | None:
    """In nm, where the units are lengths."""
    lengths = {axis: scale * NANOMETRES.get(unit, 0.0) for axis, (scale, _, unit) in placed.items()}
    if not lengths["x"] or not lengths["y"]:
        return None
    return PixelSize(lengths["x"], lengths["y"], lengths.get("z", 0.0))
