"""The network as other tools can tile it: gray values in, probabilities of the same size out."""

from typing import Any

import torch
from torch.nn import functional

from unet_paper.network import CONTEXT, UNet

SPARE = 4  # px by which the output of an extended image is larger than the image
CELL = 1  # the class whose probability is the map where there are two


class SameSizeUNet(UNet):
    """A UNet that standardises and extrapolates its image by itself and gives probabilities, with the UNet's weights.

    Height and width of the image must be multiples of 16 px, at least 112 px. It is extended by 92 px at the top and on
    the left and by 96 px at the bottom and on the right, which makes a valid input size; the output's last 4 px are cut
    off.

    largest, mean, deviation : the network sees (gray value / largest - mean) / deviation.
    extrapolation : "mirror" (the mirror stands in the last pixel, which is not repeated) or "zeros", of what it sees.
    options : those of UNet.
    """

    def __init__(
        self,
        largest: float = 1,
        mean: float = 0.0,
        deviation: float = 1.0,
        extrapolation: str = "mirror",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.largest, self.mean, self.deviation = largest, mean, deviation
        self.padding_mode = {"mirror": "reflect", "zeros": "constant"}[extrapolation]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) gray values of a file -> (B, 1, H, W) probability of cell; of K > 2 classes (B, K, H, W)."""
        standardised = (image / self.largest - self.mean) / self.deviation
        sides = (CONTEXT, CONTEXT + SPARE, CONTEXT, CONTEXT + SPARE)
        logits = super().forward(functional.pad(standardised, sides, mode=self.padding_mode))
        probabilities = logits[:, :, :-SPARE, :-SPARE].softmax(dim=1)
        return probabilities[:, CELL : CELL + 1] if probabilities.shape[1] == 2 else probabilities
