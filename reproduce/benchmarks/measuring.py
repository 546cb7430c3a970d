"""Times of ours and of a baseline, taken in turn, so that what else the machine does meets both alike."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def seconds_of(function: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def median_seconds(function: Callable[[], Any], rounds: int = 3) -> float:
    """The median of several calls."""
    return median(seconds_of(function) for _ in range(rounds))


def in_turn(ours: Callable[[], Any], baseline: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of both, a call of one after a call of the other; `baseline` tells its own seconds."""
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        seconds[0].append(seconds_of(ours))
        seconds[1].append(baseline())
    return seconds
