"""Scores of a run on people's own data: the challenge's metrics, and SEG and counts of cells, in one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, WARPING_ERROR, Metric
from unet_paper.metrics.scores import Scores
from unet_paper.runs.cell_scoring import CellScores, score_cells
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.runs.scoring import score_file
from unet_paper.segmentation import CellSegmentation
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json


@dataclass(frozen=True)
class OwnScores:
    """Both kinds of metrics of one result; scores.json."""

    challenge: Scores
    cells: CellScores

    def to_json(self) -> dict[str, Any]:
        """Plain values; what both have, such as the hash of the labels, is the challenge's."""
        return self.cells.to_json() | self.challenge.to_json()


def score_all(
    labels: Path,
    probability: Path,
    out: Path | None = None,
    labels_are: str | None = None,
    segmentation: CellSegmentation | None = None,
    unknown: Path | None = None,
    ignore: int | None = None,
) -> OwnScores:
    """Both kinds of metrics of probabilities, written to `out` as JSON where that is given; see `score_file` and
    `score_cells`.
    """
    challenge = score_file(labels, probability, labels_are=labels_are, ignore=ignore, unknown=unknown)
    files = labels, probability, segmentation or CellSegmentation(), unknown
    cells = score_cells(*files, labels_are=labels_are, ignore=ignore, beside_challenge=True)
    scores = OwnScores(challenge, cells)
    if out is not None:
        write_json(out, scores.to_json())
    return scores


def cells_of_run(run: RunFolder, record: RunRecord) -> dict[str, CellScores]:
    """The scores of cells of a run by test-time augmentation, as far as they were taken."""
    scores = {}
    for tta in record.config.tta:
        path = run.scores(tta, record.config.primary)
        content = read_json(path) if path.is_file() else {}
        if isinstance(content, Mapping) and "seg" in content:
            try:
                scores[tta] = CellScores.from_json(content)
            except BadInput as error:
                raise BadInput(f"{path}: {error}; score the run again with --metrics all") from None
    return scores


def is_tessellation(record: RunRecord) -> bool:
    """Whether cells fill the sections of a run, with membranes between them, so that the challenge's warping and Rand
    error fit: the challenge's data, and own labels that are membranes, as those of a folder of its form are.
    """
    return record.protocol.sequences is None and record.protocol.labels_are in (None, "membranes")


def fitting_metrics(record: RunRecord) -> tuple[Metric, ...]:
    """The challenge's metrics that fit a run's labels. Warping and Rand error are of cells that fill the section."""
    return (PIXEL_ERROR, WARPING_ERROR, RAND_ERROR) if is_tessellation(record) else (PIXEL_ERROR,)
