"""What the studies try: settings of the hyper-parameter search, of ablations, budgets and releases."""

from dataclasses import dataclass, field
from typing import Any

from unet_paper.config import BEFORE, optimiser_settings

FIRST_SGD: dict[str, Any] = {"optimiser": "sgd"} | BEFORE
FIRST_ADAM: dict[str, Any] = {"optimiser": "adam", "learning_rate": 0.001} | BEFORE
# Of trainings with branches, which bring their own decay.
SGD_OF_BRANCHES: dict[str, Any] = {"optimiser": "sgd", "up_convolution_fan_in": "blob", "momentum_warmup": 500.0}
ADAM_OF_BRANCHES: dict[str, Any] = {"optimiser": "adam", "up_convolution_fan_in": "blob", "momentum_warmup": 0.0}
# Of the wider networks, which were trained before these initial weights were taken.
WIDE_ADAM_OF_BRANCHES = ADAM_OF_BRANCHES | {"up_convolution_fan_in": "input"}
AS_THE_PAPER = "as the paper"  # what ablations are compared with
SEARCH_FOLD = "1/6"  # on which choices are made
SCORED_FOLD = "6/6"  # the last five of the thirty training sections
FLOAT32: dict[str, Any] = {"bfloat16": False}
SEEDS_IN_FLOAT32 = (5, 6)  # of Adam, beside the same in bfloat16; the first that its recipe was not chosen with
UNCLIPPED = 1e9  # a gradient's norm that is never reached


@dataclass(frozen=True)
class Run:
    """One run of a study."""

    name: str  # of its folder
    group: str  # of the runs that the table takes together: they differ in fold or seed only
    fold: str | None  # held out and scored; None: all sections are trained on
    changes: dict[str, Any] = field(default_factory=dict)  # settings that differ from the profile's
    profile: str | None = None  # where it is not the study's
    subgroup: str | None = None  # of the group, which the table shows by itself too
    zeros_too: bool = False  # also predicted and scored with zeros beyond the image
    trunk: str | None = None  # the folder of the training of constant rate that it is a branch of
    trunk_steps: int = 0  # at which it branches off
    trained_on: str | None = None  # the sequence, of two that make a data set of cells
    leave_out: str | None = None  # sections that are not trained on, beside the fold's, as `train --leave-out` has them


ONE_PASS = {"tta": "none", "primary": "none"}
ONE_PASS_AND_D4 = {"tta": "none,d4"}
NO_AUGMENTATION = {"displacement_sigma": 0.0, "rotate": False, "flip": False, "shift": False} | {
    "contrast": 0.0,
    "brightness": 0.0,
}

# Of the ISBI labels: what `registration` measures of the training sections of each fold, to 0.05 px.
REGISTERED = {"registration_x": 0.15, "registration_y": 0.6}

# One thing changed at a time: what it is called, and the settings.
ABLATIONS: dict[str, dict[str, Any]] = {
    AS_THE_PAPER: {},
    "no border term": {"w_0": 0.0},
    "classes not balanced": {"class_balance": 0.0},
    "no elastic deformation": {"displacement_sigma": 0.0},
    "no augmentation": NO_AUGMENTATION,
    "no augmentation but shifts": {name: value for name, value in NO_AUGMENTATION.items() if name != "shift"},
    "no dropout": {"dropout": 0.0},
    "padded": {"padding": "zeros"},
    "padded, batch norm": {"padding": "zeros", "batch_norm": True},
    "release": {"variant": "release"},
    "labels registered": REGISTERED,
}
# Of these, what is tried with Adam, and with SGD. Without shifts only a section's middle, 57 % of it, is learnt from.
WITH_ADAM = (
    *(AS_THE_PAPER, "no border term", "no elastic deformation", "no augmentation", "no augmentation but shifts"),
    *("no dropout", "padded", "padded, batch norm", "release", "labels registered"),
)
WITH_SGD = (AS_THE_PAPER, "no border term", "no elastic deformation", "no augmentation")

# What is tried on cells; DIC does not look the same when it is turned.
CELL_ABLATIONS: dict[str, dict[str, Any]] = {
    name: ABLATIONS[name] for name in (AS_THE_PAPER, "no border term", "no elastic deformation", "classes not balanced")
} | {"neither turned nor mirrored": {"rotate": False, "flip": False}}

# How Adam's recipe of `quick` came to be, backwards: one change after the other is taken back.
FIRST_RATE: dict[str, Any] = {"learning_rate": FIRST_ADAM["learning_rate"]}
ADAM_ABLATIONS: dict[str, dict[str, Any]] = {
    "twice the rate": FIRST_RATE,
    "twice the rate, cosine": FIRST_RATE | {"decay": "cosine"},
    "as first tried": FIRST_ADAM,
}


@dataclass(frozen=True)
class Choice:
    """What the paper leaves open, and what was tried on fold 1/6."""

    tried: dict[str, dict[str, Any]]  # the folder's name of each run, and its settings
    differ_in: tuple[str, ...]  # the settings that tell the runs apart
    profile: str = "quick"
    note: str = ""  # on what came of it


RATES = {f"learning-rate-{rate}": {"learning_rate": rate} for rate in (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)}
BASE: dict[str, dict[str, Any]] = {"base": {}}
SEARCH: dict[str, Choice] = {
    "learning rate, quick": Choice(RATES, ("learning_rate",)),
    "gradient clipping": Choice(
        BASE
        | {
            f"unclipped-{rate}": {"learning_rate": rate, "gradient_clip": UNCLIPPED}
            for rate in (0.00025, 0.0005, 0.001, 0.002)
        },
        ("gradient_clip", "learning_rate"),
        note="What clipping buys is the higher rate: at 0.001 the better run is without it.",
    ),
    "schedule": Choice(
        BASE | {"schedule-constant": {"decay": "constant"}, "schedule-no-warmup": {"warmup": 0.0}},
        ("decay", "warmup"),
        note="Taken since: constant, and over the last fifth to 0 ([ablations-adam](../ablations-adam)).",
    ),
    "steps": Choice(
        {"steps-500": {"steps": 500}} | BASE | {"steps-2000": {"steps": 2000}},
        ("steps",),
        note="Taken: 2,500 in `quick`, which two CPU cores make in some ten minutes; 30,000 in `paper`.",
    ),
    "gray-value range": Choice(
        {"gray-none": {"contrast": 0.0, "brightness": 0.0}}
        | BASE
        | {"gray-twice": {"contrast": 0.4, "brightness": 0.4}},
        ("contrast", "brightness"),
        note="Twice the range costs pixel error; none at all is as good as the one taken.",
    ),
    "class balance": Choice(
        {"balance-none": {"class_balance": 0.0}, "balance-half": {"class_balance": 0.5}} | BASE, ("class_balance",)
    ),
    "border term": Choice(
        {"border-w0-5": {"w_0": 5.0}} | BASE | {"border-w0-20": {"w_0": 20.0}, "border-sigma-10": {"sigma": 10.0}},
        ("w_0", "sigma"),
        note="w_0 = 20 and sigma = 10 cost pixel error, and half the height costs 0.002; none gains more elsewhere "
        "than seeds do. The paper's is taken.",
    ),
    "learning rate, full network": Choice(
        {
            f"full-width-{rate}": {"learning_rate": rate, "steps": 400, "tile_size": 252}
            for rate in (0.002, 0.004, 0.008, 0.016)
        },
        ("learning_rate",),
        profile="paper",
        note="After so few tiles the errors do not decide.",
    ),
}


# What training gets in a time: a trunk of constant rate for each width, optimiser and seed, and off it a branch for
# each number of tiles, of which the last fifth lets the rate fall.
TILES = (300, 600, 1200, 2500, 5000, 10_000)
ADAM_RATE = {16: 0.0005, 32: 0.0005, 64: 0.0003}  # by channels; that of 32 was not tried
BUDGETS: dict[str, dict[str, Any]] = {
    f"{channels} channels, {name}": {"base_channels": channels} | settings
    for channels in (16, 32, 64)
    for name, settings in {
        "SGD": SGD_OF_BRANCHES | {"learning_rate": 0.256 / channels},
        "Adam": (WIDE_ADAM_OF_BRANCHES if channels > 16 else ADAM_OF_BRANCHES) | {"learning_rate": ADAM_RATE[channels]},
    }.items()
}

# What helps from one stack to another: a third of the sections at either end is scored, the next five, 250 nm, are left
# out, and the other half is trained on. Without a gap the half that adjoins the scored third is.
GAP, NO_GAP = "gap of 5 sections", "no gap"
GAP_FOLDS = {"3/3": {GAP: "15-19", NO_GAP: "0-4"}, "1/3": {GAP: "10-14", NO_GAP: "25-29"}}  # sections left out
ACROSS_GAP: dict[str, dict[str, Any]] = {
    GAP: {},
    NO_GAP: {},
    "gap, twice the gray-value range": {"contrast": 0.4, "brightness": 0.4},
    "gap, twice the displacements": {"displacement_sigma": 20.0},
    "gap, no gray-value variation": {"contrast": 0.0, "brightness": 0.0},
    "gap, half the displacements": {"displacement_sigma": 5.0},
    "gap, no dropout": {"dropout": 0.0},
    "gap, half the channels": {"base_channels": 8},
    "gap, twice the channels": {"base_channels": 32},
    "gap, twice the tiles": {"steps": 5000, "warmup": 125.0},
}

# Adam's rate, for a quarter of the channels and for all.
RATES_OF_ADAM: dict[str, tuple[str, dict[str, Any]]] = {
    f"{title}, {rate}": (profile, FIRST_ADAM | settings | {"learning_rate": rate})
    for title, profile, settings in (
        ("16 channels", "quick", {"steps": 1000}),
        ("64 channels", "paper", {"steps": 400, "tile_size": 252}),
    )
    for rate in (0.0003, 0.001, 0.003)
}

# Networks trained on all sections, with the probabilities of the test sections. The full network's are branches of one
# trunk for each recipe, which goes on as time allows.
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    # Twice the tiles of `quick`, which lowered all three errors on fold 6/6 (`budgets`); the warmup is as there.
    "quarter-adam": ("quick", optimiser_settings("adam", "quick") | {"steps": 5000, "warmup": 125.0}),
    "quarter-sgd": ("quick", optimiser_settings("sgd", "quick")),
    # Four times the tiles, which lowered the pixel error on each of five folds, and the Rand error on four.
    "registered-quarter": (
        "quick",
        optimiser_settings("adam", "quick") | REGISTERED | {"steps": 10_000, "warmup": 125.0},
    ),
}
OF_FULL_ARMS: dict[str, Any] = {"learning_rate": ADAM_RATE[64], "warmup": 125.0, "checkpoint_every": 250}
FULL_ARMS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {  # settings, and the tiles of each branch
    "full-adam": (WIDE_ADAM_OF_BRANCHES | OF_FULL_ARMS, (2500, 8000)),
    "registered-full": (ADAM_OF_BRANCHES | REGISTERED | OF_FULL_ARMS, (2500, 4000, 8000)),
}
