"""What is looked at before long work begins."""

import os
from collections.abc import Iterable
from pathlib import Path

from unet_paper.support.errors import BadInput

LONGEST_NAME = 255  # bytes, where the system does not tell


def must_be_writable(path: Path, force: bool = True, beside: str = "") -> None:
    """Raise BadInput when a file cannot be made at `path`, or, without `force`, is there. beside : see `must_fit`."""
    must_fit(path, beside)
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give the name of a file to write")
    if path.exists() and not path.is_file():  # /dev/null, which a file would take the place of
        raise BadInput(f"{path} is a device or a pipe, which a file would replace; give the name of a file to write")
    ancestor = _ancestor(path)
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise BadInput(f"{path} cannot be written in {ancestor}; give a folder where files may be made")
    if os.path.lexists(path) and not force:  # a link, too, that leads nowhere
        raise BadInput(f"{path} is there already; give another name, or --force to replace it")


def must_fit(path: Path, beside: str = "") -> None:
    """Raise BadInput where a name is longer than the file system allows.

    beside : the longest ending that the files have behind that name which lie beside it while it is made.
    """
    ancestor = _ancestor(path)
    longest = os.pathconf(ancestor, "PC_NAME_MAX") if hasattr(os, "pathconf") else LONGEST_NAME
    *folders, name = path.absolute().parts
    excess = max(len(os.fsencode(part)) for part in (*folders, name + beside)) - longest
    if excess > 0:
        ending = f" (with {beside}, the ending of a file beside it)" if beside else ""
        too_long = f"{excess} byte{'s' * (excess > 1)} too long"
        raise BadInput(f"{path} cannot be written: a name in it{ending} is {too_long}; give a shorter one")


def _ancestor(path: Path) -> Path:
    """The nearest of the folders above a path that is there."""
    path = path.absolute()
    return next((parent for parent in path.parents if os.path.exists(parent)), path)


def must_be_tiff(path: Path) -> None:
    """Raise BadInput where a name does not end as a TIFF's."""
    from unet_paper.io.image_files import TIFF_SUFFIXES

    if path.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{path} must be a TIFF, with a name that ends in .tif")


def must_differ(out: Path, others: Iterable[Path | None], what: str) -> None:
    """Raise BadInput where a result is named like another file of the command. what : the result, for the message."""
    for other in others:
        if other is None:
            continue
        if os.path.realpath(out) == os.path.realpath(other) or (
            out.exists() and other.exists() and out.samefile(other)
        ):
            raise BadInput(f"{out} is named twice, and {other} would be lost; give another name for {what}")


def must_spare(read: Iterable[Path | None], out: Path, what: str) -> None:
    """Raise BadInput where a result would replace a file that is read, or one in a folder that is.

    what : the result, for the message.
    """
    for path in read:
        file = path / out.name if path is not None and path.is_dir() else path
        if file is not None and file.exists() and out.exists() and out.samefile(file):
            raise BadInput(f"{out} is read too, and would be lost; give another name for {what}")


def must_lie_apart(read: Iterable[Path | None], out: Path, what: str) -> None:
    """Raise BadInput where results would lie in a folder that is read, whose images they would be taken for.

    what : the results, for the message.
    """
    for path in read:
        if path is not None and path.is_dir() and out.is_dir() and out.samefile(path):
            raise BadInput(f"{out} is read, and {what} in it would be taken for images; give another folder for them")
