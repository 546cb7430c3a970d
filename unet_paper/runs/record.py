"""The record of a run, run.json: what it was, with which code and data, on which hardware, and how long it took."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unet_paper.config import FORMER_NAMES, OF_SGD, Config, as_text
from unet_paper.datasets.folds import Protocol
from unet_paper.io.pixel_size import PixelSize
from unet_paper.metrics.scores import Scores
from unet_paper.normalisation import Standardisation
from unet_paper.runs.environment import CodeVersion, Hardware
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json
from unet_paper.support.json_values import text

if TYPE_CHECKING:
    from unet_paper.checkpoint import Checkpoint  # which needs PyTorch

Status = Literal["training", "interrupted", "diverged", "finished"]


NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Session:
    """One process that trained a run: the first, or one that resumed it from `step`."""

    step: int
    code: CodeVersion
    hardware: Hardware
    precision: str  # "float32", "bfloat16" or NOT_RECORDED
    compiled: bool
    time: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Session":
        """The inverse of `to_json`; the first records call the precision "arithmetic", or do not tell it."""
        return cls(
            values.get("step", 0),
            CodeVersion(**values["code"]),
            Hardware(**values["hardware"]),
            values.get("precision", values.get("arithmetic", NOT_RECORDED)),
            values.get("compiled", False),
            values["time"],
        )


@dataclass(frozen=True)
class Times:
    """How long a run took, and how much memory."""

    finished: str | None = None
    training_seconds: float | None = None
    training_cpu_seconds: float | None = None  # of all threads; older records, and those of a GPU, do not tell it
    training_parts_seconds: Mapping[str, float] = field(default_factory=dict)
    training_peak_mib: int | None = None  # of the process that ended it; older records do not tell it
    training_peak_gpu_mib: int | None = None  # of its tensors on a GPU
    pipeline_seconds: Mapping[str, float] = field(default_factory=dict)  # by command, of a run made by one script


@dataclass(frozen=True)
class Start:
    """The weights that a training started from, see starting_weights.py."""

    weights: str  # the file's name
    sha256: str  # of the file; of a trained network in memory, nothing
    steps: int  # that it had been trained for
    data_sha256: Mapping[str, str]  # of what it was trained on


@dataclass(frozen=True)
class Trunk:
    """Where a run branched off another one, see branching.py."""

    name: str  # of the other run
    step: int


@dataclass(frozen=True)
class RunRecord:
    """One run; run.json in its folder."""

    name: str
    status: Status
    dataset: str  # "isbi" (the challenge's contents), a data set of cells, "phantom", "phantom-cells" or "own"
    protocol: Protocol
    config: Config
    changes: Mapping[str, Any]  # settings that differ from the profile's
    parameters: int
    standardisation: Standardisation
    class_weights: tuple[float, ...] | None  # w_c of each class; the first records do not tell it
    data_sha256: Mapping[str, str]  # name -> SHA-256 of the decoded pixels
    pixel_size: PixelSize | None
    sessions: tuple[Session, ...]  # the first, and those that resumed
    times: Times = Times()
    diverged: tuple[str, ...] = ()  # at which step and why, each time
    up_convolution_effect: tuple[float, ...] | None = None  # see diagnostics.py; older records do not tell it
    seg_of_training_frames: Mapping[float, float] | None = None  # {threshold: SEG}, of cells; older ones do not tell it
    start: Start | None = None  # None: from new weights
    trunk: Trunk | None = None  # None: it is no branch

    @property
    def first(self) -> Session:
        """The process that began the training."""
        return self.sessions[0]

    @property
    def profile_title(self) -> str:
        """The profile, as it is now, and in what the run differs, in words: "quick with steps=500"."""
        return self.title_without()

    def title_without(self, *settings: str) -> str:
        """`profile_title` but for these settings, which are told elsewhere."""
        settings += OF_SGD if self.config.optimiser == "adam" else ()
        changes = self.config.changes().items()
        told = ", ".join(f"{name}={as_text(value)}" for name, value in changes if name not in settings)
        return f"{self.config.profile} with {told}" if told else self.config.profile

    def to_json(self) -> dict[str, Any]:
        """Plain values, as run.json holds them."""
        first, *resumed = (session.to_json() for session in self.sessions)
        times = {name: value for name, value in asdict(self.times).items() if value is not None and value != {}}
        return {
            "name": self.name,
            "status": self.status,
            "dataset": self.dataset,
            "profile": self.config.profile,
            "changes": {
                name: list(value) if isinstance(value, tuple) else value for name, value in self.changes.items()
            },
            "protocol": self.protocol.to_json(),
            "seed": self.config.seed,
            "parameters": self.parameters,
            "configuration": self.config.described(),
            "standardisation": asdict(self.standardisation),
            "class_weights": None if self.class_weights is None else list(self.class_weights),
            "data_sha256": dict(self.data_sha256),
            "pixel_size_nm": None if self.pixel_size is None else list(self.pixel_size),
            "code": first["code"],
            "hardware": first["hardware"],
            "precision": first["precision"],
            "compiled": first["compiled"],
            "resumed": resumed,
            "times": {"started": first["time"], **times},
            "diverged": list(self.diverged),
            "up_convolution_effect": None if self.up_convolution_effect is None else list(self.up_convolution_effect),
            **(
                {"seg_of_training_frames": {f"{at:g}": seg for at, seg in self.seg_of_training_frames.items()}}
                if self.seg_of_training_frames
                else {}
            ),
            **({"start": asdict(self.start)} if self.start else {}),
            **({"trunk": asdict(self.trunk)} if self.trunk else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunRecord":
        """The inverse of `to_json`; also reads the records of earlier versions.

        Raises BadInput when the values are not a run's record.
        """
        try:
            config = Config.from_dict({name: entry["value"] for name, entry in values["configuration"].items()})
            config.check()
            times = dict(values["times"])
            first = {"time": times.pop("started"), **{name: values[name] for name in ("code", "hardware")}}
            first |= {name: values[name] for name in ("precision", "arithmetic", "compiled") if name in values}
            if "steps_seconds" in times:
                times["pipeline_seconds"] = times.pop("steps_seconds")
            effect = values.get("up_convolution_effect", values.get("changes_without_up_convolution"))
            size = values.get("pixel_size_nm")
            weights = values.get("class_weights")
            seg = values.get("seg_of_training_frames")
            return cls(
                name=text(values["name"]),
                status=values["status"],
                dataset=text(values["dataset"]),
                protocol=Protocol.from_json(values["protocol"]),
                config=config,
                changes=_changes(values, config),
                parameters=values["parameters"],
                standardisation=Standardisation(**values["standardisation"]),
                class_weights=None if weights is None else tuple(weights),
                data_sha256=values["data_sha256"],
                pixel_size=PixelSize(*size) if size else None,
                sessions=(Session.from_json(first), *map(Session.from_json, values.get("resumed", ()))),
                times=Times(**times),
                diverged=tuple(values.get("diverged", ())),
                up_convolution_effect=None if effect is None else tuple(effect),
                seg_of_training_frames=None if seg is None else {float(at): value for at, value in seg.items()},
                start=Start(**values["start"]) if "start" in values else None,
                trunk=Trunk(**values["trunk"]) if "trunk" in values else None,
            )
        except BadInput:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadInput(f"it is not a run's record ({error!r})") from None

    def write(self, path: str | Path) -> None:
        """Write run.json, whole or not at all."""
        write_json(path, self.to_json())

    def with_times(self, **changes: Any) -> "RunRecord":
        """The same record with other times."""
        return replace(self, times=replace(self.times, **changes))


def read_record(path: str | Path) -> RunRecord:
    """The RunRecord in a run.json. Raises BadInput when it is missing or is none."""
    values = read_json(path)
    try:
        return RunRecord.from_json(values)
    except BadInput as error:  # it says which value is missing or not known here
        raise BadInput(f"{path}: {error}; give the folder of a run that `train` wrote") from None


def record_beside(weights: str | Path, trained: "Checkpoint") -> RunRecord | None:
    """The record in the folder of a file of weights, if it is of the training that made them."""
    try:
        record = read_record(Path(weights).parent / "run.json")
    except BadInput:
        return None
    return record if record.data_sha256 == trained.data and record.config == trained.config else None


def read_scores(path: str | Path) -> Scores:
    """The Scores of a scores.json. Raises BadInput for any other file."""
    content = read_json(path)
    try:
        return Scores.from_json(content)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def _changes(values: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """The changes of a record; the first ones have them in the profile's name: "quick with steps=500, seed=1"."""
    if "changes" in values:
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values["changes"].items()}
    _, _, text = values["profile"].partition(" with ")
    names = [change.partition("=")[0] for change in text.split(", ") if "=" in change]
    known = config.as_dict()
    return {FORMER_NAMES.get(name, name): known[FORMER_NAMES.get(name, name)] for name in names}
