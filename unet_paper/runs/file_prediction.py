"""An image file predicted tile by tile into a TIFF; what was interrupted resumes with the same call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unet_paper.compute.memory import release
from unet_paper.io.image_files import TIFF_SUFFIXES, open_stack
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.resumable_tiff import JOURNAL, PARTIAL, ResumableTiff
from unet_paper.io.stack import require_gray
from unet_paper.overlap_tile import Plan
from unet_paper.prediction import Predictor
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.progress import progress_bar

LOCK = ".lock"


def predict_file(
    predictor: Predictor,
    image: Path | str,
    out: Path | str,
    made_with: Mapping[str, Any],
    channel: int | str | None = None,
    memory: int | None = None,
    largest_tile: int | None = None,
    among_others: bool = False,
) -> tuple[int, ...]:
    """Predict an image file tile by tile into a TIFF. Its tiles' own pixels alone are in memory at a time.

    out : the TIFF of 32-bit floats, (Z, H, W), or (Z, K, H, W) with K > 2 classes; a BigTIFF where it has to be. While
    it is being made it is `out`.partial, and `out`.progress says which tiles are done: the same call resumes.
    made_with : plain values that the result depends on besides the image, such as the hash of the weights; also kept in
    the TIFF. channel : see `image_files.open_stack`. memory, largest_tile : see `predict_stack`. among_others : whether
    it is one of several images: it may be blank then, as a section of a stack may.

    Returns the result's shape. Raises BadInput for an image that cannot be predicted, too small a disk, and a partial
    result that was made with something else.
    """
    image, out = Path(image), Path(out)
    if out.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{out} must be a TIFF, with a name that ends in .tif")
    for ending in ("", PARTIAL, JOURNAL, LOCK):
        made = out.with_name(out.name + ending)
        if made.exists() and image.exists() and made.samefile(image):
            raise BadInput(f"{made} is the image itself, which would be lost; give another name for the result")
    stack = open_stack(image, channel, out.parent if out.parent.is_dir() else None)
    volume = stack.pixels
    predictor.check(volume, str(image))
    note = predictor.lone_value(*require_gray(stack, among_others))
    if note:
        logger.warning(f"note: {image} holds {note}")
    height, width = volume.shape[1:]
    plan = predictor.plan(height, width, memory, largest_tile)
    made_with = _all_made_with(predictor, made_with, stack, channel)
    shape = (len(volume), *volume.shape[1:])
    if predictor.out_channels > 1:
        shape = (len(volume), predictor.out_channels, *volume.shape[1:])
    with (
        exclusive_lock(out.with_name(out.name + LOCK), out),
        ResumableTiff(out, shape, made_with, plan.blocks, stack.pixel_size) as result,
    ):
        _predict_remaining(predictor, volume, result, plan, bool(memory or largest_tile))
    return shape


def _all_made_with(
    predictor: Predictor, made_with: Mapping[str, Any], stack: ImageStack, channel: int | str | None
) -> dict[str, Any]:
    """What a result depends on, as its file tells it: `made_with`, the augmentation, the image's hash, for which all of
    its pixels are read, and its channel.
    """
    return {
        **made_with,
        "tta": predictor.tta,
        "image_content_sha256": stack.content_sha256,
        "channel": channel,
    }


def is_made(
    predictor: Predictor, made_with: Mapping[str, Any], image: Path, out: Path, channel: int | str | None
) -> bool:
    """Whether `out` tells that this very prediction of `image` has made it; not, too, for an `out` that is missing or
    cannot be read. What is None is not compared. Raises BadInput for an image that cannot be read, where `out` can.
    """
    try:
        made = open_stack(out, 0, kind="labels")
    except BadInput:
        return False
    stack, told = open_stack(image, channel), made.made_with
    if made.pixels.shape != stack.pixels.shape:  # which the hash of an image does not tell
        return False
    wanted = _all_made_with(predictor, made_with, stack, channel)
    return all(told.get(name) == str(value) for name, value in wanted.items() if value is not None)


def _predict_remaining(
    predictor: Predictor, volume: np.ndarray, result: ResumableTiff, plan: Plan, tiles_were_chosen: bool
) -> None:
    """Predict all tiles that are not done yet."""
    jobs = result.jobs
    if result.done:
        logger.info(f"resuming: {len(result.done)} of {len(jobs)} tiles are done ({result.path})")
        if tiles_were_chosen and result.blocks != plan.blocks:
            logger.warning("note: the tiles are those that it was begun with; --tile and --memory are for a new one")
    else:
        logger.info(f"tiles: {plan}")
    warning = predictor.warning(volume)
    if warning:
        logger.warning(warning)
    with progress_bar(total=len(jobs), initial=len(result.done), desc=f"predict {predictor.tta}", unit="tile") as bar:
        for job in jobs:
            if job not in result.done:
                result.write(job, predictor.predict_block(volume[job.section], result.blocks[job.block]))
                release(volume)
                bar.update()
    result.finish()
