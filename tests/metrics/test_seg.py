"""SEG and the counts beside it: by hand on a few pixels, and against py-ctcmetrics on drawn frames."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from unet_paper.metrics.seg import ObjectScore, score_instances
from unet_paper.support.errors import BadInput


def test_a_perfect_result():
    frame = np.array([[1, 0, 2, 2]])
    scores = score_instances(frame, frame * 7)
    assert (scores.seg, scores.f1, scores.found, scores.missed) == (1, 1, 2, 0)
    assert (scores.split, scores.merged, scores.unmatched) == (0, 0, 0)
    assert scores.objects == (ObjectScore(0, 1, 1, 7, 1.0), ObjectScore(0, 2, 2, 14, 1.0))


@pytest.mark.parametrize(
    ("reference", "result", "seg", "f1", "found", "split", "merged", "unmatched"),
    [
        # Three of four pixels: IoU 3/4.
        ([1, 1, 1, 1], [5, 5, 5, 0], 3 / 4, 1, 1, 0, 0, 0),
        # Exactly half is not more than half.
        ([1, 1, 1, 1], [5, 5, 0, 0], 0, 0, 0, 0, 0, 1),
        # One half and two quarters of it: missed, and split in three.
        ([1, 1, 1, 1], [5, 5, 6, 7], 0, 0, 0, 1, 0, 3),
        # Two objects in one segment: both are found, with IoU 3/4 and none; only one is more than half of the segment.
        ([1, 1, 1, 2], [5, 5, 5, 5], (3 / 4 + 1 / 4) / 2, 2 / 3, 2, 0, 1, 0),
        # Two equal ones in one segment: IoU 1/2 each, which is no match for F1.
        ([1, 1, 2, 2], [5, 5, 5, 5], 1 / 2, 0, 2, 0, 1, 0),
        # A segment twice as large as the object.
        ([0, 0, 1, 1], [3, 3, 3, 3], 1 / 2, 0, 1, 0, 0, 0),
        # One object found, one missed, one segment of nothing.
        ([1, 0, 0, 2], [4, 0, 5, 0], 1 / 2, 1 / 2, 1, 0, 0, 1),
        # A segment that lies in it for exactly one half makes no split.
        ([0, 1, 1, 1], [6, 6, 5, 5], 2 / 3, 2 / 3, 1, 0, 0, 1),
        # Nothing found at all.
        ([1, 0, 0, 2], [0, 0, 0, 0], 0, 0, 0, 0, 0, 0),
    ],
)
def test_four_pixels_by_hand(reference, result, seg, f1, found, split, merged, unmatched):
    scores = score_instances(np.array([reference]), np.array([result]))
    assert scores.seg == pytest.approx(seg) and scores.f1 == pytest.approx(f1)
    assert (scores.found, scores.split, scores.merged, scores.unmatched) == (found, split, merged, unmatched)
    assert scores.found + scores.missed == len(scores.objects) == len({*reference} - {0})


def test_objects_of_all_frames_count_alike():
    """Two objects in the first frame and one in the second: the mean is over three, not over frames."""
    reference = np.array([[[1, 0, 2]], [[1, 0, 0]]])
    result = np.array([[[1, 0, 0]], [[9, 0, 0]]])
    scores = score_instances(reference, result)
    assert scores.seg == pytest.approx(2 / 3)
    assert [(found.frame, found.label, found.segment) for found in scores.objects] == [
        (0, 1, 1),
        (0, 2, None),
        (1, 1, 9),
    ]
    assert score_instances(list(reference), list(result)) == scores


def test_a_frame_may_be_a_list_of_its_rows():
    frame = [[0, 1], [2, 1]]
    assert score_instances(frame, frame) == score_instances(np.array(frame), np.array(frame))


def test_frames_of_a_list_may_differ_in_size():
    reference = [np.array([[1, 0]]), np.array([[0], [3], [3]])]
    assert score_instances(reference, reference).seg == 1


def test_parts_that_do_not_touch_are_one_object():
    assert score_instances(np.array([[1, 0, 1, 1]]), np.array([[2, 0, 3, 3]])).objects[0].iou == pytest.approx(2 / 3)


def test_ignored_pixels_count_in_neither():
    reference, result = np.array([[1, 1, 0, 2]]), np.array([[3, 3, 3, 0]])
    ignore = np.array([[False, False, True, True]])
    scores = score_instances(reference, result, ignore)
    assert (scores.seg, scores.f1, scores.missed, len(scores.objects)) == (1, 1, 0, 1)
    assert score_instances(reference, result, np.zeros((1, 4), bool)) == score_instances(reference, result)


def drawn_frames(random, frames):
    """Numbered objects and a result that misses, splits, merges, moves and adds some."""
    reference, result = [], []
    for _ in range(frames):
        smooth = ndimage.gaussian_filter(random.standard_normal((40, 50)), 2)
        truth, count = ndimage.label(smooth > random.uniform(-0.05, 0.1))
        found = ndimage.label(smooth + random.normal(0, 0.02, smooth.shape) > random.uniform(-0.05, 0.15))[0]
        found[np.isin(found, random.integers(1, count + 2, 2))] = 0
        truth = truth * random.choice([0, 3, 700], count + 1, p=[0.1, 0.7, 0.2])[truth]
        truth[0, 0] = found[0, 0] = 0  # py-ctcmetrics takes the smallest number of a frame as background
        reference.append(truth.astype(np.uint16))
        result.append(np.roll(relabel_sequential(found)[0], random.integers(0, 3), axis=0).astype(np.uint16))
        result[-1][0, 0] = 0
    return reference, result


def by_ctcmetrics(reference, result, folder):
    """SEG by py-ctcmetrics, which reads files."""
    evaluate = pytest.importorskip("ctc_metrics.scripts.evaluate")
    from ctc_metrics.metrics import seg

    paths = {"man_seg": [], "mask": []}
    for frames, name in ((reference, "man_seg"), (result, "mask")):
        for number, frame in enumerate(frames):
            paths[name].append(str(folder / f"{name}{number:03}.tif"))
            tifffile.imwrite(paths[name][-1], frame)
    matched = evaluate.match_computed_to_reference_masks(paths["man_seg"], paths["mask"], threads=1)
    return seg(matched["labels_ref"], matched["ious"]), matched


def test_equals_py_ctcmetrics_on_drawn_frames(random, tmp_path):
    merged = 0
    for _ in range(25):
        reference, result = drawn_frames(random, frames=3)
        expected, matched = by_ctcmetrics(reference, result, tmp_path)
        scores = score_instances(reference, result)
        assert scores.seg == expected
        assert len(scores.objects) == sum(map(len, matched["labels_ref"]))
        assert scores.found == sum(map(len, matched["mapped_ref"]))
        pairs = {(found.frame, found.label, found.segment) for found in scores.objects if found.segment is not None}
        assert pairs == {
            (frame, *pair)
            for frame, (ones, others) in enumerate(zip(matched["mapped_ref"], matched["mapped_comp"], strict=True))
            for pair in zip(ones, others, strict=True)
        }
        assert scores.merged == sum(
            np.count_nonzero(np.unique(of_frame, return_counts=True)[1] > 1) for of_frame in matched["mapped_comp"]
        )
        merged += scores.merged
    assert merged > 10  # the draws hold what they are meant to


def test_equals_py_ctcmetrics_on_the_challenges_own_frames(tmp_path):
    if not os.environ.get("CTC_DATA"):
        pytest.skip("CTC_DATA names no folder of the cell tracking challenge")
    for path in sorted(Path(os.environ["CTC_DATA"]).glob("*/0*_GT/SEG")):
        reference = [tifffile.imread(file) for file in sorted(path.glob("*.tif"))]
        cross = ndimage.generate_binary_structure(2, 1)
        result = [frame * ndimage.binary_erosion(frame > 0, cross, 4) for frame in reference]
        assert score_instances(reference, result).seg == by_ctcmetrics(reference, result, tmp_path)[0]


def test_json_is_of_plain_values(random):
    scores = score_instances(*drawn_frames(random, frames=2))
    content = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert content["seg"] == scores.seg and len(content["objects"]) == len(scores.objects)
    assert content["objects"][0].keys() == {"frame", "label", "area", "segment", "iou", "split", "merged"}


@pytest.mark.parametrize(
    ("reference", "result", "ignore", "match"),
    [
        (np.zeros((2, 2), int), np.ones((2, 2), int), None, "no object"),
        (np.ones((2, 2), int), np.ones((2, 3), int), None, "same frames"),
        (np.ones((1, 2, 2), int), np.ones((2, 2, 2), int), None, "1 frames of shape .* 2 frames"),
        (np.ones((2, 2)), np.ones((2, 2), int), None, "reference holds an array .* float64"),
        (np.ones((2, 2), int), np.ones((2, 2), bool), None, "result holds an array .* bool"),
        (np.full((2, 2), -1), np.ones((2, 2), int), None, "number -1"),
        (np.ones((2, 2), int), np.ones((2, 2), int), np.ones((2, 2), int), "must be bool"),
        (np.ones((2, 2), int), np.ones((2, 2), int), np.ones((2, 2), bool), "no object"),
        (5, 5, None, r"reference holds an array of shape \(\)"),
        (np.ones(3, int), np.ones(3, int), None, r"reference holds an array of shape \(3,\)"),
        ([[1, 2], [3]], [[1, 2], [3]], None, "reference holds an array of shape .2,."),
        ([[[1, 2], [3]]], np.ones((1, 2, 2), int), None, "reference are arrays of several shapes"),
        (np.ones((2, 2), int), np.ones((2, 2), int), 7, "pixels to ignore have .* they must be bool"),
    ],
)
def test_bad_input(reference, result, ignore, match):
    with pytest.raises(BadInput, match=match):
        score_instances(reference, result, ignore)


def test_objects_tell_what_is_wrong_with_them():
    """Two objects under one segment, one cut into two, one right, one missed."""
    reference = np.array([[1, 1, 2, 2, 0, 3, 3, 3, 3, 0, 4, 0, 5]])
    result = np.array([[9, 9, 9, 9, 0, 5, 5, 6, 6, 0, 7, 0, 0]])
    scores = score_instances(reference, result)
    assert [each.merged for each in scores.objects] == [True, True, False, False, False]
    assert [each.split for each in scores.objects] == [False, False, True, False, False]
    assert (scores.found, scores.missed, scores.split, scores.merged) == (3, 2, 1, 1)
