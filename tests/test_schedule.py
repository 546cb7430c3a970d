"""The learning rate and the momentum of every step, and how many steps fit a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unet_paper.config import PAPER, PROFILES
from unet_paper.schedule import is_complete, learning_rate_at, minutes_left, momentum_at, schedule_after, set_rates
from unet_paper.support import training_log
from unet_paper.support.training_log import TrainingLog
from unet_paper.training import (
    new_optimiser,
    new_training_network,
)

SMALL = replace(PROFILES["smoke"], base_channels=3)
CPU = torch.device("cpu")


def test_learning_rate_rises_and_falls_to_zero():
    config = replace(PAPER, steps=1000, warmup=0.1, learning_rate=0.5, decay="cosine")
    rates = [learning_rate_at(step, config) for step in range(1000)]
    assert rates[0] == pytest.approx(0.005) and rates[99] == pytest.approx(0.5) and max(rates) == pytest.approx(0.5)
    assert np.all(np.diff(rates[:100]) > 0) and np.all(np.diff(rates[100:]) <= 0) and rates[-1] < 1e-5
    assert learning_rate_at(999, replace(config, decay="constant")) == 0.5


def test_a_cosine_starts_where_the_rise_ends():
    config = replace(PAPER, steps=1000, warmup=0.2, learning_rate=0.5, decay="cosine")
    rates = [learning_rate_at(step, config) for step in (199, 200, 600, 1000)]
    assert rates == pytest.approx([0.5, 0.5, 0.25, 0.0])


def test_no_rate_is_above_the_highest_where_the_rise_ends_between_two_steps():
    config = replace(PAPER, steps=10, warmup=0.25, learning_rate=0.5, decay="constant")
    assert [learning_rate_at(step, config) for step in range(4)] == pytest.approx([0.2, 0.4, 0.5, 0.5])


def test_a_warmup_of_so_many_steps_does_not_depend_on_the_length():
    short, long = (
        replace(PAPER, steps=steps, warmup=100, momentum_warmup=200, decay="trapezoid") for steps in (1000, 5000)
    )
    for at in (learning_rate_at, momentum_at):
        assert [at(step, short) for step in range(800)] == [at(step, long) for step in range(800)]
    assert learning_rate_at(99, short) == PAPER.learning_rate > learning_rate_at(98, short)
    assert momentum_at(200, short) == 0.99 > momentum_at(199, short)


def test_a_warmup_of_1_is_one_step_and_below_it_a_part_of_all():
    one = replace(PAPER, steps=1000, warmup=1.0, momentum_warmup=1.0)
    assert learning_rate_at(0, one) == PAPER.learning_rate and momentum_at(1, one) == PAPER.momentum
    part = replace(one, warmup=0.999, momentum_warmup=0.999)
    assert learning_rate_at(997, part) < PAPER.learning_rate and momentum_at(998, part) < PAPER.momentum


def test_the_steps_that_fit_a_time_are_those_of_the_pace_so_far():
    config = replace(PAPER, minutes=10.0)
    assert schedule_after(50, 60.0, config).steps == 500
    assert schedule_after(0, 0.0, config) == config and schedule_after(50, 60.0, PAPER) == PAPER
    assert not is_complete(10**6, 599.0, config) and is_complete(1, 600.0, config)
    assert not is_complete(0, 0.0, replace(PAPER, minutes=1e-9))  # a training has a step at least
    assert minutes_left(90.0, config) == 8.5 and minutes_left(90.0, PAPER) is None
    assert is_complete(PAPER.steps, 1.0, PAPER) and not is_complete(PAPER.steps - 1, 1e9, PAPER)


@pytest.mark.parametrize("decay", ["trapezoid", "cosine", "constant"])
def test_there_is_always_a_step_to_come_and_no_rate_is_negative(decay):
    """However many there are, whatever they took, and when the time is over."""
    for step in (1, 2, 50, 10**6):
        for seconds in (1e-3, 1.0, 599.9, 600.0, 1e5):
            for pace in (None, 1e-3, 1.0, 1e5):
                config = schedule_after(step, seconds, replace(PAPER, minutes=10.0, decay=decay), pace)
                assert config.steps > step
                assert all(learning_rate_at(at, config) >= 0 for at in (step, config.steps - 1))
                assert 0 <= momentum_at(step, config) <= PAPER.momentum


@pytest.fixture
def clock(monkeypatch):
    """The clock of TrainingLog, set by hand: a list whose sum is the time."""
    past = [0.0]

    class Clock:
        monotonic = process_time = staticmethod(lambda: sum(past))

    monkeypatch.setattr(training_log, "time", Clock)
    return past


def rates_by_time(config, clock, log, first, done=0, stop=10**6):
    """Learning rate of each step until the time is over, or to `stop`; the first takes `first` s, the others 0.1."""
    rates = []
    while not is_complete(done, log.seconds, config) and done < stop:
        rates.append(learning_rate_at(done, schedule_after(done, log.seconds, config, log.pace)))
        clock.append(0.1 if len(rates) > 1 else first)
        log.add(*torch.ones(3))
        done += 1
        if done % 10 == 0:
            log.add_row(done, rates[-1])
    return rates


@pytest.mark.parametrize("compiling", [0.0, 20.0])
@pytest.mark.parametrize("first", [0.1, 10.0])
@pytest.mark.parametrize("decay", ["trapezoid", "cosine"])
def test_a_slow_start_shortens_a_training_by_time_but_skips_no_warmup(clock, compiling, first, decay):
    config = replace(PAPER, minutes=2.0, decay=decay)
    log = TrainingLog(None, CPU)
    clock.append(compiling)
    rates = rates_by_time(config, clock, log, first)
    assert len(rates) == pytest.approx(1 + (120 - compiling - first) / 0.1, abs=1.5)
    expected = [learning_rate_at(step, replace(config, steps=len(rates))) for step in range(len(rates))]
    assert rates[2:] == pytest.approx(expected[2:], rel=0.02, abs=0.01 * config.learning_rate)
    assert 0 < rates[0] < rates[1] < 0.05 * config.learning_rate  # before any pace is known


@pytest.mark.parametrize("before", [1, 3, 14, 25, 900])
def test_a_slow_start_of_a_training_by_time_that_resumes_leaves_its_schedule_alone(clock, before):
    config = replace(PAPER, minutes=2.0)
    log = TrainingLog(None, CPU)
    rates = rates_by_time(config, clock, log, 5.0, stop=before)
    resumed = TrainingLog(None, CPU, before, log.history, seconds=log.seconds)
    clock.append(5.0)  # compiling
    rates += rates_by_time(config, clock, resumed, 5.0, before)
    expected = np.array([learning_rate_at(step, replace(config, steps=len(rates))) for step in range(len(rates))])
    # Two steps of a session tell no pace where no rows do, and before the first nobody knows of its slowness.
    known = slice(before + 2, None)
    assert rates[known] == pytest.approx(expected[known], rel=0.02, abs=0.01 * config.learning_rate)
    assert (rates[before : before + 2] <= 1.3 * expected[before : before + 2]).all()


def test_a_trapezoid_is_flat_until_the_last_fifth():
    config = replace(PAPER, steps=1000, warmup=0.1, learning_rate=0.5, decay="trapezoid")
    rates = [learning_rate_at(step, config) for step in range(1000)]
    assert set(rates[100:801]) == {0.5} and rates[900] == pytest.approx(0.25) and 0 < rates[-1] < 0.003
    longer = replace(config, steps=2000, warmup=0.05)  # the same trunk
    assert rates[:800] == pytest.approx([learning_rate_at(step, longer) for step in range(800)])


def test_the_momentum_rises_where_that_is_asked_for():
    config = replace(PAPER, steps=1000, momentum_warmup=0.2)
    found = [momentum_at(step, config) for step in range(1000)]
    assert found[0] == pytest.approx(0.9) and found[100] == pytest.approx(0.945) and set(found[200:]) == {0.99}
    assert momentum_at(0, replace(config, momentum_warmup=0)) == 0.99
    assert momentum_at(0, replace(config, momentum=0.5)) == 0.5


def test_rates_of_a_step_reach_the_optimiser():
    config = replace(SMALL, bias_rate=2.0, momentum_warmup=0.5)
    network = new_training_network(config, "cpu")
    optimiser = new_optimiser(network, config)
    set_rates(optimiser, config, 5)
    weights, biases = optimiser.param_groups
    assert biases["lr"] == 2 * weights["lr"] == 2 * learning_rate_at(5, config)
    assert weights["momentum"] == momentum_at(5, config) < 0.99
    assert all(values.ndim == 1 for values in biases["params"]) and len(biases["params"]) == len(weights["params"])
    assert len(new_optimiser(network, SMALL).param_groups) == 1


def test_steps_that_there_is_time_for_are_rounded():
    config = replace(PAPER, minutes=1.0)
    assert schedule_after(10, 34.0, config).steps == 18 and schedule_after(10, 35.0, config).steps == 17
