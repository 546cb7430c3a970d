"""The challenge's metrics of files: a probability stack against a truth of whatever meaning."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from unet_paper.datasets.labels import interpret_labels
from unet_paper.io.hashes import content_sha256, labels_sha256
from unet_paper.io.stack import read_labels, read_probabilities
from unet_paper.metrics import score
from unet_paper.metrics.common import cells
from unet_paper.metrics.scores import Scores
from unet_paper.runs.averaging import recorded_tta
from unet_paper.runs.environment import code_version
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import write_json
from unet_paper.support.logs import logger


def score_file(labels: Path, probability: Path, out: Path | None = None, labels_are: str | None = None) -> Scores:
    """The challenge's metrics of a probability stack, written to `out` as JSON where that is given.

    labels_are : a key of LABELS_ARE. Where it is not given, two values are taken as cell and membrane, and of more
    each is a cell; those that touch are separated as `train` does.
    """
    truth = read_truth(labels, labels_are)
    proposal = read_probabilities(probability).pixels
    try:
        scores = score(truth, proposal)
    except BadInput as error:
        raise BadInput(f"{labels} and {probability}: {error}") from None
    scores = replace(
        scores,
        tta=recorded_tta(probability),
        labels_sha256=labels_sha256(truth),
        probability_sha256=content_sha256(proposal),
        code=asdict(code_version()),
    )
    if out is not None:
        write_json(out, scores.to_json())
    return scores


def read_truth(path: Path, labels_are: str | None = None) -> np.ndarray:
    """Where a label file is cell, as `score_file` takes it: (Z, H, W) bool. Says what is not as everybody means it."""
    labels = read_labels(path).pixels
    numbered = len(np.unique(labels)) > 2
    if labels_are is None and not numbered:
        try:
            truth = cells(labels)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from None
        if truth.all():
            logger.warning(f"note: {path} holds no 0, so all of it is taken as one cell")
        elif labels.min() != 0:
            logger.info(f"{path} holds two values: {labels.max()} is taken as cell, {labels.min()} as membrane")
        return truth
    interpreted, classes = interpret_labels(labels, labels_are or "instances", path)
    if classes > 2:
        raise BadInput(f"{path} holds {classes} classes; the challenge's metrics know two, so give labels of two")
    truth = interpreted > 0
    if numbered and (truth != (labels > 0)).any():
        logger.info(f"note: cells of {path} touch; they are separated by background, as train does")
    return truth
