"""Whether the deep levels of a trained network (figure 1) reach its output; dead ReLUs can make them inactive.

With all of them lost it sees 9 x 9 px around each pixel, learns what these allow, and its loss looks like any other's.
"""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import torch
from torch import nn

from unet_paper.network import CONTEXT, UNet
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.overlap_tile import mirrored_region, tile_size
from unet_paper.runs.record import RunRecord

LARGEST_PART = 836  # px, of the part of a section that is looked at
LOST = 1e-6  # below it no pixel of the output changes in what a record keeps: the ReLUs between are dead
INACTIVE = 0.001  # mean change of the probabilities below which what lies deeper does not count


@torch.inference_mode()
def up_convolution_effect(network: UNet, standardisation: Standardisation, section: np.ndarray) -> list[float]:
    """What each up-convolution adds: how far the probabilities change when its feature map is flat.

    network : on any device; section : (H, W) gray values

    Returns a list of the mean absolute changes, 0 to 1, the deepest level's first. Below INACTIVE, too little to count
    comes from below that up-convolution.
    """
    was_training = network.training
    network.eval()
    height, width = (int(tile_size(min(length, LARGEST_PART))) for length in section.shape)
    region = mirrored_region(section, -CONTEXT, height - CONTEXT, -CONTEXT, width - CONTEXT)
    values = torch.from_numpy(standardisation(gray_values(region)))[None, None]
    values = values.to(next(network.parameters()).device)
    usual = network(values).softmax(1)
    changes = []
    for layer in network.up_convolutions:
        hook = layer.register_forward_hook(flat)
        try:
            changes.append(float((network(values).softmax(1) - usual).abs().mean()))
        finally:
            hook.remove()
    network.train(was_training)
    return changes


def flat(_layer: nn.Module, _given: object, feature_maps: torch.Tensor) -> torch.Tensor:
    """A forward hook: (B, C, H, W) feature maps, each channel of each replaced by its mean."""
    return feature_maps.mean((2, 3), keepdim=True).expand_as(feature_maps).clone()


def are_inactive(record: RunRecord) -> bool:
    """Whether a run's record says so; older records do not say."""
    return record.up_convolution_effect is not None and record.up_convolution_effect[-1] < INACTIVE


def lost_levels(effect: Sequence[float]) -> int:
    """How many of the deepest levels nothing of which reaches the output (`up_convolution_effect`)."""
    return sum(1 for _ in takewhile(lambda change: change < LOST, effect))


def inactivity_warning(effect: Sequence[float]) -> str | None:
    """A sentence for a network whose deep levels are inactive (`up_convolution_effect`), or None."""
    lost = lost_levels(effect)
    if effect[-1] < INACTIVE:
        what = "the levels below the first no longer reach"
    elif lost:
        what = "the deepest level no longer reaches" if lost == 1 else f"the {lost} deepest levels no longer reach"
    else:
        return None
    return (
        f"note: {what} the output, as when the ReLUs between have died; train in another folder with another seed or a "
        "lower learning_rate"
    )
