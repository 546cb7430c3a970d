"""Whether the deep levels of a trained network (figure 1) reach its output: ReLUs that have died can cut them off.

Such a network sees some ten pixels around each, learns what these allow, and its loss looks like any other's.
"""

import torch

from unet_paper.network import BORDER
from unet_paper.normalisation import gray_values
from unet_paper.overlap_tile import mirrored_region, tile_size

LARGEST = 836  # px, of the part of a section that is looked at
RECORDED = "changes_without_up_convolution"  # what a run's record calls its contributions
CUT_OFF = 0.001  # mean change of the probabilities below which what lies deeper does not count


@torch.inference_mode()
def contributions(network, standardisation, section):
    """What each up-convolution adds: how far the probabilities change when its map is flat, each channel its mean.

    network : UNet, on any device; standardisation : checkpoint.Standardisation; section : (H, W) gray values

    Returns a list of the mean absolute changes, 0 to 1, the deepest level's first. Below CUT_OFF, nothing from below
    that up-convolution reaches the output.
    """
    was_training = network.training
    network.eval()
    height, width = (int(tile_size(min(length, LARGEST))) for length in section.shape)
    region = mirrored_region(section, -BORDER, height - BORDER, -BORDER, width - BORDER)
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


def flat(_layer, _given, maps):
    """A forward hook: (B, C, H, W) maps, each channel of each replaced by its mean."""
    return maps.mean((2, 3), keepdim=True).expand_as(maps).clone()


def are_cut_off(record):
    """Whether a run's record says so; older records do not say."""
    return record.get(RECORDED, [1.0])[-1] < CUT_OFF


def remark(changes):
    """A sentence for a network whose deep levels are cut off (`contributions`), or None."""
    if changes[-1] >= CUT_OFF:
        return None
    return (
        "note: the levels below the first no longer reach the output, as when the ReLUs between have died; train in "
        "another folder with another seed or a lower learning_rate"
    )
