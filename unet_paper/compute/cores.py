"""How many cores there are to compute on."""

import os


def usable_cores() -> int:
    """The cores that this process may use, of which a container or a cluster's job may have few; or the machine's."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
