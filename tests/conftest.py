"""Real parts: the ISBI stack where ISBI_DATA names it, the built-in phantom elsewhere; never mocks."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from unet_paper import train
from unet_paper.config import Config
from unet_paper.datasets.cell_phantom import write_cell_phantom
from unet_paper.datasets.folds import Protocol
from unet_paper.datasets.phantom import make_phantom, write_phantom
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.metrics.segments import overlap
from unet_paper.normalisation import Standardisation
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.runs.record import RunRecord, Session, Times


@pytest.fixture(scope="session")
def sections():
    """(volume, labels) of a few 512 px sections: (4, 512, 512) uint8 each."""
    folder = os.environ.get("ISBI_DATA")
    if folder:
        return tuple(
            read(Path(folder) / f"train-{name}.tif").pixels[::8]
            for read, name in ((read_stack, "volume"), (read_labels, "labels"))
        )
    return make_phantom(4, 512, seed=5)


@pytest.fixture(scope="module")
def phantom():
    """(volume, labels) of 3 sections of 96 px, as a notebook has them."""
    return make_phantom(3, 96, seed=1)


@pytest.fixture(scope="module")
def trained(request, phantom):
    """A network trained on `phantom` by the settings TINY of the test's module."""
    return train(*phantom, "cells", **request.module.TINY)


@pytest.fixture(scope="session")
def small_phantom(tmp_path_factory):
    """A folder with a phantom of 6 + 2 sections of 128 px."""
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, train_sections=6, test_sections=2, size=128, seed=3)
    return folder


@pytest.fixture(scope="session")
def cell_phantom(tmp_path_factory):
    """A folder with a phantom of cells: two sequences of 2 frames of 192 px."""
    folder = tmp_path_factory.mktemp("data") / "cells"
    write_cell_phantom(folder, frames=2, size=192, seed=2)
    return folder


@pytest.fixture(scope="session")
def make_record():
    """Makes the RunRecord of a finished training."""

    def make(config: Config, dataset: str = "phantom", protocol: Protocol | None = None) -> RunRecord:
        session = Session(0, code_version(), hardware("cpu"), "float32", False, now())
        return RunRecord(
            name="run",
            status="finished",
            dataset=dataset,
            protocol=protocol or Protocol.of_test(6, 2),
            config=config,
            changes=config.changes(),
            parameters=31_000,
            standardisation=Standardisation(0.5, 0.2, "uint8"),
            class_weights=None,
            data_sha256={},
            pixel_size=None,
            sessions=(session,),
            times=Times(finished=now(), training_seconds=1.0),
        )

    return make


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


@pytest.fixture
def drawn_cells(random):
    """Draws (H, W) uint8 numbered cells, some of which touch; 0 = background."""

    def draw():
        height, width = random.integers(3, 40, 2)
        labels = np.zeros((height, width), np.uint8)
        for cell in range(1, random.integers(0, 9)):
            y, x = random.integers(0, height), random.integers(0, width)
            labels[y : y + random.integers(1, 7), x : x + random.integers(1, 7)] = cell
        return relabel_sequential(labels)[0]

    return draw


@pytest.fixture(scope="session")
def slow_distances():
    """The obvious way to d1 and d2 of equation 2: one distance transform per cell, over the whole image."""

    def distances_to_two_nearest(cells):
        distances = [ndimage.distance_transform_edt(cells != cell) for cell in range(1, cells.max() + 1)]
        distances += [np.full(cells.shape, np.inf)] * max(0, 2 - len(distances))
        return np.sort(np.stack(distances), axis=0)[:2]

    return distances_to_two_nearest


@pytest.fixture(scope="session")
def overlap_of():
    """The Overlap of two small sections of numbered segments, given as lists."""

    def overlap_of_lists(truth, proposal):
        truth, proposal = np.array(truth, np.int32), np.array(proposal, np.int32)
        return overlap(truth, np.bincount(truth.ravel())[1:], proposal)

    return overlap_of_lists
