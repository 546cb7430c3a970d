"""Every hyper-parameter, in one place, each marked as the paper's, the release's or ours."""

from dataclasses import asdict, dataclass, field, fields, replace

AVERAGES = ("none", "rot7", "d4")  # of the predictions of transformed inputs; see prediction.py
DECAYS = ("cosine", "constant")
BORDERS = ("mirror", "zeros")  # what lies beyond the image in prediction
COMPILATIONS = ("auto", "on", "off")  # of the network, see compilation.py


def setting(default, source, meaning):
    """A field of Config: its default, where it comes from ("paper", "release" or "ours"), and what it means."""
    if source not in ("paper", "release", "ours"):
        raise ValueError(f"source is {source!r}; it must be 'paper', 'release' or 'ours'")
    return field(default=default, metadata={"source": source, "meaning": meaning})


@dataclass(frozen=True)
class Config:
    """The full recipe. A profile changes some of these; `run.json` records all of them."""

    profile: str = setting("paper", "ours", "name of this set of settings")

    # Network: section 2, figure 1
    width: int = setting(64, "paper", "channels of the first level")
    form: str = setting("paper", "paper", "'paper' (figure 1) or 'release' (the authors' Caffe network)")
    classes: int = setting(2, "paper", "maps of the output: membrane, cell")
    drop_out: float = setting(0.5, "release", "probability, at the end of the contracting path")
    padding: str = setting("valid", "paper", "'valid' (unpadded convolutions) or 'zeros' (as textbook U-Nets have it)")
    batch_norm: bool = setting(False, "paper", "batch normalisation after every 3x3 convolution")

    # Weight map: equation 2
    w_0: float = setting(10.0, "paper", "height of the border term")
    sigma: float = setting(5.0, "paper", "width of the border term, px")
    class_balance: float = setting(1.0, "ours", "w_c is the inverse class frequency to this power; 0: w_c is 1")

    # Augmentation: section 3.1
    tile_size: int = setting(572, "paper", "input tile, px")
    displacement_sigma: float = setting(10.0, "paper", "standard deviation of the grid's displacements, px")
    grid_points: int = setting(3, "paper", "points per side of the displacement grid")
    shift: bool = setting(True, "paper", "tiles from anywhere in the section; else from its centre")
    rotate: bool = setting(True, "paper", "rotate by any angle (the range is ours)")
    flip: bool = setting(True, "ours", "mirror half of the tiles")
    contrast: float = setting(0.2, "ours", "gray-value variation: contrast in 1 +- this")
    brightness: float = setting(0.2, "ours", "gray-value variation: brightness in +- this, standard deviations")

    # Training: section 3
    steps: int = setting(30_000, "ours", "tiles seen, one a step")
    optimiser: str = setting("sgd", "paper", "'sgd', gradient descent with momentum, or 'adam'")
    momentum: float = setting(0.99, "paper", "momentum of the gradient descent")
    learning_rate: float = setting(0.004, "ours", "highest learning rate")
    warm_up: float = setting(0.05, "ours", "part of the steps in which the learning rate rises from 0, linearly")
    decay: str = setting("cosine", "ours", "how it falls to 0 over the remaining steps")
    weight_decay: float = setting(0.0, "ours", "weight decay; the paper states none")
    gradient_clip: float = setting(0.5, "ours", "largest norm of a step's gradient; longer ones are shortened to it")
    seed: int = setting(0, "ours", "seed of the weights, the tiles and drop-out")
    bfloat16: bool = setting(True, "ours", "compute in bfloat16 where autocast allows; weights stay float32")
    checkpoint_every: int = setting(1000, "ours", "steps between checkpoints")

    # Prediction: figure 2, section 4
    averages: tuple[str, ...] = setting(AVERAGES, "ours", "averagings that a run reports")
    border: str = setting("mirror", "paper", "what lies beyond the image in prediction: 'mirror' or 'zeros'")
    headline: str = setting("d4", "ours", "the averaging of scores.json, fixed before any run")

    def described(self):
        """{name: {value, source, meaning}} for the run's record. A value that a profile changed is ours."""
        described = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            source = entry.metadata["source"] if value == entry.default else "ours"
            described[entry.name] = {"value": value, "source": source, "meaning": entry.metadata["meaning"]}
        return described

    def as_dict(self):
        """{name: value}, of plain types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The inverse of `as_dict`, also after a trip through JSON (which turns tuples into lists)."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


PAPER = Config()
PROFILES = {
    # The full network and recipe; meant for a GPU.
    "paper": PAPER,
    # For two CPU cores: the paper's but for a narrower network, fewer steps and a learning rate chosen for it.
    "quick": replace(PAPER, profile="quick", width=16, steps=2500, learning_rate=0.016, checkpoint_every=250),
    # Only shows that all parts work together; its scores mean nothing.
    "smoke": replace(
        PAPER,
        profile="smoke",
        width=4,
        steps=30,
        tile_size=316,
        checkpoint_every=10,
        averages=("none",),
        headline="none",
    ),
}
