"""SEG of a run on cells (section 4, Table 2): its segments against the masks, at its threshold and at others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from unet_paper.datasets.file_pairs import paired
from unet_paper.datasets.labels import (
    doubt_three_values,
    interpret_labels,
    pixels_to_ignore,
    renumbered,
    without_ignored,
)
from unet_paper.io.hashes import sections_sha256
from unet_paper.io.image_files import open_stack
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.numbered_cells import write_cells
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.sections import Sections, described, joined, shapes, stacked
from unet_paper.io.stack import read_labels, read_probabilities
from unet_paper.metrics.seg import InstanceScores, ObjectScore, score_instances
from unet_paper.runs.cell_segmentation import segment_frames
from unet_paper.runs.environment import code_version
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.how_made import recorded_tta
from unet_paper.runs.record import read_record
from unet_paper.runs.scoring import either, read_sections
from unet_paper.segmentation import THRESHOLD, CellSegmentation
from unet_paper.separation_border import (
    areas_of_parts,
    label_cells,
    require_no_gray_levels,
    warn_of_other_meanings,
    warn_of_specks,
)
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json
from unet_paper.support.json_values import count, number, number_or_none
from unet_paper.support.logs import logger

# On the frames trained on and those scored.
TRIED_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class AtThreshold:
    """What another threshold would give, all else the same."""

    threshold: float
    seg: float
    missed: int
    merged: int
    size_ratio: float | None
    f1: float | None = None  # older scores do not tell it

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return {name: value for name, value in asdict(self).items() if name != "f1" or value is not None}


@dataclass(frozen=True)
class CellScores:
    """What one test-time augmentation of a run on cells reaches; scores.json."""

    scores: InstanceScores
    segmentation: CellSegmentation | None  # None of segments that were given
    frames: int
    size_ratio: float | None  # median area of a found cell's segment over that of its mask
    labels_sha256: str | None = None
    probability_sha256: str | None = None
    code: Mapping[str, Any] = field(default_factory=dict)
    tta: str | None = None  # the test-time augmentation that the result tells
    per_threshold: tuple[AtThreshold, ...] = ()  # of probabilities

    @property
    def by_argmax(self) -> AtThreshold | None:
        """What the released scripts' threshold gives, where another one counts."""
        if self.segmentation is None or self.segmentation.threshold == THRESHOLD:
            return None
        return next((each for each in self.per_threshold if each.threshold == THRESHOLD), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return self.scores.to_json() | {
            "frames": self.frames,
            "size_ratio": self.size_ratio,
            "segmentation": None if self.segmentation is None else self.segmentation.described(),
            "labels_sha256": self.labels_sha256,
            "probability_sha256": self.probability_sha256,
            "code": dict(self.code),
            "per_threshold": [each.to_json() for each in self.per_threshold],
            **({"tta": self.tta} if self.tta else {}),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CellScores":
        """The inverse of `to_json`. Raises BadInput for other content."""
        try:
            counts = {entry.name: content[entry.name] for entry in fields(InstanceScores)}
            counts["objects"] = tuple(ObjectScore(**each) for each in content["objects"])
            segmentation = None
            if content["segmentation"] is not None:
                values = {name: entry["value"] for name, entry in content["segmentation"].items()}
                segmentation = CellSegmentation(**values)
            scores = cls(
                scores=InstanceScores(**counts),
                segmentation=segmentation,
                frames=content["frames"],
                size_ratio=content["size_ratio"],
                labels_sha256=content["labels_sha256"],
                probability_sha256=content["probability_sha256"],
                code=content["code"],
                tta=content.get("tta"),
                per_threshold=tuple(AtThreshold(**each) for each in content.get("per_threshold", ())),
            )
            scores._check()
            return scores
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadInput(f"it holds no scores of cells ({error!r})") from None

    def _check(self) -> None:
        """Raise ValueError for values that are none of a record."""
        of_all, tried = self.scores, self.per_threshold
        for value in (of_all.seg, of_all.f1, *(each.seg for each in tried), *(each.threshold for each in tried)):
            number(value)
        for told in (self.size_ratio, *(each.size_ratio for each in tried), *(each.f1 for each in tried)):
            number_or_none(told)
        counts = of_all.found, of_all.missed, of_all.split, of_all.merged, of_all.unmatched
        for whole in (self.frames, *counts, *(each.missed for each in tried), *(each.merged for each in tried)):
            count(whole)
        if self.segmentation is not None:
            self.segmentation.check()


def read_cell_scores(path: str | Path) -> CellScores:
    """The CellScores of a scores.json. Raises BadInput for any other file."""
    try:
        return CellScores.from_json(read_json(path))
    except BadInput as error:
        raise BadInput(f"{path}: {error}; score the run again") from None


def score_segments(masks: Sections, segments: Sections, unknown: Sections | None = None) -> InstanceScores:
    """SEG and counts of the segments of frames.

    unknown : bool, where cells may be that have no mask. A segment of no cell that lies there for its greater part
    counts neither as unmatched nor in F1. SEG and the other counts, which are of reference cells, are as the challenge
    takes them.
    """
    scores = score_instances(masks, segments)
    if unknown is None or not joined(unknown).any():
        return scores
    judged = [of_frame.copy() for of_frame in segments]
    matched = {(each.frame, each.segment) for each in scores.objects}
    for frame, (of_frame, elsewhere) in enumerate(zip(judged, unknown, strict=True)):
        areas = _areas(of_frame)
        there = _areas(of_frame[elsewhere])
        lying = [number for number in there if 2 * there[number] > areas[number] and (frame, number) not in matched]
        of_frame[np.isin(of_frame, np.array(lying, of_frame.dtype))] = 0
    of_judged = score_instances(masks, judged)
    return replace(scores, f1=of_judged.f1, unmatched=of_judged.unmatched)


def at_thresholds(
    masks: Sections,
    probability: Sections,
    segmentation: CellSegmentation,
    unknown: Sections | None = None,
    ignored: Sections | None = None,
) -> tuple[AtThreshold, ...]:
    """What each of TRIED_THRESHOLDS gives for the probabilities of frames, all else as in `segmentation`.

    unknown : see `score_segments`. ignored : bool, where segments do not count; masks are 0 there.
    """
    tried = [replace(segmentation, threshold=threshold) for threshold in TRIED_THRESHOLDS]
    return tuple(_at_threshold(masks, probability, settings, unknown, ignored) for settings in tried)


def _at_threshold(
    masks: Sections,
    probability: Sections,
    segmentation: CellSegmentation,
    unknown: Sections | None,
    ignored: Sections | None,
) -> AtThreshold:
    segments = without_ignored(segment_frames(probability, segmentation), ignored)
    scores = score_segments(masks, segments, unknown)
    size = _size_ratio(scores, segments)
    return AtThreshold(segmentation.threshold, scores.seg, scores.missed, scores.merged, size, scores.f1)


def _size_ratio(scores: InstanceScores, segments: Sections) -> float | None:
    areas = [_areas(of_frame) for of_frame in segments]
    matched = [(each.frame, each.segment, each.area) for each in scores.objects if each.segment is not None]
    return float(np.median([areas[frame][segment] / area for frame, segment, area in matched])) if matched else None


def _areas(numbered: np.ndarray) -> dict[int, int]:
    """{number: px}, background too; numbers may be as large as a file's."""
    numbers, areas = np.unique(numbered, return_counts=True)
    return dict(zip(numbers.tolist(), areas.tolist(), strict=True))


def read_numbered(paths: Sequence[Path], name: Path) -> Sections:
    """The cells of label files, see `numbered`. name : of all together, for messages."""
    return numbered(read_sections(paths, read_labels), name)


def read_result(path: Path | str) -> ImageStack:
    """Whole numbers of a result, or marks, of which no value can be ignored. Raises what `read_labels` raises."""
    return read_labels(path, may_be_ignored=False)


def _numbered_truth(
    labels: Sections, name: Path, labels_are: str | None, ignored: Sections | None, aloud: bool
) -> Sections:
    """The cells of a truth. aloud : whether to say what may be meant otherwise."""
    if labels_are == "classes":
        raise BadInput(f"{name}: SEG is of cells, not of classes; give labels in which cells are told apart")
    if labels_are in ("cells", "membranes"):
        masks, _ = interpret_labels(labels, labels_are, name, ignored)
        return stacked([label_cells(section > 0) for section in masks])
    values = _values(labels, ignored)
    cells = without_ignored(labels, ignored)
    if aloud and len(values) > 2:
        require_no_gray_levels(cells, name)
        doubt_three_values(values, name, said=labels_are is not None)
        warn_of_other_meanings(cells, name, may_be_said=False)
    if labels_are == "instances" and 0 not in values:  # two numbers without a 0 are two cells
        return cells
    return numbered(labels, name, ignored)


def numbered(labels: Sections, name: Path, ignored: Sections | None = None) -> Sections:
    """Labels as numbered cells. More than two values are the numbers of cells; of two the larger is cell, and each of
    its 4-connected components is one, which is said where there are several.

    ignored : bool, of pixels that mean nothing and come back as 0
    """
    values = _values(labels, ignored)
    if len(values) != 2:
        return without_ignored(labels, ignored)
    cells = without_ignored([section == values[1] for section in labels], ignored)
    components = stacked([label_cells(section) for section in cells])
    if joined(components).max() > 1:
        logger.info(f"note: {name} holds two values; each connected part of {values[1]} is taken as a cell")
    return components


def _values(labels: Sections, ignored: Sections | None) -> np.ndarray:
    pixels = joined(labels)
    return np.unique(pixels if ignored is None else pixels[~joined(ignored)])


def _partners(labels: Path, others: Path, what: str) -> list[Path]:
    """The files that belong to a file of labels, or to those of a folder, in their order."""
    return [path for _, path in paired([labels], [others], ("labels", what), may_be_listed=False)]


def _are_challenges_masks(labels: Path) -> bool:
    """Whether labels are those that a run on sequences holds out: their values number cells, even where it is one."""
    run = RunFolder(labels.parent)
    if labels != run.labels or not run.record.is_file():
        return False
    return read_record(run.record).protocol.sequences is not None


def score_cells(
    labels: Path,
    result: Path,
    segmentation: CellSegmentation,
    unknown: Path | None = None,
    out: Path | None = None,
    segments_out: Path | None = None,
    labels_are: str | None = None,
    ignore: int | None = None,
    beside_challenge: bool = False,
) -> CellScores:
    """SEG of a file of probabilities, or of numbered segments, against a truth; or of folders, paired by name.

    labels_are : a key of LABELS_ARE; without it see `numbered`, but for what a run on sequences holds out.
    unknown : a file, above 0 where cells may be that have no mask; see `score_segments`. ignore : the label of pixels
    that count in nothing. beside_challenge : after `score_file`, which has said what is ignored and lets the pixels of
    `unknown` count in nothing; they do not here either. The scores go to `out` as JSON, the segments to `segments_out`,
    where these are given. Raises BadInput for files that do not fit.
    """
    pairs = paired([labels], [result], ("labels", "results"), may_be_listed=False)
    given = read_sections([path for path, _ in pairs], lambda path: read_labels(path, ignore))
    ignored = pixels_to_ignore(given, ignore, labels, aloud=not beside_challenge)
    if labels_are is None and _are_challenges_masks(labels):
        truth = without_ignored(given, ignored)
    else:
        truth = _numbered_truth(given, labels, labels_are, ignored, aloud=not beside_challenge)
    files = [path for _, path in pairs]
    first = open_stack(files[0], kind="labels")
    are_probabilities = first.holds_probabilities
    proposal = read_sections(files, read_probabilities if are_probabilities else read_result)
    marks = None
    if unknown is not None:
        read = read_sections(_partners(labels, unknown, "marks"), read_result)
        marks = stacked([section > 0 for section in read])
    for path, sections in ((result, proposal), (unknown, marks)):
        if sections is not None and shapes(sections) != shapes(truth):
            raise BadInput(
                f"{labels} has shape {described(truth)} and {path} {described(sections)}; both must be the same"
            )
    if beside_challenge:
        ignored, marks = either(ignored, marks), None
    segments = segment_frames(proposal, segmentation) if are_probabilities else numbered(proposal, result)
    if not are_probabilities:
        warn_of_specks(areas_of_parts(segments), result)
    if segments_out is not None and len(set(shapes(segments))) > 1:
        raise BadInput("--segments is one file, and the frames differ in size; number them with segment, one by one")
    judged, counted = without_ignored(truth, ignored), without_ignored(segments, ignored)
    try:
        instance_scores = score_segments(judged, counted, marks)
    except BadInput as error:
        raise BadInput(f"{labels} and {result}: {error}") from None
    tried = at_thresholds(judged, proposal, segmentation, marks, ignored) if are_probabilities else ()
    scores = CellScores(
        scores=instance_scores,
        segmentation=segmentation if are_probabilities else None,
        frames=len(truth),
        size_ratio=_size_ratio(instance_scores, counted),
        labels_sha256=sections_sha256(truth),
        probability_sha256=sections_sha256(proposal),
        code=asdict(code_version()),
        tta=recorded_tta(result),
        per_threshold=tried,
    )
    if segments_out is not None:
        as_they_are = "as given" if segments is proposal else "each connected part of what is given"
        made = str(segmentation) if are_probabilities else as_they_are
        _write_segments(segments_out, np.stack(list(segments)), made, first.pixel_size)
    if out is not None:
        write_json(out, scores.to_json())
    return scores


def _write_segments(out: Path, segments: np.ndarray, made: str, size: PixelSize | None) -> None:
    """As a file of numbered cells, whose numbers beyond 32 bits become others."""
    fitting = segments if segments.max() < 2**32 else renumbered(segments)
    write_cells(out, fitting, f"segments: {made}", size)
