"""The pictures of the page's viewer are, pixel for pixel, what was computed."""

import numpy as np
from PIL import Image
from scipy import ndimage

from unet_paper.metrics import score
from unet_paper.report.colours import COMPONENTS, MERGER, SPLIT
from unet_paper.report.components import components, neighbours, spots
from unet_paper.report.shown_threshold import VIEWER_THRESHOLDS
from unet_paper.report.viewer.layers import error_kinds, write_pictures


def pixels(path):
    return np.asarray(Image.open(path).convert("RGBA"))


def test_the_pictures_are_what_was_computed(random_stack, random, tmp_path):
    truth, probability = random_stack((2, 60, 70), "float32")
    volume = random.integers(0, 256, truth.shape).astype(np.uint8)
    volume[0, 0, :2] = 0, 255
    weights = random.uniform(0, 9, truth.shape)
    described = write_pictures(tmp_path, volume, truth, probability, weights)
    assert described.layers == ["image", "truth", "probability", "weights", "components", "errors"]
    assert np.array_equal(pixels(tmp_path / "image-001.png")[..., 0], volume[1])
    assert np.array_equal(pixels(tmp_path / "truth-001.png")[..., 0] > 0, truth[1])
    assert np.abs(pixels(tmp_path / "probability-000.png")[..., 0] / 255 - probability[0]).max() <= 0.51 / 255
    counts = score(truth, probability).warping_counts
    for number, threshold in enumerate(VIEWER_THRESHOLDS):
        picture = pixels(tmp_path / f"components-000-{threshold:.1f}.png")
        inside = probability[0].astype(float) > threshold
        assert np.array_equal(picture[..., :3].any(-1), inside)
        errors = pixels(tmp_path / f"errors-001-{threshold:.1f}.png")
        for kind, colour in (("split", SPLIT), ("merge", MERGER)):
            found = np.count_nonzero((errors == (*colour, 255)).all(-1))
            assert found == getattr(counts[number + 1][1], kind)
        assert {kind for *_, kind in described.spots[1][number]} <= {"split", "merger"}


def test_errors_are_drawn_only_where_there_is_a_score(random_stack, tmp_path):
    truth, probability = random_stack((1, 60, 70), "float32")
    unknown = np.arange(70)[None] + 0 * truth < 30
    described = write_pictures(tmp_path, None, truth, probability, None, unknown=unknown)
    counts = score(truth, probability, unknown).warping_counts
    for number, threshold in enumerate(VIEWER_THRESHOLDS):
        errors = pixels(tmp_path / f"errors-000-{threshold:.1f}.png")
        assert not errors[unknown[0], 3].any() and errors[~unknown[0], 3].any()
        found = [np.count_nonzero((errors == (*colour, 255)).all(-1)) for colour in (SPLIT, MERGER)]
        assert found == [counts[number + 1][0].split, counts[number + 1][0].merge]
    assert all(x >= 30 for spots in described.spots[0] for x, *_ in spots) and any(described.spots[0])


def test_a_component_has_one_colour(random_stack):
    _, probability = random_stack((1, 90, 80), "float64")
    coloured = components(probability[0], 0.5)
    labels, count = ndimage.label(probability[0] > 0.5)
    assert count > 5 and coloured.max() <= len(COMPONENTS)
    for number in range(1, count + 1):
        assert len(set(coloured[labels == number])) == 1 and (coloured[labels == number] > 0).all()
    assert not coloured[labels == 0].any()
    colour_of = {number: coloured[labels == number][0] for number in range(1, count + 1)}
    near = neighbours(labels, count)
    assert sum(map(len, near.values())) > 10
    assert all(colour_of[one] != colour_of[other] for one, others in near.items() for other in others)


def test_circles_are_around_groups_that_may_touch_by_corners():
    errors = np.zeros((20, 30), bool)
    errors[4:7, 10] = errors[7, 11] = errors[15, 25] = True
    assert spots(errors) == [[10.5, 5.5, 9.0], [25.0, 15.0, 7.5]]


def test_one_hot_pixel_does_not_make_all_else_black(tmp_path):
    volume = np.full((1, 100, 100), 2000, np.uint16) + np.arange(100, dtype=np.uint16)
    volume[0, 5, 5] = 65535
    write_pictures(tmp_path, volume, None, None, None)
    shown = pixels(tmp_path / "image-000.png")[..., 0]
    assert shown[0, 0] < 10 and shown[0, -1] > 245


def test_errors_by_kind():
    truth = np.array([[True, True, False, False]])
    probability = np.array([[0.9, 0.1, 0.9, 0.1]])
    assert error_kinds(truth, probability, 0.5, np.array([[0, 0, 0, 0]])).tolist() == [[0, 2, 1, 0]]
    assert error_kinds(truth, probability, 0.5, np.array([[0, 1, 2, 0]])).tolist() == [[0, 4, 3, 0]]
