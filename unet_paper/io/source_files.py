"""The files that a stack's pixels lie in, and whether they are still the same ones."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from unet_paper.io.folder_stack import FolderStack
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.ome_zarr import MARKERS, MOST_COUNTED, ZarrStack
from unet_paper.io.tiff import files_of_tiff


def files_sha256(stack: ImageStack) -> str:
    """SHA-256 of the names, sizes and times of change of a stack's files.

    It costs no reading of pixels. It stays as it is where all of them are moved, and not where they are copied without
    their times.
    """
    digest = hashlib.sha256()
    for path in _source_files(stack):
        name = os.path.relpath(path, stack.source)  # "." of a single file
        told = path.stat()
        digest.update(f"{name}\0{told.st_size}\0{told.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _source_files(stack: ImageStack) -> Iterator[Path]:
    """In an order that does not depend on the disk. Of an OME-Zarr its full resolution alone, as labels may be added;
    of very many chunks only what describes it, as asking for each would take long.
    """
    pixels: object = stack.pixels
    if isinstance(pixels, ZarrStack) and pixels.stored_chunks() > MOST_COUNTED:
        folder = stack.source / pixels.array.path
        yield from (folder / marker for marker in MARKERS if (folder / marker).is_file())
    elif isinstance(pixels, ZarrStack):
        for folder, names, files in os.walk(stack.source / pixels.array.path):
            names.sort()
            yield from (Path(folder, file) for file in sorted(files))
    elif isinstance(pixels, FolderStack):
        yield from pixels.files
    else:
        yield from files_of_tiff(stack.source)
