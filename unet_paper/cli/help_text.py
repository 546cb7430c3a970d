"""What `--help` says of profiles, test-time augmentations, labels and settings, from where they are defined."""

import textwrap
from dataclasses import fields

from unet_paper.cli.settings import FIXED
from unet_paper.config import PAPER, PROFILES, Config, as_text
from unet_paper.datasets.labels import LABELS_ARE

WIDTH = 100
PROFILE_MEANINGS = {
    "paper": "The paper's network and training, with the choices that the paper leaves open. It is meant for a GPU.",
    "quick": "For two CPU cores: a narrower network and fewer steps.",
    "smoke": "Only shows that all parts work together. Its scores mean nothing.",
}
SMOKE = "note: the profile smoke only shows that all parts work together; its scores mean nothing"
TTA_MEANINGS = {
    "none": "One pass over the image.",
    "rot7": "The mean over seven versions rotated by multiples of 360/7 degrees: our reading of the paper.",
    "d4": "The mean over the eight flips and quarter turns, which need no interpolation.",
}
EXTRAPOLATION_MEANINGS = {
    "mirror": "The image is mirrored at its border, as in the paper.",
    "zeros": "The mean gray value of the training stack.",
}
PUBLISHED_MEANINGS = {
    ".safetensors": "The weights in half precision, which this program reads.",
    ".zip": "A bioimage.io package, format 0.5, for bioimageio.core and the tools that read its format. It needs the "
    "packages of pip install '.[export]'.",
    ".onnx": "The network for ONNX Runtime, OpenVINO and others. It needs the same packages.",
}
SOURCES = {
    "paper": "stated in the paper",
    "release": "from the authors' released network",
    "ours": "our choice, as the paper leaves it open",
}


def profiles() -> str:
    """The profiles, and in what each differs from `paper`."""
    entries = []
    for name, config in PROFILES.items():
        differences = ", ".join(
            f"{entry.name}={as_text(getattr(config, entry.name))}"
            for entry in fields(config)
            if entry.name != "profile" and getattr(config, entry.name) != getattr(PAPER, entry.name)
        )
        entries.append((name, PROFILE_MEANINGS[name] + (f" It sets {differences}." if differences else "")))
    return _section("profiles:", entries)


def settings() -> str:
    """All settings that `--set` takes, with value, limits, source and meaning."""
    entries = []
    for entry in fields(Config):
        if entry.name in FIXED:
            continue
        meaning, limits = entry.metadata["meaning"], entry.metadata["limits"]
        kind = "true or false" if isinstance(entry.default, bool) else str(limits)
        entries.append(
            (
                f"{entry.name}={as_text(entry.default)}",
                f"{_sentence(meaning)} It is {kind}. Source: {entry.metadata['source']}.",
            )
        )
    sources = "; ".join(f"{name}, {meaning}" for name, meaning in SOURCES.items())
    title = f"settings, which --set NAME=VALUE changes, with their values in the profile paper. Sources: {sources}."
    return _section(title, entries)


def test_time_augmentations() -> str:
    """What `--tta` takes."""
    return _section("test-time augmentations:", list(TTA_MEANINGS.items()))


def extrapolations() -> str:
    """What `--extrapolation` takes."""
    return _section("extrapolations, for what lies beyond the image:", list(EXTRAPOLATION_MEANINGS.items()))


def published() -> str:
    """What `publish` writes, by the ending of a name."""
    return _section("endings:", list(PUBLISHED_MEANINGS.items()))


def labels_are() -> str:
    """What `--labels-are` takes."""
    entries = [(name, _sentence(meaning)) for name, meaning in LABELS_ARE.items()]
    return _section("labels, by the meaning of their values:", entries)


def _sentence(meaning: str) -> str:
    """With a capital, unless a symbol comes first, and a full stop."""
    capital = meaning if meaning.startswith("w_c") else meaning[0].upper() + meaning[1:]
    return capital if capital.endswith(".") else f"{capital}."


def _section(title: str, entries: list[tuple[str, str]]) -> str:
    lines = textwrap.wrap(title, WIDTH)
    indent = min(26, 4 + max(len(name) for name, _ in entries))
    for name, meaning in entries:
        label = f"  {name}".ljust(indent)
        if len(label) > indent:
            lines.append(label)
            label = " " * indent
        lines += textwrap.wrap(meaning, WIDTH, initial_indent=label, subsequent_indent=" " * indent)
    return "\n".join(lines)
