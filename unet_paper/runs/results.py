"""What a finished run left behind: its record, its metrics and its history."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from unet_paper.metrics.scores import Scores
from unet_paper.runs.cell_scoring import CellScores, read_cell_scores
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.how_made import require_recorded
from unet_paper.runs.record import RunRecord, read_record, read_scores
from unet_paper.support.errors import BadInput


def finished_record(run: RunFolder) -> RunRecord:
    """The record of a finished run. Raises BadInput for another."""
    record = read_record(run.record)
    if record.status == "diverged":
        raise BadInput(f"the training in {run.path} diverged; train in another folder with other settings")
    if record.status != "finished":
        raise BadInput(f"the training in {run.path} has not finished; finish it with: train --resume")
    return record


def read_cell_run(run: RunFolder) -> tuple[RunRecord, dict[str, CellScores]]:
    """The record of a finished run on cells, and its scores by test-time augmentation. Raises BadInput otherwise."""
    record = finished_record(run)
    if record.protocol.sequences is None:
        raise BadInput(f"{run.path} holds no run on sequences of cells")
    files = {tta: run.scores(tta, record.config.primary) for tta in record.config.tta}
    scores = {tta: read_cell_scores(file) for tta, file in files.items() if file.is_file()}
    require_recorded(run, record, {tta: each.tta for tta, each in scores.items()})
    return record, scores


def read_run(run: RunFolder) -> tuple[RunRecord, dict[str, Scores]]:
    """The record of a finished run, and its metrics by test-time augmentation. Raises BadInput otherwise."""
    record = finished_record(run)
    files = {tta: run.scores(tta, record.config.primary) for tta in record.config.tta}
    scores = {tta: read_scores(file) for tta, file in files.items() if file.is_file()}
    require_recorded(run, record, {tta: each.tta for tta, each in scores.items()})
    return record, scores


def read_history(path: str | Path) -> list[dict[str, float]]:
    """The rows of history.csv as numbers; NaN where a row lacks one, as the first runs' lack the tiles' error.

    Raises BadInput for a file that is no history, and where step, loss or learning rate are missing.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if "step" not in (rows.fieldnames or ("step",)):
                raise KeyError("step")
            return [_history_row(row) for row in rows]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(
            f"{path} is no history of a training ({error!r}); restore it, or move it away: results stand without it"
        ) from None


def _history_row(texts: Mapping[str, str]) -> dict[str, float]:
    row = {name: int(text) if name == "step" else float(text or "nan") for name, text in texts.items()}
    for name in ("step", "loss", "learning_rate"):
        if not math.isfinite(row[name]):
            raise ValueError(f"a {name} is {row[name]}")
    return row
