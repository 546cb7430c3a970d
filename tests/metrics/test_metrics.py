"""The challenge's metrics, against what its reference scorer printed and against cases worked out by hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from reproduce.bench import plain_metrics
from unet_paper.metrics import THRESHOLDS, score, warping_counts_per_threshold
from unet_paper.metrics.common import levels
from unet_paper.metrics.rand_error import rand_sums
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR, V_INFO
from unet_paper.metrics.segments import components_at_thresholds, overlap
from unet_paper.metrics.thinning import thinned
from unet_paper.metrics.v_scores import v_info, v_rand
from unet_paper.metrics.warping_error import AROUND, SIMPLE, classify, counts_of, warp

COMMITTED = Path(__file__).parents[1] / "data"
EIGHT = np.ones((3, 3))


def oracle_cases():
    """(folder, name) of every case at hand."""
    cases = [(COMMITTED, name) for name in ("fuzz_binary", "fuzz_mid", "fuzz_tenths")]
    if os.environ.get("ISBI_ORACLE"):
        folder = Path(os.environ["ISBI_ORACLE"])
        cases += [(folder, path.stem) for path in sorted(folder.glob("*.npz")) if not path.stem.startswith("fuzz_")]
    return [pytest.param(folder, name, id=name) for folder, name in cases]


@pytest.mark.parametrize(("folder", "name"), oracle_cases())
def test_against_the_reference_scorer(folder, name):
    reference = json.loads((folder / "reference.json").read_text())[name]
    case = np.load(folder / f"{name}.npz")
    scores = score(case["label"], case["proposal"]).to_json()
    for key in (metric.key for metric in CHALLENGE_METRICS):
        assert scores[key] == pytest.approx(reference[key], abs=1e-14)
    for key in ("pixel_f_per_threshold", "rand_f_per_threshold", "v_rand_per_threshold", "v_info_per_threshold"):
        assert [value is None for value in scores[key]] == [value is None for value in reference[key]]
        assert [value for value in scores[key] if value is not None] == pytest.approx(
            [value for value in reference[key] if value is not None], abs=1e-14
        )
    assert scores["thresholds"] == reference["thresholds"]
    assert scores["warping_error"] == reference["warping_error"]
    assert scores["warping_counts"] == reference["warping_counts"]
    assert np.array_equal(warping_counts_per_threshold(case["label"], case["proposal"]), reference["warping_counts"])


SHAPES = [(2, 24, 31), (1, 1, 1), (1, 1, 40), (3, 40, 1), (2, 2, 2), (1, 50, 47), (1, 70, 90)]


@pytest.mark.parametrize("kind", ["float64", "float32", "tenths", "binary"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_plain_form(random_stack, shape, kind):
    truth, proposal = random_stack(shape, kind)
    found, proposal = score(truth, proposal, workers=2).to_json(), proposal.astype(np.float64)
    assert found["pixel_f_per_threshold"] == plain_metrics.pixel_f(truth, proposal)
    assert found["rand_f_per_threshold"] == plain_metrics.rand_f(truth, proposal)
    assert found["rand_f_pairs_per_threshold"] == plain_metrics.rand_f(truth, proposal, "pairs")
    assert found["warping_counts"] == plain_metrics.warping_counts(truth, proposal)
    by_threshold = plain_metrics.v_scores(truth, proposal)
    assert found["v_rand_per_threshold"] == pytest.approx([values[0] for values in by_threshold], abs=1e-12)
    dropped = [np.nan if value is None else value for value in found["v_info_per_threshold"]]
    assert dropped == pytest.approx([values[1] for values in by_threshold], abs=1e-12, nan_ok=True)


def test_components_at_thresholds(random):
    for shape in ((30, 41), (1, 20), (20, 1)):
        level = levels(np.clip(ndimage.gaussian_filter(random.standard_normal(shape), 1) + 0.4, 0, 1))
        for k, found in zip(range(10, -1, -1), components_at_thresholds(level), strict=True):
            assert np.array_equal(found, ndimage.label(level > k)[0])


def test_levels_compare_in_double_precision():
    values = np.array([0, 0.1, 0.3, 0.1 + 0.1 + 0.1, 0.999, 1])
    assert levels(values).tolist() == [0, 1, 3, 3, 10, 11]
    assert levels(np.float32([0.1])).tolist() == [2]


def test_thinning_by_hand():
    """Two segments five pixels apart meet in the middle; a corner that both reach is a dam."""
    apart = np.array([[7, 0, 0, 0, 9]], np.int32)
    assert thinned(apart).tolist() == [[7, 7, 0, 9, 9]]
    # Of two background pixels in the middle the one seeded first, in the west, is the first to be decided.
    assert thinned(np.array([[7, 0, 0, 9]], np.int32)).tolist() == [[7, 7, 0, 9]]
    assert (thinned(np.zeros((3, 4), np.int32)) == 1).all()
    assert np.array_equal(thinned(np.full((3, 4), 5, np.int32)), np.full((3, 4), 5))


def test_thinning_equals_the_plain_form(random):
    """Pixel by pixel, from few seeds far apart to many close together."""
    for _ in range(60):
        foreground = random.random(random.integers(1, 40, 2)) > random.choice([0.5, 0.8, 0.95, 0.99])
        segments = ndimage.label(foreground)[0].astype(np.int32)
        assert np.array_equal(thinned(segments), plain_metrics.thin(foreground))


def test_thinning_parts_segments_by_dams_of_one_pixel(random):
    """Segments stay apart, none vanishes, and nothing but dams is left between them."""
    for _ in range(20):
        segments = ndimage.label(random.random((30, 30)) > 0.5)[0].astype(np.int32)
        grown = thinned(segments)
        assert set(np.unique(grown)) - {0} == set(np.unique(segments)) - {0}
        assert (grown[segments > 0] == segments[segments > 0]).all()
        for a, b in ((grown[1:], grown[:-1]), (grown[:, 1:], grown[:, :-1])):
            assert not ((a != b) & (a > 0) & (b > 0)).any()
        # A dam touches two segments, or other dams where it goes round a corner: never one segment alone.
        around = np.pad(grown, 1, mode="edge")
        dams = grown == 0
        neighbours = np.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
        alone = dams & (neighbours.max(axis=0) == neighbours.min(axis=0))
        assert not (alone & (neighbours.min(axis=0) > 0)).any()


def test_thresholds_are_accumulated_doubles():
    assert THRESHOLDS[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert len(THRESHOLDS) == 11 and THRESHOLDS[-1] < 1


def test_polarity_and_best_case(sections):
    labels = sections[1][:1, :200, :200]
    perfect = (labels > 0).astype(np.float32)
    scores = score(labels, perfect)
    assert scores.pixel_error == scores.rand_error == scores.warping_error == 0
    inverted = score(labels, 1 - perfect)
    assert inverted.pixel_error > 0.9 and inverted.rand_error > 0.9 and inverted.warping_error > 0


def test_a_proposal_is_compared_in_double_precision():
    """0.1 in float32 is above 0.1 in float64: still positive at that threshold."""
    labels = np.array([[[255, 0]]], np.uint8)
    assert score(labels, np.array([[[0.1, 0]]], np.float32)).curve(PIXEL_ERROR)[1] == 1


def test_pixel_f1_by_hand():
    labels = np.array([[[1, 1, 1, 0]]])
    scores = score(labels, np.array([[[0.95, 0.95, 0.05, 0.95]]]))
    # At 0.1 ... 0.9: two of three cells found, two of three positives right.
    assert scores.curve(PIXEL_ERROR)[5] == pytest.approx(2 / 3)
    # At 0.0 all is positive: precision 3/4, recall 1.
    assert scores.pixel_error == pytest.approx(1 - 6 / 7)


def overlap_of(truth, proposal):
    truth, proposal = np.array(truth, np.int32), np.array(proposal, np.int32)
    return overlap(truth, np.bincount(truth.ravel())[1:], proposal)


def test_rand_sums_by_hand():
    found = overlap_of([[1, 1, 1, 0, 2, 2]], [[1, 1, 1, 1, 1, 0]])
    # c = [[0, 3], [1, 1]]: AB = 9 + 1 + 1, A = 9 + 4, B = 16 + 1; pairs 3, 3 + 1, 6.
    assert rand_sums(found) == (11, 13, 17)
    assert rand_sums(found, "pairs") == (3, 4, 6)


def test_v_scores_by_hand():
    # Two cells of 2 px, put into one segment: nothing is known of the truth, and the proposal knows all it says.
    assert v_info(overlap_of([[1, 1, 2, 2]], [[1, 1, 1, 1]])) == 0
    assert v_rand(overlap_of([[1, 1, 2, 2]], [[1, 1, 1, 1]])) == 2 * 8 / (8 + 16)
    assert v_info(overlap_of([[1, 1, 2, 2]], [[1, 1, 2, 2]])) == 1
    # One cell in two halves: H(A) = 0, so precision 0.
    assert v_info(overlap_of([[1, 1, 1, 1]], [[1, 1, 2, 2]])) == 0
    # Four cells, of which the proposal tells two pairs: I = ln 2, H(A) = ln 4, H(B) = ln 2.
    assert v_info(overlap_of([[1, 2, 3, 4]], [[1, 1, 2, 2]])) == pytest.approx(2 / 3)
    assert v_info(overlap_of([[0, 0]], [[1, 1]])) is None and v_rand(overlap_of([[0, 0]], [[1, 1]])) is None


def test_no_shared_information_drops_the_threshold():
    """Cells left and right, halves above and below: both divided, no information shared."""
    truth = np.array([[1, 0, 2], [1, 0, 2]])
    assert np.isnan(v_info(overlap_of(truth, [[1, 1, 1], [2, 2, 2]])))
    labels = np.array([[[1, 0, 1], [1, 0, 1], [1, 0, 1]]])
    proposal = np.array([[[1, 1, 1], [0, 0, 0], [1, 1, 1]]])
    scores = score(labels, proposal)
    # The middle line is thinned to itself: each cell is cut into above, below and one pixel alone.
    assert scores.curve(V_INFO)[5] is not None and 0 < scores.v_info < 1


def test_simple_points_are_those_that_change_no_topology():
    """The look-up table against its meaning: exactly one 4-connected object touches a simple point from the side, and
    some background touches it."""
    for code in range(256):
        patch = np.zeros((3, 3), int)
        for bit, (down, right) in enumerate(AROUND):
            patch[1 + down, 1 + right] = code >> bit & 1
        ring = patch.copy()
        ring[1, 1] = 0
        objects = ndimage.label(ring)[0]
        touching = {objects[0, 1], objects[1, 0], objects[1, 2], objects[2, 1]} - {0}
        assert bool(SIMPLE[code]) == (len(touching) == 1 and code != 255)


def label(foreground):
    return ndimage.label(foreground)[0]


def test_warping_bends_but_does_not_tear():
    truth = np.zeros((12, 12), bool)
    truth[2:6, 2:6] = True
    moved = np.zeros((12, 12))
    moved[4:9, 3:8] = 1
    assert np.array_equal(warp(label(truth), moved, 0.5), moved > 0.5)
    two = np.zeros((12, 12))
    two[2:6, 2:6] = two[8:10, 8:10] = 1
    warped = warp(label(truth), two, 0.5)
    assert ndimage.label(warped)[1] == 1
    assert counts_of(classify(warped, two > 0.5)).object_addition > 0


def test_warping_keeps_the_topology(random_stack):
    """As many cells and as many holes after as before, every cell still whole and under its number."""
    for kind in ("float64", "tenths", "binary"):
        for _ in range(10):
            truth, proposal = random_stack((1, 40, 45), kind)
            before = label(truth[0])
            after = warp(before, proposal[0], 0.5)
            assert ndimage.label(after)[1] == before.max()
            pieces = ndimage.label(after)[0]
            pairs = {(a, b) for a, b in zip(after.ravel().tolist(), pieces.ravel().tolist(), strict=True)}
            assert len(pairs) == len(set(after.ravel().tolist()))
            holes = [
                ndimage.label(np.pad(section == 0, 1, constant_values=True), EIGHT)[1] for section in (before, after)
            ]
            assert holes[0] == holes[1]


def test_kinds_of_error():
    def kinds(warped, target):
        return counts_of(classify(label(warped), target))

    cell = np.zeros((9, 9), bool)
    cell[1:8, 1:8] = True
    holed = cell.copy()
    holed[4, 4] = False
    assert kinds(cell, holed)._asdict() == dict(
        split=0, merge=0, hole_addition=1, hole_deletion=0, object_addition=0, object_deletion=0
    )
    assert kinds(holed, cell).hole_deletion == 1
    lone = np.zeros((9, 9), bool)
    lone[4, 4] = True
    assert kinds(lone, ~lone & lone).object_deletion == 1
    assert kinds(~lone & lone, lone).object_addition == 1
    halves = cell.copy()
    halves[:, 4] = False
    bridged = halves.copy()
    bridged[4, 4] = True
    assert kinds(halves, bridged).merge == 1
    assert kinds(bridged, halves).split == 1


def test_a_bridge_is_looked_for_in_its_window_only():
    """A ring that closes beyond the 41 x 41 window: inside it, the two ends of a cut are apart."""
    for radius, kind in ((18, "hole_deletion"), (30, "split")):
        ring = np.zeros((80, 80), np.int32)
        ring[10 : 10 + radius, 10] = ring[10 : 10 + radius, 9 + radius] = 1
        ring[10, 10 : 10 + radius] = ring[9 + radius, 10 : 10 + radius] = 1
        cut = ring > 0
        cut[10 + radius // 2, 10] = False
        assert getattr(counts_of(classify(ring, cut)), kind) == 1
