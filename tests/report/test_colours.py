"""Colours that must be told apart, seen as colour-blind readers see them."""

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from unet_paper.report.colours import CIRCLES, COMPONENTS, MERGER, MISSED_CELL, MISSED_MEMBRANE, SPLIT

# Machado, Oliveira and Fernandes 2009, complete loss of one kind of cone; applied to linear light.
SEEN_BY = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def lab(colour, cones):
    """CIELAB of a colour as readers with these cones see it."""
    light = np.array(colour) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_BY[cones]) @ light, 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("cones", SEEN_BY)
@pytest.mark.parametrize(
    "colours, least",
    [
        (COMPONENTS, 10),
        ((MERGER, SPLIT, MISSED_CELL, MISSED_MEMBRANE, BLACK, WHITE), 20),
        (tuple(CIRCLES.values()), 20),
    ],
)
def test_they_can_be_told_apart(colours, least, cones):
    distances = [deltaE_ciede2000(lab(one, cones), lab(other, cones)) for one, other in combinations(colours, 2)]
    assert min(distances) > least


def test_a_pair_that_cannot():
    """Mint and gray, which most readers tell apart easily."""
    mint, gray = (140, 214, 190), (190, 190, 190)
    assert deltaE_ciede2000(lab(mint, "all cones"), lab(gray, "all cones")) > 15
    assert deltaE_ciede2000(lab(mint, "no middle"), lab(gray, "no middle")) < 5
