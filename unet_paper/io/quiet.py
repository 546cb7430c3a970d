"""The readers' own messages are held back: what matters of them becomes one sentence of ours."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

_lock = threading.Lock()
_depth = 0  # how many are inside, in all threads
_restored = ExitStack()  # by the last of them


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Inside the `with`, tifffile's log and Python's warnings are silent, and Pillow takes images of any size.

    All of these are the process's own: the first that comes in changes them, and the last that leaves restores them.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _silence()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _restored.close()


def _begin_in_child() -> None:
    """A forked process has one thread: what the parent's others were reading is not read here."""
    global _lock, _depth
    _lock, _depth = threading.Lock(), 0
    _restored.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_in_child)


def _silence() -> None:
    log = logging.getLogger("tifffile")
    _restored.callback(log.setLevel, log.level)
    log.setLevel(logging.CRITICAL + 1)
    _restored.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    Image.MAX_IMAGE_PIXELS = None
    _restored.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
