"""Hyper-parameters: where each comes from, what is refused, and what the profiles and optimisers change."""

from dataclasses import replace

import pytest

from unet_paper.cli.help_text import profiles, settings
from unet_paper.cli.settings import changed_config, recipe
from unet_paper.config import BEFORE, OPTIMISERS, PAPER, PROFILES, Config, as_text, optimiser_settings
from unet_paper.runs.from_arrays import _config
from unet_paper.support.errors import BadInput


@pytest.mark.parametrize(
    "change",
    [
        dict(tile_size=571),
        dict(base_channels=0),
        dict(momentum=1.0),
        dict(decay="step"),
        dict(tta=("d5",)),
        dict(gradient_clip=float("inf")),
        dict(contrast=-1.0),
        dict(displacement_sigma=1e30),
        dict(tile_size=188 + 16 * 10**400),
        dict(steps=10**400),
        dict(checkpoint_every=10**400),
        dict(learning_rate=float("inf")),
        dict(tta=("none", "d4"), primary="rot7"),
        dict(tta=()),
    ],
)
def test_settings_that_no_run_can_have(change):
    with pytest.raises(BadInput):
        replace(PAPER, **change).check()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("learning_rate", 0.016, "0.016"),
        ("learning_rate", 1e-5, "1e-05"),
        ("learning_rate", 0.00012345678, "0.00012345678"),
        ("warmup", 1234567.0, "1234567.0"),
        ("momentum_warmup", 500.0, "500"),
        ("steps", 1234567, "1234567"),
        ("rotate", False, "false"),
        ("tta", ("none", "d4"), "none,d4"),
        ("decay", "constant", "constant"),
    ],
)
def test_a_setting_in_words_is_read_as_what_it_was(name, value, text):
    """With all its digits, or a run that is resumed as it was told to be would differ."""
    assert as_text(value) == text
    assert getattr(changed_config(PAPER, [f"{name}={text}"]), name) == value


def test_help_tells_a_setting_as_the_record_does():
    """So that what is typed after the one is what is read in the other."""
    assert f"learning_rate={as_text(PAPER.learning_rate)} " in settings() and "w_0=10 " in settings()
    assert "learning_rate=0.0005" in profiles() and ".0 " not in settings()


def test_every_setting_says_where_it_comes_from():
    described = PAPER.described()
    assert {entry["source"] for entry in described.values()} == {"paper", "release", "ours"}
    assert described["momentum"] == {"value": 0.99, "source": "paper", "meaning": described["momentum"]["meaning"]}
    assert PROFILES["quick"].described()["base_channels"]["source"] == "ours"
    for name, value in dict(
        base_channels=64, tile_size=572, momentum=0.99, w_0=10, sigma=5, displacement_sigma=10, grid_points=3
    ).items():
        assert described[name]["value"] == value and described[name]["source"] == "paper"
    of_another = replace(PAPER, variant="release", warmup=0).described()
    sources = {name: of_another[name]["source"] for name in ("variant", "warmup")}
    assert sources == {"variant": "release", "warmup": "ours"}


def test_quick_changes_only_width_optimiser_steps_and_what_the_paper_leaves_open():
    quick, paper = PROFILES["quick"].described(), PAPER.described()
    changed = {name for name in paper if quick[name]["value"] != paper[name]["value"]}
    assert changed - {name for name in paper if paper[name]["source"] == "ours"} == {"base_channels", "optimiser"}


def test_changes_are_those_from_the_profile():
    assert PROFILES["quick"].changes() == PAPER.changes() == {}
    assert replace(PROFILES["quick"], base_channels=64, steps=2500).changes() == {"base_channels": 64}


def test_each_profile_can_train_by_either_optimiser():
    for name, profile in PROFILES.items():
        sgd, adam = (replace(profile, **optimiser_settings(optimiser, name)) for optimiser in OPTIMISERS)
        assert (sgd.optimiser, sgd.momentum, adam.optimiser) == ("sgd", 0.99, "adam")
        assert adam.learning_rate == (0.0003 if name == "paper" else 0.0005)
        assert {(by.decay, by.up_convolution_fan_in, by.momentum_warmup) for by in (sgd, adam)} == {
            ("trapezoid", "blob", 500.0)
        }
        assert profile in (sgd, adam)
    by_sgd = changed_config(PROFILES["quick"], recipe("quick", "sgd", None))
    assert by_sgd.learning_rate == 0.016


def test_an_optimiser_given_by_name_brings_its_rate():
    for name, profile in PROFILES.items():
        for optimiser in OPTIMISERS:
            named = replace(profile, **optimiser_settings(optimiser, name))
            assert changed_config(profile, [f"optimiser={optimiser}"]) == named
            assert _config(name, {"optimiser": optimiser}) == named
    given = changed_config(PROFILES["quick"], ["learning_rate=0.002", "optimiser=sgd"])
    assert (given.optimiser, given.learning_rate, given.momentum_warmup) == ("sgd", 0.002, 500)


def test_older_records_and_checkpoints_had_other_initial_weights_decay_and_no_rising_momentum():
    first = {name: value for name, value in PAPER.as_dict().items() if name not in BEFORE}
    as_then = {"up_convolution_fan_in": "input", "momentum_warmup": 0.0, "decay": "cosine"}
    assert Config.from_dict(first) == replace(PAPER, **as_then)
    assert Config.from_dict(PAPER.as_dict()) == PAPER


def test_the_first_records_names_and_profiles_are_read():
    names = ("base_channels", "variant", "dropout", "warmup", "extrapolation")
    then = dict(
        zip(("width", "form", "drop_out", "warm_up", "border"), (16, "release", 0.25, 0.1, "zeros"), strict=True)
    )
    read = Config.from_dict(then | {"profile": "quick with width=16", "averages": ["none"], "headline": "none"})
    assert [getattr(read, name) for name in names] == list(then.values())
    assert (read.profile, read.tta, read.primary) == ("quick", ("none",), "none")
    for balanced in (True, False):
        assert Config.from_dict({"balance_classes": balanced}).class_balance == float(balanced)
