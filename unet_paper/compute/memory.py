"""How much memory there is and was taken, and giving back what a memory-mapped file has taken."""

import mmap
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unet_paper.support.errors import BadInput

if TYPE_CHECKING:
    import torch  # which takes seconds, and only a GPU needs it here

SHARED = ("r", "r+", "w+")  # modes of np.memmap in which the file holds every change


def available_memory(device: "torch.device | str" = "cpu") -> int:
    """Bytes that a new piece of work can take on a device: GPU memory that is free, or that PyTorch holds without using
    it; or what Linux calls available, within the limit of a container. Where neither is known, the machine's memory.
    """
    if str(device).startswith("cuda"):
        import torch

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    limits = [
        _left_in_container(Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
        _left_in_container(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**32)
    return min(value for value in limits if value is not None)


def require_memory(needed: float, what: str, advice: str, device: "torch.device | str" = "cpu") -> None:
    """Raise BadInput, before the work starts, when it would take more bytes than there are: `what` takes them, and
    `advice` says what to do.
    """
    available = available_memory(device)
    if needed > available:
        raise BadInput(
            f"{what} takes some {needed / 2**30:,.1f} GiB of memory and {available / 2**30:,.1f} GiB are free; {advice}"
        )


def _left_in_container(folder: Path, limit: str, used: str) -> int | None:
    """What is left of a container's limit, in which file cache that can be dropped counts as free; None without one."""
    try:
        allowed, taken = (int((folder / name).read_text(encoding="utf-8")) for name in (limit, used))
        lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    cache = sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))
    return max(allowed - taken + cache, 0)


def peak_memory() -> int | None:
    """The most bytes of memory that this process has held at a time; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # outside Unix
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def release(array: np.ndarray) -> None:
    """Let go of the pages of the file that `array` maps or is a view of; they are read again when needed.

    Does nothing for arrays in memory, and for mappings that may hold changes which are not in the file. Without it, the
    pages of a large file count as this process's memory.
    """
    owner: object = array
    is_shared = False
    while owner is not None and not isinstance(owner, mmap.mmap):
        is_shared |= isinstance(owner, np.memmap) and owner.mode in SHARED
        owner = getattr(owner, "base", None)
    if owner is not None and is_shared and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
