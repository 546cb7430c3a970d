"""What a run resumes from, and whether it may."""

from dataclasses import fields
from typing import Any

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import OF_SGD, Config, as_text
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.io.weight_files import Damaged
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.schedule import is_complete
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger


def checkpoint_to_resume(run: RunFolder, config: Config, stacks: Stacks, resume: bool) -> Checkpoint | None:
    """The checkpoint of a run's folder, None where it holds none.

    Raises BadInput where there is one and `resume` is not wanted, where it cannot be read, and where settings, data or
    protocol differ from those that the run began with.
    """
    if not resume and (run.checkpoint.is_file() or run.earlier_checkpoint.is_file()):
        raise BadInput(f"{run.path} already holds a run; add --resume to continue it, or give another --out")
    checkpoint = checkpoints.load_last(run.checkpoint, run.earlier_checkpoint)
    if checkpoint is None:
        return None
    if checkpoint.optimiser is None:
        raise BadInput(f"{run.checkpoint} cannot be resumed: it holds no optimiser; give another --out")
    settings = changed_settings(checkpoint, config)
    changes = [
        *(f"{name} {before!r} -> {after!r}" for name, (before, after) in settings.items()),
        *changed_data(checkpoint, read_record(run.record).protocol, stacks),
    ]
    if changes:
        advice = "give another --out"
        if len(changes) == len(settings) and not settings.keys() & {"profile", "classes"}:  # which --set has not
            began = (f"--set {name}={as_text(before)}" for name, (before, _) in settings.items())
            advice += f", or continue it with {' '.join(began)}"
        raise BadInput(f"{run.path} holds a run that differs ({'; '.join(changes)}); {advice}")
    return checkpoint


def changed_data(checkpoint: Checkpoint, recorded: Protocol, stacks: Stacks) -> list[str]:
    """In which stacks, and in what of their protocol, a training differs from the one that began, in words."""
    pairs = [
        (entry.name, getattr(recorded, entry.name), getattr(stacks.protocol, entry.name)) for entry in fields(recorded)
    ]
    return [
        *(f"{name}.tif" for name, sha256 in stacks.data.items() if checkpoint.data.get(name) != sha256),
        *changed_type(checkpoint, stacks.volume[0].dtype.name),
        *(f"{name} {_shown(before)} -> {_shown(after)}" for name, before, after in pairs if before != after),
    ]


def changed_type(checkpoint: Checkpoint, dtype: str) -> list[str]:
    """Whether gray values of this type are of another one than those that began, in words: hashes are of their bytes
    alone.
    """
    began = checkpoint.standardisation.dtype
    return [] if began == dtype else [f"gray values {began} -> {dtype}"]


def is_finished(run: RunFolder, checkpoint: Checkpoint, config: Config, stacks: Stacks) -> bool:
    """Whether a run's last checkpoint is that of its last step, and what was written after it and what is predicted are
    there, the weights whole.
    """
    at_the_end = is_complete(checkpoint.step, checkpoint.seconds, config)
    predicted = [] if stacks.evaluation_volume is None else [run.volume, run.labels]
    if not at_the_end or not all(path.exists() for path in (run.weights, run.record, *predicted)):
        return False
    if read_record(run.record).status != "finished":
        return False
    try:
        checkpoints.load(run.weights)
    except Damaged as damaged:
        logger.warning(f"{damaged}; they are written again")
        return False
    return True


def changed_settings(checkpoint: Checkpoint, config: Config) -> dict[str, tuple[Any, Any]]:
    """The settings in which a training differs from the one that began: {name: (as it began, as it is asked for)}."""
    wanted = config.as_dict()
    if _extends(checkpoint, config):
        wanted["steps"] = checkpoint.config.steps
    began = checkpoint.config.as_dict()
    if config.optimiser == "adam":
        wanted |= {name: began[name] for name in OF_SGD}
    return {name: (value, wanted[name]) for name, value in began.items() if wanted[name] != value}


def _extends(checkpoint: Checkpoint, config: Config) -> bool:
    """Whether a training of constant rate may become one of other steps: where those done are the same in both."""
    risings = [at for config in (checkpoint.config, config) for at in (config.warmup, config.momentum_warmup)]
    whole = all(rising == 0 or rising >= 1 for rising in risings)
    return config.decay == "constant" and whole and config.steps >= checkpoint.step


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Fold) else repr(value)
