"""IoU and Dice of files of more than two classes, and those of a run."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unet_paper.config import MOST_CLASSES
from unet_paper.datasets.file_pairs import paired
from unet_paper.datasets.labels import pixels_to_ignore
from unet_paper.io.hashes import sections_sha256
from unet_paper.io.image_files import class_count, open_stack
from unet_paper.io.image_folder import image_files
from unet_paper.io.sections import Sections, stacked
from unet_paper.io.stack import read_labels, read_most_probable
from unet_paper.metrics.class_scores import ClassScores, class_scores
from unet_paper.runs.environment import code_version
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.runs.recorded_tta import recorded_tta, require_recorded_tta
from unet_paper.runs.results import finished_record
from unet_paper.runs.scoring import read_sections, with_marks
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json


def are_classes(result: Path, labels_are: str | None) -> bool:
    """Whether a result, a file or a folder, is scored by classes: it holds the probabilities of more than two, or
    whole numbers where the labels are said to be classes.
    """
    first = image_files([result])[0]
    if class_count(first) is not None:
        return True
    return labels_are == "classes" and not open_stack(first, kind="labels").holds_probabilities


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


def read_classes(files: list[Path], name: Path) -> tuple[Sections, int | None]:
    """The class of each pixel in result files, uint8; and how many classes there are, None where the files tell their
    numbers alone. name : of all together, for messages.
    """
    counts = {class_count(path) for path in files}
    if len(counts) > 1:
        told = ", ".join(sorted(str(count or 2) for count in counts))
        raise BadInput(f"{name} holds files of different numbers of classes ({told}); give results of one network")
    (classes,) = counts
    if classes is not None and classes > MOST_CLASSES:
        raise BadInput(f"{name} holds probabilities of {classes} classes; there may be {MOST_CLASSES}")
    if classes is None:
        return read_sections(files, lambda path: read_labels(path, may_be_ignored=False)), None
    sections = [section for path in files for section in read_most_probable(path, classes)]
    return stacked(sections), classes


def read_class_run(run: RunFolder) -> tuple[RunRecord, dict[str, ClassScores]]:
    """The record of a finished run on more than two classes, and its scores by test-time augmentation. Raises BadInput
    otherwise, and where the run holds another result than was scored.
    """
    record = finished_record(run)
    scores = {}
    for tta in record.config.tta:
        path = run.scores(tta, record.config.primary)
        if path.is_file():
            scores[tta] = _read(path)
    require_recorded_tta(run, record, {tta: each.tta for tta, each in scores.items()})
    for tta, each in scores.items():
        probability = run.probability(tta)
        if probability.is_file() and sections_sha256(classes_of_run(run, tta)) != each.result_sha256:
            raise BadInput(f"{probability} is another result than the run's scores of {tta} are of; score it first")
    return record, scores


def classes_of_run(run: RunFolder, tta: str) -> Sections:
    """The most probable class of each pixel that a run found with a test-time augmentation."""
    probability = run.probability(tta)
    found, _ = read_classes(image_files([probability]), probability)
    return found


def _read(path: Path) -> ClassScores:
    content: Mapping[str, Any] = read_json(path)
    try:
        return ClassScores.from_json(content)
    except BadInput as error:
        raise BadInput(f"{path}: {error}; score the run again") from None
