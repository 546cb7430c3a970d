"""The statistics of studies, against errors that are drawn, and against SciPy."""

import numpy as np
import pytest
from scipy import stats

from reproduce.studies.statistics import (
    adjusted_p_values,
    confidence_interval,
    critical_value,
    paired_p_values,
    pooled_deviation,
    standardised_difference,
    uneven,
)


def test_standardised_difference(random):
    assert standardised_difference([7.0], [4.0], 1.5) == pytest.approx(3 / (1.5 * 2**0.5))
    runs = random.normal(5, 2, (4000, 5))
    apart = [standardised_difference(list(run[:3]), list(run[3:]), 2) for run in runs]
    assert abs(np.mean(apart)) < 0.05 and np.std(apart) == pytest.approx(1, abs=0.05)


def test_pooled_deviation():
    """Means do not matter, single runs say nothing, and degrees of freedom count."""
    assert pooled_deviation([[1.0, 3.0], [100.0], [7.0, 7.0, 7.0]]) == (pytest.approx((2 / 3) ** 0.5), 3)
    with pytest.raises(ValueError, match="no group of several"):
        pooled_deviation([[1.0], [2.0]])


@pytest.mark.parametrize("rows", [1, 11])
def test_the_critical_value_is_exceeded_once_in_20_times(random, rows):
    """Once, or a little less often where rows share what they are compared with."""
    often = 0
    for _ in range(2000):
        usual, *others = [list(random.normal(3, 0.5, 5)), *(list(random.normal(3, 0.5, 3)) for _ in range(rows))]
        spread, degrees = pooled_deviation([usual, *others])
        largest = max(abs(standardised_difference(values, usual, spread)) for values in others)
        often += largest > critical_value(degrees, rows)
    assert 0.02 < often / 2000 < 0.065


def test_standardised_differences_are_the_statistic_of_dunnetts_test(random):
    """With arms of one run too, as studies have them."""
    control, *arms = [list(random.normal(3, 0.5, count)) for count in (5, 3, 2, 1)]
    deviation, _ = pooled_deviation([control, *arms])
    expected = stats.dunnett(*arms, control=control).statistic
    assert [standardised_difference(arm, control, deviation) for arm in arms] == pytest.approx(list(expected))


def test_adjusted_p_values(random):
    """Of one arm the p-value is that of Student's t; of several it is larger, and at most Bonferroni's."""
    control, *arms = [list(random.normal(3, 0.5, 4)) for _ in range(4)]
    alone = stats.ttest_ind(arms[0], control).pvalue
    assert adjusted_p_values(arms[:1], control) == [pytest.approx(alone, abs=1e-3)]
    deviation, degrees = pooled_deviation([control, *arms])
    for arm, p in zip(arms, adjusted_p_values(arms, control), strict=True):
        single = 2 * stats.t.sf(abs(standardised_difference(arm, control, deviation)), degrees)
        assert single < p + 1e-3 and p < min(3 * single, 1) + 1e-3
    assert adjusted_p_values(arms, control) == adjusted_p_values(arms, control)


def test_runs_are_compared_with_the_controls_of_the_same_seed():
    """Of three arms, the smallest p counts threefold, the next twice, and none less than one before it."""
    control = {0: 1.0, 1: 5.0, 2: 9.0, 7: 100.0}
    worse, wild, alike = {2: 9.4, 1: 5.3, 0: 1.2}, {0: 2.0, 1: 50.0, 2: 9.0}, {0: 0.9, 1: 5.2, 2: 8.9, 8: 0.0}
    seeds = range(3)
    alone = [
        stats.ttest_rel([arm[seed] for seed in seeds], [control[seed] for seed in seeds]).pvalue
        for arm in (worse, wild, alike)
    ]
    assert alone[0] < 0.05 < alone[1] < alone[2]
    p_values = paired_p_values([worse, wild, alike, {0: 7.0}], control)
    assert p_values == [pytest.approx(3 * alone[0]), pytest.approx(2 * alone[1]), max(alone[2], 2 * alone[1]), None]


def test_confidence_interval(random):
    assert confidence_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-4)
    runs = [confidence_interval(list(random.normal(5, 2, 5))) for _ in range(4000)]
    assert 0.935 < np.mean([low < 5 < high for low, high in runs]) < 0.965


@pytest.mark.long
def test_a_group_to_which_seeds_do_more_is_found(random):
    """And hardly ever one where they do the same to all; the control, and a group of one run, never."""
    alike = [random.normal(size=5) for _ in range(12)]
    assert uneven([*alike, 100 * random.normal(size=5)]) == [12]
    assert uneven([*alike[:4], 100 * random.normal(size=5), *alike[4:], 40 * random.normal(size=5)]) == [4, 13]
    assert uneven([100 * random.normal(size=5), *alike]) == [] == uneven([*alike, [1e6]]) == uneven([])
    assert uneven([[1.0] * 5, [2.0] * 5, [3.0] * 5]) == []
    for sizes in ((5,) * 12, (5,) * 9 + (2,) * 3, (9, *(3,) * 6)):
        draws = [uneven([random.normal(size=size) for size in sizes]) for _ in range(300)]
        assert sum(map(bool, draws)) <= 3  # 0.3 are expected


def test_what_no_spread_is_known_of_has_no_p_value():
    arms = [{0: 1.0}, {0: 2.0, 1: 3.0}, {0: 1.0, 1: 3.0}, {2: 1.0, 3: 3.0}]
    assert [p is None for p in paired_p_values(arms, {0: 1.0, 1: 2.0})] == [True, True, False, True]
