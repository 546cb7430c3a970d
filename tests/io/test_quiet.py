"""What the readers would print is held back, and what the process had set before is there again afterwards."""

import logging
import warnings
from contextlib import ExitStack

import pytest
from PIL import Image

from unet_paper.io.quiet import quiet_readers


def settings():
    return logging.getLogger("tifffile").level, Image.MAX_IMAGE_PIXELS, list(warnings.filters)


def is_quiet():
    silent = logging.getLogger("tifffile").level > logging.CRITICAL
    return silent and Image.MAX_IMAGE_PIXELS is None and warnings.filters[0][0] == "ignore"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_that_overlap_restore_what_was_there(order):
    """As in two threads: the first that came in may be the first that leaves."""
    before = settings()
    readers = [ExitStack() for _ in range(2)]
    for reader in readers:
        reader.enter_context(quiet_readers())
    readers[order[0]].close()
    assert is_quiet()
    readers[order[1]].close()
    assert settings() == before


def test_an_error_restores_too():
    before = settings()
    with pytest.raises(ValueError), quiet_readers():
        raise ValueError
    assert settings() == before
