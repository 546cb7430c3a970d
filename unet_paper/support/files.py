"""Files written whole or not at all."""

import csv
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unet_paper.support.errors import BadInput

LEFTOVER = ".being-written-"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of writing to an open file; they name none
LONGEST_SUFFIX = 16  # that a temporary name keeps: no name is so long that its temporary one would be too long


@contextmanager
def atomic_write(path: Path | str, earlier: Path | None = None) -> Iterator[Path]:
    """A temporary path beside `path` that gets its name when the block ends well, and vanishes when it does not.

    earlier : path or None; where the file goes that was there before. Raises BadInput where no file can be made, and
    when the disk is full. Whatever else the block raises, as of a file that it reads, is raised as it is.
    """
    path = Path(path)
    temporary = path.parent / f"{LEFTOVER}{secrets.token_hex(4)}{path.suffix[:LONGEST_SUFFIX]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}; give a folder that can be written") from None
    permissions = stat.S_IMODE(os.fstat(handle).st_mode)  # what the umask has left of them
    os.close(handle)
    is_written = False
    try:
        yield temporary
        is_written = True
        os.chmod(temporary, permissions)  # safetensors puts a file in its place that only its owner may read
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())  # the name must not reach the disk before the content
        if earlier is not None and path.exists():
            os.replace(path, earlier)
        os.replace(temporary, path)
    except OSError as error:
        if not is_written and not _is_of_writing(error, temporary, path):
            raise
        if path.name.startswith(LEFTOVER):  # of another such block, which knows its name
            raise OSError(error.errno or errno.ENOSPC, why_not(error), str(path)) from None
        raise BadInput(f"{path} cannot be written: {why_not(error)}; make room, or give another folder") from None
    finally:
        temporary.unlink(missing_ok=True)


def _is_of_writing(error: OSError, *paths: Path) -> bool:
    """Whether an error is of writing one of the files, not of another file, a network or a program."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, (str, os.PathLike))]
    if names:
        return not {*map(os.path.realpath, names)}.isdisjoint(map(os.path.realpath, paths))
    # NumPy's of a full disk, and what we make of libraries' own kinds of error, have no number.
    return error.errno in NO_ROOM or (error.errno is None and type(error) is OSError)


def write_rows(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV, whole or not at all. Raises what `atomic_write` does."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def why_not(error: OSError) -> str:
    """What an OSError says, in words. NumPy's own, of a full disk, only counts bytes."""
    return error.strerror or f"the disk may be full ({error})"


def remove_leftovers(folder: Path | str) -> None:
    """Delete the files and folders that processes which were killed left half made. Nobody may be writing there."""
    for path in Path(folder).glob(f"{LEFTOVER}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
