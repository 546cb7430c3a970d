"""In which settings a training may differ from the one that it resumes."""

from dataclasses import replace

from unet_paper.checkpoint import Checkpoint
from unet_paper.config import PAPER
from unet_paper.normalisation import Standardisation
from unet_paper.runs.resuming import changed_settings


def test_what_has_no_effect_on_adam_may_differ():
    """A training by Adam of before the momentum rose goes on."""
    began = replace(PAPER, optimiser="adam", momentum_warmup=0.0)
    checkpoint = Checkpoint(1, began, Standardisation(0.0, 1.0, "uint8"), {}, None, [], {}, 1.0)
    now = replace(began, momentum_warmup=500.0)
    assert changed_settings(checkpoint, now) == {}
    assert changed_settings(checkpoint, replace(now, warmup=0.0)) == {"warmup": (0.05, 0.0)}
    by_sgd = replace(checkpoint, config=replace(began, optimiser="sgd"))
    assert changed_settings(by_sgd, replace(now, optimiser="sgd")) == {"momentum_warmup": (0.0, 500.0)}
