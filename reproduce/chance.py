"""What chance does to errors: runs that differ in the seed alone lie apart, and others by less than that tell nothing.

All of it takes errors as normally distributed.
"""

import math
import statistics

from scipy import stats

SURE = 0.95  # of what is said to be more than chance


def where_one_more_lies(values):
    """(lowest, highest) of one more such value, 19 times of 20: a normal variable's prediction interval."""
    mean, count = statistics.mean(values), len(values)
    reach = beyond(count - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
    return mean - reach, mean + reach


def spread_within(groups):
    """How far one run lies from what is the mean of its like, as a standard deviation, and the degrees of freedom that
    this is known with.

    groups : lists of values; those of one list differ in the seed alone. Pooled, as if seeds did the same to every
        group; a group of one says nothing. Raises ValueError when all are.
    """
    several = [values for values in groups if len(values) > 1]
    degrees = sum(len(values) - 1 for values in several)
    if not degrees:
        raise ValueError("no group of several runs, so that there is no telling what chance does")
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in several)
    return math.sqrt(squares / degrees), degrees


def by_chance(values, usual, spread):
    """How far the mean of `values` lies from that of `usual`, in multiples of how far means of as many runs would by
    the seed alone: `spread` is the standard deviation of one run.
    """
    apart = spread * math.sqrt(1 / len(values) + 1 / len(usual))
    return (statistics.mean(values) - statistics.mean(usual)) / apart


def beyond(degrees, comparisons=1):
    """The multiple (`by_chance`) that the largest of so many `comparisons` exceeds, in either direction, at most once
    in 20 times where nothing differs (Bonferroni).
    """
    return float(stats.t.ppf(1 - (1 - SURE) / 2 / comparisons, degrees))
