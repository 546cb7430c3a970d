"""IoU and Dice of files of more than two classes, and those of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unet_paper.config import MOST_CLASSES
from unet_paper.datasets.file_pairs import paired
from unet_paper.datasets.labels import pixels_to_ignore
from unet_paper.io.hashes import sections_sha256
from unet_paper.io.image_files import class_count, open_stack
from unet_paper.io.image_folder import image_files, named
from unet_paper.io.sections import Sections, joined, stacked
from unet_paper.io.stack import read_labels, read_most_probable
from unet_paper.metrics.class_scores import ClassScores, class_scores
from unet_paper.runs.environment import code_version
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.how_made import recorded_tta, require_recorded
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.runs.results import finished_record
from unet_paper.runs.scoring import read_sections, with_marks
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json
from unet_paper.support.logs import logger


def are_classes(result: Path, labels_are: str | None) -> bool:
    """Whether a result, a file or a folder, is scored by classes: it holds the probabilities of more than two, or
    whole numbers where the labels are said to be classes.
    """
    first = image_files([result])[0]
    if class_count(first) is not None:
        return True
    return labels_are == "classes" and not open_stack(first, kind="labels").holds_probabilities


def are_classes_of_run(labels: Path) -> bool:
    """Whether labels are those of the held-out sections of a run on more than two classes."""
    run = RunFolder(labels.parent)
    return labels == run.labels and run.record.is_file() and read_record(run.record).config.classes > 2


def require_truth_first(labels: Path) -> None:
    """Raise BadInput where a file of labels, or the first of a folder, holds probabilities of several classes."""
    first = image_files([labels])[0]
    count = class_count(first)
    if count is not None:
        raise BadInput(
            f"{first} holds probabilities of {count} classes, and is given as the truth; give first the labels, then "
            "the result"
        )


def score_class_files(
    labels: Path,
    result: Path,
    out: Path | None = None,
    ignore: int | None = None,
    unknown: Path | None = None,
) -> ClassScores:
    """The scores of a result of several classes, probabilities of each or their numbers, written to `out` as JSON where
    that is given. Folders of labels and of results are paired by name, and scored together.

    ignore : the value of labels that count in nothing. unknown : a file, or folder of files, above 0 at such pixels.
    Raises BadInput for files that do not fit.
    """
    pairs = paired([labels], [result], ("labels", "results"), may_be_listed=False)
    truth = read_sections([path for path, _ in pairs], lambda path: read_labels(path, ignore))
    ignored = with_marks(pixels_to_ignore(truth, ignore, labels), truth, labels, unknown)
    found, classes = read_classes([path for _, path in pairs], result)
    if classes is None:
        _note_unknown_classes(truth, found, result)
    scores = replace(
        class_scores(truth, found, ignored, classes, (str(labels), str(result))),
        tta=recorded_tta(result),
        labels_sha256=sections_sha256(truth),
        result_sha256=sections_sha256(found),
        code=asdict(code_version()),
    )
    if out is not None:
        write_json(out, scores.to_json())
    return scores


def _note_unknown_classes(truth: Sections, found: Sections, result: Path) -> None:
    """Say which numbers of a result no label has, as of numbered cells or gray values."""
    values = [np.unique(joined(sections)) for sections in (truth, found)]
    strange = np.setdiff1d(values[1], values[0])
    if strange.size:
        told = named([str(number) for number in strange.tolist()])
        logger.warning(
            f"note: {result} holds {told}, which no label does, and each counts as a class; numbered cells are scored "
            "with --metrics seg"
        )


def read_classes(files: list[Path], name: Path) -> tuple[Sections, int | None]:
    """The class of each pixel in result files; and how many classes there are, None where the files tell their numbers
    alone. name : of all together, for messages.
    """
    counts = {class_count(path) for path in files}
    if len(counts) > 1:
        told = ", ".join(str(count) if count else "none" for count in sorted(counts, key=lambda count: count or 0))
        raise BadInput(
            f"{name} holds files of the probabilities of different numbers of classes ({told}); give one kind"
        )
    (classes,) = counts
    if classes is not None and classes > MOST_CLASSES:
        raise BadInput(f"{name} holds probabilities of {classes} classes; there may be {MOST_CLASSES}")
    if classes is None:
        return read_sections(files, lambda path: read_labels(path, may_be_ignored=False)), None
    sections = [section for path in files for section in read_most_probable(path, classes)]
    return stacked(sections), classes


@dataclass(frozen=True)
class ClassRun:
    """A finished run on more than two classes."""

    record: RunRecord
    scores: dict[str, ClassScores]  # by test-time augmentation
    found: dict[str, Sections]  # the class of each pixel, of the scored augmentations whose probabilities are there


def read_class_run(run: RunFolder) -> ClassRun:
    """Read a run's folder. Raises BadInput where the run has not finished, and where it holds another result or other
    labels than were scored.
    """
    record = finished_record(run)
    scores: dict[str, ClassScores] = {}
    found: dict[str, Sections] = {}
    for tta in record.config.tta:
        path = run.scores(tta, record.config.primary)
        if not path.is_file():
            continue
        scores[tta] = _read(path)
        count = len(scores[tta].confusion)
        if count != record.config.classes:
            raise BadInput(
                f"{path} is of {count} classes, and the run of {record.config.classes}; predict with the run's own "
                "weights, and score again"
            )
        if run.labels.exists() and run.probability(tta).exists():
            found[tta] = _what_was_scored(run, record, tta, scores[tta])
    require_recorded(run, record, {tta: each.tta for tta, each in scores.items()})
    return ClassRun(record, scores, found)


def _what_was_scored(run: RunFolder, record: RunRecord, tta: str, scores: ClassScores) -> Sections:
    """The class of each pixel that a run found. Raises BadInput unless it, and the labels, are those of its scores."""
    probability = run.probability(tta)
    pairs = paired([run.labels], [probability], ("labels", "results"), may_be_listed=False)
    if class_count(pairs[0][1]) != record.config.classes:
        raise BadInput(
            f"{probability} does not hold the probabilities of the run's {record.config.classes} classes; predict again"
        )
    found, _ = read_classes([path for _, path in pairs], probability)
    labels = read_sections([path for path, _ in pairs], read_labels)
    for path, sections, sha256 in (
        (probability, found, scores.result_sha256),
        (run.labels, labels, scores.labels_sha256),
    ):
        if sha256 not in (None, sections_sha256(sections)):
            raise BadInput(f"{path} is not what the run's scores of {tta} are of; score it before the report")
    return found


def _read(path: Path) -> ClassScores:
    content: Mapping[str, Any] = read_json(path)
    try:
        return ClassScores.from_json(content)
    except BadInput as error:
        raise BadInput(f"{path}: {error}; score the run again") from None
