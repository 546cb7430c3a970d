"""Section 4, Table 2: how the probabilities of a run on cells become numbered segments, and above which threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unet_paper.datasets.cell_tracking import HELA, PHANTOM, U373
from unet_paper.io.sections import Sections, stacked
from unet_paper.runs.record import RunRecord, record_beside
from unet_paper.segmentation import RELEASED, THRESHOLD, CellSegmentation, segment_section

# The release has no scripts for HeLa. Its cells are larger and reach the image's border, where reference cells count.
SEGMENTATIONS = {U373: RELEASED, HELA: replace(RELEASED, outer=0), PHANTOM: replace(RELEASED, outer=0)}


def segmentation_name(dataset: str) -> str:
    """Which of SEGMENTATIONS is for a data set; the release's for another."""
    return dataset if dataset in SEGMENTATIONS else U373


def threshold_of(class_weights: Sequence[float] | None) -> float:
    """The probability above which a pixel is cell where the loss weighed background and cell so: p / w_cell is there
    (1 - p) / w_background. It undoes the class balance, which makes argmax take too much for cell where cells are rare.
    """
    if class_weights is None:
        return THRESHOLD
    background, cell = class_weights
    return round(cell / (background + cell), 4)


def best_threshold(seg: Mapping[float, float]) -> float:
    """Of {threshold: SEG} the threshold with the largest; the lowest of several."""
    return max(sorted(seg), key=lambda threshold: seg[threshold])


def segmentation_of(record: RunRecord) -> CellSegmentation:
    """How the probabilities of a run on cells become segments: above the threshold that is best on the frames trained
    on. Where none of them finds a cell, and for older records, it undoes the class balance.
    """
    seg = record.seg_of_training_frames or {}
    threshold = best_threshold(seg) if any(seg.values()) else threshold_of(record.class_weights)
    return replace(SEGMENTATIONS[segmentation_name(record.dataset)], threshold=threshold)


def segmentation_of_weights(weights: Path) -> CellSegmentation | None:
    """How a run on cells whose record lies beside its weights was scored; None where there is no such record. Cells at
    the border are kept: to drop them is the challenge's rule. Raises what `checkpoint.load` raises.
    """
    from unet_paper.checkpoint import load  # here, as it needs PyTorch, and numbering cells does not

    record = record_beside(weights, load(weights))
    if record is None or record.protocol.sequences is None:
        return None
    return replace(segmentation_of(record), outer=0)


def segment_frames(probability: Sections, segmentation: CellSegmentation) -> Sections:
    """The segments of probabilities: int32, 0 = background, numbered from 1 in every frame."""
    return stacked([segment_section(frame, segmentation) for frame in probability])
