"""Images that lie in several files: folders, and lists of files as a shell makes them of a pattern."""

import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from unet_paper.io.image_files import IMAGE_SUFFIXES, TIFF_SUFFIXES, no_file
from unet_paper.io.ome_zarr import is_zarr
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # besides hidden ones, whose names begin with a dot
SHOWN = 3  # names in a message
IGNORES_CASE = sys.platform in ("win32", "darwin")  # of names: what is made of A.tif and a.tif would be one file


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of image files, and no image itself, as an OME-Zarr is."""
    return path.is_dir() and not is_zarr(path)


def several_files(paths: Sequence[Path]) -> bool:
    """Whether images are paired by name: those of a folder, and several files."""
    return len(paths) != 1 or is_folder(paths[0])


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files of what was named: files, and folders of images. Those of a folder in the order of their names.

    Raises BadInput for a folder without images, and where two files have one name but for the ending, or, on systems
    that do not tell them apart, for capital letters.
    """
    files = [file for path in paths for file in (_in_folder(path) if is_folder(path) else [path])]
    for file in files:
        if not file.exists():
            raise no_file(file)
    seen: dict[str, Path] = {}
    for file in files:
        other = seen.setdefault(stem(file).casefold() if IGNORES_CASE else stem(file), file)
        if other is not file and len(files) > 1:
            raise BadInput(
                f"{other} and {file} have one name but for the ending or the folder; files are told apart by it, so "
                "rename or move one"
            )
    return files


def results_of(inputs: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Every file of what was named, and the TIFF of the same name in the folder `out`."""
    return [(file, out / f"{stem(file)}.tif") for file in image_files(inputs)]


def stem(path: Path) -> str:
    """A file's name without its ending, and without the .ome before it, composed: macOS writes an e and its accent as
    two.
    """
    name = path.name[: len(path.name) - len(path.suffix)]
    return unicodedata.normalize("NFC", name[:-4] if name.lower().endswith(".ome") else name)


def section_names(files: Iterable[tuple[Path, int]]) -> list[str]:
    """What the sections of files are called, of each of which it is told how many it has: as the file, and with their
    numbers where it has several. Raises BadInput where two would be called the same.
    """
    seen: dict[str, Path] = {}
    for file, count in files:
        for name in [stem(file)] if count == 1 else [f"{stem(file)}-{number:03}" for number in range(count)]:
            other = seen.setdefault(name, file)
            if other is not file:
                raise BadInput(f"{other} and {file} both have a section that is called {name}; rename one of them")
    return list(seen)


def by_number(name: str) -> tuple[list[tuple[int, str]], str]:
    """What to sort names without their endings by, so that t2 comes before t10."""
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def named(names: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    all_names = list(names)
    more = f" and {len(all_names) - SHOWN} more" if len(all_names) > SHOWN else ""
    return ", ".join(all_names[:SHOWN]) + more


def _in_folder(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=lambda path: (by_number(stem(path)), path.name))
    entries = [path for path in entries if not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES]
    images = [path for path in entries if _is_image(path)]
    others = [path.name + "/" * path.is_dir() for path in entries if not _is_image(path)]
    if not images:
        inside = f"it holds {named(others)}" if others else "it is empty"
        raise BadInput(f"{folder} is a folder without images ({inside}); name the folder that has TIFF or PNG files")
    if others:
        _note_unread(folder, tuple(others))
    return images


@cache  # a command reads a folder several times
def _note_unread(folder: Path, others: tuple[str, ...]) -> None:
    logger.info(f"note: of {folder}, {named(others)} {'is' if len(others) == 1 else 'are'} not read")


def _is_image(path: Path) -> bool:
    if path.is_dir():
        return is_zarr(path)
    return path.suffix.lower() in (*TIFF_SUFFIXES, *IMAGE_SUFFIXES)
