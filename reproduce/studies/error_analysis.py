"""Why a run's scores are what they are: how thick its membranes are, which cells it merges, where it splits, and what
the network's deep levels add.

python -m reproduce.studies.error_analysis RUN...

RUN is the folder of a scored run in which its probability stacks still are: those of this repository's own runs are not
committed. Writes error-analysis.md into each, and prints it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reproduce.studies.errors_of_map import (
    AREAS,
    AROUND,
    SMALL,
    WIDTHS,
    by_size,
    rand_by_threshold,
    thicker_membranes,
    thickness,
)
from unet_paper import checkpoint
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics import score, warping_errors
from unet_paper.metrics.registry import CHALLENGE_METRICS, RAND_ERROR_PAIRS
from unet_paper.metrics.warping_error import MERGE, SPLIT
from unet_paper.report.components import spots
from unet_paper.report.table import Table
from unet_paper.report.viewer.run_page import background_of, section_names
from unet_paper.runs.diagnostics import INACTIVE, up_convolution_effect
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.results import finished_record, read_run
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

THICKER = (0, 1, 2)  # px by which each cell of the truth is taken back
SHOWN_METRICS = tuple(metric for metric in CHALLENGE_METRICS if metric is not RAND_ERROR_PAIRS)


def report(folder: str | Path) -> str:
    """The whole text about one run."""
    run = RunFolder(Path(folder))
    record = finished_record(run)
    is_of_membranes = record.protocol.sequences is None and record.config.classes == 2
    if not is_of_membranes or background_of(record) != "membrane" or run.labels.is_dir() or run.unknown.exists():
        raise BadInput(
            f"{run.path} is no run on a stack of membranes, known everywhere, which this tells of; give one on EM"
        )
    _, scores = read_run(run)
    primary = record.config.primary
    if primary not in scores:
        raise BadInput(f"{run.path} holds no scores of {primary}; give a run that was predicted and scored")
    best = scores[primary].best_threshold
    truth, probability = read_labels(run.labels).pixels > 0, read_probabilities(run.probability(primary)).pixels
    lines = [
        f"# Error analysis of `{record.name}` ({primary})",
        "",
        f"Written by `python -m reproduce.studies.error_analysis`. {record.dataset}, {record.profile_title}, "
        f"{record.protocol}: {len(truth)} sections.",
        "",
        *rand_part(truth, probability, best["rand_error"]),
        *thicker_part(truth, probability, record.dataset == "isbi"),
        *warping_part(truth, probability, best["warping_error"], section_names(record, len(truth))),
    ]
    if run.weights.is_file() and run.volume.is_file():
        trained = checkpoint.load(run.weights)
        section = read_stack(run.volume).pixels[0]
        lines += levels_part(up_convolution_effect(trained.build_network(), trained.standardisation, section))
    return "\n".join(lines)


def levels_part(changes: Sequence[float]) -> list[str]:
    """What each level of the network adds on the first of the scored sections."""
    return [
        "## What the deep levels add",
        "",
        "How far the first section's probabilities change, on average, when the map of one up-convolution is flat "
        f"(each channel its mean), so that nothing reaches the output from deeper levels. Below {INACTIVE}: inactive.",
        "",
        Table(
            [f"from level {level}" for level in range(len(changes) + 1, 1, -1)],
            [[f"{change:.4f}" for change in changes]],
        ).to_markdown(),
        "",
    ]


def rand_part(truth: np.ndarray, probability: np.ndarray, best: float) -> list[str]:
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
    ]
    rows = []
    for row in rand_by_threshold(truth, probability):
        membrane = probability.astype(np.float64) <= row.threshold
        threshold = f"{row.threshold:.1f}{' (best)' if row.threshold == best else ''}"
        rand = (f"{value:.4f}" for value in (row.error, row.precision, row.recall, row.thinned))
        rows.append([threshold, *rand, f"{thickness(membrane):.1f}", f"{membrane.mean():.1%}"])
    columns = ["threshold", "Rand error", "precision", "recall", "Rand error, thinned", "thickness, px", "membrane"]
    return [*lines, Table(columns, rows).to_markdown(), ""]


def thicker_part(truth: np.ndarray, probability: np.ndarray, of_isbi: bool) -> list[str]:
    """What the same map would score, were the truth's membranes drawn thicker."""
    test_stack = (
        ": the training stack's truth is 22 % membrane, the test stack's, which is not here, is said to be about 29 %"
    )
    lines = [
        "## The same map, were the truth's membranes thicker",
        "",
        f"No result, but a part of the reason{test_stack if of_isbi else ''}. Here every cell of the truth is taken "
        "back by a pixel or two; the smallest segments vanish with that.",
        "",
    ]
    rows = []
    for by in THICKER:
        thicker = thicker_membranes(truth, by)
        errors = score(thicker, probability)
        shown = (metric.formatted(errors.value(metric)) for metric in SHOWN_METRICS)
        rows.append([f"{by} px", f"{np.mean(~thicker):.1%}", *shown])
    columns = ["cells taken back by", "membrane", *(metric.title for metric in SHOWN_METRICS)]
    return [*lines, Table(columns, rows).to_markdown(), ""]


def warping_part(truth: np.ndarray, probability: np.ndarray, best: float, names: Sequence[str]) -> list[str]:
    """Mergers and splits at the best threshold: at which cells, and in which sections."""
    kinds = warping_errors(truth, probability, best)
    mergers, inside, splits = by_size(truth, kinds)
    counts = [[len(spots(section == kind)) for section in kinds] for kind in (MERGE, SPLIT)]
    lines = [
        f"## Warping error, at its best threshold ({best:.1f})",
        "",
        f"{sum(counts[0])} mergers ({mergers.sum()} px), by the area of the smallest cell that is merged:",
        "",
        _shares(mergers, AREAS, "px²", "no cell near"),
        "",
        f"{inside} px ({inside / max(mergers.sum(), 1):.0%}) are at segments below {SMALL} px² that have a single "
        f"larger cell within {AROUND} px: outlines inside a cell, such as those of organelles.",
        "",
        f"{sum(counts[1])} splits ({splits.sum()} px), by the cell's half width there:",
        "",
        _shares(splits, WIDTHS, "px"),
        "",
    ]
    rows = []
    for name, section, merged, split in zip(names, kinds, *counts, strict=True):
        pixels = [str(np.count_nonzero(section == kind)) for kind in (MERGE, SPLIT)]
        rows.append([name, str(merged), pixels[0], str(split), pixels[1]])
    columns = ["", "mergers", "merger pixels", "splits", "split pixels"]
    return [*lines, Table(columns, rows).to_markdown(), ""]


def _shares(counts: np.ndarray, limits: Sequence[int], unit: str, *further: str) -> str:
    """A table of one row: pixels between limits, and their part of all."""
    names = [
        f"below {limits[0]} {unit}",
        *(f"{low} to {high} {unit}" for low, high in zip(limits, limits[1:], strict=False)),
    ]
    names += [f"{limits[-1]} {unit} and more", *further]
    total = max(counts.sum(), 1)
    return Table(names, [[f"{count} px ({count / total:.0%})" for count in counts]]).to_markdown()


def main() -> int:
    """Write error-analysis.md for each run."""
    parser = Parser(
        prog="python -m reproduce.studies.error_analysis",
        description=__doc__,
    )
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN")
    for folder in parser.parse_args().runs:
        try:
            text = report(folder)
            with atomic_write(folder / "error-analysis.md") as temporary:
                temporary.write_text(text, encoding="utf-8")
        except BadInput as error:
            print(error, file=sys.stderr)
            return 2
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
