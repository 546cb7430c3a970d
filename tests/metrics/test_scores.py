"""Scores as a value and as JSON: what the committed records hold comes back unchanged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from unet_paper.metrics import Scores, score
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, RAND_ERROR, V_INFO
from unet_paper.support.errors import BadInput

RESULTS = Path(__file__).parents[2] / "results"


def records():
    """Of the challenge's metrics; those of cells are another kind."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.rglob("scores*.json"))]
    return [content for content in found if "seg" not in content]


def test_committed_records_load_and_come_back_unchanged():
    for content in records():
        scores = Scores.from_json(content)
        if scores.is_complete:
            assert json.dumps(scores.to_json()) == json.dumps(content)  # the order of the keys too
        assert [scores.warping_error, scores.rand_error, scores.pixel_error] == [
            content[key] for key in ("warping_error", "rand_error", "pixel_error")
        ]


@pytest.mark.parametrize("content", [None, 5, [], "x", {}])
def test_what_is_no_record_of_scores(content):
    with pytest.raises(BadInput, match="the scores lack warping_error"):
        Scores.from_json(content)


@pytest.mark.parametrize("key", ["warping_counts_at_best", "warping_counts"])
@pytest.mark.parametrize("value", [5, [[5]], None])
def test_a_damaged_record_of_scores_is_one_sentence(key, value):
    whole = next(content for content in records() if key in content)
    with pytest.raises(BadInput, match="the scores are damaged"):
        Scores.from_json(whole | {key: value})


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": []},
        {"thresholds": [0.1, 0.2]},
        {"pixel_f_per_threshold": []},
        {"v_rand_per_threshold": [0.5] * 3},
        {"rand_f_per_threshold": "text"},
        {"warping_error_per_threshold": []},
        {"warping_error": []},
        {"warping_error": float("nan")},
        {"pixel_error": "0.1"},
        {"pixel_error": None},
        {"v_info": True},
        {"best_threshold": {}},
        {"best_threshold": None},
        {"best_threshold": {"pixel_error": 0.5}},
        {"sections": "x"},
        {"ignored_pixels": -1},
    ],
)
def test_values_that_no_score_has_are_refused(change):
    whole = next(content for content in records() if Scores.from_json(content).is_complete)
    with pytest.raises(BadInput, match="the scores are damaged"):
        Scores.from_json(whole | change)


def test_a_record_of_scores_without_its_counts_is_damaged():
    whole = next(content for content in records() if "warping_counts" in content)
    with pytest.raises(BadInput, match="the scores are damaged .*'warping_counts'"):
        Scores.from_json({name: whole[name] for name in whole if name != "warping_counts"})


def test_the_first_runs_records_lack_the_later_metrics():
    content = {"pixel_error": 0.1, "rand_error": 0.2, "warping_error": 0.01, "best_threshold": {}, "sections": 5}
    scores = Scores.from_json(content | {"rand_f": [0.8], "warping_counts": [[1, 2]]})
    assert not scores.is_complete and scores.value(RAND_ERROR) == 0.2
    assert scores.to_json() == content
    with pytest.raises(BadInput, match="holds no V_info"):
        scores.value(V_INFO)
    with pytest.raises(BadInput, match="no curve of the pixel error"):
        scores.curve(PIXEL_ERROR)


def test_scores_survive_json(random_stack):
    truth, proposal = random_stack((3, 20, 25), "tenths")
    scores = score(truth, proposal)
    assert scores.is_complete and Scores.from_json(json.loads(json.dumps(scores.to_json()))) == scores
    for metric in CHALLENGE_METRICS:
        assert scores.value(metric) == scores.to_json()[metric.key]
    described = {"tta": "d4", "labels_sha256": "ab", "probability_sha256": "cd", "code": {"version": "1"}}
    partly = replace(score(truth, proposal, proposal > 0.9), **described)
    assert partly.ignored_pixels > 0 and Scores.from_json(json.loads(json.dumps(partly.to_json()))) == partly


@pytest.mark.parametrize("content", [{}, [], "text", {"pixel_error": 0.1}])
def test_anything_else_is_no_record(content):
    with pytest.raises(BadInput, match="the scores lack .*sections"):
        Scores.from_json(content)


def test_what_is_printed_of_scores_is_short(random_stack):
    """The errors and their thresholds; not the curves, nor the counts of every section."""
    scores = score(*random_stack((3, 20, 25), "tenths"))
    assert f"pixel_error={scores.pixel_error}" in repr(scores) and "pixel_error': " in repr(scores)
    assert len(repr(scores)) < 1000 < len(str(scores.to_json()))
