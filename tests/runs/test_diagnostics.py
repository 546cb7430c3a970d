"""Whether the deep levels reach the output."""

import numpy as np
import pytest
import torch

from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.runs.diagnostics import INACTIVE, inactivity_warning, lost_levels, up_convolution_effect

STANDARDISATION = Standardisation(0.5, 0.2, "uint8")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return UNet(base_channels=4)


@pytest.mark.parametrize("variant", ["paper", "release"])
@pytest.mark.parametrize("shape", [(60, 90), (1, 1), (900, 40)])
def test_all_levels_of_a_new_network_count(random, variant, shape):
    torch.manual_seed(0)
    section = random.integers(0, 256, shape, dtype=np.uint8)
    changes = up_convolution_effect(UNet(base_channels=4, variant=variant), STANDARDISATION, section)
    assert len(changes) == 4 and all(0 < change <= 1 for change in changes)
    assert changes[-1] > INACTIVE and inactivity_warning(changes) is None


@pytest.mark.parametrize("level", range(4))
def test_dead_relus_make_inactive_what_is_deeper(random, network, level):
    """From the up-convolution after the dead ReLUs down nothing counts; above it all does."""
    section = random.integers(0, 256, (100, 100), dtype=np.uint8)
    before = up_convolution_effect(network, STANDARDISATION, section)
    dead = network.contracting[-1] if level == 0 else network.expanding[level - 1]
    last = [layer for layer in dead if isinstance(layer, torch.nn.Conv2d)][-1]
    torch.nn.init.constant_(last.bias, -1e6)
    changes = up_convolution_effect(network, STANDARDISATION, section)
    assert changes[: level + 1] == [0.0] * (level + 1) and all(change > 0 for change in changes[level + 1 :])
    assert lost_levels(before) == 0 and inactivity_warning(before) is None
    assert lost_levels(changes) == level + 1
    told = (
        "the deepest level no longer reaches",
        "the 2 deepest levels no",
        "the 3 deepest levels no",
        "below the first no",
    )
    assert told[level] in (inactivity_warning(changes) or "")


def test_a_level_is_lost_where_a_record_keeps_that_nothing_changes():
    assert lost_levels((0.0, 0.0, 0.000001, 0.1)) == 2 and lost_levels((0.1, 0.0, 0.1, 0.1)) == 0
    assert inactivity_warning((0.000001, 0.1, 0.1, INACTIVE)) is None


def test_the_network_is_left_as_it_was(random, network):
    weights = {name: values.clone() for name, values in network.state_dict().items()}
    up_convolution_effect(network.train(), STANDARDISATION, random.integers(0, 256, (50, 50), dtype=np.uint8))
    assert network.training and all(torch.equal(values, weights[name]) for name, values in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.up_convolutions)
