"""The paper's table 2 with rows of runs on cells below, and where their SEG is lost."""

from collections.abc import Mapping, Sequence

from unet_paper.datasets.cell_tracking import DATASETS, PHANTOM
from unet_paper.metrics.registry import F1, SEG
from unet_paper.report.document import Block, Document
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_1 import SMOKE_NOTE
from unet_paper.runs.cell_scoring import CellScores
from unet_paper.runs.record import RunRecord
from unet_paper.support.words import counted

# Table 2 of the paper (ISBI cell tracking challenge 2015): group, SEG ("IOU") of PhC-U373 and of DIC-HeLa.
TABLE_2 = (
    ("IMCB-SG (2014)", 0.2669, 0.2935),
    ("KTH-SE (2014)", 0.7953, 0.4607),
    ("HOUS-US (2014)", 0.5323, None),
    ("second-best 2015", 0.83, 0.46),
    ("u-net (2015)", 0.9203, 0.7756),
)
DIGITS_2 = ("second-best 2015",)  # whose numbers the paper gives with two digits
PHANTOM_NOTE = (
    "**Data: the built-in phantom of drawn cells. Its numbers say nothing about the paper's and are in no row of it.**"
)
MEASURE = f"The measure is SEG, which the paper calls IOU (1 is best): {SEG.meaning[0].lower()}{SEG.meaning[1:]}"
PROTOCOL = (
    "The paper's rows are the challenge server's, on sequences whose masks are not public. Ours are **validation on "
    "the other sequence**: trained on the annotated frames of one training sequence, scored on those of the other, and "
    "the reverse; a value is the mean of both."
)

CellRun = tuple[RunRecord, Mapping[str, CellScores]]  # scores by test-time augmentation


def table_2_document(runs: Sequence[CellRun]) -> Document:
    """What table2.md holds of several runs: the paper's rows and theirs, and each run by itself."""
    blocks: list[Block] = []
    if any(record.dataset == PHANTOM for record, _ in runs):
        blocks.append(PHANTOM_NOTE)
    if any(record.config.profile == "smoke" for record, _ in runs):
        blocks.append(SMOKE_NOTE)
    blocks += [MEASURE, table_2(runs), PROTOCOL, "Each run, and where its SEG is lost:", each_run(runs), READING]
    partly = sorted({_partly_annotated(record) for record, _ in runs} - {""})
    thresholds = by_threshold(runs)
    if thresholds.rows:
        rules = sorted({rule_of(record) for record, _ in runs}, reverse=True)
        blocks += [THRESHOLDS_READING.format(counts=" ".join(rules)), thresholds]
    return Document("Table 2 of the paper, and ours", (*blocks, *partly, *_segmentations(runs)))


def run_document(record: RunRecord, scores: Mapping[str, CellScores]) -> Document:
    """What table2.md in the folder of one run holds."""
    document = table_2_document([(record, scores)])
    return Document(f"Table 2 of the paper, and the run `{record.name}`", document.blocks)


def table_2(runs: Sequence[CellRun]) -> Table:
    """The paper's rows, and one of each set of runs that differ in data, sequence and seed alone. Runs on other data
    than the paper's are in no row.
    """
    rows: list[Sequence[Cell]] = [(name, *(_paper(name, value) for value in values)) for name, *values in TABLE_2]
    ours: dict[str, list[tuple[str, CellScores]]] = {}
    several_rules = len({rule_of(record) for record, _ in runs}) > 1
    for record, scores in runs:
        title = title_of(record)
        if several_rules and rule_of(record) == BALANCED:
            title += ", threshold by class weights"
        for tta, cell_scores in scores.items():
            if record.dataset in DATASETS:
                ours.setdefault(f"ours, {title}, {tta}", []).append((record.dataset, cell_scores))
    for title, of_title in ours.items():
        rows.append((title, *_means([(dataset, cell_scores.scores.seg) for dataset, cell_scores in of_title])))
        if any(cell_scores.by_argmax for _, cell_scores in of_title):
            by_argmax = [
                (dataset, (cell_scores.by_argmax or cell_scores.scores).seg) for dataset, cell_scores in of_title
            ]
            rows.append((f"{title}, argmax", *_means(by_argmax)))
    return Table(("group", "PhC-U373", "DIC-HeLa"), rows, emphasised_rows=range(len(TABLE_2), len(rows)))


def title_of(record: RunRecord) -> str:
    """The profile and its changes, but for the seed and the test-time augmentation, which rows tell themselves, and for
    the steps of a training by minutes.
    """
    by_time = ("steps",) if record.config.minutes else ()  # as many as there was time for
    return record.title_without("seed", "tta", "primary", *by_time)


def each_run(runs: Sequence[CellRun]) -> Table:
    """A row for each run and test-time augmentation: counts of cells, and what SEG loses to which kind of error."""
    rows: list[Sequence[Cell]] = []
    for record, scores in runs:
        trained, scored = record.protocol.sequences or ("", "")
        for tta, cell_scores in scores.items():
            counts = cell_scores.scores
            cells = counts.found + counts.missed
            missing = counts.missed / cells
            rows.append(
                (
                    *(record.dataset, f"{trained} → {scored}", str(record.config.seed), tta),
                    *(counts.seg, counts.f1, cells, counts.missed, counts.merged, counts.split, counts.unmatched),
                    *(f"{missing:.3f}", f"{1 - missing - counts.seg:.3f}"),
                    "-" if cell_scores.size_ratio is None else f"{cell_scores.size_ratio:.2f}",
                )
            )
    counted = ("cells", "missed", "merged", "split", "unmatched")
    lost = ("SEG lost to missed cells", "SEG lost to overlap", "size")
    return Table(("data", "trained → scored", "seed", "TTA", SEG, F1, *counted, *lost), rows)


READING = (
    "A cell is missed when no segment covers more than half of it. Merged are segments that cover two or more cells, "
    "split are cells in which several segments lie, unmatched are segments of no cell (those in regions without "
    "annotation are not counted). Size is the median area of a found cell's segment over that of its mask: above 1 the "
    "segments are too large. 1 - SEG is the sum of the two losses."
)


THRESHOLDS_READING = (
    "SEG and size at other thresholds, of the primary test-time augmentation. 0.5 is the argmax of the released "
    "scripts. {counts} The others are no results: a threshold chosen here would be chosen on what is scored."
)
CHOSEN = "The threshold that counts is the one with the largest SEG on the frames that the run was trained on."
BALANCED = (
    "The threshold of older runs undoes the class weights of the loss, p / w_cell = (1 - p) / w_background: where "
    "cells are rare, argmax takes too much for cell."
)


def rule_of(record: RunRecord) -> str:
    """Which threshold counts, in a sentence."""
    return BALANCED if record.seg_of_training_frames is None else CHOSEN


def by_threshold(runs: Sequence[CellRun]) -> Table:
    """A row for each run: SEG and size at each threshold that was tried."""
    rows: list[Sequence[Cell]] = []
    titles: list[str] = []
    for record, scores in runs:
        cell_scores = scores.get(record.config.primary)
        if cell_scores is not None and cell_scores.per_threshold:
            titles = [f"{each.threshold:g}" for each in cell_scores.per_threshold]
            shown = (
                f"{each.seg:.3f}" + ("" if each.size_ratio is None else f" ({each.size_ratio:.2f})")
                for each in cell_scores.per_threshold
            )
            rows.append((f"{record.dataset}, {' → '.join(record.protocol.sequences or ())}", *shown))
    return Table(("run", *titles), rows)


def _paper(name: str, value: float | None) -> Cell:
    return None if value is None else f"{value:.{2 if name in DIGITS_2 else 4}f}"


def _means(values: Sequence[tuple[str, float]]) -> list[Cell]:
    """The mean of each of the paper's data sets, and of how many runs it is unless these are two."""
    means: list[Cell] = []
    for dataset in DATASETS:
        of_dataset = [value for name, value in values if name == dataset]
        runs = "" if len(of_dataset) == 2 else f" ({len(of_dataset)} run{'s' * (len(of_dataset) > 1)})"
        means.append(f"{sum(of_dataset) / len(of_dataset):.4f}{runs}" if of_dataset else None)
    return means


def _partly_annotated(record: RunRecord) -> str:
    trained, scored = len(record.protocol.training_sections), len(record.protocol.scored_sections)
    sequences = record.protocol.sequences or ("", "")
    first, second = (trained, scored) if sequences[0] < sequences[1] else (scored, trained)
    frames = counted(first, "annotated frame")
    return f"{record.dataset}: {frames} in sequence {min(sequences)}, {second} in {max(sequences)}."


def _segmentations(runs: Sequence[CellRun]) -> list[str]:
    segmentations = {
        f"{record.dataset}, {' → '.join(record.protocol.sequences or ())}": each.segmentation
        for record, scores in runs
        for each in scores.values()
    }
    return [f"Segments of {run}: probability {segmentation}." for run, segmentation in segmentations.items()]
