"""Warping error: what is left of the truth's topology errors after it was warped towards the proposal.

The truth may be bent freely as long as no object or hole appears, vanishes, splits or merges: only simple points are
flipped. Of the pixels that still differ, those that split or merge objects are counted.
"""

from typing import NamedTuple

import numpy as np

from unet_paper.scores.common import WARPING_THRESHOLDS, checked, components

WINDOW = 20  # half of the 41 x 41 px window in which a white pixel's role as a bridge is tested


class WarpingCounts(NamedTuple):
    """Pixels left after warping, by the kind of topological error they make."""

    split: int = 0
    merge: int = 0
    hole_addition: int = 0
    hole_deletion: int = 0
    object_addition: int = 0
    object_deletion: int = 0

    @property
    def error_pixels(self):
        """The pixels that the challenge counts."""
        return self.split + self.merge


# The eight neighbours (row, column) once around, starting in the east; bit k of a neighbourhood code is neighbour k.
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def yokoi_number(code):
    """Yokoi's connectivity number for a 4-connected foreground, of an 8-bit neighbourhood code (1 = foreground)."""
    x = [code >> k & 1 for k in range(8)]
    return sum(x[k] - x[k] * x[k + 1] * x[(k + 2) % 8] for k in (0, 2, 4, 6))


SIMPLE = bytes(yokoi_number(code) == 1 for code in range(256))


def warping_counts_per_threshold(labels, proposal):
    """Counts [threshold][section] of a (Z, H, W) truth and proposal in [0, 1], at the 10 thresholds 0.0 ... 0.9."""
    truth, proposal = checked(labels, proposal)
    return [
        [
            classify(warp(truth_section, proposal_section, threshold), proposal_section > threshold)
            for truth_section, proposal_section in zip(truth, proposal, strict=True)
        ]
        for threshold in WARPING_THRESHOLDS
    ]


def warp(truth, proposal, threshold):
    """Flip simple points of the truth towards `proposal > threshold` until none is left that helps.

    (H, W) bool, (H, W) float64 and a float -> (H, W) bool. Pixels farthest from the threshold go first; the order is
    part of the metric's definition. Outside the image counts as background.
    """
    height, width = truth.shape
    stride = width + 2
    warped = np.zeros((height + 2, stride), dtype=np.uint8)
    warped[1:-1, 1:-1] = truth

    columns, rows = np.nonzero((truth != (proposal > threshold)).T)  # column-major: x outer, y inner
    urgency = np.abs(proposal[rows, columns] - threshold).astype(np.float32)
    order = np.argsort(-urgency, kind="stable")
    mismatches = ((rows[order] + 1) * stride + columns[order] + 1).tolist()

    # Every pixel keeps its neighbourhood's code, so that a test is one look-up and only a flip costs eight.
    codes = np.zeros_like(warped)
    for bit, (down, right) in enumerate(AROUND):
        codes[1:-1, 1:-1] |= warped[1 + down : height + 1 + down, 1 + right : width + 1 + right] << bit
    codes, warped = bytearray(codes.tobytes()), bytearray(warped.tobytes())
    # Neighbour k sees the flipped pixel as its own neighbour k + 4.
    seen_by = [(down * stride + right, 1 << (bit + 4) % 8) for bit, (down, right) in enumerate(AROUND)]

    while True:
        left = []
        for pixel in mismatches:
            if SIMPLE[codes[pixel]]:
                warped[pixel] ^= 1
                for step, bit in seen_by:
                    codes[pixel + step] ^= bit
            else:
                left.append(pixel)
        if len(left) == len(mismatches):
            break
        mismatches = left  # their order is that of a list sorted anew
    return np.frombuffer(warped, dtype=np.uint8).reshape(height + 2, stride)[1:-1, 1:-1].astype(bool)


def classify(warped, target):
    """WarpingCounts of the pixels in which the (H, W) bool warped truth still differs from the target."""
    segments = components(warped)
    padded = np.pad(segments, 1, constant_values=-1)
    counts = dict.fromkeys(WarpingCounts._fields, 0)
    for row, column in zip(*np.nonzero(warped != target), strict=True):
        counts[_kind(warped, segments, padded, row, column)] += 1
    return WarpingCounts(**counts)


def _kind(warped, segments, padded, row, column):
    """The error that the mismatch at (row, column) makes, from the segments among its neighbours in the image."""
    ids = set(padded[row : row + 3, column : column + 3].ravel()[[0, 1, 2, 3, 5, 6, 7, 8]].tolist()) - {-1}
    white = warped[row, column]
    if ids == {0}:
        return "object_deletion" if white else "object_addition"
    if len(ids) == 1:
        return "hole_addition" if white else "hole_deletion"
    if len(ids) > 2:
        return "split" if white else "merge"
    if not white:
        return "hole_addition"
    return "split" if _bridges(warped, row, column) else "hole_deletion"


def _bridges(warped, row, column):
    """Whether clearing the pixel leaves more than two segments (0 included) around it, within the 41 x 41 window."""
    top, left = max(row - WINDOW, 0), max(column - WINDOW, 0)
    window = warped[top : row + WINDOW + 1, left : column + WINDOW + 1].copy()
    window[row - top, column - left] = False
    # One more pixel of background all around: a pixel at the window's border has background neighbours there.
    around = np.pad(components(window), 1)[row - top : row - top + 3, column - left : column - left + 3]
    return len(set(around.ravel()[[0, 1, 2, 3, 5, 6, 7, 8]].tolist())) > 2
