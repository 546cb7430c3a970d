"""The challenge's metrics of files: a probability stack against a truth of whatever meaning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from unet_paper.datasets.file_pairs import paired
from unet_paper.datasets.labels import interpret_labels, pixels_to_ignore, without_ignored
from unet_paper.io.hashes import labels_sha256, sections_sha256
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.sections import Sections, joined, like, stacked
from unet_paper.io.stack import read_labels, read_probabilities
from unet_paper.metrics import score
from unet_paper.metrics.common import cells
from unet_paper.metrics.registry import WARPING_ERROR
from unet_paper.metrics.scores import Scores
from unet_paper.runs.environment import code_version
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.how_made import recorded_tta
from unet_paper.separation_border import require_no_gray_levels
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import write_json
from unet_paper.support.logs import logger

FEW = 10  # times as much cell in the truth as in a map that has hardly any


def score_file(
    labels: Path,
    probability: Path,
    out: Path | None = None,
    labels_are: str | None = None,
    ignore: int | None = None,
    unknown: Path | None = None,
) -> Scores:
    """The challenge's metrics of a probability stack, written to `out` as JSON where that is given. Folders of labels
    and of probabilities are paired by name, and scored together.

    ignore : the value of labels that count in no metric. unknown : a file, or folder of files, above 0 at such pixels.
    labels_are : a key of LABELS_ARE. Where it is not given, two values are taken as cell and membrane, and of more
    each is a cell; those that touch are separated as `train` does.
    """
    pairs = paired([labels], [probability], ("labels", "probabilities"), may_be_listed=False)
    proposal = read_sections([path for _, path in pairs], read_probabilities)
    truth, ignored = read_truth([path for path, _ in pairs], labels, labels_are, ignore)
    ignored = with_marks(ignored, truth, labels, unknown)
    try:
        scores = score(truth, proposal, ignored)
    except BadInput as error:
        raise BadInput(f"{labels} and {probability}: {error}") from None
    scores = replace(
        scores,
        tta=recorded_tta(probability),
        labels_sha256=labels_sha256(truth),
        probability_sha256=sections_sha256(proposal),
        code=asdict(code_version()),
    )
    if out is not None:
        write_json(out, scores.to_json())
    _note_few_cells(joined(proposal), joined(truth), scores.best_threshold[WARPING_ERROR.key])
    return scores


def _note_few_cells(proposal: np.ndarray, truth: np.ndarray, threshold: float) -> None:
    """Say so where the lowest warping error is that of a map with hardly any cell, as of a training that failed."""
    found, true = ((values > least).mean() for values, least in ((proposal, threshold), (truth, 0)))
    if found < true / FEW:
        logger.warning(
            f"note: above {threshold:.1f}, where the warping error is lowest, {found:.1%} of the map is cell, and "
            f"{true:.0%} of the truth; a map without cells splits and merges none, so that error says nothing here"
        )


def either(first: Sections | None, second: Sections | None) -> Sections | None:
    """Pixels that are marked in one of two."""
    if first is None or second is None:
        return second if first is None else first
    return stacked([one | other for one, other in zip(first, second, strict=True)])


def with_marks(ignored: Sections | None, truth: Sections, labels: Path, unknown: Path | None) -> Sections | None:
    """The pixels that count in nothing: those that are ignored, and those that a file, or folder of files, marks."""
    if unknown is None:
        return ignored
    pairs = paired([labels], [unknown], ("labels", "marks"), may_be_listed=False)
    marks = read_sections([path for _, path in pairs], read_labels)
    return either(ignored, pixels_to_ignore(truth, marks, labels))


def require_scores_of_its_maps(run: RunFolder, hashes: Mapping[str, str | None]) -> None:
    """Raise BadInput where a run holds another map than its scores are of, as after a prediction that was not scored,
    or labels of another shape.

    hashes : of the map that was scored, by test-time augmentation; None in old files, and where segments were.
    """
    for tta, sha256 in hashes.items():
        path = run.probability(tta)
        if sha256 is None or not path.exists():
            continue
        if path.is_dir():
            require_maps_of_folder(run.labels, path, sha256, tta)
            continue
        probability = read_probabilities(path)
        if probability.content_sha256 != sha256:
            raise BadInput(f"{path} is another map than the run's scores of {tta} are of; score it before the report")
        if run.labels.is_file() and (shape := read_labels(run.labels).pixels.shape) != probability.pixels.shape:
            raise BadInput(
                f"{run.labels} has the shape {shape}, and {path} {probability.pixels.shape}; put back the labels that "
                "were scored"
            )


def require_maps_of_folder(labels: Path, maps: Path, sha256: str, tta: str) -> None:
    """The same of a folder of maps, which were hashed in the order of the labels' names."""
    if not labels.is_dir():
        return
    pairs = paired([labels], [maps], ("labels", "probabilities"), may_be_listed=False)
    if sections_sha256(read_sections([path for _, path in pairs], read_probabilities)) != sha256:
        raise BadInput(f"{maps} holds other maps than the run's scores of {tta} are of; score them before the report")


def read_sections(paths: Sequence[Path], read: Callable[[Path], ImageStack]) -> Sections:
    """The sections of several files together."""
    if len(paths) == 1:
        return read(paths[0]).pixels
    return stacked([section for path in paths for section in read(path).pixels])


def read_truth(
    paths: Sequence[Path], name: Path, labels_are: str | None = None, ignore: int | None = None
) -> tuple[Sections, Sections | None]:
    """Where label files are cell, as `score_file` takes them, bool; and which pixels have the value `ignore`.

    name : of all together, for messages. Says what is not as everybody means it.
    """
    labels = read_sections(paths, lambda path: read_labels(path, ignore))
    ignored = pixels_to_ignore(labels, ignore, name)
    known = joined(labels) if ignored is None else joined(labels)[~joined(ignored)]
    numbered = len(np.unique(known)) > 2
    if labels_are is None and not numbered:
        try:
            of_known = cells(known)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from None
        if of_known.all():
            logger.warning(f"note: {name} holds no 0, so all of it is taken as one cell")
        elif known.min() != 0:
            logger.info(f"{name} holds two values: {known.max()} is taken as cell, {known.min()} as membrane")
        every = np.zeros(joined(labels).shape, bool)
        every[slice(None) if ignored is None else ~joined(ignored)] = of_known
        return like(every, labels), ignored
    said = labels_are is not None
    if numbered and labels_are in (None, "instances"):
        require_no_gray_levels(without_ignored(labels, ignored), name)
    interpreted, classes = interpret_labels(labels, labels_are or "instances", name, ignored, said, scored=True)
    if classes > 2:
        raise BadInput(f"{name} holds {classes} classes, and the result the probability of one; give one of {classes}")
    truth = stacked([section > 0 for section in interpreted])
    if numbered and joined(truth).sum() != (known > 0).sum():
        logger.info(f"note: cells of {name} touch; they are separated by background, as train does")
    return truth, ignored
