"""The training of a run: from stacks to a folder with weights, weight maps and a complete record."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unet_paper.checkpoint import Checkpoint
from unet_paper.config import Config
from unet_paper.datasets.cell_tracking import SequenceFiles, load_sequences
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.labels import renumbered
from unet_paper.datasets.training_set import TrainingSet, prepare_training_set
from unet_paper.datasets.training_stacks import OwnFiles, Stacks, load
from unet_paper.io.sections import Sections, joined, like, sizes_told, stacked
from unet_paper.io.stack import write_sections
from unet_paper.runs.branching import Branch
from unet_paper.runs.cell_threshold import seg_of_training_frames
from unet_paper.runs.environment import now
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.preview import Preview
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.runs.resuming import checkpoint_to_resume, is_finished
from unet_paper.runs.starting_weights import StartingWeights, require_same_start
from unet_paper.runs.step_memory import require_step_memory
from unet_paper.runs.training_record import (
    compiled_record,
    completed_record,
    effect_of,
    new_record,
    new_session,
    times_of,
)
from unet_paper.schedule import is_complete
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.files import remove_leftovers
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.words import counted
from unet_paper.training import train

# Draws the first section of a run, its labels, its weight map and some deformations before the training begins.
DrawTraining = Callable[[RunFolder, np.ndarray, np.ndarray, np.ndarray, Config], None]


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained, and how."""

    source: Path | OwnFiles | SequenceFiles  # a folder of the challenge's form, the user's own files, or cells
    out: Path  # the run's folder
    config: Config
    fold: Fold | None = None  # held out and scored
    leave_out: tuple[int, ...] = ()  # sections of the training stack, from 0, neither trained on nor scored
    resume: bool = False  # from the folder's checkpoint, if it has one
    device: str = "cpu"
    torch_compile: str = "auto"  # one of COMPILE_CHOICES
    preview_every: int | None = None  # steps between pictures of one section's probability
    start: StartingWeights | None = None  # whose weights it starts from; `config` is of their network
    branch: Branch | None = None  # that it is; `config` is the branch's


def train_run(request: TrainingRequest, draw: DrawTraining | None = None) -> RunRecord:
    """Train a network and write a run's folder, but for what is predicted, scored and reported. Returns its record.

    Raises BadInput for bad data and settings, a folder that holds another run or somebody's files, and a resumed run
    that differs from the one that began. Raises Diverged and Interrupted, see `training.train`; the record says so.
    """
    config = request.config
    config.check()
    require_step_memory(config, request.device)
    stacks = _load(request)
    if config.classes != stacks.classes:
        config = replace(config, classes=stacks.classes)
    run = RunFolder(request.out)
    with exclusive_lock(run.lock, run.path):
        run.require_own_files()  # before the weight maps are made, which takes long
        if request.branch is not None:
            request.branch.begin(run, stacks)
        if request.resume and run.checkpoint.is_file() and run.record.is_file():
            require_same_start(read_record(run.record), request.start)  # whose width and recipe the settings have
        earlier = checkpoint_to_resume(run, config, stacks, request.resume)
        if earlier is not None and is_finished(run, earlier, config, stacks):
            logger.info(f"{run.path} is already trained ({counted(earlier.step, 'step')}); nothing to do")
            return completed_record(run, earlier, stacks, request.device)
        remove_leftovers(run.path)  # not those of a report of a finished run, which may be at work
        if earlier is not None:
            logger.info(f"resuming from step {earlier.step} of {_length(config)}")
            _archive_results(run, earlier, config)
        training_set = prepare_training_set(stacks.volume, stacks.labels, config, request.device, stacks.ignored)
        session = new_session(config, earlier, request.device)
        if earlier is None:
            _archive_previous_run(run)
            record = new_record(run.name, config, stacks, training_set, session)
            if request.start is not None:
                record = replace(record, start=request.start.recorded())
                request.start.announce(config, stacks)
        else:
            record = read_record(run.record)
            sessions = (*record.sessions, session)
            record = replace(record, status="training", config=config, changes=config.changes(), sessions=sessions)
        record.write(run.record)
        _write_stacks(run, stacks, training_set)
        if draw is not None:
            draw(run, stacks.volume[0], stacks.labels[0], training_set.weights[0].cpu().numpy(), config)
        _log_start(record, stacks)
        return _train(run, record, stacks, training_set, earlier, request)


def _load(request: TrainingRequest) -> Stacks:
    if isinstance(request.source, SequenceFiles):
        return load_sequences(request.source)
    return load(request.source, request.fold, request.leave_out)


def _archive_previous_run(run: RunFolder) -> None:
    """Put away what a run left that was in this folder before."""
    archive = run.archive_previous_run()
    if archive is not None:
        logger.info(f"{run.path} held a previous run's results; they are kept in {archive}")


def _archive_results(run: RunFolder, earlier: Checkpoint, config: Config) -> None:
    """Put away what was made with the weights of a training that was finished and is to go on."""
    if is_complete(earlier.step, earlier.seconds, config):
        return
    archive = run.archive_results()
    if archive is not None:
        logger.info(f"what {run.path} held of step {earlier.step} is kept in {archive}")


def _write_stacks(run: RunFolder, stacks: Stacks, training_set: TrainingSet) -> None:
    """The weight maps, and the sections to be scored with their truth."""
    protocol, size = stacks.protocol, stacks.pixel_size
    weights = stacked([section.cpu().numpy() for section in training_set.weights])
    names = protocol.names(protocol.training_sections)
    write_sections(run.weight_maps, weights, names, "weight map w(x), equation 2", size)
    if stacks.evaluation_volume is None or stacks.evaluation_labels is None:
        return
    names = protocol.names(protocol.scored_sections)
    write_sections(run.volume, stacks.evaluation_volume, names, pixel_size=size)
    if stacks.evaluation_ignored is not None:
        write_sections(run.unknown, stacks.evaluation_ignored, names, pixel_size=size)
    labels = _stored(stacks.evaluation_labels, stacks.classes > 2 or protocol.sequences is not None)
    write_sections(run.labels, labels, names, pixel_size=size)


def _stored(labels: Sections, are_numbers: bool) -> Sections:
    """Labels as a file holds them: the numbers of cells or of classes, or 0 and 255 where it has no others. Numbers
    beyond 32 bits become others.
    """
    values = np.unique(joined(labels))
    if not are_numbers and len(values) == 2 and values[0] > 0:
        # two cells and no background: of two values, all that reads them takes the lower one for background
        labels = [separate_touching_cells(section) for section in labels]
        values = np.unique(joined(labels))
    if not are_numbers and len(values) <= 2:
        return stacked([(section > 0).astype(np.uint8) * 255 for section in labels])
    largest = int(values[-1]) + (len(values) == 3)  # of three values, the largest of a type reads as a mask's
    if largest >= 2**32:
        labels, largest = like(renumbered(joined(labels)), labels), len(values)
    kind = np.uint16 if largest < 2**16 else np.uint32
    return stacked([section.astype(kind) for section in labels])


def _log_start(record: RunRecord, stacks: Stacks) -> None:
    gray = record.standardisation.described()
    logger.info(f"gray values: {gray}; kept with the weights, prediction does the same")
    logger.info(
        f"training {record.profile_title} on {record.sessions[-1].hardware.device}: "
        f"{sizes_told(stacks.volume)}, {record.parameters:,} parameters, {_length(record.config)}"
    )


def _length(config: Config) -> str:
    """How long a training is, in words."""
    if config.minutes:
        return f"{config.minutes:g} minute{'s' * (config.minutes != 1)}"
    return counted(config.steps, "step")


def _train(
    run: RunFolder,
    record: RunRecord,
    stacks: Stacks,
    training_set: TrainingSet,
    earlier: Checkpoint | None,
    request: TrainingRequest,
) -> RunRecord:
    """Train to the last step; the record is written whatever the end is."""
    preview = _preview(run, record, stacks, request)
    after_step = preview.after_step if preview else None
    start = None if request.start is None else request.start.trained

    def note_compiled() -> None:
        nonlocal record
        record = compiled_record(record)
        record.write(run.record)

    arguments = record.config, training_set, run.path, stacks.data, earlier, after_step, request.torch_compile
    try:
        final = train(*arguments, start=start, when_compiled=note_compiled)
    except Diverged as error:
        replace(record, status="diverged", diverged=(*record.diverged, error.what)).write(run.record)
        raise
    except BaseException:  # Interrupted, and whatever else ends it early
        with suppress(OSError, BadInput):  # such as a full disk
            replace(record, status="interrupted").write(run.record)
        raise
    times = times_of(final, request.device)
    if preview:
        preview.write(final.step, final.build_network().to(request.device))
    effect = effect_of(final, stacks, request.device)
    record = replace(record, status="finished", config=final.config, up_convolution_effect=effect)
    if record.protocol.sequences is not None:
        seg = seg_of_training_frames(final, stacks, record, request.device)
        record = replace(record, seg_of_training_frames=seg)
    record = record.with_times(finished=now(), **times)
    record.write(run.record)
    return record


def _preview(run: RunFolder, record: RunRecord, stacks: Stacks, request: TrainingRequest) -> Preview | None:
    """What draws a section while the training runs: the first that is scored, or else the first that is trained on."""
    if request.preview_every is None:
        return None
    scored = stacks.evaluation_volume
    section, which = (stacks.volume[0], "trained on") if scored is None else (scored[0], "scored")
    logger.info(f"every {request.preview_every:,} steps {run.previews} gets a picture of the first section {which}")
    return Preview(run, request.preview_every, section, record.standardisation, record.config)
