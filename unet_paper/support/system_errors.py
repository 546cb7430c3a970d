"""Telling what says nothing of a file's content: too little memory, and what the system refuses now."""

import errno
import zipfile
from pathlib import Path

from unet_paper.support.errors import BadInput
from unet_paper.support.out_of_memory import is_out_of_memory


def is_of_system(error: BaseException) -> bool:
    """Whether a file's content has no part in an error: it would befall a whole file too."""
    return is_out_of_memory(error) or _refused(error) is not None


def raise_if_of_system(error: BaseException, path: Path | str) -> None:
    """Raise what says nothing of the content of the file `path`: too little memory as it is, and a system that cannot
    read it now as BadInput. Does nothing for other errors.
    """
    if is_out_of_memory(error):
        raise error
    refused = _refused(error)
    if refused is not None:
        raise BadInput(
            f"{path} cannot be read: {refused.strerror}; fix that and try again, or give a copy of it"
        ) from None


def _refused(error: BaseException) -> OSError | None:
    """The system's own error, where it is one."""
    # Of what the system refuses zipfile makes damage, where it looks for the archive's end.
    cause = error.__context__ if isinstance(error, zipfile.BadZipFile) else error
    # Libraries' own kinds have no number, and EINVAL is of a place outside the file, to which a damaged one points.
    return cause if isinstance(cause, OSError) and cause.errno not in (None, errno.EINVAL) else None
