"""What seeds do to errors: runs that differ in the seed alone lie apart, and others that lie closer tell nothing.

All of it takes errors as normally distributed.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
ROUNDING = 1e-12  # differences of errors that lie nearer to each other are alike
UNEVEN = 0.001  # how rarely a group is taken as uneven where seeds do the same to all


def confidence_interval(values: Sequence[float]) -> tuple[float, float]:
    """(lowest, highest) that the mean of such values may have, with CONFIDENCE."""
    mean, count = statistics.mean(values), len(values)
    reach = critical_value(count - 1) * statistics.stdev(values) / math.sqrt(count)
    return mean - reach, mean + reach


def pooled_deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The standard deviation of one run within its group, and the degrees of freedom that it is known with.

    groups : lists of values; those of one list differ in the seed alone. Pooled, as if seeds did the same to every
        group; a group of one says nothing. Raises ValueError when all are.
    """
    several = [values for values in groups if len(values) > 1]
    degrees = sum(len(values) - 1 for values in several)
    if not degrees:
        raise ValueError("no group of several runs, so that there is no telling what seeds do")
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in several)
    return math.sqrt(squares / degrees), degrees


def uneven(groups: Sequence[Sequence[float]]) -> list[int]:
    """The groups to which seeds do more than to the others, which are not to be pooled with these. A group's variance
    is compared with what the others have pooled, the most improbable first, again and again until none is left: of
    groups of one size this is Cochran's test of the largest variance. Groups of one run, and the first, which is the
    control, are never of them.
    """
    variances = {number: statistics.variance(values) for number, values in enumerate(groups) if len(values) > 1}
    found: list[int] = []
    while len(variances) > 2:
        probabilities = {}
        for number, variance in variances.items():
            pooled, degrees = pooled_deviation([groups[other] for other in variances if other != number])
            ratio = variance / pooled**2 if pooled else math.inf if variance else 0.0
            probabilities[number] = float(stats.f.sf(ratio, len(groups[number]) - 1, degrees))
        least = min(probabilities, key=probabilities.__getitem__)
        is_control = least == 0  # beside which nothing else is uneven
        if is_control or probabilities[least] * len(variances) >= UNEVEN:
            break
        found.append(least)
        del variances[least]
    return sorted(found)


def standardised_difference(values: Sequence[float], control: Sequence[float], deviation: float) -> float:
    """How far the mean of `values` lies from that of `control`, over the standard deviation of such a difference by the
    seed alone; `deviation` is that of one run.
    """
    apart = deviation * math.sqrt(1 / len(values) + 1 / len(control))
    return (statistics.mean(values) - statistics.mean(control)) / apart


def critical_value(degrees: int, comparisons: int = 1) -> float:
    """What the largest of so many `comparisons` exceeds, in either direction, at most once in 20 times where nothing
    differs (Student's t, Bonferroni).
    """
    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / comparisons, degrees))


def adjusted_p_values(arms: Sequence[Sequence[float]], control: Sequence[float]) -> list[float]:
    """Dunnett's test: how probable it is that the largest of the standardised differences of all arms from the control
    is as large as an arm's where nothing differs. Two-sided; exact but for an integral that is drawn, to some 0.001.
    """
    return [float(p) for p in stats.dunnett(*arms, control=control, rng=np.random.default_rng(0)).pvalue]


def paired_p_values(arms: Sequence[Mapping[int, float]], control: Mapping[int, float]) -> list[float | None]:
    """The paired t-test of each arm against the control, two-sided, adjusted by Holm's method for all that are tested.

    arms, control : {seed: error}. Runs of one seed begin with the same weights and see the same tiles as far as their
        settings let them, and so are compared with each other. Unlike Dunnett's test it lets seeds do more to one arm
        than to another. None for an arm that shares fewer than two seeds with the control, or whose differences from
        it are all alike.
    """
    tested = {}
    for number, arm in enumerate(arms):
        shared = sorted(arm.keys() & control.keys())
        differences = [arm[seed] - control[seed] for seed in shared]
        if len(differences) > 1 and max(differences) - min(differences) > ROUNDING:
            tested[number] = float(stats.ttest_1samp(differences, 0).pvalue)
    adjusted: list[float | None] = [None] * len(arms)
    largest = 0.0
    for rank, number in enumerate(sorted(tested, key=lambda number: tested[number])):
        largest = max(largest, min(1.0, tested[number] * (len(tested) - rank)))
        adjusted[number] = largest
    return adjusted


def mean_and_deviation(values: Sequence[float], digits: int, sign: str = "") -> str:
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.mean(values):{sign}.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
