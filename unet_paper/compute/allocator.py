"""How this process takes memory. Both settings concern all of it, so only the commands make them, not a library."""

import ctypes
import os


def use_large_pages() -> None:
    """Let PyTorch take large pages for large maps, which spares page faults on Linux. Call it before importing torch,
    which reads the setting once.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def keep_freed_memory() -> None:
    """Let this process keep the memory of maps that are no longer needed for those that come next.

    By default glibc hands large blocks back to the system, which clears their pages when they are asked for again:
    every step and tile anew. Does nothing without glibc.
    """
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # of mallopt, as malloc.h has them
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((mmap_max, 0), (trim_threshold, -1), (top_pad, 64 * 2**20)):
        mallopt(parameter, value)
