"""SEG, the cell tracking challenge's measure (the paper's table 2), and what goes wrong with which object."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.support.arguments import as_array
from unet_paper.support.errors import BadInput


@dataclass(frozen=True)
class ObjectScore:
    """One reference object and how well it is segmented."""

    frame: int  # counted from 0
    label: int
    area: int  # px
    segment: int | None  # the segment that covers more than half of it
    iou: float  # intersection over union with that segment; 0 without one
    split: bool = False  # whether two or more segments mostly lie in it
    merged: bool = False  # whether that segment covers more than half of other objects too


@dataclass(frozen=True)
class InstanceScores:
    """SEG of all frames together, F1, and counts of objects. `found` and `missed` add up to the reference objects."""

    seg: float
    f1: float  # of objects at IoU > 0.5
    found: int  # reference objects more than half of which one segment covers
    missed: int  # the other reference objects
    split: int  # reference objects in which two or more segments mostly lie
    merged: int  # segments that cover more than half of two or more reference objects each
    unmatched: int  # segments that cover more than half of no reference object
    objects: tuple[ObjectScore, ...]  # by frame and label

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self) | {"objects": [asdict(each) for each in self.objects]}


def score_instances(
    reference: ArrayLike | Sequence[ArrayLike],
    result: ArrayLike | Sequence[ArrayLike],
    ignore: ArrayLike | Sequence[ArrayLike] | None = None,
) -> InstanceScores:
    """SEG, F1 at IoU 0.5 and counts of errors of numbered segments against numbered reference objects.

    Parameters
    ----------
    reference, result : (Z, H, W) integer array, one (H, W) frame, or a sequence of (H, W) arrays
        0 is background. All pixels of a frame that hold one number are one object, whether they touch or not; numbers
        mean nothing from frame to frame. Frames of a sequence may differ in size.
    ignore : bool of the same shapes, or None
        True for pixels that count in neither: they are taken as background in both.

    Returns
    -------
    InstanceScores
        SEG and F1 between 0 and 1, best at 1; the others are counts, and each object's own score.

    Raises
    ------
    BadInput
        For arrays of another type or shape, an `ignore` that is not bool, negative numbers, and a reference without any
        object.

    Notes
    -----
    For each reference object R the segment S with ``|R & S| > |R| / 2``, if there is one, gives the Jaccard index
    ``|R & S| / |R | S|``; none gives 0. SEG is the mean over the reference objects of all frames. At most one segment
    can cover more than half of an object. Objects that the reference lacks cost no SEG, only F1.

    References
    ----------
    Cell Tracking Challenge, SEG: https://celltrackingchallenge.net/evaluation-methodology/
    """
    frames, result_frames = _frames(reference, "reference"), _frames(result, "result")
    if [frame.shape for frame in frames] != [frame.shape for frame in result_frames]:
        raise BadInput(
            f"the reference has {_shapes(frames)} and the result {_shapes(result_frames)}; both must be of the same "
            "frames"
        )
    if ignore is not None:
        masks = _masks(ignore, frames)
        frames, result_frames = (
            [np.where(mask, 0, frame) for frame, mask in zip(labels, masks, strict=True)]
            for labels in (frames, result_frames)
        )
    objects: list[ObjectScore] = []
    segments = matches = split = merged = unmatched = 0
    for number, (truth, segmented) in enumerate(zip(frames, result_frames, strict=True)):
        overlap = _FrameOverlap.of(truth, segmented)
        object_area = overlap.object_areas[overlap.object_index]
        segment_area = overlap.segment_areas[overlap.segment_index]
        union = object_area + segment_area - overlap.shared
        covers = 2 * overlap.shared > object_area
        lies_in = 2 * overlap.shared > segment_area
        iou = overlap.shared / union
        covered = np.bincount(overlap.segment_index[covers], minlength=len(overlap.segment_areas))
        pieces = np.bincount(overlap.object_index[lies_in], minlength=len(overlap.object_areas))
        objects += _object_scores(number, overlap, covers, iou, pieces > 1, covered > 1)
        segments += len(overlap.segment_areas)
        matches += int(np.count_nonzero(2 * overlap.shared > union))
        split += int(np.count_nonzero(pieces > 1))
        merged += int(np.count_nonzero(covered > 1))
        unmatched += int(np.count_nonzero(covered == 0))
    if not objects:
        raise BadInput("the reference holds no object; give labels in which every cell has a number above 0")
    ious = np.array([each.iou for each in objects if each.segment is not None])
    return InstanceScores(
        seg=float(ious.sum()) / len(objects),
        f1=2 * matches / (len(objects) + segments),
        found=len(ious),
        missed=len(objects) - len(ious),
        split=split,
        merged=merged,
        unmatched=unmatched,
        objects=tuple(objects),
    )


@dataclass(frozen=True)
class _FrameOverlap:
    """How the objects of two numbered frames overlap: areas of all, and the pairs that share pixels, by index."""

    object_labels: np.ndarray
    object_areas: np.ndarray  # px
    segment_labels: np.ndarray
    segment_areas: np.ndarray  # px
    object_index: np.ndarray  # of each pair, in `object_labels`
    segment_index: np.ndarray  # of each pair, in `segment_labels`
    shared: np.ndarray  # px

    @classmethod
    def of(cls, truth: np.ndarray, segmented: np.ndarray) -> "_FrameOverlap":
        """The overlap of two (H, W) frames, pairs sorted by the objects' labels."""
        object_labels, object_areas = np.unique(truth[truth > 0], return_counts=True)
        segment_labels, segment_areas = np.unique(segmented[segmented > 0], return_counts=True)
        both = (truth > 0) & (segmented > 0)
        first, second = np.searchsorted(object_labels, truth[both]), np.searchsorted(segment_labels, segmented[both])
        pairs, shared = np.unique(first * len(segment_labels) + second, return_counts=True)
        indices = np.divmod(pairs, max(len(segment_labels), 1))
        return cls(object_labels, object_areas, segment_labels, segment_areas, *indices, shared)


def _object_scores(
    frame: int, overlap: _FrameOverlap, covers: np.ndarray, iou: np.ndarray, split: np.ndarray, merging: np.ndarray
) -> list[ObjectScore]:
    """The scores of one frame's reference objects; `covers` marks the pairs in which a segment covers one, `split`
    objects, and `merging` segments.
    """
    matched = {int(overlap.object_index[pair]): pair for pair in np.flatnonzero(covers)}
    scores = []
    for index, (label, area) in enumerate(
        zip(overlap.object_labels.tolist(), overlap.object_areas.tolist(), strict=True)
    ):
        if index in matched:
            pair = matched[index]
            segment_index = overlap.segment_index[pair]
            segment = int(overlap.segment_labels[segment_index])
            match = segment, float(iou[pair]), bool(split[index]), bool(merging[segment_index])
            scores.append(ObjectScore(frame, label, area, *match))
        else:
            scores.append(ObjectScore(frame, label, area, None, 0.0, bool(split[index])))
    return scores


def _frames(labels: ArrayLike | Sequence[ArrayLike], name: str) -> list[np.ndarray]:
    """A stack, one frame or a sequence of frames as a list of (H, W) integer arrays."""
    frames = _split_into_frames(labels, name)
    for frame in frames:
        if frame.ndim != 2 or frame.dtype.kind not in "ui":
            raise BadInput(
                f"the {name} holds an array of shape {frame.shape} and type {frame.dtype}; give numbered objects, "
                "(H, W) or (Z, H, W) integers"
            )
        if frame.size and frame.min() < 0:
            raise BadInput(f"the {name} holds the number {frame.min()}; background must be 0 and objects above 0")
    return frames


def _masks(ignore: ArrayLike | Sequence[ArrayLike], frames: list[np.ndarray]) -> list[np.ndarray]:
    masks = _split_into_frames(ignore, "pixels to ignore")
    if [mask.shape for mask in masks] != [frame.shape for frame in frames] or any(mask.dtype != bool for mask in masks):
        raise BadInput(f"the pixels to ignore have {_shapes(masks)}; they must be bool, with {_shapes(frames)}")
    return masks


def _split_into_frames(arrays: ArrayLike | Sequence[ArrayLike], name: str) -> list[np.ndarray]:
    """One frame, a stack or a sequence of frames as a list of arrays; of another shape a list of the whole."""
    if isinstance(arrays, (list, tuple)):
        frames = [as_array(frame, name) for frame in arrays]
        are_rows = len({frame.shape for frame in frames}) == 1 and frames[0].ndim == 1
        if not are_rows:  # of one frame
            return frames
    stack = as_array(arrays, name)
    return list(stack) if stack.ndim == 3 else [stack]


def _shapes(frames: list[np.ndarray]) -> str:
    return f"{len(frames)} frames of shape {', '.join(sorted({str(frame.shape) for frame in frames}))}"
