"""What each programme runs: folds of the training stack, choices, one thing changed at a time, and the final model."""

from dataclasses import dataclass, field

from unet_paper.config import PROFILES


@dataclass(frozen=True)
class Run:
    """One run of a programme."""

    name: str  # of its folder
    group: str  # of the runs that the table takes together: they differ in fold or seed only
    fold: str | None  # held out and scored; None: all sections are trained on
    changes: dict = field(default_factory=dict)  # settings that differ from the profile's
    leave_out: str | None = None  # sections that are not trained on either
    profile: str | None = None  # where it is not the programme's
    part: str | None = None  # of the group, which the table shows by itself too
    borders: tuple = ()  # further ways to go on beyond the image in prediction, each scored too


SHORT = {"tta": "none", "primary": "none"}
NO_AUGMENTATION = {"displacement_sigma": 0.0, "rotate": False, "flip": False, "shift": False} | {
    "contrast": 0.0,
    "brightness": 0.0,
}

# One thing changed at a time: what it is called, and the settings.
ABLATIONS = {
    "as the paper": {},
    "no border term": {"w_0": 0.0},
    "classes not balanced": {"class_balance": 0.0},
    "no elastic deformation": {"displacement_sigma": 0.0},
    "no augmentation": NO_AUGMENTATION,
    "no drop-out": {"dropout": 0.0},
    "padded": {"padding": "zeros"},
    "padded, batch norm": {"padding": "zeros", "batch_norm": True},
    "Adam": {"optimiser": "adam", "learning_rate": 0.001},
    "release": {"variant": "release"},
}

# Adjacent sections look alike, and sections 25 to 29 are scored: what it changes to leave sections out of the training,
# as many of them far from the scored ones as next to them.
LEFT_OUT = {"sections 0 to 3 left out": "0-3", "sections 21 to 24 left out": "21-24"}


def remedies(profile):
    """Against mergers and thick membranes, by settings alone: what each is called, and the settings that differ from
    those of the profile.
    """
    usual = PROFILES[profile]
    return {
        "as it is": {},
        "twice the steps": {"steps": 2 * usual.steps},
        "half the class balance": {"class_balance": 0.5},
        "twice the border term": {"w_0": 2 * usual.w_0},
        "twice the channels": {"base_channels": 2 * usual.base_channels, "learning_rate": usual.learning_rate / 2},
    }


# What the paper leaves open, and what was tried on fold 1/6: the choice, and for
# each of its runs the folder's name and the settings.
RATES = {f"learning-rate-{rate}": {"learning_rate": rate} for rate in (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)}
UNCLIPPED = 1e9  # a gradient's norm that is never reached
BASE = {"base": {}}
CHOICES = {
    "learning rate, quick": RATES,
    "gradient clipping": BASE
    | {
        f"unclipped-{rate}": {"learning_rate": rate, "gradient_clip": UNCLIPPED}
        for rate in (0.00025, 0.0005, 0.001, 0.002)
    },
    "schedule": BASE | {"schedule-constant": {"decay": "constant"}, "schedule-no-warm-up": {"warmup": 0.0}},
    "steps": {"steps-500": {"steps": 500}} | BASE | {"steps-2000": {"steps": 2000}},
    "gray-value range": {"gray-none": {"contrast": 0.0, "brightness": 0.0}}
    | BASE
    | {"gray-twice": {"contrast": 0.4, "brightness": 0.4}},
    "class balance": {"balance-none": {"class_balance": 0.0}, "balance-half": {"class_balance": 0.5}} | BASE,
    "border term": {"border-w0-5": {"w_0": 5.0}}
    | BASE
    | {"border-w0-20": {"w_0": 20.0}, "border-sigma-10": {"sigma": 10.0}},
    "learning rate, full network": {
        f"full-width-{rate}": {"learning_rate": rate, "steps": 400, "tile_size": 252}
        for rate in (0.002, 0.004, 0.008, 0.016)
    },
}


def runs_of(programme, seeds, profile="quick"):
    """The runs of a programme with a profile; `seeds` of each ablation and remedy."""
    if programme == "folds":
        apart = "folds 2 to 5, without sections that the recipe was chosen on"
        return [Run(f"fold-{n}", "5 folds", f"{n}/5", part=apart if n > 1 else None) for n in range(1, 6)]
    if programme == "full-fold":
        return [Run("fold-6", "fold 6/6", "6/6")]
    if programme == "final":
        return [Run("final", "all 30 sections", None)]
    if programme == "choices":
        runs = {}
        for choice, tried in CHOICES.items():
            for name, changes in tried.items():
                full = name.startswith("full-width")
                settings = changes if full else {"learning_rate": 0.016, "steps": 1000} | changes
                runs[name] = Run(name, choice, "1/6", settings | SHORT, profile="paper" if full else "quick")
        return list(runs.values())
    if programme == "remedies":
        return [
            Run(f"{name.replace(' ', '-')}-seed-{seed}", name, "1/6", changes | {"seed": seed})
            for seed in range(seeds)
            for name, changes in remedies(profile).items()
        ]
    return [
        Run(
            f"{'-'.join(name.replace(',', '').split())}-seed-{seed}",
            name,
            "6/6",
            ABLATIONS.get(name, {}) | {"seed": seed},
            leave_out=LEFT_OUT.get(name),
            borders=("zeros",) if name == "as the paper" else (),
        )
        for seed in range(seeds)
        for name in (*ABLATIONS, *LEFT_OUT)
    ]
