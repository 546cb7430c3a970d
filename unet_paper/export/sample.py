"""What a package shows of its network: a section of the phantom as input, the map of it, and a cover of both."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tifffile
import torch
from PIL import Image

from unet_paper.datasets.phantom import make_phantom
from unet_paper.export.same_size import SameSizeUNet
from unet_paper.normalisation import Standardisation

SIZE = 256  # px


@dataclass(frozen=True)
class Sample:
    """`gray` : (SIZE, SIZE) of the training stack's type; `output` : (channels, SIZE, SIZE) float32 probabilities."""

    gray: np.ndarray
    output: np.ndarray

    def tensors(self) -> tuple[bytes, bytes]:
        """Input and output as .npy, (1, C, H, W) float32 each."""
        return _npy(self.gray[None, None].astype(np.float32)), _npy(self.output[None])

    def images(self) -> tuple[bytes, bytes]:
        """Input and output as TIFF."""
        return _tiff(self.gray), _tiff(self.output.squeeze())

    def cover(self) -> bytes:
        """Input and first map side by side, as PNG."""
        low, high = float(self.gray.min()), float(self.gray.max())
        left = (self.gray.astype(np.float64) - low) / (high - low or 1)
        shown = np.concatenate([left, self.output[-1]], axis=1)
        written = io.BytesIO()
        Image.fromarray(np.round(255 * shown).astype(np.uint8)).save(written, format="png")
        return written.getvalue()


@torch.inference_mode()
def make_sample(network: SameSizeUNet, standardisation: Standardisation) -> Sample:
    """A phantom section with the training stack's mean and deviation, and what the network makes of it."""
    gray = as_training_stack(_section(), standardisation)
    return Sample(gray, network(torch.from_numpy(gray.astype(np.float32))[None, None])[0].numpy())


def as_training_stack(section: np.ndarray, standardisation: Standardisation) -> np.ndarray:
    """Gray values of any range with the mean, the deviation and the type of a training stack."""
    wanted = np.dtype(standardisation.dtype)
    values = (section - section.mean()) / section.std() * standardisation.deviation + standardisation.mean
    if wanted.kind == "f":
        return values.astype(np.float32)
    limits = np.iinfo(wanted)
    return np.clip(np.round(values * limits.max), limits.min, limits.max * (1 - 2**-20)).astype(wanted)


@lru_cache(maxsize=1)
def _section() -> np.ndarray:
    return make_phantom(1, SIZE, seed=23)[0][0].astype(np.float64)


def _npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


def _tiff(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    tifffile.imwrite(written, array, photometric="minisblack")
    return written.getvalue()
