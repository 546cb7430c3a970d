"""The ISBI 2012 challenge's scores of a probability stack against a truth stack (section 4)."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from unet_paper.compute.cores import usable_cores
from unet_paper.io.sections import Sections, joined, stacked
from unet_paper.metrics.common import THRESHOLDS, WARPING_THRESHOLDS, checked, levels
from unet_paper.metrics.pixel_error import pixel_f1, pixel_sums
from unet_paper.metrics.rand_error import RandSums, rand_f, rand_sums
from unet_paper.metrics.registry import (
    CHALLENGE_METRICS,
    PIXEL_ERROR,
    RAND_ERROR,
    RAND_ERROR_PAIRS,
    V_INFO,
    V_RAND,
    WARPING_ERROR,
    Metric,
)
from unet_paper.metrics.scores import Curve, Scores
from unet_paper.metrics.segments import Overlap, components_at_thresholds, overlap
from unet_paper.metrics.thinning import thinned
from unet_paper.metrics.v_scores import mean_over_sections, v_info, v_rand
from unet_paper.metrics.warping_error import WarpingCounts, counts_of, warping_kinds
from unet_paper.support.arguments import holds
from unet_paper.support.errors import BadInput
from unet_paper.support.progress import progress_bar

T = TypeVar("T")


def score(
    labels: ArrayLike | Sequence[ArrayLike],
    proposal: ArrayLike | Sequence[ArrayLike],
    ignore: int | ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    workers: int | None = None,
) -> Scores:
    """All the challenge's metrics of a proposal, each at its own best threshold.

    Parameters
    ----------
    labels : (Z, H, W) array, one section (H, W), or a sequence of (H, W) sections of any sizes
        Truth: whole numbers, > 0 is cell, 0 is membrane; see `common.cells` for others. Of more than two values each is
        a cell's number: those that touch are separated by background first, see `separate_touching_cells`, as `train`,
        `weight_map` and the command do.
    proposal : float arrays of the same shapes
        Probability of cell, 0 to 1.
    ignore : int, bool arrays of the same shapes, or None
        The label of pixels that count in no metric, or True for them, whatever the proposal holds there. Both are taken
        as membrane there: segments end at such pixels, and nothing is warped into them. The warping error is the share
        of split and merger pixels among those that count.
    workers : int or None
        Sections scored at a time; one for each core unless given. The scores do not depend on it.

    Returns
    -------
    Scores
        The errors are best at 0, V_rand and V_info at 1.

    Raises
    ------
    BadInput
        For input of which no score can be taken, see `common.checked`.

    Notes
    -----
    Section 4 of the paper names warping, Rand and pixel error; their definitions are the challenge's (Arganda-Carreras
    et al., Frontiers in Neuroanatomy 9:142, 2015). Where the challenge's scorer is undefined, sections without a cell
    are left out of the means of V_rand and V_info, and V_info is 0 when every threshold is dropped.
    """
    truth, proposal, ignored = checked(labels, proposal, ignore)
    sections = _for_each_section(_section_sums, truth, proposal, workers)
    pixels, cell_pixels = joined(truth).size, int(np.count_nonzero(joined(truth)))
    counts = _by_threshold(section.warping for section in sections)
    totals = [WarpingCounts(*np.sum(of_sections, axis=0).tolist()) for of_sections in counts]
    curves: dict[Metric, Curve] = {
        WARPING_ERROR: tuple(total.error_pixels / (pixels - ignored) for total in totals),
        RAND_ERROR: tuple(rand_f(sums) for sums in _by_threshold(section.rand for section in sections)),
        RAND_ERROR_PAIRS: tuple(rand_f(sums) for sums in _by_threshold(section.rand_pairs for section in sections)),
        PIXEL_ERROR: tuple(
            pixel_f1(true_positives, positives, cell_pixels)
            for true_positives, positives in np.sum([section.pixel for section in sections], axis=0).tolist()
        ),
        V_RAND: tuple(mean_over_sections(values) for values in _by_threshold(section.v_rand for section in sections)),
        V_INFO: tuple(mean_over_sections(values) for values in _by_threshold(section.v_info for section in sections)),
    }
    best = {metric: _best(metric, curves[metric]) for metric in CHALLENGE_METRICS}
    values = {metric: _value(metric, curves[metric][best[metric]]) for metric in CHALLENGE_METRICS}
    return Scores(
        warping_error=values[WARPING_ERROR],
        rand_error=values[RAND_ERROR],
        rand_error_pairs=values[RAND_ERROR_PAIRS],
        pixel_error=values[PIXEL_ERROR],
        v_rand=values[V_RAND],
        v_info=values[V_INFO],
        best_threshold={metric.key: THRESHOLDS[best[metric]] for metric in CHALLENGE_METRICS},
        sections=len(truth),
        thresholds=THRESHOLDS,
        curves={metric.curve: curve for metric, curve in curves.items() if metric.curve is not None},
        warping_counts_at_best=totals[best[WARPING_ERROR]],
        warping_counts=tuple(counts),
        ignored_pixels=ignored,
    )


def warping_errors(
    labels: ArrayLike,
    proposal: ArrayLike,
    threshold: float,
    ignore: ArrayLike | None = None,
    *,
    workers: int | None = None,
) -> Sections:
    """Where warping leaves errors at one threshold.

    Parameters
    ----------
    labels, proposal, ignore, workers
        See `score`.
    threshold : float
        0 to 1; a pixel whose probability is above it is cell.

    Returns
    -------
    (Z, H, W) uint8 array, or a list of (H, W) ones where the sections differ in size
        0 where the warped truth agrees with the proposal. Elsewhere the kind of error: 1 split and 2 merger, which are
        the warping error; 3 hole added, 4 hole deleted, 5 object added, 6 object deleted, which the challenge does not
        count.

    Raises
    ------
    BadInput
        For input of which no score can be taken, see `common.checked`, and a threshold out of range.

    Notes
    -----
    Section 4 of the paper names the warping error; see `warping_error` for how the truth is warped.
    """

    if not holds(lambda: np.ndim(threshold) == 0 and 0 <= threshold <= 1):
        raise BadInput(f"threshold {threshold!r}; it must be 0 to 1, a number")
    threshold = float(threshold)

    def kinds(truth: np.ndarray, proposed: np.ndarray) -> np.ndarray:
        return warping_kinds(ndimage.label(truth)[0], proposed.astype(np.float64), threshold)

    truth, proposal, _ = checked(labels, proposal, ignore)
    return stacked(_for_each_section(kinds, truth, proposal, workers))


class _SectionSums(NamedTuple):
    """What one section adds to each metric: a value or a tuple of sums for each threshold."""

    pixel: np.ndarray
    rand: list[RandSums]
    rand_pairs: list[RandSums]
    v_rand: list[float | None]
    v_info: list[float | None]
    warping: list[WarpingCounts]


def _section_sums(truth: np.ndarray, proposal: np.ndarray) -> _SectionSums:
    level = levels(proposal)
    overlaps, of_thinned = zip(*section_overlaps(truth, level), strict=True)
    return _SectionSums(
        pixel_sums(truth, level),
        [rand_sums(each, "squares") for each in overlaps],
        [rand_sums(each, "pairs") for each in overlaps],
        [v_rand(each) for each in of_thinned],
        [v_info(each) for each in of_thinned],
        section_warping(truth, proposal),
    )


def section_overlaps(truth: np.ndarray, level: np.ndarray) -> list[tuple[Overlap, Overlap]]:
    """How the segments of one section overlap the truth's: [(Overlap, Overlap of the thinned segments)] by threshold.

    truth : (H, W) bool; level : (H, W) uint8, see `common.levels`.
    """
    segments, count = ndimage.label(truth)
    sizes = np.bincount(segments.ravel(), minlength=count + 1)[1:]
    overlaps = [
        (overlap(segments, sizes, proposed), overlap(segments, sizes, thinned(proposed)))
        for proposed in components_at_thresholds(level)
    ]
    return overlaps[::-1]


def section_warping(truth: np.ndarray, proposal: np.ndarray) -> list[WarpingCounts]:
    """The WarpingCounts of one (H, W) section at the ten thresholds."""
    segments, proposal = ndimage.label(truth)[0], proposal.astype(np.float64)
    return [counts_of(warping_kinds(segments, proposal, threshold)) for threshold in WARPING_THRESHOLDS]


def _by_threshold(of_sections: Iterable[list[T]]) -> list[tuple[T, ...]]:
    """[section][threshold] -> [threshold][section]"""
    return list(zip(*of_sections, strict=True))


def _best(metric: Metric, curve: Curve) -> int:
    """The index of the first best value of a curve."""
    values = [-np.inf if value is None else value for value in curve]
    return int(np.argmin(values) if metric.curve_is_error else np.argmax(values))


def _value(metric: Metric, best: float | None) -> float:
    """A metric's value from the best one of its curve; 0 where every threshold is dropped."""
    best = best or 0.0
    return best if metric.curve_is_error or metric.better == "higher" else 1 - best


def _for_each_section(
    function: Callable[[np.ndarray, np.ndarray], T],
    truth: Sections,
    proposal: Sections,
    workers: int | None = None,
) -> list[T]:
    """function(truth, proposal) of every section, in order, as many at a time as there are cores.

    Threads serve as well as processes here, without their start-up: the compiled parts leave Python's lock alone.
    """
    if workers is None:
        workers = usable_cores()
    if not isinstance(workers, (int, np.integer)):
        raise BadInput(f"workers is {workers!r}; it must be a whole number")
    executor = ThreadPoolExecutor(max(1, min(workers, len(truth))))
    try:
        results = executor.map(function, truth, proposal)
        return list(progress_bar(results, total=len(truth), desc="score", unit="section"))
    finally:
        executor.shutdown(cancel_futures=True)
