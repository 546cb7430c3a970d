"""The challenge's metrics as one writes them from their definition: NumPy, SciPy and Python loops, one section at a
time. The baseline of the benchmarks, and what the tests compare `unet_paper.metrics` with; it shares no code with it.
"""

import math
from collections import deque

import numpy as np
from scipy import ndimage

THRESHOLDS = [0.0]
for _ in range(10):
    THRESHOLDS.append(THRESHOLDS[-1] + 0.1)
KINDS = ("split", "merge", "hole_addition", "hole_deletion", "object_addition", "object_deletion")
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # (row, column), from the east


def pixel_f(truth: np.ndarray, proposal: np.ndarray) -> list[float]:
    """F1 of the cell pixels at each threshold, of a (Z, H, W) bool truth and a proposal of float64."""
    scores = []
    for threshold in THRESHOLDS:
        positive = proposal > threshold
        true_positive = np.count_nonzero(positive & truth)
        false_positive, false_negative = np.count_nonzero(positive & ~truth), np.count_nonzero(~positive & truth)
        precision = true_positive / (true_positive + false_positive) if false_positive else 1.0
        recall = true_positive / (true_positive + false_negative) if false_negative else 1.0
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return scores


def contingency(truth_segments: np.ndarray, proposed_segments: np.ndarray) -> np.ndarray:
    """c[i, j] with i >= 1, int64."""
    shape = int(truth_segments.max()) + 1, int(proposed_segments.max()) + 1
    indices = truth_segments.ravel().astype(np.int64) * shape[1] + proposed_segments.ravel()
    return np.bincount(indices, minlength=shape[0] * shape[1]).reshape(shape)[1:]


def rand_f(truth: np.ndarray, proposal: np.ndarray, form: str = "squares") -> list[float]:
    """The Rand F score at each threshold, over the stack."""
    scores = []
    for threshold in THRESHOLDS:
        sums = np.zeros(3, np.int64)
        for of_truth, of_proposal in zip(truth, proposal, strict=True):
            c = contingency(ndimage.label(of_truth)[0], ndimage.label(of_proposal > threshold)[0])
            shared, rows, columns, alone = c[:, 1:], c.sum(axis=1), c[:, 1:].sum(axis=0), c[:, 0].sum()
            if form == "squares":
                sums += (shared**2).sum() + alone, (rows**2).sum(), (columns**2).sum() + alone
            else:
                sums += tuple((n * (n - 1) // 2).sum() for n in (shared, rows, columns))
        together, in_truth, in_proposal = sums.tolist()
        scores.append(2 * together / (in_truth + in_proposal) if in_truth + in_proposal else 1.0)
    return scores


def thin(foreground: np.ndarray) -> np.ndarray:
    """Segments grown into the background of an (H, W) bool section until one-pixel dams part them."""
    segments, count = ndimage.label(foreground)
    if not count:
        return np.ones_like(segments)
    height, width = segments.shape
    segments = segments.tolist()
    queued = [[False] * width for _ in range(height)]
    touching = np.zeros((height, width), bool)
    touching[1:] |= foreground[:-1]
    touching[:-1] |= foreground[1:]
    touching[:, 1:] |= foreground[:, :-1]
    touching[:, :-1] |= foreground[:, 1:]
    columns, rows = np.nonzero((touching & ~foreground).T)
    queue = deque(zip(rows.tolist(), columns.tolist(), strict=True))
    final = foreground.tolist()
    for row, column in queue:
        queued[row][column] = True
    while queue:
        row, column = queue.popleft()
        result, hard = None, False
        for y, x in ((row, column - 1), (row - 1, column), (row, column + 1), (row + 1, column)):
            if not (0 <= y < height and 0 <= x < width):
                continue
            if not final[y][x]:
                if not queued[y][x]:
                    queued[y][x] = True
                    queue.append((y, x))
            elif segments[y][x] == 0:
                result = 0 if result is None else result
            elif not hard and not result:
                result = segments[y][x]
            elif not hard and result != segments[y][x]:
                result, hard = 0, True
        segments[row][column] = result
        final[row][column] = True
    return np.array(segments)


def v_scores(truth: np.ndarray, proposal: np.ndarray) -> list[tuple[float, float]]:
    """(V_rand, V_info) at each threshold: means over sections, NaN where V_info is undefined."""
    scores = []
    for threshold in THRESHOLDS:
        values = []
        for of_truth, of_proposal in zip(truth, proposal, strict=True):
            c = contingency(ndimage.label(of_truth)[0], thin(of_proposal > threshold))
            if not c.sum():
                continue  # no cell in this section
            shared, rows, columns, alone = c[:, 1:], c.sum(axis=1), c[:, 1:].sum(axis=0), int(c[:, 0].sum())
            together = 2 * ((shared**2).sum() + alone)
            v_rand = together / ((rows**2).sum() + (columns**2).sum() + alone)
            n = c.sum()
            truth_entropy = entropy(rows / n)
            proposal_entropy = entropy(columns / n) + alone / n * math.log(n)
            information = truth_entropy + proposal_entropy - entropy(shared / n) - alone / n * math.log(n)
            precision = information / truth_entropy if truth_entropy else 0.0
            recall = information / proposal_entropy if truth_entropy and proposal_entropy else 1.0
            if not proposal_entropy:
                precision, recall = 1.0, 0.0
            both = precision + recall
            values.append((v_rand, 2 * precision * recall / both if both else math.nan))
        scores.append(tuple(np.mean(values, axis=0).tolist()))
    return scores


def entropy(p: np.ndarray) -> float:
    """-sum p ln p"""
    p = p[p > 0]
    return -float((p * np.log(p)).sum())


def yokoi_number(code: int) -> int:
    """Of an 8-bit neighbourhood code with a 4-connected foreground."""
    x = [code >> k & 1 for k in range(8)]
    return sum(x[k] - x[k] * x[k + 1] * x[(k + 2) % 8] for k in (0, 2, 4, 6))


SIMPLE = bytes(yokoi_number(code) == 1 for code in range(256))


def warping_counts(truth: np.ndarray, proposal: np.ndarray) -> list[list[list[int]]]:
    """Counts [threshold][section][kind] of the pixels left after warping."""
    return [
        [
            classify(warp(of_truth, of_proposal, threshold), of_proposal > threshold)
            for of_truth, of_proposal in zip(truth, proposal, strict=True)
        ]
        for threshold in THRESHOLDS[:10]
    ]


def warp(truth: np.ndarray, proposal: np.ndarray, threshold: float) -> np.ndarray:
    """The (H, W) bool truth, simple points flipped towards `proposal > threshold`, the most urgent first."""
    height, width = truth.shape
    stride = width + 2
    padded = np.pad(truth.astype(np.uint8), 1)
    columns, rows = np.nonzero((truth != (proposal > threshold)).T)  # x outer, y inner
    urgency = np.abs(proposal[rows, columns] - threshold).astype(np.float32)
    order = np.argsort(-urgency, kind="stable")
    mismatches = ((rows[order] + 1) * stride + columns[order] + 1).tolist()
    steps = [(down * stride + right, bit) for bit, (down, right) in enumerate(AROUND)]
    warped = bytearray(padded.tobytes())
    while True:
        left = []
        for pixel in mismatches:
            code = 0
            for step, bit in steps:
                code |= warped[pixel + step] << bit
            if SIMPLE[code]:
                warped[pixel] ^= 1
            else:
                left.append(pixel)
        if len(left) == len(mismatches):
            break
        mismatches = left
    return np.frombuffer(warped, np.uint8).reshape(height + 2, stride)[1:-1, 1:-1] > 0


def classify(warped: np.ndarray, target: np.ndarray) -> list[int]:
    """The six counts of the pixels in which the warped truth still differs from the target."""
    segments = np.pad(ndimage.label(warped)[0], 1, constant_values=-1)
    counts = dict.fromkeys(KINDS, 0)
    for row, column in zip(*np.nonzero(warped != target), strict=True):
        ids = set(np.delete(segments[row : row + 3, column : column + 3].ravel(), 4).tolist()) - {-1}
        white = warped[row, column]
        if len(ids) > 2:
            kind = "split" if white else "merge"
        elif len(ids) == 2:
            kind = ("split" if is_bridge(warped, row, column) else "hole_deletion") if white else "hole_addition"
        elif any(ids):
            kind = "hole_addition" if white else "hole_deletion"
        else:
            kind = "object_deletion" if white else "object_addition"
        counts[kind] += 1
    return list(counts.values())


def is_bridge(warped: np.ndarray, row: int, column: int) -> bool:
    """Whether clearing the pixel leaves more than two segments (0 included) around it, in the 41 x 41 window."""
    top, left = max(row - 20, 0), max(column - 20, 0)
    window = warped[top : row + 21, left : column + 21].copy()
    window[row - top, column - left] = False
    around = np.pad(ndimage.label(window)[0], 1)[row - top : row - top + 3, column - left : column - left + 3]
    return len(set(np.delete(around.ravel(), 4).tolist())) > 2
