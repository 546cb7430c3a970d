"""One training run: from a folder of stacks to a folder with weights, weight maps and a complete record."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.compute.memory import require_memory
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.compute.torch_compile import should_compile
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.datasets.training_stacks import load
from unet_paper.io.stack import write_stack
from unet_paper.runs.diagnostics import inactivity_warning, up_convolution_effect
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, Session, read_record
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.files import remove_leftovers
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.signals import Interrupted
from unet_paper.training import train

# Of a training step in bfloat16, measured with both profiles.
TRAINING_BYTES_PER_PIXEL_AND_CHANNEL = 60
BYTES_PER_PARAMETER = 24


def run_training(
    source,
    out,
    config,
    fold=None,
    resume=False,
    device="cpu",
    compilation="auto",
    leave_out=(),
    draw=None,
):
    """Train on a data folder or files of the user's own, and write a run's folder.

    Parameters
    ----------
    source, out : path, or OwnFiles, and a path
        See `training_data.load`; `out` gets run.json, history.csv, checkpoint.pt, weights.pt, weight-maps.tif, the
        stacks to be scored as evaluation-*.tif, and pictures of the weight map and the deformations.
    config : Config
    fold : protocol.Fold or None
    resume : bool
        Go on from `out`'s checkpoint, if there is one.
    device : str
    compilation : "auto", "on" or "off"
        See `compilation.py`.
    leave_out : sequence of int
        Sections of the stack, counted from 0, that are not trained on.
    draw : callable or None
        Gets the RunFolder, the first section, its weight map and the Config, before the training begins.

    Raises
    ------
    BadInput for bad data, a folder that holds another run's checkpoint, and a resumed run that differs from the first.
    Diverged and Interrupted, see `training.train`.
    """
    config.check()
    what = f"training on tiles of {config.tile_size} px"
    require_memory(training_memory(config, device), what, "take a smaller tile_size or width", device)
    stacks = load(source, fold, leave_out)
    if config.classes != stacks.classes:
        config = replace(config, classes=stacks.classes)
    run = RunFolder(Path(out))
    with exclusive_lock(run.lock, run.path):
        remove_leftovers(run.path)
        _run_training(run, stacks, config, resume, device, compilation, draw)


def _run_training(run, stacks, config, resume, device, compilation, draw):
    earlier = _earlier_checkpoint(run, config, stacks, resume)
    if earlier is not None and earlier.step == config.steps and run.weights.is_file() and _is_finished(run):
        logger.info(f"{run.path} is already trained ({config.steps} steps); nothing to do")
        record = read_record(run.record)
        if record.up_convolution_effect is None:  # an older version trained it
            replace(record, up_convolution_effect=_deep_levels(earlier, stacks, device)).write(run.record)
        return
    if earlier is not None:
        logger.info(f"resuming from step {earlier.step} of {config.steps}")
    training_set = prepare_training_set(stacks.volume, stacks.labels, config, device)
    session = Session(
        step=earlier.step if earlier else 0,
        code=code_version(),
        hardware=hardware(device),
        precision="bfloat16" if config.bfloat16 and computes_in_bfloat16(device) else "float32",
        compiled=should_compile(compilation, device, config.steps - (earlier.step if earlier else 0)),
        time=now(),
    )
    if earlier is None:
        archive = run.archive_previous_run()
        if archive is not None:
            logger.info(f"{run.path} held a previous run's results; they are kept in {archive}")
        record = RunRecord(
            name=run.path.name,
            status="training",
            dataset=stacks.dataset,
            protocol=stacks.protocol,
            config=config,
            changes=config.changes(),
            parameters=count_parameters(config),
            standardisation=training_set.standardisation,
            class_weights=tuple(training_set.class_weights),
            data_sha256=stacks.data,
            pixel_size=stacks.pixel_size,
            sessions=(session,),
        )
    else:
        record = read_record(run.record)
        record = replace(record, status="training", sessions=(*record.sessions, session))
    record.write(run.record)
    write_stack(run.weight_maps, training_set.weights.cpu().numpy(), "weight map w(x), equation 2", stacks.pixel_size)
    if stacks.evaluation_volume is not None:
        write_stack(run.volume, stacks.evaluation_volume, pixel_size=stacks.pixel_size)
        binary = (stacks.evaluation_labels > 0).astype(np.uint8) * 255
        shown = binary if stacks.classes == 2 else stacks.evaluation_labels.astype(np.uint16)
        write_stack(run.labels, shown, pixel_size=stacks.pixel_size)
    if draw is not None:
        draw(run, stacks.volume[0], training_set.weights[0].cpu().numpy(), config)

    logger.info(
        f"gray values: {training_set.standardisation.described()}; kept with the weights, prediction does the same"
    )
    logger.info(
        f"training {record.profile_title} on {session.hardware.device}: {len(stacks.volume)} sections, "
        f"{record.parameters:,} parameters, {config.steps:,} steps"
    )
    try:
        final = train(config, training_set, run.path, stacks.data, earlier, compilation=compilation)
    except Diverged as error:
        replace(record, status="diverged", diverged=(*record.diverged, error.what)).write(run.record)
        raise
    except Interrupted:
        replace(record, status="interrupted").write(run.record)
        raise
    record = replace(record, status="finished", up_convolution_effect=_deep_levels(final, stacks, device))
    parts = {name: round(spent, 1) for name, spent in final.parts.items()}
    record.with_times(finished=now(), training_seconds=round(final.seconds, 1), training_parts_seconds=parts).write(
        run.record
    )


def _deep_levels(trained, stacks, device):
    """The effect of a Checkpoint's up-convolutions, for the record; says so if its deep levels are inactive."""
    effect = up_convolution_effect(trained.build_network().to(device), trained.standardisation, stacks.volume[0])
    if inactivity_warning(effect):
        logger.warning(inactivity_warning(effect))
    return tuple(round(change, 6) for change in effect)


def training_memory(config, device):
    """Bytes that a step takes, roughly: maps kept for the backward pass, weights and all that goes with them."""
    wider = 1 if config.bfloat16 and computes_in_bfloat16(device) else 2
    maps = wider * TRAINING_BYTES_PER_PIXEL_AND_CHANNEL * config.tile_size**2 * config.base_channels
    return maps + BYTES_PER_PARAMETER * count_parameters(config)


def count_parameters(config):
    """The network's trainable numbers."""
    with torch.device("meta"):
        return sum(values.numel() for values in checkpoints.new_network(config).parameters())


def _is_finished(run):
    return run.record.is_file() and read_record(run.record).status == "finished"


def _earlier_checkpoint(run, config, stacks, resume):
    if not resume and (run.checkpoint.is_file() or run.earlier_checkpoint.is_file()):
        raise BadInput(f"{run.path} already holds a run; add --resume to continue it, or give another --out")
    earlier = checkpoints.load_last(run.checkpoint, run.earlier_checkpoint)
    if earlier is None:
        return None
    if earlier.optimiser is None:
        raise BadInput(f"{run.checkpoint} cannot be resumed: it holds no optimiser; give another --out")
    changed = [
        f"{name} {value!r} -> {config.as_dict()[name]!r}"
        for name, value in earlier.config.as_dict().items()
        if config.as_dict()[name] != value
    ]
    changed += [f"{name}.tif" for name in stacks.data if earlier.data.get(name) != stacks.data[name]]
    recorded = read_record(run.record).protocol
    changed += [
        f"{entry.name} {_shown(getattr(recorded, entry.name))} -> {_shown(getattr(stacks.protocol, entry.name))}"
        for entry in fields(recorded)
        if getattr(recorded, entry.name) != getattr(stacks.protocol, entry.name)
    ]
    if changed:
        raise BadInput(f"{run.path} holds a run that differs ({'; '.join(changed)}); give another --out")
    return earlier


def _shown(value):
    return str(value) if isinstance(value, Fold) else repr(value)
