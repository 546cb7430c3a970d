"""Checkpoints (section 3): what a run needs to resume, what a prediction needs to start, and weights for handing on."""

import json
import math
import zipfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unet_paper.compute.callers_torch import callers_settings_set_aside
from unet_paper.config import Config
from unet_paper.io.foreign_weights import is_foreign, is_safetensors
from unet_paper.io.half_precision import read_half_precision, write_half_precision
from unet_paper.io.weight_files import SUFFIX, Damaged, damage_told, foreign, unpickled
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.support.arguments import as_path
from unet_paper.support.errors import BadInput, first_line
from unet_paper.support.files import atomic_write
from unet_paper.support.logs import logger
from unet_paper.support.training_log import TrainingLog

DESCRIBED = ("step", "data", "seconds")  # of a Checkpoint, besides its configuration and standardisation
CLASSIFIER = ("classifier.weight", "classifier.bias")  # the layer whose shape the number of classes decides
FORMAT = 2  # of the files; 1 lacked the tiles' error


def network_options(config: Config) -> dict[str, Any]:
    """The arguments of UNet for a Config, plain values.

    Parameters
    ----------
    config : Config

    Returns
    -------
    dict
        Name -> value, of all but `in_channels`.
    """
    return {
        "classes": config.classes,
        "base_channels": config.base_channels,
        "variant": config.variant,
        "dropout": config.dropout,
        "padding": config.padding,
        "batch_norm": config.batch_norm,
        "up_convolution_fan_in": config.up_convolution_fan_in,
    }


def new_network(config: Config) -> UNet:
    """A network as a Config describes it, with initial weights.

    Parameters
    ----------
    config : Config

    Returns
    -------
    UNet
        In training mode. Its weights are drawn by PyTorch's own generator.

    Raises
    ------
    ValueError
        As `UNet` does.
    """
    return UNet(**network_options(config))


@dataclass
class Checkpoint:
    """A run after `step` steps. `network` and `optimiser` are state dictionaries (optimiser None: weights only)."""

    step: int
    config: Config
    standardisation: Standardisation
    network: dict[str, torch.Tensor]
    optimiser: dict[str, Any] | None
    history: list[dict[str, Any]]  # the rows of history.csv
    data: dict[str, str]  # name -> SHA-256 of what it was trained on
    seconds: float  # spent in training so far
    parts: dict[str, float] = field(default_factory=dict)  # of these, by part
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of loss and error since the history's last row
    losses: int = 0  # how many steps these are
    cpu_seconds: float = math.nan  # of all threads, spent in training so far; older ones do not tell it

    @classmethod
    def untrained(cls, config: Config, standardisation: Standardisation) -> "Checkpoint":
        """A network as it is before its training, which cannot begin from this."""
        network = new_network(config).state_dict()
        return cls(0, config, standardisation, network, optimiser=None, history=[], data={}, seconds=0.0)

    @classmethod
    def of(
        cls,
        step: int,
        config: Config,
        standardisation: Standardisation,
        data: Mapping[str, str],
        network: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        log: TrainingLog,
    ) -> "Checkpoint":
        """All that a training is after `step` steps; without an optimiser it cannot be resumed."""
        return cls(
            step=step,
            config=config,
            standardisation=standardisation,
            network={name: values.detach().cpu().clone() for name, values in network.state_dict().items()},
            optimiser=optimiser.state_dict() if optimiser else None,
            history=log.history,
            data=dict(data),
            seconds=log.seconds,
            parts=log.parts,
            sums=log.sums.tolist(),
            losses=log.losses,
            cpu_seconds=log.cpu_seconds,
        )

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Put a training's state back. Raises BadInput where there is no optimiser's."""
        if self.optimiser is None:
            raise BadInput("these weights hold no optimiser, so their training cannot be resumed; give a checkpoint.pt")
        network.load_state_dict(self.network)
        optimiser.load_state_dict(deepcopy(self.optimiser))  # PyTorch's keeps the tensors, and its steps change them

    def initialise(self, network: nn.Module) -> None:
        """Start a network that is to be trained from these weights. A last layer of other classes stays as it is.

        Raises BadInput where another layer does not fit.
        """
        own = network.state_dict()
        differing = _differing(own, self.network)
        others = [name for name in differing if name not in CLASSIFIER]
        if others:
            raise BadInput(
                f"these weights are not those of the network, {others[0]} for one; start from another network"
            )
        network.load_state_dict(self.network | {name: own[name] for name in differing})

    def resumed_log(self, folder: Path | None, device: torch.device) -> TrainingLog:
        """The log of a training that resumes here."""
        earlier = self.history, self.sums, self.losses, self.seconds, self.parts, self.cpu_seconds
        return TrainingLog(folder, device, self.step, *earlier)

    def build_network(self) -> UNet:
        """The network with these weights, in evaluation mode, on the CPU."""
        with callers_settings_set_aside():
            with torch.device("meta"):  # no weights are drawn only to be replaced
                network = new_network(self.config)
            network.to_empty(device="cpu")
            network.load_state_dict(self.network)
            return network.eval()


def _differing(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> list[str]:
    """The names of the weights that one lacks, or that differ in shape."""
    shapes = [{name: values.shape for name, values in state.items()} for state in (first, second)]
    return sorted(name for name in {*first, *second} if shapes[0].get(name) != shapes[1].get(name))


def save(path: Path | str, checkpoint: Checkpoint, earlier: Path | None = None) -> None:
    """Write a checkpoint whole or not at all.

    Parameters
    ----------
    path : path
        Its folder is made where it is missing.
    checkpoint : Checkpoint
    earlier : path or None
        Where the file goes that was there before; replaced unless given.

    Raises
    ------
    BadInput
        Where it cannot be written.
    """
    values = {
        "format": FORMAT,
        **vars(checkpoint),
        "config": checkpoint.config.as_dict(),
        "standardisation": vars(checkpoint.standardisation),
    }
    with atomic_write(path, earlier) as temporary:
        try:
            with open(temporary, "wb") as file:  # by its path the archive would hold the temporary name
                torch.save(values, file)
        except RuntimeError as error:
            if not any(word in str(error) for word in ("inline_container", "PytorchStreamWriter")):
                raise
            raise OSError(f"PyTorch could not write it: {first_line(error)}") from None


def load(path: Path | str) -> Checkpoint:
    """Read a trained network: what `save` or, of a name that ends in .safetensors, `publish` wrote.

    Parameters
    ----------
    path : path
        `weights.pt` or `checkpoint.pt` of a run, or published weights, `*.safetensors`. Only plain values and tensors
        are unpickled, so that no code in the file can run.

    Returns
    -------
    Checkpoint

    Raises
    ------
    BadInput
        For what is no path, and a file that is missing, another program's, or of a format that is not known here, or
        that the system does not let be read.
    Damaged
        For one that is not whole (its checksums are compared), or does not fit the network that it says it is of.
    MemoryError or RuntimeError
        Where it does not fit in memory; see `support.out_of_memory`.
    """
    path = as_path("the file of a trained network", path)
    if path.suffix == SUFFIX:
        return load_published(path)
    if not path.is_file():
        within = [path / name for name in ("weights.pt", f"weights{SUFFIX}") if (path / name).is_file()]
        advice = str(within[0]) if within else "a run's weights.pt or checkpoint.pt"
        raise BadInput(f"{path} is not a file; give {advice}")
    with damage_told(path, "a checkpoint", "give a weights.pt or checkpoint.pt that `train` wrote"):
        if is_safetensors(path):
            return load_published(path)
        if is_foreign(path):
            raise foreign(path)
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch itself does not look at them
        if damaged is not None:
            raise ValueError("its content does not have the checksum that it should have")
        values = unpickled(path)
        format_number = values.pop("format", 1)
        if format_number == 1:
            values["sums"] = [values.pop("loss_sum", 0.0), 0.0]
        elif format_number != FORMAT:
            raise BadInput(
                f"{path} has format {format_number}, and this version reads formats up to {FORMAT}; take the "
                "version it is of"
            )
        values["config"] = Config.from_dict(values["config"])
        values["standardisation"] = Standardisation(**values["standardisation"])
        checkpoint = Checkpoint(**values)
        must_fit(checkpoint)
    return checkpoint


def must_fit(checkpoint: Checkpoint) -> None:
    """Raise ValueError unless the weights are those of the network that the configuration describes.

    Parameters
    ----------
    checkpoint : Checkpoint
        The names and shapes of its `network` are compared.

    Raises
    ------
    ValueError
        Names one weight that is missing, left over or of another shape. Also as `UNet` does.
    """
    with torch.device("meta"):
        wanted = new_network(checkpoint.config).state_dict()
    differing = _differing(checkpoint.network, wanted)
    if differing:
        raise ValueError(f"its weights are not those of its network, {differing[0]} for one")


def load_last(path: Path | str, earlier: Path | str) -> Checkpoint | None:
    """The checkpoint of a run that resumes: `path`, or, where that is missing or damaged, `earlier`, saying so.

    Parameters
    ----------
    path : path
        `checkpoint.pt`. A damaged one is renamed to `checkpoint-damaged.pt` once `earlier` is read, so that it never
        takes the place of the good one.
    earlier : path
        `checkpoint-before.pt`.

    Returns
    -------
    Checkpoint or None
        None when neither file is there.

    Raises
    ------
    BadInput
        When none can be read, and for a `path` that is another program's, of an unknown format or not to be read now,
        whatever `earlier` is: nothing is renamed then.
    MemoryError or RuntimeError
        As `load` does; nothing is renamed either.
    """
    path = Path(path)
    if not Path(path).is_file() and not Path(earlier).is_file():
        return None
    try:
        return load(path)
    except BadInput as error:
        if not Path(earlier).is_file() or not (isinstance(error, Damaged) or not path.is_file()):
            raise
        checkpoint = load(earlier)
        if path.is_file():
            path.replace(path.with_name("checkpoint-damaged.pt"))
            logger.warning(f"{path} is damaged and was renamed to checkpoint-damaged.pt")
        logger.warning(f"resuming from the one before it, {earlier}")
        return checkpoint


def publish(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint's weights as float16, whole or not at all.

    Parameters
    ----------
    path : path
        Its folder is made where it is missing.
    checkpoint : Checkpoint
        Its step, data, seconds, configuration and standardisation are kept too; the optimiser and the history are not.

    Raises
    ------
    BadInput
        When a weight is not finite or is too large for float16 (65504), which a sound network's never is, and where the
        file cannot be written.
    """
    described = {name: getattr(checkpoint, name) for name in DESCRIBED}
    described |= {"config": checkpoint.config.as_dict(), "standardisation": vars(checkpoint.standardisation)}
    metadata = {name: json.dumps(value) for name, value in described.items()}
    write_half_precision(path, checkpoint.network, metadata)


def load_published(path: Path | str) -> Checkpoint:
    """Read what `publish` wrote as a Checkpoint without an optimiser; the weights become float32 again.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint
        Its history is empty.

    Raises
    ------
    BadInput
        For a file that is missing or of another format, or that the system does not let be read.
    Damaged
        For one that is not whole or does not fit the network that it says it is of.
    MemoryError or RuntimeError
        As `load` does.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path} is not a file; give a run's weights.pt, or published weights ({SUFFIX})")
    with damage_told(path, "published weights", "take the file anew"):
        read = read_half_precision(path)
        if read is None:
            raise foreign(path)
        network, metadata = read
        described = {name: json.loads(metadata[name]) for name in (*DESCRIBED, "config", "standardisation")}
        checkpoint = Checkpoint(
            config=Config.from_dict(described["config"]),
            standardisation=Standardisation(**described["standardisation"]),
            network=network,
            optimiser=None,
            history=[],
            **{name: described[name] for name in DESCRIBED},
        )
        must_fit(checkpoint)
    return checkpoint
