"""How large a pixel is: read from people's TIFFs, and written so that Fiji shows nanometres."""

import html
import re
from typing import Any, NamedTuple

import tifffile

WORDS = {"nanometer": 1, "nanometre": 1, "micron": 1e3, "micrometer": 1e3, "micrometre": 1e3}
NANOMETRES = {"nm": 1, "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00b5m": 1e3, "mm": 1e6, "cm": 1e7, "pm": 1e-3, "å": 0.1} | {
    word + plural: length for word, length in WORDS.items() for plural in ("", "s")
}
SPACING = "spacing_nm"  # of sections, as our own TIFFs tell it that are not ImageJ's
CENTIMETRES = 3  # TIFF's number for the unit
SMALLEST, LARGEST = 0.01, 1e12  # nm; what lies outside is no pixel's, and no TIFF's resolution


class PixelSize(NamedTuple):
    """Width and height of a pixel and the distance of sections, nm; the distance is 0 where it is not known."""

    x: float
    y: float
    z: float = 0.0


EM = PixelSize(4.0, 4.0, 50.0)  # of the ISBI 2012 stack (section 4), and of the phantom


def pixel_size_of(file: tifffile.TiffFile) -> PixelSize | None:
    """The PixelSize that a TIFF tells, by ImageJ's or OME's metadata, or None."""
    try:
        size = _of_ome(file.ome_metadata) if file.ome_metadata else _of_imagej(file)
    except Exception:  # of many kinds, for metadata that is damaged; the pixels may be whole
        return None
    if size is None or not all(SMALLEST <= length < LARGEST for length in size[:2]):
        return None
    return size if SMALLEST <= size.z < LARGEST else size._replace(z=0.0)


def _of_ome(text: str) -> PixelSize:
    pixels = html.unescape(re.findall(r"<Pixels[^>]*>", text)[0])
    lengths = []
    for axis in "XYZ":
        length = re.search(rf'PhysicalSize{axis}="([^"]+)"', pixels)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', pixels)
        scale = NANOMETRES.get(unit[1].lower() if unit else "µm")  # OME's own default
        lengths.append(float(length[1]) * scale if length and scale else 0.0)
    return PixelSize(*lengths)


def _of_imagej(file: tifffile.TiffFile) -> PixelSize | None:
    tags, metadata = file.pages.first.tags, file.imagej_metadata or {}
    scale = NANOMETRES.get(str(metadata.get("unit", "")).lower())
    if scale is None and tags["ResolutionUnit"].value == CENTIMETRES and not metadata:
        scale = NANOMETRES["cm"]
    if scale is None:
        return None
    across, down = (tags[name].value for name in ("XResolution", "YResolution"))  # (pixels, units)
    if metadata:
        spacing = abs(scale * float(metadata.get("spacing", 0)))
    else:
        spacing = float((file.shaped_metadata or ({},))[0].get(SPACING, 0))
    return PixelSize(scale * across[1] / across[0], scale * down[1] / down[0], spacing)


def tiff_options(size: PixelSize | None, imagej: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arguments of `tifffile.imwrite`, entries of its metadata) that tell a PixelSize, or nothing for None."""
    if size is None:
        return {}, {}
    if not imagej:
        spacing = {SPACING: size.z} if size.z else {}
        return {"resolution": (1e7 / size.x, 1e7 / size.y), "resolutionunit": "CENTIMETER"}, spacing
    return {"resolution": (1 / size.x, 1 / size.y)}, {"unit": "nm"} | ({"spacing": size.z} if size.z else {})
