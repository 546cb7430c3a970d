"""The stages of one run on disk: train, predict with each test-time augmentation, score, report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unet_paper import checkpoint as checkpoints
from unet_paper.config import PAPER
from unet_paper.io.hashes import file_sha256
from unet_paper.io.image_folder import is_folder, results_of
from unet_paper.prediction import Predictor, is_made, predict_file
from unet_paper.runs.cell_scoring import score_cells, segmentation_of
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.instances import segment_file
from unet_paper.runs.own_scoring import score_all
from unet_paper.runs.record import RunRecord
from unet_paper.runs.scoring import score_file
from unet_paper.runs.training_run import DrawTraining, TrainingRequest, train_run
from unet_paper.segmentation import CellSegmentation
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
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


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be predicted with which weights, and how."""

    weights: Path  # a run's, or published ones
    image: Path
    out: Path
    tta: str = PAPER.primary
    extrapolation: str | None = None  # as trained, unless given
    float32: bool = False  # even where the weights were trained in bfloat16
    device: str = "cpu"
    channel: int | str | None = None
    memory: int | None = None  # bytes that a tile may take
    largest_tile: int | None = None  # px
    instances: Path | None = None  # where numbered cells go too, and their table
    segmentation: CellSegmentation = CellSegmentation()  # of the cells


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
    """What is left to do with a trained run. Only sections with a truth are predicted, only two classes scored."""
    stages = []
    if run.labels.exists():
        for tta in record.config.tta:
            stages.append(Stage("predict", tta))
            if record.config.classes == 2:
                stages.append(Stage("score", tta))
    return [*stages, Stage("report")]


def carry_out(stage: Stage, run: RunFolder, record: RunRecord, report: Report, device: str = "cpu") -> None:
    """One stage of a trained run."""
    if stage.kind == "report":
        report(run.path)
    elif stage.tta is not None:
        probability = run.probability(stage.tta)
        if stage.kind == "predict":
            wanted = PredictionRequest(run.weights, run.volume, probability, stage.tta, device=device)
            if is_folder(run.volume):
                predict_files(wanted, [run.volume], force=True)
            else:
                predict(wanted)
        elif record.protocol.sequences is not None:
            out = run.scores(stage.tta, record.config.primary)
            score_cells(run.labels, probability, segmentation_of(record), run.unknown, out, run.segments(stage.tta))
        elif record.dataset == "own":
            unknown = run.unknown if run.unknown.exists() else None
            score_all(run.labels, probability, run.scores(stage.tta, record.config.primary), unknown=unknown)
        else:
            score_file(run.labels, probability, run.scores(stage.tta, record.config.primary))


def make_predictor(request: PredictionRequest) -> tuple[Predictor, dict[str, str]]:
    """The predictor that is asked for, and what its results depend on besides the image."""
    loaded = checkpoints.load(request.weights)
    if request.instances is not None and loaded.config.classes > 2:
        raise BadInput(
            f"{request.weights} knows {loaded.config.classes} classes, and cells are numbered of two; predict without "
            "--instances"
        )
    network = loaded.build_network().to(request.device)
    extrapolation = request.extrapolation or loaded.config.extrapolation
    bfloat16 = loaded.config.bfloat16 and not request.float32
    predictor = Predictor(network, loaded.standardisation, request.tta, bfloat16, extrapolation)
    precision = "bfloat16" if predictor.bfloat16 else "float32"
    return predictor, {
        "weights": file_sha256(request.weights),
        "precision": precision,
        "extrapolation": extrapolation,
    }


def predict(request: PredictionRequest) -> None:
    """Predict an image file with a trained network into a TIFF, and number its cells where that is asked for."""
    predictor, made_with = make_predictor(request)
    logger.info(f"predicting in {made_with['precision']} on {request.device}")
    _predict_one(predictor, request, made_with)


def predict_files(request: PredictionRequest, images: Sequence[Path], force: bool = False) -> None:
    """Predict files and those of folders, each into a TIFF of the same name in the folder `request.out`, and their
    cells into `request.instances`.

    Results that the same prediction has made are left as they are, so that the same call resumes. Raises BadInput,
    before any work, for other files in their place, unless `force` replaces them.
    """
    predictor, made_with = make_predictor(request)
    remaining = []
    for image, out in results_of(images, request.out):
        if not out.exists() or not is_made(predictor, made_with, image, out, request.channel):
            if out.exists() and not force:
                raise BadInput(f"{out} is there already; give another folder, or --force to replace it")
            remaining.append((image, out))
    logger.info(f"predicting {len(remaining)} images in {made_with['precision']} on {request.device}")
    for image, out in remaining:
        cells = None if request.instances is None else request.instances / out.name
        _predict_one(predictor, replace(request, image=image, out=out, instances=cells), made_with)


def _predict_one(predictor: Predictor, request: PredictionRequest, made_with: dict[str, str]) -> None:
    shape = predict_file(
        predictor, request.image, request.out, made_with, request.channel, request.memory, request.largest_tile
    )
    meaning = "0 to 1, of cell" if predictor.out_channels == 1 else f"probabilities of {predictor.out_channels} classes"
    logger.info(f"wrote {shape[0]} sections ({meaning}) to {request.out}")
    if request.instances is not None:
        segment_file(request.out, request.instances, request.segmentation)
