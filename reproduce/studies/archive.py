"""What is kept of a study's runs: one file for each kind of content instead of a folder for each run.

records.jsonl  a line for each run: its name, its run.json and its metrics files, whole
runs.csv       a row for each run and test-time augmentation: the settings that vary in the study, and the metrics
histories.csv  the rows of every run's history.csv
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unet_paper.config import Config
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.metrics.scores import Scores
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, read_scores
from unet_paper.runs.results import read_history, read_run
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write, write_rows

RECORDS, RUNS, HISTORIES = "records.jsonl", "runs.csv", "histories.csv"
ZEROS = "extrapolation-zeros"  # metrics of the primary augmentation with zeros beyond the image
HISTORY_COLUMNS = ("run", "step", "loss", "tile_error", "learning_rate", "seconds")
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, csv.Error)  # what reading a file raises that was cut off
AnyRun = TypeVar("AnyRun")
NOT_TRAINED_WITH = ("profile", "seed", "tta", "primary", "extrapolation")  # columns of their own, or of prediction


@dataclass(frozen=True)
class StudyRun:
    """One finished run of a study."""

    name: str
    record: RunRecord
    scores: dict[str, Scores]  # by test-time augmentation
    zeros: Scores | None = None  # of the primary augmentation, with zeros beyond the image
    history: list[dict[str, float]] = field(default_factory=list, repr=False)
    group: str = ""  # of the runs that the study's table takes together

    @property
    def primary(self) -> Scores:
        """The metrics of the primary test-time augmentation."""
        return self.scores[self.record.config.primary]


def from_folder(path: str | Path) -> StudyRun:
    """Read a run's folder. Raises BadInput where the run has not finished."""
    folder = RunFolder(Path(path))
    record, scores = read_run(folder)
    of_zeros = folder.path / f"scores-{ZEROS}.json"
    zeros = read_scores(of_zeros) if of_zeros.is_file() else None
    history = read_history(folder.history) if folder.history.is_file() else []
    return StudyRun(folder.path.name, record, scores, zeros, history)


def write(folder: str | Path, runs: Sequence[StudyRun]) -> None:
    """Write the three files of a study's runs, each whole or not at all; last the records, which count."""
    folder = Path(folder)
    varied = _varied([run.record.config for run in runs])
    rows = [row for run in runs for row in _rows(run, varied)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_rows(folder / RUNS, columns, rows)
    histories = [{"run": run.name, **_without_nan(row)} for run in runs for row in run.history]
    write_rows(folder / HISTORIES, HISTORY_COLUMNS, histories)
    with atomic_write(folder / RECORDS) as temporary:
        lines = (json.dumps(_to_json(run), separators=(",", ":")) + "\n" for run in runs)
        temporary.write_text("".join(lines), encoding="utf-8")


def read(folder: str | Path) -> list[StudyRun]:
    """The runs of a study as `write` left them; none where there are none, and none with a history where that is not
    there. Raises BadInput where one of the files is damaged.
    """
    folder = Path(folder)
    histories = _read_histories(folder / HISTORIES) if (folder / HISTORIES).is_file() else {}

    def parsed(values: Any) -> StudyRun:
        scores = {tta: Scores.from_json(of_tta) for tta, of_tta in values["scores"].items()}
        zeros = Scores.from_json(values["zeros"]) if values["zeros"] else None
        record, name = RunRecord.from_json(values["record"]), values["name"]
        return StudyRun(name, record, scores, zeros, histories.get(name, []), values["group"])

    return read_records(folder / RECORDS, parsed)


def read_records(path: Path, parsed: Callable[[Any], AnyRun]) -> list[AnyRun]:
    """The runs of a records.jsonl, none where it is not there. Raises BadInput where one of its lines is damaged.

    parsed : makes a run of a line's values.
    """
    if not path.is_file():
        return []
    runs = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            runs.append(parsed(json.loads(line)))
        except DAMAGED as error:
            said = f"{path}, line {number} is no run as a study keeps it ({_in_words(error)})"
            raise BadInput(f"{said}; put back the file as it was written") from None
    return runs


def _read_histories(path: Path) -> dict[str, list[dict[str, float]]]:
    histories: dict[str, list[dict[str, float]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        try:
            for row in csv.DictReader(file):
                if None in (*row, *row.values()):
                    raise ValueError("a row has more or fewer values than there are columns")
                numbers = {name: float(value or "nan") for name, value in row.items() if name != "run"}
                histories.setdefault(row["run"], []).append(numbers | {"step": int(row["step"])})
        except DAMAGED as error:
            raise BadInput(
                f"{path} is damaged after {sum(map(len, histories.values()))} rows ({_in_words(error)}); put back the "
                "file as it was written"
            ) from None
    return histories


def _in_words(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _to_json(run: StudyRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "group": run.group,
        "record": run.record.to_json(),
        "scores": {tta: scores.to_json() for tta, scores in run.scores.items()},
        "zeros": None if run.zeros is None else run.zeros.to_json(),
    }


def _varied(configs: Sequence[Config]) -> list[str]:
    """The settings in which trainings differ; the seed has a column anyhow."""
    settings = [config.as_dict() for config in configs]
    names = settings[0] if settings else {}
    return [name for name in names if name not in NOT_TRAINED_WITH and len({values[name] for values in settings}) > 1]


def _rows(run: StudyRun, varied: Sequence[str]) -> Iterable[dict[str, Any]]:
    record, last = run.record, run.record.sessions[-1]
    settings = record.config.as_dict()
    effect = record.up_convolution_effect
    scored = [(tta, "mirror", scores) for tta, scores in run.scores.items()]
    if run.zeros is not None:
        scored.append((record.config.primary, "zeros", run.zeros))
    for tta, extrapolation, scores in scored:
        metrics = {metric.key: getattr(scores, metric.key) for metric in CHALLENGE_METRICS}
        thresholds = {f"{metric.key}_threshold": scores.best_threshold.get(metric.key) for metric in CHALLENGE_METRICS}
        yield {
            "run": run.name,
            "group": run.group,
            "seed": record.config.seed,
            "fold": record.protocol.fold,
            "left_out": " ".join(map(str, record.protocol.left_out)),
            "profile": record.profile_title,
            **{name: settings[name] for name in varied},
            "tta": tta,
            "extrapolation": extrapolation,
            **metrics,
            **thresholds,
            "training_seconds": record.times.training_seconds,
            "processor": last.hardware.processor if last.hardware.device == "cpu" else last.hardware.device,
            "threads": last.hardware.threads,
            "precision": last.precision,
            "commit": last.code.commit,
            "sources_sha256": last.code.sources_sha256,
            **{f"{name}_sha256": sha256 for name, sha256 in record.data_sha256.items()},
            "deepest_level_effect": None if effect is None else effect[0],
            "first_level_effect": None if effect is None else effect[-1],
        }


def _without_nan(row: dict[str, float]) -> dict[str, Any]:
    return {name: "" if value != value else value for name, value in row.items()}
