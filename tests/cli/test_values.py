"""How the values of options are read."""

from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path

import pytest

from unet_paper.cli.parser import parse
from unet_paper.cli.settings import changed_config, chosen_optimiser, note_idle_settings, recipe
from unet_paper.cli.values import above_zero, channel, from_zero, numbers, path, positive, sections, share
from unet_paper.config import PROFILES
from unet_paper.support.arguments import as_path
from unet_paper.support.errors import BadInput


@pytest.mark.parametrize("text", ["~/run", "a/~", "~nobody-of-this-name/run", "run"])
def test_the_home_folder(monkeypatch, text):
    """A shell leaves it in --out=~/run, and Python in "~/run"."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")  # Windows'
    wanted = Path("/home/me/run") if text == "~/run" else Path(text)
    out = parse(["train", "--data", "d", f"--out={text}"]).out
    assert path(text) == out == as_path("folder", text) == as_path("folder", Path(text)) == wanted


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (numbers, "0,2.5,1e30", (0.0, 2.5, 1e30)),
        (sections, "10-12,3,3-4", (3, 4, 10, 11, 12)),
        (positive, "1", 1),
        (from_zero, "0", 0),
        (share, "0", 0.0),
        (share, "1", 1.0),
        (above_zero, "0.001", 0.001),
        (channel, "0", 0),
        (channel, "gray", "gray"),
    ],
)
def test_what_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (numbers, ("", "1,", "1;2", "-1", "1e31", "nan", "inf")),
        (sections, ("", "3-", "-3", "2-1", "1,,2", "1.5", "1234567")),
        (positive, ("", "0", "-1", "1.5", "x")),
        (from_zero, ("", "-1", "1.5", "x")),
        (share, ("", "-0.1", "1.1", "nan", "x")),
        (above_zero, ("", "0", "-1", "nan", "inf", "x")),
        (channel, ("", "-1", "1.5", "red")),
    ],
)
def test_what_is_refused(read, texts):
    for text in texts:
        with pytest.raises(ArgumentTypeError, match="is n"):
            read(text)


def test_settings_are_read_as_what_they_are():
    quick = PROFILES["quick"]
    given = ["steps=7", "rotate=FALSE", "tta=none,rot7", "sigma=3", "decay=constant", "steps=8"]
    expected = replace(quick, steps=8, rotate=False, tta=("none", "rot7"), sigma=3.0, decay="constant")
    assert changed_config(quick, given) == expected
    for change in ("steps=1.5", "rotate=1", "sigma=", "profile=paper", "classes=3", "step=3", "steps"):
        with pytest.raises(BadInput, match=f"^--set {change}: "):
            changed_config(quick, [change])


def test_an_optimiser_is_named_by_an_option_or_a_setting():
    for option, changes, optimiser in (
        (None, [], None),
        ("sgd", ["steps=3"], "sgd"),
        (None, ["optimiser=sgd", "steps=3", "optimiser=adam"], "adam"),
        ("adam", ["optimiser=sgd", "optimiser=adam"], "adam"),
    ):
        assert chosen_optimiser(option, changes) == optimiser
    with pytest.raises(BadInput, match="^--optimiser sgd and --set optimiser=adam name two optimisers; give one"):
        chosen_optimiser("sgd", ["optimiser=adam"])
    by_setting = [*recipe("quick", chosen_optimiser(None, ["optimiser=sgd"]), None), "optimiser=sgd"]
    assert changed_config(PROFILES["quick"], by_setting).learning_rate == 0.016


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["momentum=0.5"], ["note: of adam, the setting momentum has no effect"]),
        (
            ["momentum=0.5", "momentum_warmup=0", "momentum=0.6"],
            ["note: of adam, the settings momentum and momentum_warmup have no effect"],
        ),
        (["momentum=0.5", "optimiser=sgd"], []),
        (["steps=3"], []),
    ],
)
def test_settings_without_effect_are_said_to_have_none(given, said, caplog):
    note_idle_settings(changed_config(PROFILES["quick"], given), given)
    assert caplog.messages == said
