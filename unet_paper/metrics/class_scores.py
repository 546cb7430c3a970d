"""Metrics of several classes, as equation 1's softmax tells apart: IoU and Dice of each, from the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.config import MOST_CLASSES
from unet_paper.io.sections import Sections, as_array, as_sections, joined, lone_label, require_same_shapes, stacked
from unet_paper.support.errors import BadInput


@dataclass(frozen=True)
class ClassScores:
    """How a result's classes agree with the truth's; scores.json of a run on more than two classes.

    A class that neither holds has no IoU and no Dice; they are None, and in no mean.
    """

    confusion: tuple[tuple[int, ...], ...]  # px; a row for each class of the truth, a column for each of the result
    sections: int
    ignored_pixels: int = 0
    tta: str | None = None  # the test-time augmentation that the probabilities tell
    labels_sha256: str | None = None
    result_sha256: str | None = None  # of the classes that the result gives each pixel
    code: dict[str, Any] | None = None  # the version that scored

    @property
    def accuracy(self) -> float:
        """The share of pixels that have the right class."""
        matrix = np.array(self.confusion)
        return float(np.trace(matrix) / matrix.sum())

    @property
    def iou(self) -> tuple[float | None, ...]:
        """Intersection over union of each class's pixels, over all sections together."""
        return self._shares(1)

    @property
    def dice(self) -> tuple[float | None, ...]:
        """Dice of each class's pixels, which is their F1."""
        return self._shares(2)

    @property
    def mean_iou(self) -> float:
        """The mean over the classes that truth or result hold."""
        known = [value for value in self.iou if value is not None]
        return sum(known) / len(known)

    def _shares(self, weight: int) -> tuple[float | None, ...]:
        """Pixels of which both say the class over those of which one does; `weight` : how much the former count."""
        matrix = np.array(self.confusion)
        both = np.diagonal(matrix)
        one = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * both
        return tuple(
            float(weight * right / (weight * right + wrong)) if right + wrong else None
            for right, wrong in zip(both.tolist(), one.tolist(), strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        content: dict[str, Any] = {
            "accuracy": self.accuracy,
            "mean_iou": self.mean_iou,
            "iou": list(self.iou),
            "dice": list(self.dice),
            "confusion": [list(row) for row in self.confusion],
            "sections": self.sections,
            "ignored_pixels": self.ignored_pixels,
        }
        told = ((key, getattr(self, key)) for key in ("tta", "labels_sha256", "result_sha256", "code"))
        return content | {key: value for key, value in told if value is not None}

    @classmethod
    def from_json(cls, content: Any) -> "ClassScores":
        """The inverse of `to_json`. Raises BadInput for other content."""
        try:
            confusion = tuple(tuple(int(pixels) for pixels in row) for row in content["confusion"])
            if not confusion or {len(row) for row in confusion} != {len(confusion)} or not np.any(confusion):
                raise ValueError("a confusion matrix that is not square, or without pixels")
            names = ("ignored_pixels", "tta", "labels_sha256", "result_sha256", "code")
            given = {name: content[name] for name in names if name in content}
            return cls(confusion, content["sections"], **given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"it holds no scores of classes ({error!r})") from None


def score_classes(
    labels: ArrayLike | Sequence[ArrayLike],
    result: ArrayLike | Sequence[ArrayLike],
    ignore: int | ArrayLike | Sequence[ArrayLike] | None = None,
) -> ClassScores:
    """IoU and Dice of each class, and how many pixels of a class are given which.

    Parameters
    ----------
    labels : (Z, H, W) array, one section (H, W), or a sequence of (H, W) sections of any sizes
        Truth: the number of each pixel's class, 0, 1, 2, ...
    result : arrays of the same shapes, or (Z, K, H, W), of one section (K, H, W)
        Class numbers, or the probability of each class, as `predict` returns it of a network of K > 2 classes; the most
        probable counts, of several the first.
    ignore : int, bool arrays of the labels' shapes, or None
        The label of pixels that count in nothing, or True for them.

    Returns
    -------
    ClassScores
        IoU, Dice and accuracy between 0 and 1, best at 1; pixels of all sections count together.

    Raises
    ------
    BadInput
        For other types and shapes, for a truth with a class of which the result has no map, and where no pixel counts.
    """
    truth = as_sections(labels, "labels")
    classes: int | None = None
    probabilities = as_array(result, "the result") if not isinstance(result, (list, tuple)) else None
    if probabilities is not None and probabilities.dtype.kind == "f":
        maps = probabilities[None] if probabilities.ndim == 3 else probabilities
        if maps.ndim != 4:
            raise BadInput(
                f"the result has shape {probabilities.shape}; expected class numbers, or probabilities (Z, K, H, W)"
            )
        if not (maps.min() >= 0 and maps.max() <= 1):
            raise BadInput("the result holds values outside 0 to 1; probabilities run from 0 to 1")
        classes, given = maps.shape[1], maps.argmax(axis=1)
        found: Sections = given
    else:
        found = as_sections(result, "the result")
    return class_scores(truth, found, _masks(ignore, truth), classes)


def _masks(ignore: int | ArrayLike | Sequence[ArrayLike] | None, truth: Sections) -> Sections | None:
    """The pixels to ignore, bool; None where there are none. Raises BadInput for what names none."""
    if ignore is None:
        return None
    label = lone_label(ignore)
    if label is not None:
        return stacked([section == label for section in truth])
    wanted = "they must be bool, or one whole number, the label that they have"
    if not isinstance(ignore, (list, tuple)) and np.asarray(ignore).ndim == 0:
        raise BadInput(f"pixels to ignore are given as {ignore!r}; {wanted}")
    masks = as_sections(ignore, "pixels to ignore")
    if joined(masks).dtype != bool:
        raise BadInput(f"pixels to ignore of type {joined(masks).dtype}; {wanted}")
    return masks


def class_scores(
    truth: Sections,
    result: Sections,
    ignored: Sections | None = None,
    classes: int | None = None,
    names: tuple[str, str] = ("labels", "the result"),
) -> ClassScores:
    """The scores of class numbers; see `score_classes`.

    ignored : bool, of pixels that count in nothing. classes : how many there are; as many as are met unless given.
    names : of both, for messages.
    """
    require_same_shapes(truth, result, names)
    counts = np.ones(joined(truth).shape, bool)
    if ignored is not None:
        require_same_shapes(truth, ignored, (names[0], "pixels to ignore"))
        counts = ~joined(ignored)
    if not counts.any():
        raise BadInput(f"all pixels of {names[0]} are ignored; leave some that count")
    rows, columns = joined(truth)[counts], joined(result)[counts]
    for values, name in ((rows, names[0]), (columns, names[1])):
        if values.dtype.kind not in "bui":
            raise BadInput(f"{name} of type {values.dtype}; classes are whole numbers: 0, 1, 2, ...")
        if values.min() < 0:
            raise BadInput(f"{name} with the class {values.min()}; classes are 0, 1, 2, ...")
    highest = int(max(rows.max(), columns.max()))
    if classes is not None and highest >= classes:
        raise BadInput(
            f"{names[0]} with the class {highest}, but {names[1]} is of {classes} classes, 0 to {classes - 1}"
        )
    if highest >= MOST_CLASSES:
        raise BadInput(f"{' and '.join(names)} hold numbers up to {highest}, and there may be {MOST_CLASSES} classes")
    count = max(2, highest + 1) if classes is None else classes
    matrix = np.bincount(rows.astype(np.int64) * count + columns, minlength=count**2).reshape(count, count)
    return ClassScores(tuple(map(tuple, matrix.tolist())), len(truth), int(counts.size - counts.sum()))
