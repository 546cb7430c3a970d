"""How much memory there is, keeping it for the next maps, and giving back what a memory-mapped file has taken."""

import ctypes
import mmap
import os
from pathlib import Path

import torch

from unet_paper.support.errors import BadInput


def available_memory(device="cpu"):
    """Bytes that a new piece of work can take on a device: free GPU memory, or what Linux calls available, within the
    limit of a container. Where neither is known, the machine's memory.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [
        _left_in_container(Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
        _left_in_container(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**32)
    return min(value for value in found if value is not None)


def require_memory(needed, what, mend, device="cpu"):
    """Raise BadInput, before the work starts, when it would take more bytes than there are: `what` takes them, and
    `mend` says what to do.
    """
    available = available_memory(device)
    if needed > available:
        raise BadInput(
            f"{what} takes some {needed / 2**30:,.1f} GiB of memory and {available / 2**30:,.1f} GiB are free; {mend}"
        )


def _left_in_container(folder, limit, used):
    """What is left of a container's limit, in which file cache that can be dropped counts as free; None without one."""
    try:
        limit, used = (int((folder / name).read_text()) for name in (limit, used))
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    cache = sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))
    return max(limit - used + cache, 0)


def keep_freed_memory():
    """Let this process keep the memory of maps that are no longer needed for those that come next.

    By default glibc hands large blocks back to the system, which clears their pages when they are asked for again:
    every step and tile anew. It concerns the whole process, so only the commands call it. Does nothing without glibc.
    """
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # of mallopt, as malloc.h has them
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((mmap_max, 0), (trim_threshold, -1), (top_pad, 64 * 2**20)):
        mallopt(parameter, value)


def release(array):
    """Let go of the pages of the file that `array` maps or is a view of; they are read again when needed.

    Does nothing for arrays in memory. Without it, the pages of a large file count as this process's memory.
    """
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)
