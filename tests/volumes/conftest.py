"""A network, a stack and an OME-Zarr of it, all small."""

import numpy as np
import pytest
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.checkpoint import Checkpoint
from unet_paper.config import PROFILES
from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.predicting import PredictionRequest


@pytest.fixture(scope="session")
def weights_of(tmp_path_factory):
    """The weights.pt of an untrained network of 2 base channels, for images of a type."""

    def make(dtype):
        path = tmp_path_factory.mktemp("weights") / "weights.pt"
        config = PROFILES["smoke"].__class__(**{**vars(PROFILES["smoke"]), "base_channels": 2})
        torch.manual_seed(1)
        network = checkpoints.new_network(config).state_dict()
        checkpoints.save(path, Checkpoint(1, config, Standardisation(0.5, 0.2, dtype), network, None, [], {}, 0.0))
        return path

    return make


@pytest.fixture(scope="session")
def weights(weights_of):
    return weights_of("uint8")


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 70, 103), dtype=np.uint8)


@pytest.fixture(scope="session")
def stack(pixels, tmp_path_factory):
    """The pixels as a TIFF."""
    path = tmp_path_factory.mktemp("stack") / "image.tif"
    write_stack(path, pixels, pixel_size=EM)
    return path


@pytest.fixture(scope="session")
def make_zarr():
    """Writes an OME-Zarr of an array by the format's own library."""
    zarr = pytest.importorskip("zarr")
    writer = pytest.importorskip("ome_zarr.writer")
    from ome_zarr.format import format_from_version

    def make(path, array, axes="zyx", version="0.5", unit="nanometer", scale=(50.0, 4.0, 4.0), translation=None):
        fmt = format_from_version(version)
        group = zarr.create_group(path, zarr_format=fmt.zarr_format)
        chunks = tuple(min(size, 2 if axis == "z" else 64) for axis, size in zip(axes, array.shape, strict=True))
        separator = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if fmt.zarr_format == 2 else {}
        group.create_array("full", data=array, chunks=chunks, **separator)
        group.create_array("half", data=array[..., ::2, ::2], **separator)
        kinds = {"t": "time", "c": "channel"}
        described = [
            {"name": axis, "type": kinds.get(axis, "space")} | ({"unit": unit} if axis in "zyx" and unit else {})
            for axis in axes
        ]
        placed = []
        for factor in (1, 2):
            sizes = dict(zip("zyx", scale, strict=True))
            steps = [
                {"type": "scale", "scale": [sizes.get(axis, 1.0) * (factor if axis in "yx" else 1) for axis in axes]}
            ]
            if translation:
                offsets = dict(zip("zyx", translation, strict=True))
                steps.append({"type": "translation", "translation": [offsets.get(axis, 0.0) for axis in axes]})
            placed.append(steps)
        datasets = [
            {"path": name, "coordinateTransformations": steps}
            for name, steps in zip(("full", "half"), placed, strict=True)
        ]
        writer.write_multiscales_metadata(group, datasets, fmt=fmt, axes=described)
        return path

    return make


@pytest.fixture(scope="session")
def image(pixels, make_zarr, tmp_path_factory):
    """The pixels as an OME-Zarr."""
    return make_zarr(tmp_path_factory.mktemp("image") / "image.zarr", pixels)


@pytest.fixture
def request_of(weights, image, tmp_path):
    """A PredictionRequest for the result `name`."""
    from unet_paper.volumes.work import opened

    def make(name="out.zarr", image=image):
        opened.cache_clear()
        return PredictionRequest(weights, image, tmp_path / name, "none", largest_tile=252)

    return make


@pytest.fixture(scope="session")
def expected(weights, image, tmp_path_factory):
    """What one process makes of the image."""
    from unet_paper.volumes.prediction import predict_volume

    out = tmp_path_factory.mktemp("expected") / "out.zarr"
    predict_volume(PredictionRequest(weights, image, out, "none", largest_tile=252))
    return np.asarray(open_stack(out).pixels)
