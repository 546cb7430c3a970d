"""Warping: which pixels are flipped, and what the remaining ones are."""

import numpy as np
from scipy import ndimage

from unet_paper.metrics.warping_error import SIMPLE, classify, counts_of, warp

EIGHT = np.ones((3, 3))
# The eight neighbours (row, column) once around, starting in the east; bit k of a neighbourhood code is neighbour k.
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


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


def test_the_window_of_a_bridge_reaches_20_px_to_each_side():
    """A ring that closes at a distance: as far as the window reaches, its two ends are of one part."""
    for distance, kind in ((20, "hole_deletion"), (21, "split")):
        ring = np.zeros((60, 60), np.int32)
        ring[25:36, 30] = ring[25:36, 30 + distance] = 1
        ring[25, 30 : 30 + distance] = ring[35, 30 : 30 + distance] = 1
        cut = ring > 0
        cut[30, 30] = False
        for turns in range(4):
            counts = counts_of(classify(np.rot90(ring, turns).copy(), np.rot90(cut, turns).copy()))
            assert getattr(counts, kind) == 1


def test_a_bridge_is_looked_for_in_its_window_only():
    """A ring that closes beyond the 41 x 41 window: inside it, the two ends of a cut are apart."""
    for radius, kind in ((18, "hole_deletion"), (30, "split")):
        ring = np.zeros((80, 80), np.int32)
        ring[10 : 10 + radius, 10] = ring[10 : 10 + radius, 9 + radius] = 1
        ring[10, 10 : 10 + radius] = ring[9 + radius, 10 : 10 + radius] = 1
        cut = ring > 0
        cut[10 + radius // 2, 10] = False
        assert getattr(counts_of(classify(ring, cut)), kind) == 1
