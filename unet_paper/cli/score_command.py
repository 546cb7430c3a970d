"""`score`: a result against its truth, by the metrics that fit."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from unet_paper.cli.checks import must_be_tiff, must_be_writable, must_differ, must_fit, must_spare
from unet_paper.cli.segmentation_options import NAMES, given_segmentation
from unet_paper.io.image_folder import named
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.words import counted

if TYPE_CHECKING:
    from unet_paper.metrics.scores import Scores


def do_score(arguments: Namespace) -> None:
    """`score`"""
    from unet_paper.runs.class_scoring import are_classes, are_classes_of_run, require_truth_first
    from unet_paper.runs.scoring import score_file

    require_truth_first(arguments.labels)
    if arguments.labels_are is None and are_classes_of_run(arguments.labels):
        arguments.labels_are = "classes"
    of_classes = arguments.metrics != "seg" and are_classes(arguments.probability, arguments.labels_are)
    if arguments.unknown is None and arguments.ignore is None:
        arguments.unknown = _unknown_of_run(arguments.labels, arguments.metrics if not of_classes else "challenge")
    if arguments.json:
        must_fit(arguments.json)
        must_spare((arguments.labels, arguments.probability, arguments.unknown), arguments.json, "the scores")
        must_be_writable(arguments.json, arguments.force)
    if of_classes:
        _score_classes(arguments)
        return
    if arguments.metrics != "seg":
        _require_probabilities(arguments)
    if arguments.metrics != "challenge":
        _score_cells(arguments)
        return
    if arguments.segments is not None:
        raise BadInput("--segments belongs to --metrics seg; the challenge's metrics make none")
    if given_segmentation(arguments) is not None:
        raise BadInput(f"{NAMES} belong to --metrics seg or all; the challenge's metrics are taken at every threshold")
    _print_challenge(
        score_file(
            arguments.labels,
            arguments.probability,
            arguments.json,
            arguments.labels_are,
            arguments.ignore,
            arguments.unknown,
        )
    )


def _require_probabilities(arguments: Namespace) -> None:
    """Raise BadInput for whole numbers, which may be of classes or of cells, and where one section has several maps."""
    from unet_paper.datasets.file_pairs import paired
    from unet_paper.io.image_files import open_stack

    pairs = paired([arguments.labels], [arguments.probability], ("labels", "probabilities"), may_be_listed=False)
    labels, first = pairs[0]
    result = open_stack(first, kind="probabilities")
    if not result.holds_probabilities and result.pixels.dtype.kind in "bui":
        raise BadInput(
            f"{first} holds {result.pixels.dtype} values; probabilities are 32-bit floats from 0 (membrane) to 1 "
            "(cell), and where these are numbers of classes, give --labels-are classes, or, of cells, --metrics seg"
        )
    truth = open_stack(labels, kind="labels")
    if truth.pixels.shape[0] == 1 < result.pixels.shape[0] and truth.pixels.shape[1:] == result.pixels.shape[1:]:
        raise BadInput(
            f"{first} is read as {len(result.pixels)} sections, and {truth.source} has one; give as many of both, and "
            "where it holds the probabilities of so many classes, save it with axes ZCYX: "
            "tifffile.imwrite(..., photometric='minisblack', metadata={'axes': 'ZCYX'})"
        )


def _unknown_of_run(labels: Path, metrics: str) -> Path | None:
    """Where the truth of a run's held-out sections is not known, as the run itself is scored; None for other labels."""
    from unet_paper.runs.folder import RunFolder

    run = RunFolder(labels.parent)
    if labels != run.labels or not run.unknown.exists():
        return None
    but_seg = " but SEG" if metrics == "seg" else ""
    print(f"pixels that {run.unknown} marks count in no metric{but_seg}, as their truth is not known")
    return run.unknown


def _score_cells(arguments: Namespace) -> None:
    """`score --metrics seg` and `score --metrics all`"""
    from unet_paper.runs.cell_scoring import score_cells
    from unet_paper.runs.own_scoring import score_all
    from unet_paper.segmentation import CellSegmentation

    segmentation = given_segmentation(arguments)
    how = segmentation or CellSegmentation()
    files = arguments.labels, arguments.probability
    if arguments.metrics == "all":
        if arguments.segments is not None:
            raise BadInput("--segments belongs to --metrics seg")
        scores = score_all(*files, arguments.json, arguments.labels_are, how, arguments.unknown, arguments.ignore)
        _print_challenge(scores.challenge)
        cell_scores = scores.cells
    else:
        if arguments.segments is not None:
            must_be_tiff(arguments.segments)
            must_fit(arguments.segments)
            must_differ(arguments.segments, (arguments.json,), "the segments")
            must_spare((*files, arguments.unknown), arguments.segments, "the segments")
            must_be_writable(arguments.segments, arguments.force)
        others = arguments.unknown, arguments.json, arguments.segments
        cell_scores = score_cells(*files, how, *others, arguments.labels_are, arguments.ignore)
    if cell_scores.segmentation is None and segmentation is not None:
        logger.warning(f"note: {arguments.probability} holds numbered cells; {NAMES} are of probabilities")
    counts = cell_scores.scores
    print(f"SEG               {counts.seg:.6f}  ({counted(counts.found + counts.missed, 'cell')})")
    print(f"F1 at IoU 0.5     {counts.f1:.6f}")
    print(
        f"{counted(counts.found, 'cell')} found, {counts.missed} missed, {counts.split} split; "
        f"{counted(counts.merged, 'segment')} merged, "
        f"{counts.unmatched} of no cell"
    )


def _score_classes(arguments: Namespace) -> None:
    """`score` of more than two classes"""
    from unet_paper.runs.class_scoring import score_class_files

    if arguments.labels_are not in (None, "classes"):
        raise BadInput(
            f"{arguments.probability} holds the probabilities of several classes, and labels of these are "
            f"--labels-are classes, not {arguments.labels_are}"
        )
    if arguments.segments is not None or given_segmentation(arguments) is not None:
        raise BadInput(f"--segments, {NAMES} are of cells; {arguments.probability} is scored by classes")
    files = arguments.labels, arguments.probability, arguments.json, arguments.ignore, arguments.unknown
    scores = score_class_files(*files)
    for number, (iou, dice) in enumerate(zip(scores.iou, scores.dice, strict=True)):
        if iou is not None and dice is not None:
            print(f"class {number:<4} IoU {iou:.6f}  Dice {dice:.6f}")
    absent = [str(number) for number, iou in enumerate(scores.iou) if iou is None]
    if absent:
        print(f"in neither: class{'es' * (len(absent) > 1)} {named(absent)}")
    print(f"mean IoU   {scores.mean_iou:.6f}")
    print(f"accuracy   {scores.accuracy:.6f}  (pixels of the right class; 1 is best of all)")


def _print_challenge(scores: "Scores") -> None:
    from unet_paper.metrics.registry import CHALLENGE_METRICS, WARPING_ERROR

    for metric in CHALLENGE_METRICS:
        details = f"threshold {scores.best_threshold[metric.key]:.1f}"
        if metric is WARPING_ERROR and scores.warping_counts_at_best is not None:
            counts = scores.warping_counts_at_best
            details += f", {counts.split} split and {counts.merge} merger pixels"
        print(f"{metric.title:17} {scores.value(metric):.6f}  ({details})")
    print("0 is best of the errors, 1 of V_rand and V_info")
