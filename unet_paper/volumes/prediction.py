"""Prediction of volumes of any size into an OME-Zarr, block by block, by as many processes as there are."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unet_paper.io.folder_stack import open_volume
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.ome_zarr import SUFFIX, WRITTEN_VERSIONS, ZarrStack, is_zarr, open_zarr
from unet_paper.io.source_files import files_sha256
from unet_paper.io.stack import require_no_nodata
from unet_paper.prediction import BYTES_PER_PIXEL_AND_CHANNEL, MOST_PIXELS, Predictor
from unet_paper.runs.predicting import PredictionRequest, make_predictor
from unet_paper.support.errors import BadInput
from unet_paper.support.extras import require_extra
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.parts import Part
from unet_paper.support.progress import progress_bar
from unet_paper.volumes.block_log import BlockLog
from unet_paper.volumes.blocks import Grid
from unet_paper.volumes.engines import cluster, in_this_process, on_cluster
from unet_paper.volumes.job import IMAGE_FILES, Job, WorkFolder, difference
from unet_paper.volumes.result import Layout, Result, made_with_of
from unet_paper.volumes.work import Outcome

TILE_MEMORY = 2**30  # bytes that a tile may take: the same on every machine, so that all cut alike
SAMPLES, SAMPLE = 8, 32  # squares of so many px, by which a volume is known besides its files
NAMED = 20  # failed blocks that a message names


@dataclass(frozen=True)
class Distribution:
    """Who does the work: one process unless one of these is given."""

    workers: int | None = None  # processes on this machine
    scheduler: str | None = None  # address of a cluster's
    part: Part | None = None  # of the blocks, done by this process alone


def predict_volume(
    request: PredictionRequest,
    distribution: Distribution = Distribution(),
    version: str | None = None,
    force: bool = False,
) -> None:
    """Predict an image file or an OME-Zarr into an OME-Zarr, `request.out`. The same call resumes.

    Parameters
    ----------
    request : PredictionRequest
    distribution : Distribution
    version : "0.4", "0.5" or None
        Of OME-Zarr; the image's own unless given, else 0.5.
    force : bool
        Replace a zarr that has the name already.

    Raises
    ------
    BadInput
        For an image that cannot be predicted, a result that is there already or was begun with something else or in
        another version, and where blocks failed: all others are done then.
    """
    require_extra("ome_zarr", f"writing {request.out}")
    request = replace(
        request, weights=request.weights.resolve(), image=request.image.resolve(), out=request.out.resolve()
    )
    out, part = request.out, distribution.part
    _require_name(request)
    predictor, made_with = make_predictor(request)
    request = replace(request, tta=predictor.tta)
    stack = open_volume(request.image, request.channel, out.parent if out.parent.is_dir() else None)
    predictor.check(stack.pixels)
    _tell_of_missing_chunks(stack)
    seen = _samples(stack)
    of_image = {"image_sample_sha256": _sha256(stack, seen), IMAGE_FILES: files_sha256(stack)}
    job = Job(
        layout_of(predictor, stack, request, version or _version_of(request.image)),
        made_with | {"tta": predictor.tta, "channel": request.channel} | of_image,
    )
    folder = WorkFolder(out)
    if out.exists():
        folder.clear()
    earlier = made_with_of(out) if out.exists() else None
    made = _version_of(out) if earlier is not None and not difference(earlier, job.made_with) else None
    if made is not None and version in (None, made) and (part is not None or not force):
        anew = "; nothing to do" if part is not None else "; --force predicts it anew"
        logger.info(f"{out} is already predicted{anew}")
        return
    if out.exists() and not force:
        differing = "" if earlier is None or made else f" ({difference(earlier, job.made_with)})"
        as_version = f" as OME-Zarr {made}" if made else ""
        raise BadInput(f"{out} is there already{as_version}{differing}; give another name, or --force to replace it")
    warning = predictor.warning(np.hstack(seen)[None])
    if warning:
        logger.warning(warning)
    named = "" if part is None else f".part-{part.number}-of-{part.count}"
    with exclusive_lock(out.with_name(f"{out.name}{named}.lock"), f"{out}{named}"):
        begun = folder.begin(job)
        if version not in (None, begun.layout.version):
            raise BadInput(
                f"{folder.path} was begun as OME-Zarr {begun.layout.version}, not {version}; go on with the first, "
                "delete the folder, or give another name"
            )
        _warn_of_room(begun.layout, folder)
        with BlockLog(out.with_name(f"{out.name}{named}.log")) as log:
            _do_blocks(request, distribution, folder, begun.layout, log)
        _finish(folder, begun.layout, part)


def _require_name(request: PredictionRequest) -> None:
    out, image = request.out, request.image
    if out.suffix.lower() != SUFFIX:
        raise BadInput(f"{out} must have a name that ends in {SUFFIX}")
    if out in image.parents or (out.exists() and image.exists() and out.samefile(image)):
        raise BadInput(f"{out} is or holds the image itself, which would be lost; give another name for the result")
    if image in out.parents:
        raise BadInput(f"{out} lies within the image {image}, and would be taken for a part of it; give another place")
    if out.exists() and not is_zarr(out):
        raise BadInput(f"{out} is there already and is no zarr; give another name")


def _version_of(image: Path) -> str:
    """The version that the result gets: the image's, where it is one that is written."""
    version = open_zarr(image, 0).version if is_zarr(image) else WRITTEN_VERSIONS[-1]
    return version if version in WRITTEN_VERSIONS else WRITTEN_VERSIONS[-1]


def tile_memory(base_channels: int) -> int:
    """Bytes that a tile may take unless the request says otherwise: no more than is fast on a CPU."""
    return min(TILE_MEMORY, MOST_PIXELS["cpu"] * BYTES_PER_PIXEL_AND_CHANNEL * base_channels)


def layout_of(predictor: Predictor, stack: ImageStack, request: PredictionRequest, version: str) -> Layout:
    """Blocks are those that cost least within the memory of a tile, which does not depend on what is free here."""
    depth, height, width = stack.pixels.shape
    memory = tile_memory(predictor.network.classifier.in_channels) if request.memory is None else request.memory
    plan = predictor.plan(height, width, memory, request.largest_tile)
    grid = Grid.of_plan(depth, height, width, plan, getattr(stack.pixels, "chunk_depth", 1), predictor.out_channels)
    return Layout(grid, predictor.out_channels, version, *_measured(stack), stack.origin)


def _measured(stack: ImageStack) -> tuple[tuple[float, float, float], tuple[str, str, str]]:
    """(scale, units) of the result: an OME-Zarr's own, also where they are no lengths; else nanometres."""
    pixels: object = stack.pixels
    if isinstance(pixels, ZarrStack):
        return pixels.scale, pixels.units
    size = stack.pixel_size
    if size is None:
        return (1.0, 1.0, 1.0), ("", "", "")
    return (size.z or 1.0, size.y, size.x), ("nanometer" if size.z else "", "nanometer", "nanometer")


def _tell_of_missing_chunks(stack: ImageStack) -> None:
    """An OME-Zarr may leave out chunks of one value, and a copy that was cut off lacks some: nobody can tell which.

    Raises BadInput where there is none.
    """
    pixels: object = stack.pixels
    if not isinstance(pixels, ZarrStack):
        return
    missing, count = pixels.missing_chunks()
    if missing == count:
        raise BadInput(f"{stack.source} has none of its {count:,} chunks; get them too, or give another zarr")
    if missing:
        logger.warning(
            f"note: {stack.source} has {count - missing:,} of its {count:,} chunks; the others are read as "
            f"{pixels.missing_value:g}. If that is a surprise, it was not copied to its end"
        )


def _samples(stack: ImageStack) -> list[np.ndarray]:
    """Squares spread over a volume, (h, w) each; all pixels cannot be read before the work begins.

    Raises BadInput where one holds what is no number, or stands for none.
    """
    depth, height, width = stack.pixels.shape
    samples = []
    for index in range(SAMPLES):
        z = (depth - 1) * index // max(SAMPLES - 1, 1)
        top = int((height - min(SAMPLE, height)) * (index * 0.618 % 1))
        left = int((width - min(SAMPLE, width)) * (index * 0.755 % 1))
        samples.append(np.asarray(stack.pixels[z][top : top + SAMPLE, left : left + SAMPLE]))
        if samples[-1].dtype.kind == "f" and not np.isfinite(samples[-1]).all():
            raise BadInput(f"{stack.source} holds values that are not finite in section {z}; give numbers only")
        require_no_nodata(stack, samples[-1], f"section {z}")
    return samples


def _sha256(stack: ImageStack, seen: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256(f"{stack.pixels.shape} {stack.pixels.dtype.name}".encode())
    for sample in seen:
        digest.update(np.ascontiguousarray(sample, sample.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _warn_of_room(layout: Layout, folder: WorkFolder) -> None:
    size = 4 * sum(int(np.prod(layout.shape(level), dtype=np.int64)) for level in range(layout.levels))
    free = shutil.disk_usage(folder.path).free
    if size > free:
        logger.warning(
            f"note: the result has {size:,} bytes, less what compression saves, and its disk has {free:,} left; if it "
            "fills up, make room, and the same command resumes"
        )


def _do_blocks(
    request: PredictionRequest, distribution: Distribution, folder: WorkFolder, layout: Layout, log: BlockLog
) -> None:
    """Do all blocks that are not done yet. Raises BadInput, naming those that failed, when the others are done."""
    part, grid = distribution.part, layout.grid
    numbers = range(len(grid)) if part is None else part.of(range(len(grid)))
    done = folder.done()
    remaining = [number for number in numbers if number not in done]
    of_part = "" if part is None else f", of which part {part} has {len(numbers):,}"
    logger.info(
        f"{len(grid):,} blocks of up to {' x '.join(map(str, grid.shard))} px{of_part}; {log.path} gets a line for each"
    )
    if len(remaining) < len(numbers):
        logger.info(f"resuming: {len(numbers) - len(remaining):,} of {len(numbers):,} are done ({folder.path})")
    failed: list[Outcome] = []
    with (
        _outcomes(request, distribution, remaining) as outcomes,
        progress_bar(
            total=len(numbers), initial=len(numbers) - len(remaining), desc=f"predict {request.tta}", unit="block"
        ) as bar,
    ):
        for outcome in outcomes:
            log.add(grid[outcome.number], outcome)
            if outcome.error is None:
                bar.update()
                continue
            logger.warning(f"note: {grid[outcome.number]} failed: {outcome.error}")
            failed.append(outcome)
            if outcome.is_fatal:
                raise BadInput(
                    f"{folder.path} cannot be written: {outcome.error}; make room, and the same command resumes"
                )
    if failed:
        named = ", ".join(str(outcome.number) for outcome in failed[:NAMED]) + ", ..." * (len(failed) > NAMED)
        raise BadInput(
            f"{len(failed)} of {len(numbers)} blocks failed ({named}), and all others are done; the same command tries "
            f"these again. {grid[failed[0].number]}: {failed[0].error}"
        )


@contextmanager
def _outcomes(
    request: PredictionRequest, distribution: Distribution, numbers: Sequence[int]
) -> Iterator[Iterator[Outcome]]:
    if not numbers or (distribution.workers is None and distribution.scheduler is None):
        yield in_this_process(request, numbers)
        return
    with cluster(distribution.workers, distribution.scheduler) as client:
        yield on_cluster(client, request, numbers)


def _finish(folder: WorkFolder, layout: Layout, part: Part | None) -> None:
    """When all blocks are done, make the rest of the pyramid and give the result its name."""
    missing = len(layout.grid) - len(folder.done())
    if not folder.plan.is_file():  # nor marks any more
        logger.info(f"{folder.out} is complete: another process has ended it")
        return
    if missing and part is None:
        raise BadInput(
            f"{missing:,} blocks are reported as done and have no mark in {folder.marks}; all workers must share "
            f"{folder.path}, and the same command does them again"
        )
    if missing:
        logger.info(f"part {part} is done; the last part to end completes {folder.out}")
        return
    with ExitStack() as held:
        if part is not None:
            try:
                held.enter_context(exclusive_lock(folder.out.with_name(f"{folder.out.name}.finish.lock"), folder.out))
            except BadInput:
                return  # another part is completing it
        if folder.plan.is_file():
            Result(folder.result, layout).make_upper_levels()
            folder.finish()
            logger.info(f"wrote {' x '.join(map(str, layout.shape(0)))} px ({''.join(layout.axes)}) to {folder.out}")
