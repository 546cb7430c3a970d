"""The stages of one run on disk: train, predict with each test-time augmentation, score, report."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unet_paper.io.image_folder import is_folder
from unet_paper.runs.cell_scoring import score_cells
from unet_paper.runs.cell_segmentation import segmentation_of
from unet_paper.runs.class_scoring import score_class_files
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import score_all
from unet_paper.runs.predicting import PredictionRequest, predict, predict_files
from unet_paper.runs.record import RunRecord
from unet_paper.runs.scoring import score_file
from unet_paper.runs.training_run import DrawTraining, TrainingRequest, train_run
from unet_paper.support.stopwatch import Stopwatch

Report = Callable[[Path], object]  # writes the report of the run in a folder


@dataclass(frozen=True)
class Stage:
    """One of the stages of a run."""

    kind: Literal["train", "predict", "score", "report"]
    tta: str | None = None  # of predict and score

    def __str__(self) -> str:
        return self.kind if self.tta is None else f"{self.kind} {self.tta}"


Announce = Callable[[Stage], None]


def run_pipeline(
    request: TrainingRequest,
    report: Report,
    draw: DrawTraining | None = None,
    announce: Announce = lambda stage: None,
) -> RunRecord:
    """All stages of a run. Returns its record.

    report, draw : what the layer above draws and writes. announce : called before each stage.
    The times of the stages are recorded, unless the training had been begun before. Raises what the stages raise.
    """
    stopwatch = Stopwatch()
    run = RunFolder(request.out)
    with stopwatch.part("all"):
        with _stage(Stage("train"), stopwatch, announce):
            record = train_run(request, draw)
        for stage in stages_after_training(run, record):
            with _stage(stage, stopwatch, announce):
                carry_out(stage, run, record, report, request.device)
    seconds = {name: round(spent, 1) for name, spent in stopwatch.seconds.items()}
    if seconds["train"] >= (record.times.training_seconds or 0.0):
        record = record.with_times(pipeline_seconds=seconds)
        record.write(run.record)
    return record


@contextmanager
def _stage(stage: Stage, stopwatch: Stopwatch, announce: Announce) -> Iterator[None]:
    announce(stage)
    with stopwatch.part(str(stage)):
        yield


def stages_after_training(run: RunFolder, record: RunRecord) -> list[Stage]:
    """What is left to do with a trained run. Only sections with a truth are predicted and scored."""
    stages = []
    if run.labels.exists():
        for tta in record.config.tta:
            stages += [Stage("predict", tta), Stage("score", tta)]
    return [*stages, Stage("report")]


def carry_out(stage: Stage, run: RunFolder, record: RunRecord, report: Report, device: str = "cpu") -> None:
    """One stage of a trained run."""
    if stage.kind == "report":
        report(run.path)
    elif stage.tta is not None:
        probability = run.probability(stage.tta)
        if stage.kind == "predict":
            request = PredictionRequest(run.weights, run.volume, probability, stage.tta, device=device, registered=True)
            if is_folder(run.volume):
                predict_files(request, [run.volume], force=True)
            else:
                predict(request, force=True)
        elif record.protocol.sequences is not None:
            out = run.scores(stage.tta, record.config.primary)
            score_cells(run.labels, probability, segmentation_of(record), run.unknown, out, run.segments(stage.tta))
        elif record.dataset == "own":
            unknown = run.unknown if run.unknown.exists() else None
            score_own = score_class_files if record.config.classes > 2 else score_all
            score_own(run.labels, probability, run.scores(stage.tta, record.config.primary), unknown=unknown)
        else:
            score_file(run.labels, probability, run.scores(stage.tta, record.config.primary))
