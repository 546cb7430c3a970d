"""Every hyper-parameter, in one place: value, limits, source (the paper, the release or ours) and meaning."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from unet_paper.support.errors import BadInput

Source = Literal["paper", "release", "ours"]

TTA = ("none", "rot7", "d4")  # test-time augmentation, see test_time_augmentation.py
EXTRAPOLATIONS = ("mirror", "zeros")  # what lies beyond the image in prediction
MOST_CLASSES = 255  # of labels and of a network's output
COMPILE_CHOICES = ("auto", "on", "off")  # of the network, see compute/torch_compile.py

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a tuple of texts"}

# How the first networks were trained. Their records and checkpoints do not tell all of it.
BEFORE: dict[str, Any] = {"up_convolution_fan_in": "input", "momentum_warmup": 0.0, "decay": "cosine"}
# Names that settings had in the first records and checkpoints.
FORMER_NAMES = {
    "width": "base_channels",
    "form": "variant",
    "drop_out": "dropout",
    "warm_up": "warmup",
    "averages": "tta",
    "border": "extrapolation",
    "headline": "primary",
}


def is_finite(value: float) -> bool:
    """Whether a number is one that a float can be; math.isfinite takes no whole number above 1e308.

    Parameters
    ----------
    value : int or float

    Returns
    -------
    bool
    """
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


@dataclass(frozen=True)
class Limits:
    """The values that a setting may have: numbers in an interval, or one of `choices`."""

    lowest: float = -math.inf
    highest: float = math.inf
    without_lowest: bool = False  # the interval is open there
    without_highest: bool = False
    step: int = 0  # whole numbers this far apart, from the lowest on; 0: any
    choices: tuple[str, ...] = ()

    def allow(self, value: Any) -> bool:
        """Whether a value (or, of a tuple, every part) is within the limits. NaN and infinity never are."""
        if self.choices:
            return all(part in self.choices for part in (value if isinstance(value, tuple) else [value]))
        above = value > self.lowest if self.without_lowest else value >= self.lowest
        below = value < self.highest if self.without_highest else value <= self.highest
        fits = not self.step or (value - self.lowest) % self.step == 0
        return is_finite(value) and above and below and fits

    def hint(self, value: Any) -> str:
        """What to add for a value that `allow` refuses: that it must be finite, or the nearest steps."""
        if self.choices:
            return ""
        if not is_finite(value):
            return ", and finite"
        if not self.step or not self.lowest < value < self.highest:
            return ""
        below = value - (value - self.lowest) % self.step
        return f"; the nearest are {below:g} and {below + self.step:g}"

    def __str__(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        low = f"above {self.lowest:g}" if self.without_lowest else f"at least {self.lowest:g}"
        if self.step:
            low += f", in steps of {self.step}"
        if math.isinf(self.highest):
            return low
        return f"{low} and {'below' if self.without_highest else 'at most'} {self.highest:g}"


def setting(
    default: Any,
    source: Source,
    meaning: str,
    limits: Limits | None = None,
    others: Mapping[Any, Source] | None = None,
) -> Any:
    """A field of Config, or of another dataclass of settings.

    Parameters
    ----------
    default : bool, int, float, str or tuple of str
        Its type is the setting's.
    source : "paper", "release" or "ours"
        Whose the default is.
    meaning : str
        In words, with the unit.
    limits : Limits or None
        Any value will do unless given.
    others : mapping or None
        Value -> source: whose other values are, where they are not ours.

    Returns
    -------
    dataclasses.Field
        With all but the default as its metadata.
    """
    metadata = {"source": source, "meaning": meaning, "limits": limits, "others": others or {}}
    return field(default=default, metadata=metadata)


def choice(*values: str) -> Limits:
    """Limits of a setting that is one of these words.

    Parameters
    ----------
    *values : str

    Returns
    -------
    Limits
    """
    return Limits(choices=values)


# Of the recipe, and no settings: ours, but for Adam's, which are its authors' and PyTorch's.
FIRST_MOMENTUM = 0.9  # where a momentum that rises starts
DECAY_PARTS = 5  # a trapezoid falls over the last of so many parts of the steps
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8
OF_SGD = ("momentum", "momentum_warmup")  # settings without effect on Adam

MANY = 10**9  # more steps, minutes or GiB than any machine has
NON_NEGATIVE = Limits(lowest=0)
POSITIVE = Limits(lowest=0, without_lowest=True)
COUNT = Limits(1, MANY)
BASE_CHANNELS = Limits(1, 4096)
BELOW_ONE = Limits(lowest=0, highest=1, without_highest=True)
W_0 = Limits(0, 1e6)
OFFSET = Limits(-100, 100)  # px
SIGMA = Limits(0, 1e4, without_lowest=True)  # px
CLASS_WEIGHT = Limits(0, 1e30)  # that a float32 map can still hold


@dataclass(frozen=True)
class Config:
    """The full recipe. A profile changes some of these; `run.json` records all of them."""

    profile: str = setting("paper", "ours", "name of this set of settings")

    # Network: section 2, figure 1
    base_channels: int = setting(64, "paper", "channels of the first level", BASE_CHANNELS)
    variant: str = setting(
        "paper",
        "paper",
        "'paper' (figure 1) or 'release' (the authors' Caffe network)",
        choice("paper", "release"),
        {"release": "release"},
    )
    classes: int = setting(2, "paper", "channels of the output: membrane, cell", Limits(lowest=2))
    dropout: float = setting(0.5, "release", "probability, at the end of the contracting path", BELOW_ONE)
    padding: str = setting(
        "valid",
        "paper",
        "'valid' (unpadded convolutions) or 'zeros' (as textbook U-Nets have it)",
        choice("valid", "zeros"),
    )
    batch_norm: bool = setting(False, "paper", "batch normalisation after every 3x3 convolution")

    up_convolution_fan_in: str = setting(
        "blob",
        "ours",
        "N of an up-convolution's initial weights: 'input' (C_in, what one output pixel sees) or 'blob' (4 C_out, as "
        "Caffe counts)",
        choice("input", "blob"),
    )

    # Weight map: equation 2
    w_0: float = setting(10.0, "paper", "height of the border term", W_0)
    sigma: float = setting(5.0, "paper", "width of the border term, px", SIGMA)
    class_balance: float = setting(
        1.0, "ours", "w_c is the inverse class frequency to this power; 0: w_c is 1", Limits(0, 2)
    )

    # Augmentation: section 3.1
    tile_size: int = setting(572, "paper", "input tile, px", Limits(188, 100_012, step=16))
    displacement_sigma: float = setting(
        10.0, "paper", "standard deviation of the grid's displacements, px", Limits(0, 1000)
    )
    grid_points: int = setting(3, "paper", "points per side of the displacement grid", Limits(2, 64))
    shift: bool = setting(True, "paper", "tiles from anywhere in the section; else from its centre")
    rotate: bool = setting(True, "paper", "rotate by any angle (the range is ours)")
    flip: bool = setting(True, "ours", "mirror half of the tiles")
    contrast: float = setting(0.2, "ours", "gray-value variation: contrast in 1 +- this", BELOW_ONE)
    brightness: float = setting(
        0.2, "ours", "gray-value variation: brightness in +- this, standard deviations", NON_NEGATIVE
    )

    # Where the labels lie: ours, see datasets/registration.py
    registration_x: float = setting(
        0.0, "ours", "what a pixel of the labels shows lies so many px to its right in the image", OFFSET
    )
    registration_y: float = setting(0.0, "ours", "and so many px below it", OFFSET)

    # Training: section 3
    steps: int = setting(30_000, "ours", "tiles seen, one a step", COUNT)
    minutes: float = setting(
        0.0, "ours", "train for so long instead of for `steps`, on the same schedule; 0: for `steps`", Limits(0, MANY)
    )
    optimiser: str = setting("sgd", "paper", "'sgd', gradient descent with momentum, or 'adam'", choice("sgd", "adam"))
    momentum: float = setting(0.99, "paper", "momentum of the gradient descent", BELOW_ONE)
    learning_rate: float = setting(0.004, "ours", "highest learning rate", POSITIVE)
    warmup: float = setting(
        0.05, "ours", "steps in which the learning rate rises from 0, linearly; below 1 a part of all", NON_NEGATIVE
    )
    decay: str = setting(
        "trapezoid",
        "ours",
        "how it falls to 0: over the last fifth of the steps ('trapezoid'), as a 'cosine', or not ('constant')",
        choice("cosine", "trapezoid", "constant"),
    )
    momentum_warmup: float = setting(
        500.0, "ours", "steps in which the momentum rises from 0.9, linearly; below 1 a part of all", NON_NEGATIVE
    )
    bias_rate: float = setting(1.0, "ours", "learning rate of the biases over that of the weights", POSITIVE)
    weight_decay: float = setting(0.0, "ours", "weight decay; the paper states none", NON_NEGATIVE)
    gradient_clip: float = setting(
        0.5, "ours", "largest norm of a step's gradient; longer ones are shortened to it", POSITIVE
    )
    seed: int = setting(0, "ours", "seed of the weights, the tiles and dropout", Limits(0, 2**63, without_highest=True))
    bfloat16: bool = setting(True, "ours", "compute in bfloat16 where autocast allows; weights stay float32")
    checkpoint_every: int = setting(1000, "ours", "steps between checkpoints", COUNT)

    # Prediction: figure 2, section 4
    tta: tuple[str, ...] = setting(TTA, "ours", "test-time augmentations that a run reports", choice(*TTA))
    extrapolation: str = setting(
        "mirror", "paper", "what lies beyond the image in prediction: 'mirror' or 'zeros'", choice(*EXTRAPOLATIONS)
    )
    primary: str = setting(
        "d4", "ours", "the test-time augmentation of scores.json, fixed before any run", choice(*TTA)
    )

    def check(self) -> None:
        """Raise BadInput for a setting of another type or outside its limits. A whole number will do for a float."""
        for entry in fields(self):
            value, limits, kind = getattr(self, entry.name), entry.metadata["limits"], type(entry.default)
            if type(value) is not kind and not (kind is float and type(value) is int):
                within = "" if limits is None else f", {limits}"
                raise BadInput(f"the setting {entry.name} is {value!r}; it must be {KINDS[kind]}{within}")
            if limits is not None and not limits.allow(value):
                raise BadInput(f"the setting {entry.name} is {value!r}; it must be {limits}{limits.hint(value)}")
        if self.primary not in self.tta:
            raise BadInput(f"the setting primary is {self.primary!r}; it must be one of tta, {', '.join(self.tta)}")

    def described(self) -> dict[str, dict[str, Any]]:
        """{name: {value, source, meaning}} for the run's record. A changed value is ours, but for a few."""
        described = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            is_usual = value == entry.default
            source = entry.metadata["source"] if is_usual else entry.metadata["others"].get(value, "ours")
            described[entry.name] = {"value": value, "source": source, "meaning": entry.metadata["meaning"]}
        return described

    @property
    def registration(self) -> tuple[float, float]:
        """(x, y) in px, see datasets/registration.py."""
        return self.registration_x, self.registration_y

    def changes(self) -> dict[str, Any]:
        """{name: value} of the settings that differ from the profile's."""
        usual = asdict(PROFILES.get(self.profile, PAPER))
        return {name: value for name, value in asdict(self).items() if name != "profile" and value != usual[name]}

    def as_dict(self) -> dict[str, Any]:
        """{name: value}, of plain types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """The inverse of `as_dict`, also after a trip through JSON (which turns tuples into lists), and with the names
        and the "PROFILE with CHANGES" of the first records.
        """
        values = dict(values)
        if "balance_classes" in values:  # of the first records: whether, not how much
            values["class_balance"] = float(values.pop("balance_classes"))
        known: dict[str, Any] = {
            FORMER_NAMES.get(name, name): tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        if "profile" in known:
            known["profile"] = known["profile"].partition(" with ")[0]
        return cls(**(BEFORE | known))


PAPER = Config()
PROFILES = {
    # The full network and recipe; meant for a GPU.
    "paper": PAPER,
    # For two CPU cores: a narrower network, fewer steps, and Adam (results/README.md says why).
    "quick": replace(
        PAPER,
        profile="quick",
        base_channels=16,
        steps=2500,
        optimiser="adam",
        learning_rate=0.0005,
        checkpoint_every=250,
    ),
    # Only shows that all parts work together; its scores mean nothing.
    "smoke": replace(
        PAPER,
        profile="smoke",
        base_channels=4,
        steps=30,
        tile_size=316,
        checkpoint_every=10,
        tta=("none",),
        primary="none",
    ),
}

# The named ways to train: the paper's optimiser, with a rate that depends on the width, and a departure from it.
OPTIMISERS = ("sgd", "adam")
SGD_RATES = {"paper": PAPER.learning_rate, "quick": 0.016, "smoke": PAPER.learning_rate}
# results/isbi/adam-rate and, of quick, ablations-adam
ADAM_RATES = {"paper": 0.0003, "quick": PROFILES["quick"].learning_rate, "smoke": PROFILES["quick"].learning_rate}


def optimiser_settings(optimiser: str, profile: str) -> dict[str, Any]:
    """The settings with which a profile trains by one of OPTIMISERS.

    Parameters
    ----------
    optimiser : "sgd" or "adam"
    profile : str
        One of PROFILES.

    Returns
    -------
    dict
        Name -> value; empty for another optimiser or profile.
    """
    if optimiser not in OPTIMISERS or profile not in PROFILES:
        return {}
    rates = ADAM_RATES if optimiser == "adam" else SGD_RATES
    return {"optimiser": optimiser, "learning_rate": rates[profile]}


def as_text(value: Any) -> str:
    """The value of a setting as `--set` takes it.

    Parameters
    ----------
    value : bool, int, float, str or tuple of str

    Returns
    -------
    str
        With all the digits of a number, and none besides.
    """
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def without_effect(config: Config, given: Iterable[str]) -> list[str]:
    """Which settings change nothing in a recipe: of Adam, those of the gradient descent's momentum.

    Parameters
    ----------
    config : Config
    given : iterable of str
        Names of the settings that were asked for.

    Returns
    -------
    list of str
        Those of the names that have no effect, each once, in the order given.
    """
    idle = OF_SGD if config.optimiser == "adam" else ()
    return [name for name in dict.fromkeys(given) if name in idle]
