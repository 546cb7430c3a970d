"""The readers' own messages are held back: what matters of them becomes one sentence of ours."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Inside the `with`, tifffile's log and Python's warnings are silent, and Pillow takes images of any size."""
    log = logging.getLogger("tifffile")
    level, most = log.level, Image.MAX_IMAGE_PIXELS
    try:
        log.setLevel(logging.CRITICAL + 1)
        Image.MAX_IMAGE_PIXELS = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        Image.MAX_IMAGE_PIXELS = most
