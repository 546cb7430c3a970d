"""The table of a run on people's own data, with the metrics that fit what its labels are."""

from collections.abc import Mapping, Sequence

from unet_paper.metrics.registry import F1, PIXEL_ERROR, RAND_ERROR, SEG, WARPING_ERROR, Metric
from unet_paper.metrics.scores import Scores
from unet_paper.report.document import Block, Document
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_1 import SMOKE_NOTE, what_was_scored, why_unscored
from unet_paper.runs.cell_scoring import CellScores
from unet_paper.runs.own_scoring import is_tessellation
from unet_paper.runs.record import RunRecord

CELL_METRICS = (SEG, F1)
COUNTS = ("cells", "found", "missed", "split", "merged", "of no cell")
READING = (
    "SEG is the cell tracking challenge's measure, and that of the paper's table 2. A cell is found when one segment "
    "covers more than half of it, else it is missed; split are cells in which several segments lie; merged are "
    "segments that cover more than half of several cells; segments of no cell cover more than half of none."
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
    return Document(f"The run `{record.name}`", tuple(blocks))


def fitting_metrics(record: RunRecord) -> tuple[Metric, ...]:
    """The challenge's metrics that fit a run's labels. Warping and Rand error are of cells that fill the section."""
    return (PIXEL_ERROR, WARPING_ERROR, RAND_ERROR) if is_tessellation(record) else (PIXEL_ERROR,)


def own_table(record: RunRecord, scores: Mapping[str, Scores], cells: Mapping[str, CellScores]) -> Table:
    """One row for each test-time augmentation; the primary one's is emphasised."""
    metrics = fitting_metrics(record)
    rows: list[Sequence[Cell]] = []
    for tta, values in scores.items():
        rows.append((tta, *_cells(cells.get(tta)), *(values.value(metric) for metric in metrics)))
    primary = [number for number, tta in enumerate(scores) if tta == record.config.primary]
    return Table(("TTA", *CELL_METRICS, *COUNTS, *metrics), rows, emphasised_rows=primary)


def _cells(found: CellScores | None) -> tuple[Cell, ...]:
    if found is None:
        return (None,) * (len(CELL_METRICS) + len(COUNTS))
    counts = found.scores
    return (
        *(counts.seg, counts.f1, counts.found + counts.missed),
        *(counts.found, counts.missed, counts.split, counts.merged, counts.unmatched),
    )


def _thresholds(record: RunRecord, scores: Mapping[str, Scores]) -> str:
    best = (scores.get(record.config.primary) or next(iter(scores.values()))).best_threshold
    shown = ", ".join(f"{metric.title} at {best[metric.key]:.1f}" for metric in fitting_metrics(record))
    return f"Each error is taken at its own best threshold, which is chosen on the scored sections: {shown}."
