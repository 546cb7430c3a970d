"""The metrics in use: what each is called, how it is printed, and which way is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric of a segmentation. Every value lies between 0 and 1."""

    key: str  # in records and in `Scores`
    title: str  # in tables and on axes
    label: str  # where there is little room
    digits: int  # after the decimal point
    better: Literal["lower", "higher"]
    meaning: str  # one sentence for readers who do not know it
    curve: str | None = None  # key of its values over the thresholds; None for a metric without thresholds
    curve_is_error: bool = False  # whether the curve is best at 0; else it is an F or V score, best at 1

    @property
    def error_title(self) -> str:
        """The title of the metric as an error, best at 0."""
        return self.title if self.better == "lower" else f"1 - {self.title}"

    def formatted(self, value: float) -> str:
        """A value with the metric's digits."""
        return f"{value:.{self.digits}f}"


WARPING_ERROR = Metric(
    "warping_error",
    "warping error",
    "warping",
    6,
    "lower",
    "The share of pixels that split or merge cells, after the truth was bent towards the result without a change of "
    "its topology.",
    "warping_error_per_threshold",
    curve_is_error=True,
)
RAND_ERROR = Metric(
    "rand_error",
    "Rand error",
    "Rand",
    4,
    "lower",
    "One minus the F score of pairs of cell pixels that truth and result put into the same segment.",
    "rand_f_per_threshold",
)
RAND_ERROR_PAIRS = Metric(
    "rand_error_pairs",
    "Rand error, pairs",
    "Rand, pairs",
    4,
    "lower",
    "The Rand error as the challenge's first server took it: unordered pairs of pixels instead of squared sizes.",
    "rand_f_pairs_per_threshold",
)
PIXEL_ERROR = Metric(
    "pixel_error",
    "pixel error",
    "pixel",
    4,
    "lower",
    "One minus the F score of the single cell pixels.",
    "pixel_f_per_threshold",
)
V_RAND = Metric(
    "v_rand",
    "V_rand",
    "V_rand",
    4,
    "higher",
    "The F score of pixel pairs after the result's membranes were thinned to lines, so that their thickness does not "
    "count.",
    "v_rand_per_threshold",
)
V_INFO = Metric(
    "v_info",
    "V_info",
    "V_info",
    4,
    "higher",
    "How much truth and result tell of each other's segments, after the result's membranes were thinned to lines.",
    "v_info_per_threshold",
)
SEG = Metric(
    "seg",
    "SEG",
    "SEG",
    4,
    "higher",
    "The mean overlap (intersection over union) of each true cell with the segment that covers more than half of it; "
    "0 for a cell that has none.",
)
F1 = Metric(
    "f1",
    "F1 at IoU 0.5",
    "F1",
    4,
    "higher",
    "The F score of objects, where a true one and a segment match if they overlap (intersection over union) by more "
    "than half.",
)
ACCURACY = Metric(
    "accuracy", "accuracy", "accuracy", 4, "higher", "The share of pixels that are given the class they have."
)
MEAN_IOU = Metric(
    "mean_iou", "mean IoU", "mean IoU", 4, "higher", "The mean IoU of the classes that truth or result hold."
)
IOU = Metric(
    "iou",
    "IoU",
    "IoU",
    4,
    "higher",
    "Intersection over union of a class: of the pixels to which truth or result give it, the share to which both do.",
)
DICE = Metric(
    "dice", "Dice", "Dice", 4, "higher", "The F score of a class's pixels, those of all sections taken together."
)

CHALLENGE_METRICS = (WARPING_ERROR, RAND_ERROR, RAND_ERROR_PAIRS, PIXEL_ERROR, V_RAND, V_INFO)  # ISBI 2012
TABLE_1_METRICS = (WARPING_ERROR, RAND_ERROR, PIXEL_ERROR)  # of the paper's table 1, in its order
CELL_METRICS = (SEG, F1)  # of numbered cells
CLASS_METRICS = (ACCURACY, MEAN_IOU, IOU, DICE)  # of more than two classes; the last two of each class
METRICS = {metric.key: metric for metric in (*CHALLENGE_METRICS, *CELL_METRICS, *CLASS_METRICS)}
