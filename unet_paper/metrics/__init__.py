"""The ISBI 2012 challenge's scores of a probability stack against a truth stack (section 4)."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from unet_paper.metrics.common import THRESHOLDS, WARPING_THRESHOLDS, checked, levels
from unet_paper.metrics.pixel_error import pixel_f1, pixel_sums
from unet_paper.metrics.rand_error import rand_f, rand_sums
from unet_paper.metrics.segments import components_at_thresholds, overlap
from unet_paper.metrics.thinning import thinned
from unet_paper.metrics.v_scores import mean_over_sections, v_info, v_rand
from unet_paper.metrics.warping_error import WarpingCounts, counts_of, warping_kinds
from unet_paper.support.progress import progress_bar

ERRORS = ("warping_error", "rand_error", "rand_error_pairs", "pixel_error")  # best 0; the others are best at 1
SCORES = (*ERRORS, "v_rand", "v_info")


def score(labels, proposal, workers=None, progress=False):
    """All scores of a proposal, each at its own best threshold.

    Parameters
    ----------
    labels : (Z, H, W) array, or one section (H, W)
        Truth: whole numbers, > 0 is cell, 0 is membrane; see `common.cells` for others.
    proposal : float array of the same shape
        Probability of cell, 0 to 1.
    workers : int or None
        Sections scored at a time; one for each core unless given. The scores do not depend on it.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of plain values: the six SCORES; `best_threshold` of each; their curves over `thresholds`, named as the
    challenge's scorer names them (`pixel_f_per_threshold` ...; the first ten thresholds for the warping error; None
    where V_info drops a threshold); `warping_counts` [threshold][section] of the six `warping_count_names`, and
    `warping_counts_at_best`, summed over the stack.

    Raises BadInput for input of which no score can be taken, see `common.checked`. Where the challenge's scorer is
    undefined, sections without a cell are left out of the means of V_rand and V_info, and V_info is 0 when every
    threshold is dropped.
    """
    truth, proposal = checked(labels, proposal)
    sections = _for_each_section(_section_sums, truth, proposal, workers, progress)
    cell_pixels = int(np.count_nonzero(truth))
    counts = _by_threshold(section.warping for section in sections)
    totals = [WarpingCounts(*np.sum(of_sections, axis=0).tolist()) for of_sections in counts]
    curves = {
        "warping_error": [total.error_pixels / truth.size for total in totals],
        "rand_error": [rand_f(sums) for sums in _by_threshold(section.rand for section in sections)],
        "rand_error_pairs": [rand_f(sums) for sums in _by_threshold(section.rand_pairs for section in sections)],
        "pixel_error": [
            pixel_f1(*sums, cell_pixels) for sums in np.sum([section.pixel for section in sections], axis=0).tolist()
        ],
        "v_rand": [mean_over_sections(values) for values in _by_threshold(section.v_rand for section in sections)],
        "v_info": [mean_over_sections(values) for values in _by_threshold(section.v_info for section in sections)],
    }
    best = {name: _best(name, curve) for name, curve in curves.items()}
    result = {name: curves[name][best[name]] for name in SCORES}
    for name in ("rand_error", "rand_error_pairs", "pixel_error"):
        result[name] = 1 - result[name]
    result["v_info"] = result["v_info"] or 0.0  # every threshold dropped
    return result | {
        "best_threshold": {name: THRESHOLDS[best[name]] for name in SCORES},
        "sections": len(truth),
        "thresholds": list(THRESHOLDS),
        "pixel_f_per_threshold": curves["pixel_error"],
        "rand_f_per_threshold": curves["rand_error"],
        "rand_f_pairs_per_threshold": curves["rand_error_pairs"],
        "v_rand_per_threshold": curves["v_rand"],
        "v_info_per_threshold": curves["v_info"],
        "warping_error_per_threshold": curves["warping_error"],
        "warping_count_names": list(WarpingCounts._fields),
        "warping_counts_at_best": totals[best["warping_error"]]._asdict(),
        "warping_counts": [[list(of_section) for of_section in of_sections] for of_sections in counts],
    }


def warping_counts_per_threshold(labels, proposal, workers=None):
    """WarpingCounts [threshold][section] at the thresholds 0.0 ... 0.9; takes what `score` takes."""
    return _by_threshold(_for_each_section(section_warping, *checked(labels, proposal), workers))


def warping_errors(labels, proposal, threshold, workers=None):
    """Where warping leaves errors at one threshold: (Z, H, W) uint8, see `warping_error.warping_kinds`."""

    def kinds(truth, proposed):
        return warping_kinds(ndimage.label(truth)[0], proposed.astype(np.float64), threshold)

    return np.stack(_for_each_section(kinds, *checked(labels, proposal), workers))


class _SectionSums(NamedTuple):
    """What one section adds to each score: a value or a tuple of sums for each threshold."""

    pixel: np.ndarray
    rand: list
    rand_pairs: list
    v_rand: list
    v_info: list
    warping: list


def _section_sums(truth, proposal):
    level = levels(proposal)
    plain, thin = zip(*section_overlaps(truth, level), strict=True)
    return _SectionSums(
        pixel_sums(truth, level),
        [rand_sums(found, "squares") for found in plain],
        [rand_sums(found, "pairs") for found in plain],
        [v_rand(found) for found in thin],
        [v_info(found) for found in thin],
        section_warping(truth, proposal),
    )


def section_overlaps(truth, level, thin=True):
    """How the segments of one section overlap the truth's: [(Overlap, Overlap of the thinned segments)] by threshold.

    truth : (H, W) bool; level : (H, W) uint8, see `common.levels`; thin=False leaves the second out (None).
    """
    segments, count = ndimage.label(truth)
    sizes = np.bincount(segments.ravel(), minlength=count + 1)[1:]
    found = [
        (overlap(segments, sizes, proposed), overlap(segments, sizes, thinned(proposed)) if thin else None)
        for proposed in components_at_thresholds(level)
    ]
    return found[::-1]


def section_warping(truth, proposal):
    """The WarpingCounts of one (H, W) section at the ten thresholds."""
    segments, proposal = ndimage.label(truth)[0], proposal.astype(np.float64)
    return [counts_of(warping_kinds(segments, proposal, threshold)) for threshold in WARPING_THRESHOLDS]


def _by_threshold(of_sections):
    """[section][threshold] -> [threshold][section]"""
    return list(zip(*of_sections, strict=True))


def _best(name, curve):
    """The place of the first best value."""
    values = [-np.inf if value is None else value for value in curve]
    return int(np.argmin(values) if name == "warping_error" else np.argmax(values))


def _for_each_section(function, truth, proposal, workers=None, progress=False):
    """function(truth, proposal) of every section, in order, as many at a time as there are cores.

    Threads serve as well as processes here, without their start-up: the compiled parts leave Python's lock alone.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    executor = ThreadPoolExecutor(max(1, min(workers, len(truth))))
    try:
        results = executor.map(function, truth, proposal)
        return list(progress_bar(results, total=len(truth), desc="score", unit="section", disable=not progress))
    finally:
        executor.shutdown(cancel_futures=True)
