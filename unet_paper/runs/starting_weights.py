"""Fine-tuning: a training that starts from the weights of another one, a run's or published ones."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from unet_paper.checkpoint import Checkpoint, load
from unet_paper.config import Config
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.io.hashes import file_sha256
from unet_paper.runs.record import RunRecord, Start
from unet_paper.support.arguments import as_path
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

# Settings that the weights decide. Of the network's others, dropout acts in training only and up_convolution_fan_in on
# new weights only: both are the new training's own, and recorded as such.
NETWORK = ("base_channels", "variant", "padding", "batch_norm")
RECIPE = ("optimiser", "learning_rate", "momentum_warmup")  # settings that fit such a network, and may be given


@dataclass(frozen=True)
class StartingWeights:
    """The weights that a training starts from. Raises BadInput for those that are not finite."""

    name: str  # of the file
    where: str  # the file as it was given, for messages
    sha256: str  # of the file; of a trained network in memory, nothing
    trained: Checkpoint

    def __post_init__(self) -> None:
        if not all(values.isfinite().all() for values in self.trained.network.values()):
            raise BadInput(f"{self.where} has weights that are not finite; start from another network")

    @classmethod
    def read(cls, path: Path | str) -> "StartingWeights":
        """Of a run's weights.pt or of published ones. Raises what `checkpoint.load` raises."""
        path = as_path("the file of a trained network", path)
        trained = load(path)
        return cls(path.name, str(path), file_sha256(path), trained)

    @classmethod
    def of(cls, start: Checkpoint | Path | str | None) -> "StartingWeights | None":
        """Of a trained network, or of what `read` reads."""
        if start is None:
            return None
        in_memory = "the trained network"
        return cls(in_memory, in_memory, "", start) if isinstance(start, Checkpoint) else cls.read(start)

    def config(self, config: Config, given: Collection[str]) -> Config:
        """A Config with the network of the weights, and with the RECIPE that it had, unless part of that is given.

        given : names of the settings that were asked for. Raises BadInput for those that the weights decide otherwise.
        """
        own = self.trained.config
        for name in NETWORK:
            wanted = getattr(config, name)
            if name in given and wanted != getattr(own, name):
                raise BadInput(
                    f"{self.where} has {name} {getattr(own, name)}, and {wanted} is asked for; leave that setting out, "
                    "or start from other weights"
                )
        inherited = [*NETWORK, *(RECIPE if not set(RECIPE) & set(given) else ())]
        return replace(config, **{name: getattr(own, name) for name in inherited})

    def recorded(self) -> Start:
        """What the record tells of them."""
        return Start(self.name, self.sha256, self.trained.step, dict(self.trained.data))

    def announce(self, config: Config, stacks: Stacks) -> None:
        """Say what is taken over, and what is not."""
        own = self.trained.config
        logger.info(
            f"starting from {self.where} ({own.base_channels} base channels, {self.trained.step:,} steps); optimiser "
            f"{config.optimiser}, learning rate {config.learning_rate:g}; gray values are standardised by these images"
        )
        if own.classes != config.classes:
            logger.info(
                f"note: {self.where} knows {own.classes} classes and these labels hold {config.classes}; the last "
                "layer starts anew"
            )
        if own.registration != config.registration:
            logger.info(
                f"note: {self.where} is of labels registered by {own.registration} px, and these are by "
                f"{config.registration}, as is given; other labels lie elsewhere"
            )
        if stacks.protocol.kind == "fold" and set(stacks.data.values()) & set(self.trained.data.values()):
            logger.warning(
                f"note: {self.where} was trained on these very images; if the sections held out here were among them, "
                "their metrics mean nothing"
            )


def require_same_start(record: RunRecord, start: StartingWeights | None) -> None:
    """Raise BadInput where a run that is resumed began with other weights than these."""
    if record.trunk and start is None:
        return  # a branch starts from its trunk's checkpoint
    began, given = record.start, None if start is None else start.recorded()
    if (began and began.sha256) != (given and given.sha256):
        told = [which.weights if which else "new weights" for which in (began, given)]
        raise BadInput(
            f"the run began from {told[0]} and would be resumed from {told[1]}, another file; give the same --from"
        )
