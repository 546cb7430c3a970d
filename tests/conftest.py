"""Real parts: the ISBI stack where ISBI_DATA names it, the built-in phantom elsewhere; never mocks."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.datasets.phantom import make_phantom, write_phantom
from unet_paper.io.stack import read_labels, read_stack


@pytest.fixture(scope="session")
def sections():
    """(volume, labels) of a few 512 px sections: (4, 512, 512) uint8 each."""
    folder = os.environ.get("ISBI_DATA")
    if folder:
        return tuple(
            read(Path(folder) / f"train-{name}.tif")[::8]
            for read, name in ((read_stack, "volume"), (read_labels, "labels"))
        )
    return make_phantom(4, 512, seed=5)


@pytest.fixture(scope="session")
def small_phantom(tmp_path_factory):
    """A folder with a phantom of 6 + 2 sections of 128 px."""
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, train_sections=6, test_sections=2, size=128, seed=3)
    return folder


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def random_stack(random):
    """Draws a (Z, H, W) truth and a proposal that has something to do with it."""

    def draw(shape, kind):
        """kind: "float64", "float32", "tenths" (with many ties) or "binary"."""
        smooth = np.stack([ndimage.gaussian_filter(random.standard_normal(shape[1:]), 1.2) for _ in range(shape[0])])
        truth = smooth > random.uniform(-0.3, 0.1)
        proposal = np.clip(0.5 + 2 * smooth + random.normal(0, 0.25, shape), 0, 1)
        if kind == "tenths":
            proposal = np.round(proposal, 1)
        elif kind == "binary":
            proposal = (proposal > 0.5).astype(float)
        truth[0, 0, 0] = True
        return truth, proposal.astype(np.float32) if kind == "float32" else proposal

    return draw
