"""Why a run's scores are what they are: how thick its membranes are, which cells it merges, where it splits.

python -m reproduce.misses RUN...

RUN holds a scored run with its probability stack. Writes misses.md into each, and prints it.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from unet_paper.pictures import spots
from unet_paper.record import RunFolder
from unet_paper.report import read_run
from unet_paper.scores import section_overlaps, warping_errors
from unet_paper.scores.common import THRESHOLDS, levels
from unet_paper.scores.rand_error import rand_f, rand_sums
from unet_paper.scores.warping_error import MERGE, SPLIT
from unet_paper.stack import read_labels, read_probabilities, written_whole

AREAS = (100, 500, 2000)  # px, limits of cells' sizes
WIDTHS = (3, 6)  # px, limits of a cell's half width where it is split
REACH = 3  # px around a merger, in which the cells that it joins are looked for


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
    """{limits: merger pixels} by the area of the smallest cell that a merger joins, and {limits: split pixels} by the
    cell's half width at the split.
    """
    mergers, splits = np.zeros(len(AREAS) + 1, int), np.zeros(len(WIDTHS) + 1, int)
    for section, of_section in zip(truth, kinds, strict=True):
        cells, count = ndimage.label(section)
        areas = np.bincount(cells.ravel(), minlength=count + 1)
        groups, found = ndimage.label(of_section == MERGE, structure=np.ones((3, 3)))
        for number in range(1, found + 1):
            here = groups == number
            near = np.unique(cells[ndimage.binary_dilation(here, iterations=REACH)])
            smallest = min((areas[cell] for cell in near if cell), default=0)
            mergers[np.searchsorted(AREAS, smallest, side="right")] += np.count_nonzero(here)
        widths = ndimage.distance_transform_edt(section)
        local = ndimage.maximum_filter(widths, 2 * REACH + 1)[of_section == SPLIT]
        for place in np.searchsorted(WIDTHS, local, side="right"):
            splits[place] += 1
    return mergers, splits


def report(folder):
    """The whole text about one run."""
    run = RunFolder(Path(folder))
    record, scores = read_run(run)
    headline = record["configuration"]["headline"]["value"]
    best = scores[headline]["best_threshold"]
    truth, probability = read_labels(run.labels) > 0, read_probabilities(run.probability(headline))
    kinds = warping_errors(truth, probability, best["warping_error"])
    mergers, splits = by_size(truth, kinds)
    places = [sum(len(spots(section == kind)) for section in kinds) for kind in (MERGE, SPLIT)]
    lines = [
        f"# Where `{record['name']}` misses ({headline})",
        "",
        f"Written by `python -m reproduce.misses`. {record['dataset']}, {record['profile']}, "
        f"{record['protocol']['short']}: {len(truth)} sections.",
        "",
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
        mark = " (best)" if threshold == best["rand_error"] else ""
        lines.append(
            f"| {threshold:.1f}{mark} | {error:.4f} | {precision:.4f} | {recall:.4f} | {thinned:.4f} | "
            f"{thickness(membrane):.1f} | {membrane.mean():.1%} |"
        )
    lines += [
        "",
        f"## Warping error, at its best threshold ({best['warping_error']:.1f})",
        "",
        f"{places[0]} mergers ({mergers.sum()} px), by the area of the smallest cell that is merged:",
        "",
        *_shares(mergers, AREAS, "px²"),
        "",
        f"{places[1]} splits ({splits.sum()} px), by the cell's half width there:",
        "",
        *_shares(splits, WIDTHS, "px"),
        "",
    ]
    return "\n".join(lines)


def _shares(counts, limits, unit):
    names = [
        f"below {limits[0]} {unit}",
        *(f"{low} to {high} {unit}" for low, high in zip(limits, limits[1:], strict=False)),
    ]
    names.append(f"{limits[-1]} {unit} and more")
    total = max(counts.sum(), 1)
    return [
        "| " + " | ".join(names) + " |",
        "|---" * len(names) + "|",
        "| " + " | ".join(f"{count} px ({count / total:.0%})" for count in counts) + " |",
    ]


def main():
    """Write misses.md for each run."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.misses", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    for folder in parser.parse_args().runs:
        text = report(folder)
        with written_whole(folder / "misses.md") as temporary:
            temporary.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
