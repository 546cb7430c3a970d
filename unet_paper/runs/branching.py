"""A training of constant rate, the trunk, is ended where it stands: a branch lets the rate fall over its last fifth.

As the trunk's first steps are those of any longer training, a branch equals, to the last bit, a training that was
planned for its number of steps. The trunk can go on and be branched again.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import DECAY_PARTS, Config
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, Trunk, read_record
from unet_paper.runs.resuming import changed_data
from unet_paper.schedule import in_steps
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger


@dataclass
class Branch:
    """A branch before it is trained."""

    trunk: Path  # the folder
    config: Config
    record: RunRecord
    checkpoint: Checkpoint | None  # the trunk's, with the branch's config; None once the folder holds the branch

    @classmethod
    def plan(cls, trunk: RunFolder, out: RunFolder) -> "Branch":
        """The branch of a trunk that is to be in a folder; as it is there, from the trunk's step at which it began,
        where the folder holds it already.

        Raises BadInput where the trunk has no checkpoint, its rate is not constant or still rises, and where the folder
        holds another run.
        """
        begun = checkpoints.load_last(out.checkpoint, out.earlier_checkpoint)
        if begun is not None:
            record = read_record(out.record)
            if not _is_of_trunk(record, trunk):
                raise BadInput(f"{out.path} holds a run that is no branch of {trunk.path}; give another --out")
            return cls(trunk.path, begun.config, record, None)
        last = checkpoints.load_last(trunk.checkpoint, trunk.earlier_checkpoint)
        if last is None or last.optimiser is None:
            raise BadInput(f"{trunk.path} has no checkpoint to branch from; give the folder of a run that trains")
        try:
            config = branch_config(last.config, last.step)
        except BadInput as error:
            raise BadInput(f"{trunk.path} cannot be branched: {error}") from None
        record = replace(
            read_record(trunk.record),
            name=out.name,
            status="interrupted",
            config=config,
            changes=config.changes(),
            trunk=Trunk(trunk.name, last.step),
        )
        return cls(trunk.path, config, record, replace(last, config=config))

    def begin(self, out: RunFolder, stacks: Stacks | None = None) -> None:
        """Make of the folder what, resumed, ends the trunk's training, unless it holds a run; its lock must be held.

        stacks : what the branch is to be trained on. Raises BadInput, before anything is written, where these are not
        the trunk's.
        """
        if self.checkpoint is None or checkpoints.load_last(out.checkpoint, out.earlier_checkpoint) is not None:
            return
        others = [] if stacks is None else changed_data(self.checkpoint, self.record.protocol, stacks)
        if others:
            raise BadInput(f"{self.trunk} was trained otherwise ({'; '.join(others)}); give its own data and fold")
        out.archive_previous_run()
        self.record.write(out.record)
        checkpoints.save(out.checkpoint, self.checkpoint)
        step, self.checkpoint = self.checkpoint.step, None  # it needs no memory while the branch is trained
        logger.info(f"branched off {self.trunk} at step {step:,}; it ends after {self.config.steps:,}")


def _is_of_trunk(record: RunRecord, trunk: RunFolder) -> bool:
    """Whether a run is a branch of a trunk: by its name, and, where the trunk is still there, by when and on what the
    training began, which the record of a branch has from its trunk's.
    """
    if record.trunk is None or record.trunk.name != trunk.name:
        return False
    return not trunk.record.is_file() or read_record(trunk.record).first == record.first


def branch_config(config: Config, step: int) -> Config:
    """The Config of a branch at a step of a trunk. Raises BadInput where the trunk's rate is not constant there."""
    only = "only a run of `--set decay=constant`, for steps, has branches"
    if config.decay != "constant":
        raise BadInput(f"its decay is {config.decay!r}; {only}")
    if config.minutes:
        raise BadInput(f"it was trained for {config.minutes:g} minutes; {only}")
    warmup, momentum_warmup = (in_steps(share, config.steps) for share in (config.warmup, config.momentum_warmup))
    if step < max(warmup, 1):
        raise BadInput(f"at step {step} its warmup is not over; branch after step {math.ceil(warmup)}")
    steps = math.ceil(step * DECAY_PARTS / (DECAY_PARTS - 1))
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
