"""The table of a run on people's own data, with the metrics that fit what its labels are."""

from collections.abc import Mapping, Sequence

from unet_paper.metrics.registry import CELL_METRICS
from unet_paper.metrics.scores import Scores
from unet_paper.report.document import Block, Document
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_1 import SMOKE_NOTE, what_was_scored, why_unscored
from unet_paper.runs.cell_scoring import CellScores
from unet_paper.runs.cell_segmentation import threshold_of
from unet_paper.runs.own_scoring import fitting_metrics
from unet_paper.runs.record import RunRecord

COUNTS = ("cells", "found", "missed", "split", "merged", "of no cell")
READING = (
    "SEG is the cell tracking challenge's measure, and that of the paper's table 2. A cell is found when one segment "
    "covers more than half of it, else it is missed; split are cells in which several segments lie; merged are "
    "segments that cover more than half of several cells; segments of no cell cover more than half of none."
)
AS_GIVEN = (
    "SEG, F1 and the counts are against the labels as they are given, so that the line which a network leaves between "
    "cells that touch costs some overlap; the pixel error is against the cells with that line between them, as the "
    "network was trained."
)
THRESHOLDS_READING = (
    "SEG and F1 at other thresholds ({tta}). They are no results: a threshold chosen here would be chosen on what is "
    "scored. Size is the median area of a found cell's segment over that of its label: above 1 the segments are too "
    "large."
)
BALANCED = (
    " {threshold:g} would undo the class weights of this run's loss, p / w_cell = (1 - p) / w_background, without a "
    "look at the scored sections; `predict --instances` and `segment` take it as `--threshold`."
)


def own_document(record: RunRecord, scores: Mapping[str, Scores], cells: Mapping[str, CellScores]) -> Document:
    """What metrics.md holds: which data, the metrics that fit them, and how to read them.

    scores, cells : by test-time augmentation.
    """
    blocks: list[Block] = [SMOKE_NOTE] if record.config.profile == "smoke" else []
    blocks.append(what_was_scored(record, bool(scores)))
    if not scores:
        blocks.append(f"This run has no metrics: {why_unscored(record)}.")
        return Document(f"The run `{record.name}`", tuple(blocks))
    blocks += [own_table(record, scores, cells), READING]
    if record.protocol.labels_are == "instances":
        blocks.append(AS_GIVEN)
    for segmentation in sorted({str(each.segmentation) for each in cells.values()}):
        blocks.append(f"Segments are the connected parts where the probability of cell is {segmentation}.")
    if set(scores) - set(cells):
        blocks.append("Where SEG is missing, score again with `score --metrics all`.")
    blocks.append(_thresholds(record, scores))
    if len(scores) > 1 and record.config.primary in scores:
        blocks.append(
            f"The bold row ({record.config.primary}) is the run's result: the primary test-time augmentation, fixed "
            "before any run."
        )
    cell_scores = cells.get(record.config.primary)
    if cell_scores is not None and cell_scores.per_threshold:
        balanced = BALANCED.format(threshold=threshold_of(record.class_weights)) if record.class_weights else ""
        blocks += [THRESHOLDS_READING.format(tta=record.config.primary) + balanced, by_threshold(cell_scores)]
    return Document(f"The run `{record.name}`", tuple(blocks))


def by_threshold(cell_scores: CellScores) -> Table:
    """SEG, F1 and what goes with them, a row for each threshold that was tried."""
    rows: list[Sequence[Cell]] = []
    for each in cell_scores.per_threshold:
        size = None if each.size_ratio is None else f"{each.size_ratio:.2f}"
        rows.append((f"{each.threshold:g}", each.seg, each.f1, each.missed, each.merged, size))
    counting = [
        number for number, each in enumerate(cell_scores.per_threshold) if each.threshold == _threshold(cell_scores)
    ]
    return Table(("threshold", *CELL_METRICS, "missed", "merged", "size"), rows, emphasised_rows=counting)


def _threshold(cell_scores: CellScores) -> float | None:
    return cell_scores.segmentation.threshold if cell_scores.segmentation else None


def own_table(record: RunRecord, scores: Mapping[str, Scores], cells: Mapping[str, CellScores]) -> Table:
    """One row for each test-time augmentation; the primary one's is emphasised."""
    metrics = fitting_metrics(record)
    rows: list[Sequence[Cell]] = []
    for tta, values in scores.items():
        rows.append((tta, *_cells(cells.get(tta)), *(values.value(metric) for metric in metrics)))
    primary = [number for number, tta in enumerate(scores) if tta == record.config.primary]
    return Table(("TTA", *CELL_METRICS, *COUNTS, *metrics), rows, emphasised_rows=primary)


def _cells(cell_scores: CellScores | None) -> tuple[Cell, ...]:
    if cell_scores is None:
        return (None,) * (len(CELL_METRICS) + len(COUNTS))
    counts = cell_scores.scores
    return (
        *(counts.seg, counts.f1, counts.found + counts.missed),
        *(counts.found, counts.missed, counts.split, counts.merged, counts.unmatched),
    )


def _thresholds(record: RunRecord, scores: Mapping[str, Scores]) -> str:
    best = (scores.get(record.config.primary) or next(iter(scores.values()))).best_threshold
    shown = ", ".join(f"{metric.title} at {best[metric.key]:.1f}" for metric in fitting_metrics(record))
    return f"Each error is taken at its own best threshold, which is chosen on the scored sections: {shown}."
