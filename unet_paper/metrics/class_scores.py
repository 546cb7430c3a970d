"""Metrics of several classes, as equation 1's softmax tells apart: IoU and Dice of each, from the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.config import MOST_CLASSES
from unet_paper.io.sections import Sections, as_sections, described, like, require_same_shapes, stacked
from unet_paper.io.stack import if_unannotated
from unet_paper.metrics.common import ignored_pixels
from unet_paper.support.arguments import as_array
from unet_paper.support.errors import BadInput
from unet_paper.support.json_values import count


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
            confusion = tuple(tuple(count(pixels) for pixels in row) for row in content["confusion"])
            if len(confusion) < 2 or {len(row) for row in confusion} != {len(confusion)} or not np.any(confusion):
                raise ValueError("a confusion matrix that is not square, or without pixels")
            names = ("tta", "labels_sha256", "result_sha256", "code")
            given = {name: content[name] for name in names if name in content}
            ignored = count(content.get("ignored_pixels", 0))
            return cls(confusion, count(content["sections"]), ignored, **given)
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
        Class numbers, or the probability of each class, as `predict` returns it of a network of K > 2 classes, also as
        a sequence of (K, H, W) of any sizes; the most probable counts, of several the first.
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
    found, classes = _found(result, truth)
    if isinstance(ignore, np.ndarray) and ignore.ndim == 2:  # of one section
        ignore = ignore[None]
    ignored = None if ignore is None else like(ignored_pixels(truth, ignore), truth)
    return class_scores(truth, found, ignored, classes)


def _found(result: ArrayLike | Sequence[ArrayLike], truth: Sections) -> tuple[Sections, int | None]:
    """Class numbers, and how many classes there are, where a result tells the probability of each."""
    if isinstance(result, (list, tuple)):
        parts = [as_array(part, "the result") for part in result]
        if parts and all(part.ndim == 3 and part.dtype.kind == "f" for part in parts):
            maps = [_most_probable(part[None]) for part in parts]
            counts = {len(part) for part in parts}
            if len(counts) > 1:
                told = ", ".join(map(str, sorted(counts)))
                raise BadInput(f"the result holds probabilities of {told} classes; give results of one network")
            return stacked([each[0] for each in maps]), counts.pop()
        if any(part.ndim == 2 and part.dtype.kind != "f" for part in parts) or len({part.shape for part in parts}) > 1:
            return as_sections(result, "the result"), None
    array = as_array(result, "the result")
    if array.dtype.kind != "f":
        return as_sections(result, "the result"), None
    of_two = array.ndim < 3 or array.shape == (len(truth), *truth[0].shape)
    maps_of_all = array[None] if array.ndim == 3 and len(truth) == 1 else array
    wanted = len(truth), *truth[0].shape
    if of_two or maps_of_all.ndim != 4 or (len(maps_of_all), *maps_of_all.shape[2:]) != wanted:
        by_score = "; probabilities of two classes are scored by `score`" if of_two else ""
        raise BadInput(
            f"the result of shape {array.shape} with labels of shape {described(truth)}; expected class numbers of "
            f"that shape, or probabilities (Z, K, H, W) of K classes{by_score}"
        )
    return _most_probable(maps_of_all), maps_of_all.shape[1]


def _most_probable(maps: np.ndarray) -> np.ndarray:
    """(Z, K, H, W) probabilities -> (Z, H, W) class numbers."""
    if not 0 < maps.shape[1] <= MOST_CLASSES:
        raise BadInput(f"the result holds probabilities of {maps.shape[1]} classes; there may be 1 to {MOST_CLASSES}")
    single = maps.astype(np.float32)  # as files hold them
    if not (single.min() >= 0 and single.max() <= 1):
        raise BadInput("the result holds values outside 0 to 1, or NaN; probabilities run from 0 to 1")
    return single.argmax(axis=1)


def class_scores(
    truth: Sections,
    result: Sections,
    ignored: Sections | None = None,
    classes: int | None = None,
    names: tuple[str, str] = ("labels", "the result"),
) -> ClassScores:
    """The scores of class numbers; see `score_classes`.

    ignored : bool, of pixels that count in nothing. classes : of how many the result is; as many as are met unless
    given. names : of both, for messages.
    """
    require_same_shapes(truth, result, names)
    counts = [np.ones(section.shape, bool) for section in truth]
    if ignored is not None:
        require_same_shapes(truth, ignored, (names[0], "pixels to ignore"))
        counts = [~mask for mask in ignored]
    if not any(mask.any() for mask in counts):
        raise BadInput(f"all pixels of {names[0]} are ignored; leave some that count")
    rows, columns = _numbers(truth, counts, names[0]), _numbers(result, counts, names[1])
    highest = int(rows.max())
    if classes is not None and highest >= classes:
        raise BadInput(
            f"{names[0]} holds the class {highest}, and {names[1]} the probabilities of {classes} classes, 0 to "
            f"{classes - 1}; give a result of the same classes, and {if_unannotated(highest)}"
        )
    for name, numbers in zip(names, (rows, columns), strict=True):
        if numbers.max() >= MOST_CLASSES:
            advice = f"; {if_unannotated(int(numbers.max()))}" if numbers is rows else ""
            raise BadInput(
                f"{name} holds the number {numbers.max()}, and there may be {MOST_CLASSES} classes, 0 to "
                f"{MOST_CLASSES - 1}{advice}"
            )
    count = max(2, highest + 1, int(columns.max()) + 1) if classes is None else classes
    matrix = np.bincount(rows * count + columns, minlength=count**2).reshape(count, count)
    of_all = sum(mask.size for mask in counts)
    return ClassScores(tuple(map(tuple, matrix.tolist())), len(truth), of_all - len(rows))


def _numbers(sections: Sections, counts: Sequence[np.ndarray], name: str) -> np.ndarray:
    """The class numbers of all pixels that count, one after the other: int64. Raises BadInput for what is none."""
    parts = []
    for section, mask in zip(sections, counts, strict=True):
        if section.dtype.kind not in "bui":
            raise BadInput(f"{name} of type {section.dtype}; classes are whole numbers: 0, 1, 2, ...")
        values = section[mask]
        if values.size and values.min() < 0:
            raise BadInput(f"{name} holds the class {values.min()}; classes are 0, 1, 2, ...")
        if values.dtype == np.uint64:
            values = np.minimum(values, np.uint64(np.iinfo(np.int64).max))
        parts.append(values.astype(np.int64))
    return np.concatenate(parts)
