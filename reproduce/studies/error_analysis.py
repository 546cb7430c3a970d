"""Why a run's scores are what they are: how thick its membranes are, which cells it merges, where it splits, and what
the network's deep levels add.

python -m reproduce.studies.error_analysis RUN...

RUN is the folder of a scored run in which its probability stacks still are: those of this repository's own runs are not
committed. Writes error-analysis.md into each, and prints it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from unet_paper import checkpoint
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics import score, warping_errors
from unet_paper.metrics.challenge import section_overlaps
from unet_paper.metrics.common import THRESHOLDS, levels
from unet_paper.metrics.rand_error import rand_f, rand_sums
from unet_paper.metrics.registry import CHALLENGE_METRICS, RAND_ERROR_PAIRS
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.report.pictures import spots
from unet_paper.report.viewer.run_page import section_names
from unet_paper.runs.diagnostics import INACTIVE, up_convolution_effect
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.results import read_run
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

AREAS = (100, 500, 2000)  # px², limits of cells' sizes
SMALL = 500  # px², below which a segment may be part of a cell instead of one: the outline of an organelle
AROUND = 12  # px around a small segment, in which its neighbours are looked for
THICKER = (0, 1, 2)  # px by which each cell of the truth is taken back
WIDTHS = (3, 6)  # px, limits of a cell's half width where it is split
REACH = 3  # px around a merger, in which the cells that it joins are looked for
SHOWN_METRICS = tuple(metric for metric in CHALLENGE_METRICS if metric is not RAND_ERROR_PAIRS)


def rand_by_threshold(truth, probability):
    """Rows (threshold, Rand error, precision, recall, Rand error after the proposal's membranes were thinned).

    Precision falls where cells are merged; recall where they are split, and where membranes are thick, as every pixel
    of the proposal's membranes that lies in a cell of the truth counts as a segment of its own.
    """
    plain, thin = [], []
    for of_truth, of_probability in zip(truth, probability, strict=True):
        found = section_overlaps(of_truth, levels(of_probability))
        plain.append([rand_sums(overlap) for overlap, _ in found])
        thin.append([rand_sums(overlap) for _, overlap in found])
    rows = []
    for place, threshold in enumerate(THRESHOLDS[:10]):
        sums = np.array([of_section[place] for of_section in plain], dtype=float)
        together, in_truth, in_proposal = sums.sum(0)
        thinned = rand_f([of_section[place] for of_section in thin])
        rows.append((threshold, 1 - rand_f(sums), together / in_proposal, together / in_truth, 1 - thinned))
    return rows


def thickness(membrane):
    """Mean thickness in px of the membranes of a (Z, H, W) bool stack: their area by the length of their skeleton."""
    length = sum(np.count_nonzero(skeletonize(section)) for section in membrane)
    return np.count_nonzero(membrane) / length if length else 0.0


def by_size(truth, kinds):
    """{limits: merger pixels} by the area of the smallest cell that a merger joins, after them those without a cell
    near; how many of them are at small segments inside one cell; {limits: split pixels} by the cell's half width at
    the split.
    """
    mergers, splits, inside = np.zeros(len(AREAS) + 2, int), np.zeros(len(WIDTHS) + 1, int), 0
    for section, of_section in zip(truth, kinds, strict=True):
        cells, count = ndimage.label(section)
        areas = np.bincount(cells.ravel(), minlength=count + 1)
        groups, _ = ndimage.label(of_section == MERGE, structure=np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(groups), 1):
            box = _larger(box, REACH)
            here = groups[box] == number
            near = [cell for cell in np.unique(cells[box][_grown(here, REACH)]) if cell]
            pixels = np.count_nonzero(here)
            if not near:
                mergers[-1] += pixels
                continue
            smallest = min(near, key=lambda cell: areas[cell])
            mergers[np.searchsorted(AREAS, areas[smallest], side="right")] += pixels
            inside += pixels * (areas[smallest] < SMALL and len(large_neighbours(cells, areas, smallest)) == 1)
        widths = ndimage.distance_transform_edt(section)
        local = ndimage.maximum_filter(widths, 2 * REACH + 1)[of_section == SPLIT]
        for place in np.searchsorted(WIDTHS, local, side="right"):
            splits[place] += 1
    return mergers, inside, splits


def large_neighbours(cells, areas, number):
    """The cells that are not small and lie around cell `number` of a labelled section."""
    box = _larger(ndimage.find_objects(cells)[number - 1], AROUND)
    around = np.unique(cells[box][_grown(cells[box] == number, AROUND)])
    return [cell for cell in around if cell and cell != number and areas[cell] >= SMALL]


def _larger(box, by):
    return tuple(slice(max(part.start - by, 0), part.stop + by) for part in box)


def _grown(mask, by):
    return ndimage.distance_transform_edt(~mask) <= by


def thicker_membranes(truth, by):
    """The truth with every cell taken back by `by` px on all sides, so that membranes are 2 `by` px thicker."""
    cross = ndimage.generate_binary_structure(2, 1)
    return np.stack([ndimage.binary_erosion(cells, cross, by, border_value=1) if by else cells for cells in truth])


def report(folder):
    """The whole text about one run."""
    run = RunFolder(Path(folder))
    record, scores = read_run(run)
    primary = record.config.primary
    best = scores[primary].best_threshold
    truth, probability = read_labels(run.labels).pixels > 0, read_probabilities(run.probability(primary)).pixels
    lines = [
        f"# Error analysis of `{record.name}` ({primary})",
        "",
        f"Written by `python -m reproduce.studies.error_analysis`. {record.dataset}, {record.profile_title}, "
        f"{record.protocol}: {len(truth)} sections.",
        "",
        *rand_part(truth, probability, best["rand_error"]),
        *thicker_part(truth, probability),
        *warping_part(truth, probability, best["warping_error"], section_names(record, len(truth))),
    ]
    if run.weights.is_file() and run.volume.is_file():
        trained = checkpoint.load(run.weights)
        section = read_stack(run.volume).pixels[0]
        lines += levels_part(up_convolution_effect(trained.build_network(), trained.standardisation, section))
    return "\n".join(lines)


def levels_part(changes):
    """What each level of the network adds on the first of the scored sections."""
    return [
        "## What the deep levels add",
        "",
        "How far the first section's probabilities change, on average, when the map of one up-convolution is flat "
        f"(each channel its mean), so that nothing reaches the output from deeper levels. Below {INACTIVE}: inactive.",
        "",
        "| " + " | ".join(f"from level {level}" for level in range(len(changes) + 1, 1, -1)) + " |",
        "|---" * len(changes) + "|",
        "| " + " | ".join(f"{change:.4f}" for change in changes) + " |",
        "",
    ]


def rand_part(truth, probability, best):
    """Rand error at each threshold, and how thick the membranes are there."""
    lines = [
        "## Rand error: mergers against thick membranes",
        "",
        "Precision falls where cells are merged, recall where they are split and where the proposal's membranes are "
        "thicker than the truth's: each of their pixels in a cell counts as a segment of its own. Thinned: the same "
        "after the proposal's membranes were thinned to lines, as in the challenge's scores of 2016.",
        "",
        f"The truth's membranes are {thickness(~truth):.1f} px thick and cover {np.mean(~truth):.1%} of the pixels.",
        "",
        "| threshold | Rand error | precision | recall | Rand error, thinned | thickness, px | membrane |",
        "|---|---|---|---|---|---|---|",
    ]
    for threshold, error, precision, recall, thinned in rand_by_threshold(truth, probability):
        membrane = probability.astype(np.float64) <= threshold
        mark = " (best)" if threshold == best else ""
        lines.append(
            f"| {threshold:.1f}{mark} | {error:.4f} | {precision:.4f} | {recall:.4f} | {thinned:.4f} | "
            f"{thickness(membrane):.1f} | {membrane.mean():.1%} |"
        )
    return [*lines, ""]


def thicker_part(truth, probability):
    """What the same map would score, were the truth's membranes drawn thicker."""
    lines = [
        "## The same map, were the truth's membranes thicker",
        "",
        "No result, but a part of the reason: the training stack's truth is 22 % membrane, the test stack's, "
        "which is not here, is said to be about 29 %. Here every cell of the truth is taken back by a pixel or two; "
        "the smallest segments vanish with that.",
        "",
        f"| cells taken back by | membrane | {' | '.join(metric.title for metric in SHOWN_METRICS)} |",
        "|---" * (2 + len(SHOWN_METRICS)) + "|",
    ]
    for by in THICKER:
        thicker = thicker_membranes(truth, by)
        errors = score(thicker, probability)
        shown = " | ".join(metric.formatted(errors.value(metric)) for metric in SHOWN_METRICS)
        lines.append(f"| {by} px | {np.mean(~thicker):.1%} | {shown} |")
    return [*lines, ""]


def warping_part(truth, probability, best, names):
    """Mergers and splits at the best threshold: at which cells, and in which sections."""
    kinds = warping_errors(truth, probability, best)
    mergers, inside, splits = by_size(truth, kinds)
    places = [[len(spots(section == kind)) for section in kinds] for kind in (MERGE, SPLIT)]
    lines = [
        f"## Warping error, at its best threshold ({best:.1f})",
        "",
        f"{sum(places[0])} mergers ({mergers.sum()} px), by the area of the smallest cell that is merged:",
        "",
        *_shares(mergers, AREAS, "px²", "no cell near"),
        "",
        f"{inside} px ({inside / max(mergers.sum(), 1):.0%}) are at segments below {SMALL} px² that have a single "
        f"larger cell within {AROUND} px: outlines inside a cell, such as those of organelles.",
        "",
        f"{sum(places[1])} splits ({splits.sum()} px), by the cell's half width there:",
        "",
        *_shares(splits, WIDTHS, "px"),
        "",
        "| | mergers | merger pixels | splits | split pixels |",
        "|---" * 5 + "|",
    ]
    for name, section, *count in zip(names, kinds, *places, strict=True):
        pixels = [np.count_nonzero(section == kind) for kind in (MERGE, SPLIT)]
        lines.append(f"| {name} | {count[0]} | {pixels[0]} | {count[1]} | {pixels[1]} |")
    return [*lines, ""]


def _shares(counts, limits, unit, *further):
    names = [
        f"below {limits[0]} {unit}",
        *(f"{low} to {high} {unit}" for low, high in zip(limits, limits[1:], strict=False)),
    ]
    names += [f"{limits[-1]} {unit} and more", *further]
    total = max(counts.sum(), 1)
    return [
        "| " + " | ".join(names) + " |",
        "|---" * len(names) + "|",
        "| " + " | ".join(f"{count} px ({count / total:.0%})" for count in counts) + " |",
    ]


def main():
    """Write error-analysis.md for each run."""
    parser = argparse.ArgumentParser(
        prog="python -m reproduce.studies.error_analysis", description=__doc__.splitlines()[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    for folder in parser.parse_args().runs:
        try:
            text = report(folder)
        except BadInput as error:
            print(error, file=sys.stderr)
            return 2
        with atomic_write(folder / "error-analysis.md") as temporary:
            temporary.write_text(text)
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
