"""bioimage.io packages, tried by bioimageio.core itself. They need the extra `export`."""

import re
import zipfile

import numpy as np
import pytest

from unet_paper import checkpoint as checkpoints
from unet_paper.cli.commands import main
from unet_paper.datasets.phantom import make_phantom
from unet_paper.prediction import predict

core = pytest.importorskip("bioimageio.core", reason="the extra `export` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
FORMATS = ("pytorch_state_dict", "torchscript", "onnx")
REACH = 96  # px from the border, within which bioimageio.core's own padding is seen


def published(folder, checkpoint, *options):
    """The package that the command writes."""
    weights, out = folder / "weights.pt", folder / "package.zip"
    checkpoints.save(weights, checkpoint)
    assert main(["publish", str(weights), str(out), "--force", *options]) == 0
    return out


@pytest.fixture(scope="module")
def trained(make_checkpoint):
    return make_checkpoint()


@pytest.fixture(scope="module")
def package(trained, tmp_path_factory):
    return published(tmp_path_factory.mktemp("package"), trained)


def test_twice_is_the_same(package, trained, tmp_path):
    assert published(tmp_path, trained).read_bytes() == package.read_bytes()


def test_it_names_no_path_of_this_machine(package):
    from pathlib import Path

    import torch

    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            for path in (Path(__file__).parents[2], Path(torch.__file__).parents[1]):
                assert str(path).encode() not in archive.read(name), name


@pytest.mark.parametrize("weights_format", FORMATS)
def test_bioimageio_test_passes(package, weights_format):
    summary = core.test_model(package, weight_format=weights_format)
    assert summary.status == "passed", summary.format()


@pytest.mark.parametrize("weights_format", FORMATS)
def test_tiled_prediction_is_this_programs(package, trained, weights_format):
    from bioimageio.core.digest_spec import create_sample_for_model

    image = make_phantom(1, 512, seed=4)[0][0]
    model = core.load_model_description(package)
    sample = create_sample_for_model(model, inputs={"image": image[None, None]})
    with core.create_prediction_pipeline(model, weight_format=weights_format) as pipeline:
        found = pipeline.predict_sample_with_blocking(sample, ns=2).members["probability"].data.values[0, 0]
    expected = predict(trained, image, tta="none", device="cpu")
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)
    assert found.shape == expected.shape and found.std() > 0.01


def test_the_example_in_its_text_runs(package):
    with zipfile.ZipFile(package) as archive:
        (code,) = re.findall(r"```python\n(.*?)```", archive.read("README.md").decode(), re.S)
    code = code.replace("image = ...", "image = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)")
    found: dict = {}
    exec(code.replace("PACKAGE.zip", str(package)), found)
    assert found["probability"].shape == (1, 300, 400)


def test_other_networks_and_images(make_checkpoint, tmp_path):
    """Three classes, whole numbers of 16 bits, another author and licence."""
    checkpoint = make_checkpoint("uint16", classes=3, padding="zeros", batch_norm=True)
    options = ("--author", "A. Nonymous", "--author", "B. Nonymous", "--licence", "CC-BY-4.0")
    package = published(tmp_path, checkpoint, *options)
    model = core.load_model_description(package)
    assert [author.name for author in model.authors] == ["A. Nonymous", "B. Nonymous"]
    assert core.test_model(model, weight_format="onnx").status == "passed"


def test_an_unknown_licence_is_refused(make_checkpoint, tmp_path, capsys):
    checkpoints.save(tmp_path / "weights.pt", make_checkpoint())
    arguments = ["publish", str(tmp_path / "weights.pt"), str(tmp_path / "out.ZIP"), "--licence", "mine"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "--licence mine is not in SPDX's list" in said and len(said) < 300 and not (tmp_path / "out.ZIP").exists()
