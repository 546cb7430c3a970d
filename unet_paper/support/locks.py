"""One writer at a time."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from unet_paper.support.errors import BadInput

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)  # of a file system that has none


@contextmanager
def exclusive_lock(path: Path, what: Path | str) -> Iterator[None]:
    """Hold a lock on the file `path`, made if need be and removed at the end; the system lets go of it if the process
    dies. Raises BadInput, saying that `what` is in use, when another process holds it, and for a file of that name
    that holds something, which no lock does.
    """
    path = Path(path)
    with suppress(OSError):  # such as where another process has just let go of it
        if path.is_file() and path.stat().st_size:
            raise BadInput(f"{path} is no lock, and would be lost; move it away, or give another name")
    lock = FileLock(path, timeout=0, fallback_to_soft=False)  # a soft one would outlive a process that is killed
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise BadInput(f"{what} is being written by another process; wait for it, or give another name") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise BadInput(f"the folder {path.parent} cannot be written: {error.strerror}; give another one") from None
    try:
        yield
    finally:
        try:
            with suppress(PermissionError):  # Windows removes no open file; whoever opens it next locks it
                path.unlink(missing_ok=True)  # while it is held: whoever waits sees that the name is gone
        finally:
            lock.release()
