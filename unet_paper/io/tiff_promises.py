"""What a TIFF's descriptions promise, compared with what is there: files of a set, planes, images."""

import math
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from unet_paper.io.tiff_directory import read_pages, require_pixels

CHECKED_KINDS = ("imagej", "ome", "shaped", "lsm", "stk", "uniform", "generic")  # series whose pages are counted


def require_promised(path: Path, series: tifffile.TiffPageSeries, sections: int) -> None:
    """Raise ValueError, naming what is missing, unless a series has all that its file promises.

    sections : number of the file's pages that are no thumbnails
    """
    pages = [page for page in series.pages if page is not None]
    if len(pages) < len(series.pages):
        missing = len(series.pages) - len(pages)
        raise ValueError(f"it promises {len(series.pages)} images, of which {missing} are missing")
    size = path.stat().st_size
    if series.dataoffset is not None and len(pages) == 1:
        of_image = pages[0].nbytes
        if series.dataoffset + series.nbytes > size:
            there = (size - series.dataoffset) // of_image if of_image else 0
            raise _cut(series.nbytes // max(of_image, 1), there)
        return
    if series.kind in CHECKED_KINDS and sections > 1 and len({page.parent.filename for page in pages}) == 1:
        used = series.size // max(series.keyframe.size, 1)
        if used != sections:
            raise ValueError(f"its description promises {used} images, and the file holds {sections}")


def _cut(promised: int, there: int) -> ValueError:
    return ValueError(f"it is cut off: its description promises {promised} images, and the file ends after {there}")


def require_imagej_images(file: tifffile.TiffFile, pages: int, size: int) -> bool:
    """Whether ImageJ's description fits the pages. Raises ValueError where it promises more than there is."""
    described = file.imagej_metadata or {}
    promised = described.get("images", 1)
    if not isinstance(promised, int) or promised <= 1 or promised == pages:
        return True
    first = file.pages.first
    if pages > 1:
        if promised > pages:
            raise ValueError(f"its description promises {promised} images, and the file holds {pages}")
        return False
    if first.is_contiguous and first.dataoffsets[0] + promised * first.nbytes > size:
        raise _cut(promised, (size - first.dataoffsets[0]) // max(first.nbytes, 1))
    if not first.is_contiguous:
        raise ValueError(f"its description promises {promised} images, and the file holds {pages}")
    return True


def require_shaped_pages(file: tifffile.TiffFile, pages: int) -> None:
    """Raise ValueError where tifffile's own description promises more pages than there are."""
    first = file.pages.first
    described = (file.shaped_metadata or ({},))[0].get("shape", ())
    promised = math.prod(described) // max(first.size, 1)
    if promised > pages and not (pages == 1 and first.is_contiguous):
        raise ValueError(f"its description promises {promised} images, and the file holds {pages}")


def require_ome_files(path: Path, description: str) -> None:
    """Raise ValueError where OME's description names files that are missing or are not what it says."""
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        raise ValueError("its OME description is damaged") from None
    own = root.attrib.get("UUID")
    others: dict[tuple[str, str | None], None] = {}  # that it names, some for each of their images, in that order
    for element in root.iter():
        kind = element.tag.rpartition("}")[2]
        if kind == "BinaryOnly":
            leader = element.attrib.get("MetadataFile", "another file")
            there = "" if (path.parent / os.path.basename(leader)).is_file() else ", which is missing"
            raise ValueError(f"it is one file of a set that is described in {leader}{there}")
        if kind != "UUID" or "FileName" not in element.attrib:
            continue
        name, uuid = os.path.basename(element.attrib["FileName"]), element.text
        if not (uuid == own and own is not None or (own is None and name.lower() == path.name.lower())):
            others[name, uuid] = None
    for name, uuid in others:
        other = path.parent / name
        if not other.is_file():
            raise ValueError(f"it is one file of a set, of which {name} is missing (or has another name)")
        try:
            require_pixels(read_pages(other), other.stat().st_size)
        except ValueError as error:
            raise ValueError(f"it is one file of a set, and of {name}: {error}") from None
        other_uuid = _ome_uuid(other)
        if other_uuid is not None and uuid is not None and other_uuid != uuid:
            raise ValueError(f"it is one file of a set, and {name} is another file than the one it names")


def _ome_uuid(path: Path) -> str | None:
    try:
        with tifffile.TiffFile(path) as file:
            match = re.search(r'<OME[^>]*\bUUID="([^"]+)"', file.ome_metadata or "")
    except Exception:  # of many kinds; whoever reads its pixels says what is wrong with it
        return None
    return match[1] if match else None
