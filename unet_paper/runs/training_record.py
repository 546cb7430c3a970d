"""What the record of a training tells: as it begins, how long it took, and which levels its network uses."""

import math
from dataclasses import replace
from typing import Any

import torch

from unet_paper.checkpoint import Checkpoint, new_network
from unet_paper.compute.memory import peak_memory
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.config import Config
from unet_paper.datasets.training_set import TrainingSet
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.runs.diagnostics import inactivity_warning, up_convolution_effect
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, Session, read_record
from unet_paper.support.logs import logger


def new_record(name: str, config: Config, stacks: Stacks, training_set: TrainingSet, session: Session) -> RunRecord:
    """The record of a run that begins. name : the run's."""
    return RunRecord(
        name=name,
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


def new_session(config: Config, earlier: Checkpoint | None, device: str) -> Session:
    """This process, from the step at which it begins; its network is not compiled yet, see `compiled_record`."""
    return Session(
        step=earlier.step if earlier else 0,
        code=code_version(),
        hardware=hardware(device),
        precision="bfloat16" if config.bfloat16 and computes_in_bfloat16(device) else "float32",
        compiled=False,
        time=now(),
    )


def compiled_record(record: RunRecord) -> RunRecord:
    """The record of a run whose network has been compiled in this session."""
    *earlier, session = record.sessions
    return replace(record, sessions=(*earlier, replace(session, compiled=True)))


def count_parameters(config: Config) -> int:
    """The network's trainable numbers."""
    with torch.device("meta"):
        return sum(values.numel() for values in new_network(config).parameters())


def times_of(final: Checkpoint, device: str) -> dict[str, Any]:
    """What a training that has just ended took: seconds, and the memory of this process."""
    parts = {name: round(spent, 1) for name, spent in final.parts.items()}
    times: dict[str, Any] = {"training_seconds": round(final.seconds, 1), "training_parts_seconds": parts}
    if device == "cpu" and math.isfinite(final.cpu_seconds):
        times["training_cpu_seconds"] = round(final.cpu_seconds, 1)
    peak = peak_memory()
    if peak is not None:
        times["training_peak_mib"] = round(peak / 2**20)
    if device.startswith("cuda"):
        times["training_peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    return times


def effect_of(trained: Checkpoint, stacks: Stacks, device: str) -> tuple[float, ...]:
    """The effect of the up-convolutions, for the record; says so if the deep levels are inactive."""
    effect = up_convolution_effect(trained.build_network().to(device), trained.standardisation, stacks.volume[0])
    warning = inactivity_warning(effect)
    if warning:
        logger.warning(warning)
    return tuple(round(change, 6) for change in effect)


def completed_record(run: RunFolder, final: Checkpoint, stacks: Stacks, device: str) -> RunRecord:
    """The record of a finished run, with what an older version did not write."""
    record = read_record(run.record)
    if record.up_convolution_effect is None:
        record = replace(record, up_convolution_effect=effect_of(final, stacks, device))
        record.write(run.record)
    return record
