"""Thinning, by hand and pixel by pixel against its baseline."""

import numpy as np
from scipy import ndimage

from reproduce.benchmarks.baselines import metrics as baseline
from unet_paper.metrics.thinning import thinned


def test_thinning_by_hand():
    """Two segments five pixels apart meet in the middle; a corner that both reach is a dam."""
    apart = np.array([[7, 0, 0, 0, 9]], np.int32)
    assert thinned(apart).tolist() == [[7, 7, 0, 9, 9]]
    # Of two background pixels in the middle the one seeded first, in the west, is the first to be decided.
    assert thinned(np.array([[7, 0, 0, 9]], np.int32)).tolist() == [[7, 7, 0, 9]]
    assert (thinned(np.zeros((3, 4), np.int32)) == 1).all()
    assert np.array_equal(thinned(np.full((3, 4), 5, np.int32)), np.full((3, 4), 5))


def test_thinning_equals_the_baseline(random):
    """Pixel by pixel, from few seeds far apart to many close together."""
    for _ in range(60):
        foreground = random.random(random.integers(1, 40, 2)) > random.choice([0.5, 0.8, 0.95, 0.99])
        segments = ndimage.label(foreground)[0].astype(np.int32)
        assert np.array_equal(thinned(segments), baseline.thin(foreground))


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
