"""IoU and Dice of several classes, beside what their definitions say pixel by pixel."""

from dataclasses import replace

import numpy as np
import pytest

from unet_paper import score_classes
from unet_paper.metrics.class_scores import ClassScores, class_scores
from unet_paper.support.errors import BadInput

TRUTH = np.array([[[0, 0, 1, 1], [2, 2, 2, 1]]], np.uint8)
RESULT = np.array([[[0, 1, 1, 1], [2, 0, 2, 1]]], np.uint8)


def test_a_case_that_can_be_counted_by_hand():
    scores = score_classes(TRUTH, RESULT)
    assert scores.confusion == ((1, 1, 0), (0, 3, 0), (1, 0, 2)) and scores.sections == 1
    assert scores.iou == (1 / 3, 3 / 4, 2 / 3) and scores.dice == (2 / 4, 6 / 7, 4 / 5)
    assert scores.accuracy == 6 / 8 and scores.mean_iou == pytest.approx((1 / 3 + 3 / 4 + 2 / 3) / 3)


@pytest.mark.parametrize("seed", range(20))
def test_they_are_what_their_definitions_say(seed):
    random = np.random.default_rng(seed)
    classes, shape = int(random.integers(2, 9)), (*random.integers(1, 12, 2), 7)
    truth, result = (random.integers(0, classes, shape) for _ in range(2))
    ignored = random.random(shape) < 0.2
    ignored.flat[0] = False
    scores = score_classes(truth, result, ignored)
    truth, result = truth[~ignored], result[~ignored]
    assert scores.accuracy == (truth == result).mean() and scores.ignored_pixels == ignored.sum()
    for number, (iou, dice) in enumerate(zip(scores.iou, scores.dice, strict=True)):
        true, found = truth == number, result == number
        if not (true | found).any():
            assert iou is None and dice is None
            continue
        assert iou == (true & found).sum() / (true | found).sum()
        assert dice == 2 * (true & found).sum() / (true.sum() + found.sum())
    assert scores.mean_iou == pytest.approx(np.mean([iou for iou in scores.iou if iou is not None]))


def test_sections_of_several_sizes_count_together():
    parts = [TRUTH[0], TRUTH[0, :1, :2]], [RESULT[0], RESULT[0, :1, :2]]
    assert score_classes(*parts).confusion == ((2, 2, 0), (0, 3, 0), (1, 0, 2))


def test_the_most_probable_class_counts_of_several_the_first(random):
    maps = random.random((2, 4, 5, 6)).astype(np.float32)
    maps[0, 1, 0, 0] = maps[0, 3, 0, 0] = 1
    found = maps.argmax(axis=1)
    truth = random.integers(0, 4, found.shape)
    assert found[0, 0, 0] == 1 and score_classes(truth, maps) == score_classes(truth, found)
    assert score_classes(truth[0], maps[0]) == score_classes(truth[0], found[0])
    alone = score_classes(np.zeros((3, 3), int), maps[0, :, :3, :3] * [[[0]], [[0]], [[0]], [[1]]])
    assert len(alone.confusion) == 4 and alone.confusion[0][3] == 9  # as many classes as there are maps


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.int8])
def test_numbers_of_any_type_and_mixed(kind):
    few, found = TRUTH.astype(kind), RESULT.astype(kind)
    assert score_classes(few, found) == score_classes(TRUTH, RESULT)
    mixed = [TRUTH[0].astype(np.uint64), TRUTH[0].astype(np.int64)]
    assert score_classes(mixed, mixed).accuracy == 1


def test_the_most_classes_that_there_may_be_and_the_least():
    assert len(score_classes(TRUTH, np.full((1, 255, 2, 4), 0.5)).confusion) == 255
    assert score_classes([[0, 0]], [[0, 0]]).confusion == ((2, 0), (0, 0))
    assert score_classes(TRUTH > 0, RESULT > 0) == score_classes((TRUTH > 0) * 1, (RESULT > 0) * 1)
    assert score_classes(TRUTH, np.full((1, 3, 2, 4), 1 + 1e-9)).accuracy == 2 / 8  # as 32-bit numbers no more than 1


def test_a_section_may_be_ignored_whole():
    marks = [TRUTH[0] > 9, TRUTH[0] < 9]
    assert score_classes([TRUTH[0]] * 2, [RESULT[0]] * 2, marks) == replace(
        score_classes(TRUTH, RESULT), sections=2, ignored_pixels=8
    )
    with pytest.raises(BadInput, match="both must be the same"):
        class_scores(TRUTH, RESULT, TRUTH[:, :1] > 0)


def test_maps_of_several_sizes(random):
    maps = [random.dirichlet((1, 1, 1), shape).transpose(2, 0, 1) for shape in ((9, 8), (7, 7), (9, 8))]
    truth = [random.integers(0, 3, each.shape[1:]) for each in maps]
    assert score_classes(truth, maps) == score_classes(truth, [each.argmax(axis=0) for each in maps])
    assert score_classes(truth[::2], maps[::2]) == score_classes(np.stack(truth[::2]), np.stack(maps[::2]))


def test_a_label_to_ignore_may_be_no_class_at_all():
    truth = TRUTH.astype(np.int16)
    truth[0, 0, 1] = truth[0, 1, 1] = -1
    scores = score_classes(truth, RESULT, ignore=-1)
    assert scores.accuracy == 1 and scores.ignored_pixels == 2


@pytest.mark.parametrize(
    ("labels", "result", "ignore", "message"),
    [
        (TRUTH, RESULT[:, :1], None, "both must be the same"),
        (
            TRUTH,
            RESULT[0][None, None] * 0.1,
            None,
            "labels holds the class 2, and the result the probabilities of 1 classes",
        ),
        (TRUTH, RESULT * 0.1, None, "probabilities of two classes are scored by `score`"),
        (TRUTH[0], RESULT[0] * 0.1, None, "probabilities of two classes are scored by `score`"),
        (TRUTH, np.full((1, 3, 2, 4), -0.1), None, "outside 0 to 1"),
        ([TRUTH[0]] * 2, [np.ones((3, 2, 4), int)] * 2, None, "the result of shape"),
        (TRUTH * 0, np.where(RESULT == 1, 255, 0), None, "the result holds the number 255"),
        (TRUTH, RESULT.astype(np.uint64) + np.uint64(2**63), None, "there may be 255 classes"),
        (TRUTH, np.zeros((4, 1, 2, 4)), None, r"the result of shape \(4, 1, 2, 4\) with labels of shape \(1, 2, 4\)"),
        (TRUTH, np.zeros((1, 256, 2, 4)), None, "of 256 classes; there may be 1 to 255"),
        (TRUTH, np.zeros((1, 0, 2, 4)), None, "of 0 classes; there may be 1 to 255"),
        ([TRUTH[0]] * 2, [np.zeros((k, 2, 4)) for k in (3, 4)], None, "of 3, 4 classes; give results of one network"),
        (TRUTH, np.full((1, 3, 2, 4), np.nan), None, "outside 0 to 1"),
        (TRUTH, np.full((1, 3, 2, 4), 1.1), None, "outside 0 to 1"),
        (TRUTH, np.full((1, 1, 3, 2, 4), 0.1), None, "expected class numbers of that shape, or probabilities"),
        (TRUTH * 0.5, RESULT, None, "labels of type float64; classes are whole numbers"),
        (TRUTH.astype(int) - 1, RESULT, None, "labels holds the class -1; classes are 0, 1, 2"),
        (
            TRUTH,
            RESULT.astype(int) * 200,
            None,
            "the result holds the number 400, and there may be 255 classes, 0 to 254$",
        ),
        (TRUTH.astype(int) + 254, RESULT, None, "labels holds the number 256, .*--ignore 256"),
        (
            TRUTH + 2,
            np.full((1, 4, 2, 4), 0.25),
            None,
            "the class 4, and the result .* 4 classes, 0 to 3; .*--ignore 4",
        ),
        (TRUTH * 0, RESULT, 0, "all pixels of labels are ignored"),
        (TRUTH, RESULT, np.zeros((1, 2, 3), bool), "they must be bool, of the labels' shape"),
        (TRUTH, RESULT, TRUTH, "and type uint8; they must be bool"),
        (TRUTH, RESULT, True, "they must be bool, of the labels' shape"),
    ],
)
def test_bad_input(labels, result, ignore, message):
    with pytest.raises(BadInput, match=message):
        score_classes(labels, result, ignore)


def test_json_and_back():
    scores = replace(score_classes(TRUTH, RESULT * (RESULT < 2)), tta="d4", labels_sha256="a", code={"commit": "b"})
    assert ClassScores.from_json(scores.to_json()) == scores
    with_gap = score_classes([[0, 3]], [[0, 3]])
    assert with_gap.to_json()["iou"] == [1.0, None, None, 1.0] and with_gap.mean_iou == 1
    good = scores.to_json()
    del (older := dict(good))["ignored_pixels"]
    assert ClassScores.from_json(older).ignored_pixels == 0
    matrices = (
        [[1, 2]],
        [[1]],
        [[0, 0], [0, 0]],
        1,
        [[-1, 2], [0, 1]],
        [[1.5, 1], [1, 1]],
        [[1e999, 1], [1, 1]],
        [[True, 1], [1, 1]],
        ["12", "34"],
    )
    changes = [{"confusion": matrix} for matrix in matrices] + [{"sections": "x"}, {"ignored_pixels": None}]
    for bad in ({}, [], *(good | change for change in changes)):
        with pytest.raises(BadInput, match="no scores of classes"):
            ClassScores.from_json(bad)


def test_one_section_takes_a_mask_of_its_own_shape():
    mask = np.zeros(TRUTH[0].shape, bool)
    mask[0, 0] = True
    assert score_classes(TRUTH[0], RESULT[0], mask) == score_classes(TRUTH[:1], RESULT[:1], mask[None])
    with pytest.raises(BadInput, match="they must be bool, of the labels' shape"):
        score_classes(TRUTH[0], RESULT[0], mask[:-1])
