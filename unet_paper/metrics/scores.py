"""What `score` finds: the challenge's metrics of one stack and how they came about, as one value and as JSON."""

from dataclasses import dataclass, field
from typing import Any

from unet_paper.metrics.registry import (
    CHALLENGE_METRICS,
    PIXEL_ERROR,
    RAND_ERROR,
    RAND_ERROR_PAIRS,
    V_INFO,
    V_RAND,
    WARPING_ERROR,
    Metric,
)
from unet_paper.metrics.warping_error import WarpingCounts
from unet_paper.support.errors import BadInput
from unet_paper.support.json_values import count, number, number_or_none

Curve = tuple[float | None, ...]  # a value for each threshold; None where V_info drops it

CURVES = tuple(  # in the order of the records
    metric.curve
    for metric in (PIXEL_ERROR, RAND_ERROR, RAND_ERROR_PAIRS, V_RAND, V_INFO, WARPING_ERROR)
    if metric.curve is not None
)


@dataclass(frozen=True)
class Scores:
    """The metrics of a probability stack against its truth, each at its own best threshold.

    The records of the first runs hold only warping, Rand and pixel error: `is_complete` tells.
    """

    warping_error: float
    rand_error: float
    pixel_error: float
    best_threshold: dict[str, float]  # by key of metric
    sections: int
    rand_error_pairs: float | None = None
    v_rand: float | None = None
    v_info: float | None = None
    # What is long is not printed with the rest.
    thresholds: tuple[float, ...] = field(default=(), repr=False)
    # Over `thresholds`, the warping error over the first ten.
    curves: dict[str, Curve] = field(default_factory=dict, repr=False)
    warping_counts_at_best: WarpingCounts | None = None  # summed over the stack
    warping_counts: tuple[tuple[WarpingCounts, ...], ...] = field(default=(), repr=False)  # [threshold][section]
    ignored_pixels: int = 0
    tta: str | None = None  # the test-time augmentation that the probabilities tell
    labels_sha256: str | None = None
    probability_sha256: str | None = None
    code: dict[str, Any] | None = None  # the version that scored

    @property
    def is_complete(self) -> bool:
        """Whether all the challenge's metrics and their curves are there."""
        return set(CURVES) <= set(self.curves) and self.warping_counts_at_best is not None

    def value(self, metric: Metric) -> float:
        """The value of one metric of `CHALLENGE_METRICS`. Raises BadInput where the record lacks it."""
        value = getattr(self, metric.key)
        if value is None:
            raise BadInput(f"the record holds no {metric.title}; score the run again")
        return value

    def curve(self, metric: Metric) -> Curve:
        """The values of one metric over the thresholds, as an error or as an F score (`Metric.curve_is_error`)."""
        if metric.curve not in self.curves:
            raise BadInput(f"the record holds no curve of the {metric.title}; score the run again")
        return self.curves[metric.curve]

    def to_json(self) -> dict[str, Any]:
        """The content of scores.json, plain values only."""
        content: dict[str, Any] = {
            metric.key: getattr(self, metric.key)
            for metric in CHALLENGE_METRICS
            if getattr(self, metric.key) is not None
        }
        content |= {"best_threshold": dict(self.best_threshold), "sections": self.sections}
        if self.ignored_pixels:
            content["ignored_pixels"] = self.ignored_pixels
        if self.thresholds:
            content["thresholds"] = list(self.thresholds)
        content |= {key: list(self.curves[key]) for key in CURVES if key in self.curves}
        if self.warping_counts_at_best is not None:
            content |= {
                "warping_count_names": list(WarpingCounts._fields),
                "warping_counts_at_best": self.warping_counts_at_best._asdict(),
                "warping_counts": [[list(section) for section in sections] for sections in self.warping_counts],
            }
        for key in ("tta", "labels_sha256", "probability_sha256", "code"):
            if getattr(self, key) is not None:
                content[key] = getattr(self, key)
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Scores":
        """The Scores of a scores.json, the first runs' too. Raises BadInput for other content."""
        try:
            scores = cls._from_json(content)
            scores._check()
            return scores
        except BadInput:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadInput(f"the scores are damaged ({error!r}); give what `score --json` wrote") from None

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> "Scores":
        needed = ("warping_error", "rand_error", "pixel_error", "best_threshold", "sections")
        missing = [key for key in needed if not isinstance(content, dict) or key not in content]
        if missing:
            of_cells = isinstance(content, dict) and "seg" in content
            advice = "score the run with --metrics all" if of_cells else "give what `score --json` wrote"
            raise BadInput(f"the scores lack {', '.join(missing)}; {advice}")
        names = (
            "rand_error_pairs",
            "v_rand",
            "v_info",
            "ignored_pixels",
            "tta",
            "labels_sha256",
            "probability_sha256",
            "code",
        )
        values = {key: content[key] for key in (*needed, *names) if key in content}
        if "warping_counts_at_best" in content:
            values |= {
                "warping_counts_at_best": WarpingCounts(**content["warping_counts_at_best"]),
                "warping_counts": tuple(
                    tuple(WarpingCounts(*section) for section in sections) for sections in content["warping_counts"]
                ),
            }
        return cls(
            **values,
            thresholds=tuple(content.get("thresholds", ())),
            curves={key: tuple(content[key]) for key in CURVES if key in content},
        )

    def _check(self) -> None:
        """Raise KeyError, TypeError or ValueError for values that are none of a record."""
        for metric in CHALLENGE_METRICS:
            number_or_none(getattr(self, metric.key))
            if self.is_complete or metric.key in dict(self.best_threshold):
                number(self.best_threshold[metric.key])
        for metric in (WARPING_ERROR, RAND_ERROR, PIXEL_ERROR):
            number(getattr(self, metric.key))
        for counted in (self.sections, self.ignored_pixels, *(self.warping_counts_at_best or ())):
            count(counted)
        for threshold in self.thresholds:
            number(threshold)
        for name, curve in self.curves.items():
            fits = len(curve) == len(self.thresholds) or name == WARPING_ERROR.curve
            if not curve or not fits or len(curve) > len(self.thresholds):
                raise ValueError(f"{len(curve)} values of {name} for {len(self.thresholds)} thresholds")
            for value in curve:
                number_or_none(value)
