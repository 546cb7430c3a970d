"""A training of constant rate, the trunk, is ended where it stands: a branch lets the rate fall over its last fifth.

As the trunk's first steps are those of any longer training, a branch equals, to the last bit, a training that was
planned for its number of steps. The trunk can go on and be branched again.
"""

import math
from dataclasses import replace

from unet_paper import checkpoint as checkpoints
from unet_paper.config import Config
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.training import in_steps


def branch(trunk: RunFolder, out: RunFolder) -> Config:
    """Make a folder that, resumed, ends the trunk's training. Returns its Config.

    A folder that already holds the branch is left as it is, at the trunk's step from which it began. Raises BadInput
    where the trunk has no checkpoint, its rate is not constant or still rises, and where the folder holds another run.
    """
    begun = checkpoints.load_last(out.checkpoint, out.earlier_checkpoint)
    if begun is not None:
        if (read_record(out.record).trunk or {}).get("name") != trunk.path.name:
            raise BadInput(f"{out.path} holds a run that is no branch of {trunk.path}; give another --out")
        return begun.config
    last = checkpoints.load_last(trunk.checkpoint, trunk.earlier_checkpoint)
    if last is None or last.optimiser is None:
        raise BadInput(f"{trunk.path} has no checkpoint to branch from; give the folder of a run that trains")
    config = branch_config(last.config, last.step)
    record = read_record(trunk.record)
    record = replace(
        record,
        name=out.path.name,
        status="interrupted",
        config=config,
        changes=config.changes(),
        trunk={"name": trunk.path.name, "step": last.step},
    )
    out.archive_previous_run()
    record.write(out.record)
    checkpoints.save(out.checkpoint, replace(last, config=config))
    logger.info(f"branched off {trunk.path} at step {last.step:,}; it ends after {config.steps:,}")
    return config


def branch_config(config: Config, step: int) -> Config:
    """The Config of a branch at a step of a trunk. Raises BadInput where the trunk's rate is not constant there."""
    if config.decay != "constant" or config.minutes:
        raise BadInput(f"its decay is {config.decay!r}; only a run of `--set decay=constant`, for steps, has branches")
    warmup, momentum_warmup = (in_steps(share, config.steps) for share in (config.warmup, config.momentum_warmup))
    if step < max(warmup, 1):
        raise BadInput(f"at step {step} its warmup is not over; branch after step {math.ceil(warmup)}")
    steps = math.ceil(step * 5 / 4)
    return replace(
        config,
        steps=steps,
        decay="trapezoid",
        warmup=_whole(warmup, steps),
        momentum_warmup=_whole(momentum_warmup, steps),
    )


def _whole(rising: float, steps: int) -> float:
    """A warmup of so many steps as a Config has it."""
    return rising if rising >= 1 else rising / steps
