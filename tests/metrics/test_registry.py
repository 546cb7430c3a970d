"""The one registry of metrics against the records that hold their values."""

import dataclasses

import numpy as np
import pytest

from unet_paper.metrics import score, score_instances
from unet_paper.metrics.registry import (
    CELL_METRICS,
    CHALLENGE_METRICS,
    METRICS,
    PIXEL_ERROR,
    SEG,
    TABLE_1_METRICS,
    V_INFO,
    V_RAND,
    WARPING_ERROR,
)


def test_keys_and_names_are_unique():
    assert list(METRICS) == [metric.key for metric in METRICS.values()]
    for name in ("key", "title", "label", "meaning"):
        assert len({getattr(metric, name) for metric in METRICS.values()}) == len(METRICS)
    assert [metric.title for metric in TABLE_1_METRICS] == ["warping error", "Rand error", "pixel error"]


def test_every_metric_is_explained_in_one_sentence():
    for metric in METRICS.values():
        assert metric.meaning.endswith(".") and ". " not in metric.meaning


def test_a_metric_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SEG.digits = 2


def test_digits_titles_and_direction():
    assert WARPING_ERROR.formatted(0.00035294) == "0.000353" and PIXEL_ERROR.formatted(0.06111) == "0.0611"
    assert V_RAND.error_title == "1 - V_rand" and PIXEL_ERROR.error_title == "pixel error"
    assert best(PIXEL_ERROR, 0.2, 0.1) == 0.1 and best(V_INFO, 0.2, 0.1) == 0.2


def best(metric, *values):
    return min(values) if metric.better == "lower" else max(values)


def test_direction_and_curves_are_those_of_the_scores(random):
    """A perfect map is best in every metric, and each metric is the best value of its curve."""
    truth = random.random((2, 20, 20)) > 0.4
    perfect, poor = score(truth, truth.astype(float)), score(truth, random.random(truth.shape))
    for metric in CHALLENGE_METRICS:
        assert best(metric, perfect.value(metric), poor.value(metric)) == perfect.value(metric)
        curve = np.array(poor.curve(metric), float)
        peak = np.nanmin(curve) if metric.curve_is_error else np.nanmax(curve)
        as_error = metric.better == "lower" and not metric.curve_is_error
        assert poor.value(metric) == (1 - peak if as_error else peak)


def test_the_metrics_of_instances_are_those_of_their_scores():
    labels = np.array([[1, 1, 0, 2]])
    perfect, poor = score_instances(labels, labels), score_instances(labels, np.array([[1, 0, 0, 0]]))
    for metric in CELL_METRICS:
        assert best(metric, getattr(perfect, metric.key), getattr(poor, metric.key)) == getattr(perfect, metric.key)
