"""ONNX files: ONNX Runtime and OpenVINO compute what PyTorch does, at sizes that the file was not traced with."""

import json
import sys

import numpy as np
import pytest
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.cli.commands import main
from unet_paper.export.architecture import same_size_network
from unet_paper.export.onnx_file import onnx_bytes, publish_onnx

SHAPES = {False: [(1, 188, 188), (2, 204, 236), (1, 700, 700)], True: [(1, 112, 112), (2, 256, 144), (1, 512, 512)]}


@pytest.fixture(scope="module", params=SHAPES, ids=["bare", "same-size"])
def published(request, checkpoint_of_any_kind):
    """(content, the network in PyTorch, makes an image, shapes to try)"""
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    same_size, checkpoint = request.param, checkpoint_of_any_kind
    network = same_size_network(checkpoint) if same_size else checkpoint.build_network()
    image = (lambda *shape: 255 * torch.rand(shape)) if same_size else torch.randn
    return onnx_bytes(checkpoint, same_size), network, image, SHAPES[same_size]


def compare(published, run):
    """`run` : (B, 1, H, W) float32 -> the output of the other program."""
    _, network, make_image, shapes = published
    for batch, height, width in shapes:
        image = make_image(batch, 1, height, width)
        with torch.no_grad():
            expected = network(image).numpy()
        np.testing.assert_allclose(run(image.numpy()), expected, atol=1e-4, rtol=1e-4)


def test_onnx_runtime(published):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(published[0])
    compare(published, lambda image: session.run(None, {"image": image})[0])


def test_openvino(published):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(published[0]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    compare(published, lambda image: compiled(image)[0])


def test_it_says_what_it_takes(make_checkpoint, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    checkpoint, weights, out = make_checkpoint("uint16"), tmp_path / "weights.pt", tmp_path / "out.onnx"
    checkpoints.save(weights, checkpoint)
    assert main(["publish", str(weights), str(out)]) == 0
    told = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert json.loads(told["standardisation"]) == {"mean": 0.5, "deviation": 0.17, "dtype": "uint16"}
    assert "16 k + 60" in told["sizes"] and "to be standardised before" in told["input"]
    assert json.loads(told["config"])["base_channels"] == checkpoint.config.base_channels
    assert main(["publish", str(weights), str(tmp_path / "same.onnx"), "--same-size"]) == 0
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / "same.onnx").metadata_props}
    assert "multiples of 16 px" in told["sizes"] and "as they are; the network standardises them" in told["input"]
    assert main(["publish", str(weights), str(out)]) == 2
    content = out.read_bytes()
    publish_onnx(out, checkpoint)
    assert out.read_bytes() == content


def test_a_missing_library_is_named(make_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    checkpoints.save(tmp_path / "weights.pt", make_checkpoint(base_channels=1))
    for name in ("out.onnx", "out.zip"):
        assert main(["publish", str(tmp_path / "weights.pt"), str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert "onnx" in said and "pip install '.[export]'" in said and not (tmp_path / name).exists()
