"""The one value in which images travel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from unet_paper.io.hashes import content_sha256
from unet_paper.io.made_with import EIGHT_BITS
from unet_paper.io.pixel_size import PixelSize


@dataclass(frozen=True, eq=False)
class ImageStack:
    """Sections and what their file tells of them. Made by `io`; nobody else opens the file."""

    pixels: np.ndarray  # (Z, H, W), perhaps mapped from the file, or a LazyStack
    pixel_size: PixelSize | None
    source: Path
    nodata: float | None = None  # the value that GDAL writes where nothing was measured
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the first pixel, (z, y, x) in px; OME-Zarr tells it
    made_with: Mapping[str, str] = field(default_factory=dict)  # of a result of ours, see made_with.py

    @property
    def holds_probabilities(self) -> bool:
        """Whether its numbers can be probabilities: floats, or bytes that their file calls so."""
        are_bytes = self.pixels.dtype == np.uint8
        return self.pixels.dtype.kind == "f" or are_bytes and self.made_with.get("values") == EIGHT_BITS

    @cached_property
    def content_sha256(self) -> str:
        """See `hashes.content_sha256`; computed once."""
        return content_sha256(self.pixels)
