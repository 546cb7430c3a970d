"""One writer at a time."""

import os
from contextlib import contextmanager
from pathlib import Path

from unet_paper.support.errors import BadInput

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None


@contextmanager
def exclusive_lock(path, what):
    """Hold a lock on the file `path`, made if need be and removed at the end; the system lets go of it if the process
    dies. Raises BadInput, saying that `what` is in use, when another process holds it.
    """
    path = Path(path)
    file = None
    while file is None or not _is_still(path, file):  # the one who held it removed it meanwhile
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a")
        except OSError as error:
            raise BadInput(
                f"{path} cannot be written: {error.strerror}; give a place where files may be made"
            ) from None
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise BadInput(f"{what} is being written by another process; wait for it, or give another name") from None
        except OSError:
            break  # a file system without locks
    try:
        yield
    finally:
        if fcntl is None:
            file.close()  # Windows does not delete an open file
        path.unlink(missing_ok=True)
        file.close()


def _is_still(path, file):
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
