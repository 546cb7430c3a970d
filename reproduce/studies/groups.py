"""The runs of a study in groups: those that differ in the fold or the seed alone are one row of its table."""

from collections.abc import Mapping, Sequence

from reproduce.studies.archive import StudyRun
from reproduce.studies.definitions import Run
from unet_paper.metrics.registry import CHALLENGE_METRICS, PIXEL_ERROR
from unet_paper.metrics.scores import Scores
from unet_paper.runs.diagnostics import are_inactive

Values = dict[str, dict[str, list[float]]]  # by test-time augmentation and key of metric, of each run


def zeros_title(group: str) -> str:
    """What the table calls a group's predictions with zeros beyond the image."""
    return f"{group}, zeros beyond the image"


def collect(runs: Sequence[Run], finished: Mapping[str, StudyRun], inactive: bool = False) -> dict[str, Values]:
    """{group: Values} of a study's runs, in their order: of those whose deep levels reach the output or, with
    `inactive`, of the others.
    """
    groups: dict[str, Values] = {}
    for run in _taken(runs, finished, inactive):
        of_run = finished[run.name]
        titles = [run.group, *([run.subgroup] if run.subgroup else [])]
        for title in titles:
            for tta, scores in of_run.scores.items():
                _add(groups, title, tta, scores)
        if run.zeros_too and of_run.zeros is not None:
            _add(groups, zeros_title(run.group), of_run.record.config.primary, of_run.zeros)
    return groups


def seeds_of(runs: Sequence[Run], finished: Mapping[str, StudyRun]) -> dict[str, list[int]]:
    """{group: the seed of each of its runs}, of the runs that `collect` takes and in its order."""
    groups: dict[str, list[int]] = {}
    for run in _taken(runs, finished, inactive=False):
        groups.setdefault(run.group, []).append(finished[run.name].record.config.seed)
    return groups


def _taken(runs: Sequence[Run], finished: Mapping[str, StudyRun], inactive: bool) -> list[Run]:
    return [run for run in runs if are_inactive(finished[run.name].record) == inactive]


def _add(groups: dict[str, Values], title: str, tta: str, scores: Scores) -> None:
    empty: dict[str, list[float]] = {metric.key: [] for metric in CHALLENGE_METRICS}
    kept = groups.setdefault(title, {}).setdefault(tta, empty)
    for metric in CHALLENGE_METRICS:
        kept[metric.key].append(scores.value(metric))


def count(values: Values) -> int:
    """How many runs a row has."""
    return len(next(iter(values.values()))[PIXEL_ERROR.key])
