"""Times of ours and of a baseline, taken in turn, so that what else the machine does meets both alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

SETTLED = 0.05  # seconds in which the threads of the program before stop waiting for more work


def seconds_of(function: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def median_seconds(function: Callable[[], Any]) -> float:
    """The median of three calls."""
    return median(seconds_of(function) for _ in range(3))


def in_turn(ours: Callable[[], Any], baseline: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of both, a call of one after a call of the other; `baseline` tells its own seconds."""
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        seconds[0].append(seconds_of(ours))
        seconds[1].append(baseline())
    return seconds


def all_in_turn(programs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds that several programs tell of themselves, all in every round, each round beginning with another one."""
    names = list(programs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            time.sleep(SETTLED)
            seconds[name].append(programs[name]())
    return seconds


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Our time divided by theirs in each round: the median, and the extremes."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
