"""Pictures of a training while it runs: the probability of one section, every so many steps."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from unet_paper.checkpoint import new_network
from unet_paper.config import Config
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import Predictor
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.logs import logger

LARGEST_SIDE = 512  # px of a side; of larger sections the middle is shown


@dataclass(frozen=True)
class Preview:
    """Writes the pictures of one training; what is trained stays as it is."""

    run: RunFolder
    every: int  # steps
    section: np.ndarray  # (H, W) gray values, of the training stack's type
    standardisation: Standardisation
    config: Config

    def after_step(self, step: int, network: UNet) -> None:
        """Write a picture if it is time for one; `network` : the one that is trained, after `step` steps."""
        if step % self.every == 0:
            self.write(step, network)

    def write(self, step: int, network: UNet) -> None:
        """Write step-NNNNNN.png, gray: the probability of cell, white = 1, or the class where there are more than two.

        It is one pass, of a copy of the network, as dropout is for training alone. Says so where it cannot be written.
        """
        copy = new_network(self.config)
        copy.load_state_dict(network.state_dict())
        copy.to(next(network.parameters()).device)
        config = self.config
        predictor = Predictor(
            copy, self.standardisation, "none", config.bfloat16, config.extrapolation, config.registration
        )
        shown = self._shown()
        probability = np.empty((predictor.out_channels, *shown.shape), np.float32)
        try:
            for block in predictor.plan(*shown.shape).blocks:
                of_block = probability[:, block.top : block.bottom, block.left : block.right]
                of_block[...] = predictor.predict_block(shown, block)
        except BadInput:  # whose advice is for predictions; where the loss is not finite, the training says so itself
            logger.warning(f"note: at step {step} the network's output is not finite, and there is no preview of it")
            return
        values = probability[0] if len(probability) == 1 else probability.argmax(0) / (len(probability) - 1)
        picture = self.run.previews / f"step-{step:06}.png"
        try:
            with atomic_write(picture) as temporary:
                Image.fromarray(np.round(255 * values).astype(np.uint8)).save(temporary, format="PNG")
        except (OSError, BadInput) as error:
            logger.warning(f"note: {picture} cannot be written ({error}); the training goes on without it")

    def _shown(self) -> np.ndarray:
        """The section's middle."""
        top, left = (max(0, (size - LARGEST_SIDE) // 2) for size in self.section.shape)
        return self.section[top : top + LARGEST_SIDE, left : left + LARGEST_SIDE]
