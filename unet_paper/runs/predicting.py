"""From image files to probability files with a trained network, and to numbered cells where these are asked for."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unet_paper import checkpoint as checkpoints
from unet_paper.config import PAPER
from unet_paper.io.hashes import file_sha256
from unet_paper.io.image_files import open_stack
from unet_paper.io.image_folder import results_of
from unet_paper.prediction import Predictor
from unet_paper.runs.file_prediction import is_made, predict_file
from unet_paper.runs.how_made import REGISTRATION, registration_as_told
from unet_paper.runs.instances import is_numbered, is_table, segment_file, table_of
from unet_paper.segmentation import CellSegmentation
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.words import counted


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be predicted with which weights, and how."""

    weights: Path  # a run's, or published ones
    image: Path
    out: Path
    tta: str | None = None  # that the training was set up for, unless given
    extrapolation: str | None = None  # as trained, unless given
    float32: bool = False  # even where the weights were trained in bfloat16
    registered: bool = False  # the map lies where the labels that were trained on lay, and not on the image
    device: str = "cpu"
    channel: int | str | None = None
    memory: int | None = None  # bytes that a tile may take
    largest_tile: int | None = None  # px
    instances: Path | None = None  # where numbered cells go too, and their table
    segmentation: CellSegmentation = CellSegmentation()  # of the cells


def predict(request: PredictionRequest, force: bool = False, anew: bool = False) -> None:
    """Predict an image file into the TIFF `request.out`, and number its cells where that is asked for.

    Probabilities that the same prediction has made are left as they are unless `anew`, and only numbered, so that the
    same call resumes. Raises BadInput for other files in their place, unless `force` replaces them, for weights or an
    image that do not fit, and what `predict_file` raises.
    """
    predictor, made_with = make_predictor(request)
    is_image = request.out.exists() and request.image.exists() and request.out.samefile(request.image)
    if os.path.lexists(request.out) and not is_image and not anew:  # the image itself is refused in any case
        if _is_done(predictor, made_with, request):
            logger.info(f"{request.out} is already predicted")
            _number(request, force)
            return
        if not force:
            raise BadInput(f"{request.out} is there already; give another name, or --force to replace it")
    logger.info(f"predicting in {made_with['precision']} on {request.device}")
    _predict_image(predictor, made_with, request, force)


def predict_files(request: PredictionRequest, images: Sequence[Path], force: bool = False) -> None:
    """Predict files and those of folders, each into a TIFF of the same name in the folder `request.out`, and their
    cells into the folder `request.instances`; `request.image` is not used.

    Results that the same prediction has made are left as they are, so that the same call resumes. Raises BadInput,
    before any work, for other files in their place, unless `force` replaces them, for cells in the place of an image or
    of a result, and for an image that cannot be read or is of another type than those trained on.
    """
    predictor, made_with = make_predictor(request)
    of_images = [_of_image(request, image, out) for image, out in results_of(images, request.out)]
    _require_places_for_cells(of_images)
    remaining: list[PredictionRequest] = []
    unnumbered: list[PredictionRequest] = []
    without_table: list[PredictionRequest] = []
    for each in of_images:
        if not _is_done(predictor, made_with, each):
            remaining.append(each)
        elif not _is_numbered(each):
            unnumbered.append(each)
        elif _lacks_table(each):
            without_table.append(each)
    cells = [each.instances for each in (*remaining, *unnumbered) if each.instances is not None]
    tables = [table_of(each.instances) for each in remaining if each.instances is not None]
    # a table without its cells is what an interruption leaves
    tables += [path for path in map(table_of, cells) if path.is_file() and not is_table(path)]
    taken = next((path for path in (*(each.out for each in remaining), *cells, *tables) if os.path.lexists(path)), None)
    if taken is not None and not force:
        raise BadInput(f"{taken} is there already; give another folder, or --force to replace it")
    for each in remaining:  # all of them before the first, which may take hours
        predictor.check(open_stack(each.image, each.channel).pixels, str(each.image))
    kept = len(of_images) - len(remaining)
    if kept:
        maps, be = ("1 map", "is") if kept == 1 else (f"{kept:,} maps", "are")
        logger.info(f"{maps} of these images {be} there already, made by these weights and settings, and {be} kept")
    if remaining:
        logger.info(f"predicting {counted(len(remaining), 'image')} in {made_with['precision']} on {request.device}")
    for each in remaining:
        _predict_image(predictor, made_with, each, force, among_others=len(of_images) > 1)
    for each in (*unnumbered, *without_table):
        _number(each, force)


def make_predictor(request: PredictionRequest) -> tuple[Predictor, dict[str, str]]:
    """The predictor that is asked for, and what its results depend on besides the image and the augmentation."""
    trained = checkpoints.load(request.weights)
    if request.instances is not None and trained.config.classes > 2:
        raise BadInput(
            f"{request.weights} knows {trained.config.classes} classes, and cells are numbered of two; predict without "
            "--instances"
        )
    registration = trained.config.registration if request.registered else PAPER.registration
    if request.registered and not any(registration):
        logger.info("note: these weights were trained with labels as they lay; --registered changes nothing")
    predictor = Predictor(
        trained.build_network().to(request.device),
        trained.standardisation,
        request.tta or trained.config.primary,
        bfloat16=trained.config.bfloat16 and not request.float32,
        extrapolation=request.extrapolation or trained.config.extrapolation,
        registration=registration,
    )
    made_with = {
        "weights": file_sha256(request.weights),
        "precision": "bfloat16" if predictor.bfloat16 else "float32",
        "extrapolation": predictor.extrapolation,
    }
    if any(trained.config.registration):
        made_with[REGISTRATION] = registration_as_told(registration)
    return predictor, made_with


def _of_image(request: PredictionRequest, image: Path, out: Path) -> PredictionRequest:
    """The request for one of several images."""
    cells = None if request.instances is None else request.instances / out.name
    return replace(request, image=image, out=out, instances=cells)


def _require_places_for_cells(of_images: Sequence[PredictionRequest]) -> None:
    """Raise BadInput where cells would replace an image or probabilities."""
    kept = {os.path.realpath(path) for each in of_images for path in (each.image, each.out)}
    of_cells = [each.instances for each in of_images if each.instances is not None]
    lost = next((path for path in of_cells if os.path.realpath(path) in kept), None)
    if lost is not None:
        raise BadInput(f"{lost} is named twice, and would be lost; give another folder for the cells")


def _is_done(predictor: Predictor, made_with: Mapping[str, str], request: PredictionRequest) -> bool:
    return request.out.exists() and is_made(predictor, made_with, request.image, request.out, request.channel)


def _predict_image(
    predictor: Predictor,
    made_with: Mapping[str, str],
    request: PredictionRequest,
    force: bool,
    among_others: bool = False,
) -> None:
    """The probabilities of one image, and its cells."""
    how = request.channel, request.memory, request.largest_tile, among_others
    shape = predict_file(predictor, request.image, request.out, made_with, *how)
    classes = predictor.out_channels
    meaning = "probability of cell, 0 to 1" if classes == 1 else f"probabilities of {classes} classes"
    logger.info(f"wrote {counted(shape[0], 'section')} ({meaning}) to {request.out}")
    _number(request, force)


def _number(request: PredictionRequest, force: bool) -> None:
    """The cells of one image's probabilities, where they are asked for."""
    if request.instances is not None:
        segment_file(request.out, request.instances, request.segmentation, force)


def _is_numbered(request: PredictionRequest) -> bool:
    return request.instances is None or is_numbered(request.out, request.instances, request.segmentation)


def _lacks_table(request: PredictionRequest) -> bool:
    return request.instances is not None and not table_of(request.instances).exists()
