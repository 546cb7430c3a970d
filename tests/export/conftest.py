"""Small networks with random weights, of several kinds; the tests of the files need the extra `export`."""

from dataclasses import replace

import pytest
import torch

from unet_paper.checkpoint import Checkpoint, new_network
from unet_paper.config import PROFILES
from unet_paper.normalisation import Standardisation

KINDS = {
    "paper": {},
    "three classes, release": {"classes": 3, "variant": "release"},
    "textbook": {"padding": "zeros", "batch_norm": True, "extrapolation": "zeros"},
}


@pytest.fixture(scope="session")
def make_checkpoint():
    """Makes the Checkpoint of a network that has not been trained, with logits as large as a trained one's."""

    def make(dtype="uint8", base_channels=4, **settings):
        config = replace(PROFILES["smoke"], base_channels=base_channels, bfloat16=False, **settings)
        torch.manual_seed(0)
        network = new_network(config)
        with torch.no_grad():
            network.classifier.weight *= 0.3
        standardisation = Standardisation(0.5, 0.17, dtype)
        return Checkpoint(7, config, standardisation, network.state_dict(), None, [], {"train-volume": "ab"}, 1.0)

    return make


@pytest.fixture(scope="session", params=KINDS)
def checkpoint_of_any_kind(request, make_checkpoint):
    return make_checkpoint(**KINDS[request.param])
