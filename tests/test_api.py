"""The package as a notebook uses it: arrays in, arrays out."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

import unet_paper
from unet_paper import checkpoint, load, predict, score, segment, train, weight_map, weight_maps
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import predict_stack
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.signals import Interrupted

ROOT = Path(__file__).parents[1]
OTHERWISE = ({"primary": "d4"}, {"extrapolation": "zeros"}, {"registration_x": 2.0, "registration_y": -1.0})
TINY = dict(profile="smoke", base_channels=2, steps=3, tile_size=188, device="cpu", bfloat16=False)


@pytest.mark.long
def test_import_is_quick_and_in_any_order():
    """It loads no PyTorch, and the function weight_map is not hidden by the module of its name. Predicting loads none
    of PyTorch's compiler."""
    code = (
        "import sys, unet_paper; assert not {'torch', 'numba', 'scipy.ndimage'} & sys.modules.keys(); "
        "import unet_paper.training, unet_paper.report.viewer.run_page; "
        "from unet_paper import *; assert callable(weight_map) and callable(train) and UNet.__name__ == 'UNet'; "
        "weights = 'results/isbi/registered-quarter/weights.safetensors'; "
        "import numpy; predict(load(weights), numpy.zeros((9, 9), 'uint8'), 'none'); "
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert set(unet_paper.__all__) <= set(dir(unet_paper)) and unet_paper.BadInput is BadInput
    with pytest.raises(AttributeError, match="segmentate"):
        unet_paper.segmentate  # noqa: B018


@pytest.mark.long
def test_from_images_to_scores(phantom, tmp_path):
    images, labels = phantom
    model = train(images, labels, "cells", folder=tmp_path, **TINY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "history.csv", "weights.pt"]
    probability = predict(model, images[0], "none")
    assert probability.shape == images[0].shape and probability.dtype == np.float32
    assert np.array_equal(predict(tmp_path / "weights.pt", images[0], "none"), probability)
    assert score(labels[0], probability).sections == 1
    assert segment(probability).dtype == np.int32
    for name in ("checkpoint.pt", "weights.pt"):  # whatever is left of a training
        with pytest.raises(BadInput, match="already holds a training"):
            train(images, labels, "cells", folder=tmp_path, **TINY)
        (tmp_path / name).unlink()
    (tmp_path / "checkpoint-before.pt").touch()
    with pytest.raises(BadInput, match="already holds a training"):
        train(images, labels, "cells", folder=tmp_path, **TINY)


def test_a_network_predicts_with_what_its_training_was_set_up_for(phantom, trained):
    """Its test-time augmentation, unless another is given, what lies beyond the image, and, if asked for, where its
    labels lay.
    """
    image = phantom[0][0, :40, :40]
    found = predict(trained, image)
    assert trained.config.primary == "none" and np.array_equal(found, predict(trained, image, "none"))
    by_d4, zeros, beside = (replace(trained, config=replace(trained.config, **change)) for change in OTHERWISE)
    assert np.array_equal(predict(by_d4, image), predict(trained, image, "d4"))
    assert not np.array_equal(predict(zeros, image), found)
    given = trained.build_network(), trained.standardisation, image, "none"
    assert np.array_equal(predict(beside, image, registered=True), predict_stack(*given, registration=(2.0, -1.0)))
    for model, registered in ((beside, False), (trained, True)):
        assert np.array_equal(predict(model, image, registered=registered), found)


def test_settings_may_be_numpys(phantom, trained, tmp_path):
    """As from np.geomspace: the weights can be read again, and are those of plain numbers."""
    rate = np.geomspace(trained.config.learning_rate, 1)[0]
    train(*phantom, "cells", folder=tmp_path, **{**TINY, "steps": np.int64(3)}, learning_rate=rate, flip=np.True_)
    loaded = load(tmp_path / "weights.pt")
    assert loaded.config == trained.config
    assert [type(getattr(loaded.config, name)) for name in ("learning_rate", "steps", "flip")] == [float, int, bool]
    assert all(torch.equal(values, loaded.network[name]) for name, values in trained.network.items())


def test_a_text_in_a_tuple_may_be_numpys(phantom, tmp_path):
    train(*phantom, "cells", folder=tmp_path, **{**TINY, "steps": 1}, tta=(np.str_("none"),), primary=np.str_("none"))
    assert load(tmp_path / "weights.pt").config.tta == ("none",)


@pytest.mark.parametrize("name", ["file", "file/below", "a" * 300, "a\0b", "loop"])
def test_a_folder_that_cannot_be_one_is_refused_before_the_training(phantom, tmp_path, name, monkeypatch):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setattr("unet_paper.runs.from_arrays.train_network", None)
    with pytest.raises(BadInput, match="give a folder where files may be made|give another name"):
        train(*phantom, "cells", folder=tmp_path / name, **TINY)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["history.csv", "run.json", "weights.pt"])
def test_what_lies_in_the_folder_is_not_replaced(phantom, tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="already holds a training; give another folder"):
        train(*phantom, "cells", folder=tmp_path, **TINY)


def stopped_at(step, number=signal.SIGINT):
    """A hook that sends a signal in the forward pass of a training's step."""
    seen = []

    def stop(module, inputs, output):
        seen.extend([step] * isinstance(module, unet_paper.UNet))
        if len(seen) == step:
            signal.raise_signal(number)

    return register_module_forward_hook(stop)


def test_a_training_that_was_interrupted_is_resumed_and_equals_one_that_was_not(phantom, tmp_path):
    settings = {**TINY, "steps": 7, "checkpoint_every": 2}
    whole = train(*phantom, "cells", **settings)
    hook = stopped_at(3)
    try:
        with pytest.raises(Interrupted, match=r"step 3 of 7 is kept in .*; the same call with resume=True resumes"):
            train(*phantom, "cells", folder=tmp_path, **settings)
    finally:
        hook.remove()
    with pytest.raises(BadInput, match="already holds a training; give another folder, or resume it with resume=True"):
        train(*phantom, "cells", folder=tmp_path, **settings)
    for change in ({"seed": 5}, {"labels": phantom[1][::-1]}, {"images": phantom[0][::-1]}):
        given = dict(images=phantom[0], labels=phantom[1], labels_are="cells", folder=tmp_path, **settings)
        with pytest.raises(
            BadInput, match=r"holds a training that differs \((seed 0 -> 5|train-.*)\); give what it began"
        ):
            train(**(given | change), resume=True)
    resumed = train(*phantom, "cells", folder=tmp_path, resume=True, **settings)
    again = train(*phantom, "cells", folder=tmp_path, resume=True, **settings)  # there is nothing left to do
    for other in (resumed, again, load(tmp_path / "weights.pt")):
        assert all(torch.equal(values, other.network[name]) for name, values in whole.network.items())
        assert [row["loss"] for row in other.history] == [row["loss"] for row in whole.history]


def test_two_trainings_do_not_share_a_folder(phantom, tmp_path):
    with exclusive_lock(RunFolder(tmp_path).lock, tmp_path), pytest.raises(BadInput, match="by another process"):
        train(*phantom, "cells", folder=tmp_path, resume=True, **TINY)


def test_a_training_that_ended_in_the_folder_meanwhile_is_not_replaced(phantom, tmp_path, monkeypatch):
    """While the weight maps were made, which takes long."""

    def made_meanwhile(*arguments):
        monkeypatch.undo()
        train(*phantom, "cells", folder=tmp_path, **TINY)
        return prepare_training_set(*arguments)

    monkeypatch.setattr("unet_paper.runs.from_arrays.prepare_training_set", made_meanwhile)
    with pytest.raises(BadInput, match="already holds a training; give another folder"):
        train(*phantom, "cells", folder=tmp_path, **{**TINY, "steps": 2})
    assert load(tmp_path / "weights.pt").step == TINY["steps"]


def test_what_three_values_mean_must_be_said(phantom, caplog):
    images, labels = phantom[0], np.where(phantom[1] > 0, 255, 0).astype(np.uint8)
    labels[:, :3, :3] = 7
    with pytest.raises(BadInput, match="the array of labels holds 0, 7, 255"):
        train(images, labels, **TINY)
    train(images, labels, "instances", **{**TINY, "steps": 1})
    assert "7 and 255 are taken as numbers of cells" in caplog.text


def test_a_training_that_was_killed_is_resumed(phantom, trained, tmp_path):
    """From the checkpoint before, where the last one is lost; without any it begins anew."""
    settings = {**TINY, "checkpoint_every": 1}
    train(*phantom, "cells", folder=tmp_path, **settings)
    for lost in (("weights.pt", "checkpoint.pt"), ("weights.pt", "checkpoint.pt", "checkpoint-before.pt")):
        for name in lost:
            (tmp_path / name).unlink()
        resumed = train(*phantom, "cells", folder=tmp_path, resume=True, **settings)
        assert all(torch.equal(values, resumed.network[name]) for name, values in trained.network.items())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("run.json", {}, "holds a run of the command; resume it with: train --resume"),
        ("weights.pt", {}, "holds weights without a checkpoint, which cannot be resumed"),
        ("file", {"folder": None}, "there is no folder to resume from"),
        ("file", {"resume": "yes"}, "resume is 'yes'; it must be True or False"),
    ],
)
def test_what_cannot_be_resumed(phantom, tmp_path, file, change, message):
    (tmp_path / file).write_text("")
    with pytest.raises(BadInput, match=message):
        train(*phantom, "cells", **{**TINY, "folder": tmp_path, "resume": True, **change})


def test_training_without_a_folder_writes_nothing(phantom, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = train(*phantom, "cells", **TINY)
    assert not list(tmp_path.iterdir())
    assert all(torch.equal(values, again.network[name]) for name, values in trained.network.items())


def test_training_takes_one_section_and_numbered_cells(phantom):
    images, labels = phantom
    one = train(images[0], labels[0], "cells", **TINY)
    same = train(images[:1], labels[:1] > 0, **TINY)
    assert all(torch.equal(values, same.network[name]) for name, values in one.network.items())


def test_the_label_to_ignore_may_be_an_array(phantom):
    images, labels = phantom
    partly = np.where(np.arange(96) < 20, 9, labels)
    of_label, of_array, of_mask = (
        train(images, partly, ignore=ignore, **TINY) for ignore in (9, np.array(9), partly == 9)
    )
    for name, values in of_label.network.items():
        assert torch.equal(values, of_array.network[name]) and torch.equal(values, of_mask.network[name])
    with pytest.raises(BadInput, match="ignore is array.True.; it must be a label, a whole number, or bool arrays"):
        train(images, partly, ignore=np.array(True), **TINY)


@pytest.mark.parametrize("labels_are", ["instances", "membranes"])
def test_what_labels_mean(phantom, trained, labels_are):
    images, labels = phantom
    given = labels if labels_are == "instances" else 255 - labels
    other = train(images, given, labels_are, **TINY)
    assert all(torch.equal(values, other.network[name]) for name, values in trained.network.items())


@pytest.mark.parametrize("labels_are", ["instances", "classes"])
def test_negative_labels_must_be_ignored(labels_are):
    with pytest.raises(BadInput, match="labels holds -1; .* give ignore=-1"):
        train(np.zeros((9, 9), np.uint8), np.eye(9, dtype=np.int8) * 3 - 1, labels_are, **TINY)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 9, 9), np.uint8), np.zeros((2, 9, 9), np.uint8), r"shape \(3, 9, 9\) with labels of shape"),
        (np.zeros(9, np.uint8), np.zeros(9, np.uint8), r"images of shape \(9,\); expected"),
        (np.zeros((9, 9), np.uint8), np.zeros((9, 9)), "labels hold float64 values"),
        (np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8), "one class only"),
    ],
)
def test_arrays_that_do_not_fit(images, labels, message):
    with pytest.raises(BadInput, match=message):
        train(images, labels, **TINY)


def test_both_kinds_of_weights(trained, phantom, tmp_path):
    checkpoint.save(tmp_path / "weights.pt", trained)
    checkpoint.publish(tmp_path / "weights.safetensors", trained)
    exact, halved = (load(tmp_path / name) for name in ("weights.pt", "weights.safetensors"))
    image = phantom[0][0]
    assert np.array_equal(predict(exact, image, "none"), predict(trained, image, "none"))
    np.testing.assert_allclose(predict(halved, image, "none"), predict(trained, image, "none"), atol=0.01)
    assert np.array_equal(predict(halved, image, "none"), predict(str(tmp_path / "weights.safetensors"), image, "none"))


def test_a_section_is_a_stack_of_one(trained, phantom):
    image = phantom[0][0, :90, :]
    whole = predict(trained, image[None], "d4")
    assert whole.shape == (1, 90, 96) and np.array_equal(predict(trained, image, "d4"), whole[0])
    assert np.array_equal(predict_stack(trained.build_network(), trained.standardisation, image), whole[0])
    assert np.array_equal(predict(trained, torch.from_numpy(image), "d4"), whole[0])


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device is 'gpu'; it must be cpu or cuda"),
        ("meta", "device is 'meta'; it must be cpu or cuda"),
        (0.5, "device is 0.5; it must be cpu or cuda"),
        ("cuda:99", "device is 'cuda:99', but PyTorch finds .* GPUs here"),
    ],
)
def test_a_device_must_be_there(phantom, trained, device, message):
    for use in (
        lambda: train(*phantom, "cells", **{**TINY, "device": device}),
        lambda: predict(trained, phantom[0][0], device=device),
    ):
        with pytest.raises(BadInput, match=message):
            use()


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_are_no_sections(trained, samples):
    """As a PNG that is read with all its channels: (H, W, 3) is no stack of H sections."""
    picture = np.zeros((40, 50, samples), np.uint8)
    for use in (
        lambda: predict(trained, picture),
        lambda: train(picture, picture, **TINY),
        lambda: weight_maps(picture),
        lambda: score(picture, np.zeros(picture.shape, np.float32)),
    ):
        with pytest.raises(BadInput, match=rf"\(40, 50, {samples}\) are in colour.*give one channel, such as"):
            use()
    assert weight_maps(np.eye(4, dtype=np.uint8)[None].repeat(3, 0)).shape == (3, 4, 4)
    pictures = picture[None].repeat(2, 0)
    for given in (pictures, list(pictures)):
        with pytest.raises(BadInput, match=rf"images of shape \(2, 40, 50, {samples}\) are in colour"):
            train(given, pictures[..., 0], **TINY)


def test_one_channel_behind_the_pixels_is_no_section(trained):
    """As other libraries have it: (H, W, 1) is no stack of H sections 1 px wide."""
    picture = np.zeros((40, 50, 1), np.uint8)
    for use in (
        lambda: predict(trained, picture),
        lambda: train(picture, picture, **TINY),
        lambda: weight_maps(picture),
        lambda: score(picture, np.zeros(picture.shape, np.float32)),
        lambda: segment(np.zeros(picture.shape, np.float32)),
    ):
        with pytest.raises(BadInput, match=r"\(40, 50, 1\) have a last axis of one channel; .* give \[..., 0\]"):
            use()
    assert weight_maps(np.eye(4, 1, dtype=np.uint8)[None].repeat(3, 0)).shape == (3, 4, 1)


def test_images_of_two_types_are_not_made_one(trained, phantom):
    image = phantom[0][0]
    with pytest.raises(BadInput, match="the images hold uint16 and uint8 values; all must be of one type"):
        predict(trained, [image, image.astype(np.uint16)])
    assert predict(trained, [image, image], "none").shape == (2, *image.shape)


def test_a_network_without_its_gray_values_is_no_trained_one(trained, phantom):
    with pytest.raises(BadInput, match="the model is given as UNet, .* give what `train` or `load` returns"):
        predict(trained.build_network(), phantom[0][0])


def test_paths_are_no_images(trained):
    """As the command takes them."""
    for path in ("x.tif", Path("x.tif"), ["x.tif", "y.tif"]):
        for use in (lambda path=path: predict(trained, path), lambda path=path: train(path, path, **TINY)):
            with pytest.raises(BadInput, match=r"images are given as a path, 'x.tif'; read the file first"):
                use()


def test_labels_are_no_floats():
    with pytest.raises(BadInput, match="the labels hold float32 values; give whole numbers or bool"):
        weight_map(np.zeros((9, 9), np.float32))


def test_arrays_of_several_shapes_are_told_apart(trained):
    sections = [np.zeros((9, 9), np.uint8), np.zeros((8, 9), np.uint8)]
    for use in (weight_map, weight_maps, lambda given: predict(trained, given), segment):
        with pytest.raises(BadInput, match=r"arrays of several shapes; give them one by one, each \(H, W\)"):
            use(sections)


@pytest.mark.parametrize("shape", [(9,), (1, 1, 9, 9), (0, 9)])
def test_predict_takes_sections_and_stacks_only(trained, shape):
    with pytest.raises(BadInput, match=r"expected \(H, W\) or \(Z, H, W\)"):
        predict(trained, np.zeros(shape, np.uint8))


def test_predict_takes_the_training_type_only(trained):
    with pytest.raises(BadInput, match="holds float64 values but the network was trained on uint8"):
        predict(trained, np.zeros((20, 20)))


def test_floats_of_any_length_are_of_one_scale(trained, random):
    of_floats = replace(trained, standardisation=Standardisation(0.5, 0.3, "float32"))
    image = random.random((20, 20), np.float32)
    assert np.array_equal(predict(of_floats, image, "none"), predict(of_floats, image.astype(np.float64), "none"))
    with pytest.raises(BadInput, match="holds uint8 values but the network was trained on float32"):
        predict(of_floats, np.zeros((20, 20), np.uint8))


def test_every_class_has_a_map(phantom):
    images, labels = phantom
    three = (labels > 0).astype(np.uint8)
    three[:, :30] = 2
    model = train(images, three, "classes", **TINY)
    assert predict(model, images[0], "none").shape == (3, 96, 96)
    assert predict(model, images, "none").shape == (3, 3, 96, 96)
    np.testing.assert_allclose(predict(model, images, "none").sum(1), 1, atol=1e-5)


def test_weight_map_with_defaults(phantom):
    labels = phantom[1]
    assert np.array_equal(weight_map(labels[0]), weight_maps(labels[:1])[0])


def test_segment():
    probability = np.array([[0.9, 0.9, 0.1, 0.8], [0.2, 0.1, 0.7, 0.1], [0.6, 0.5, 0.7, 0.7]], np.float32)
    assert segment(probability).tolist() == [[1, 1, 0, 2], [0, 0, 3, 0], [4, 0, 3, 3]]
    assert segment(probability, 0.65).tolist() == [[1, 1, 0, 2], [0, 0, 3, 0], [0, 0, 3, 3]]
    assert segment(probability, min_size=2).tolist() == [[1, 1, 0, 0], [0, 0, 2, 0], [0, 0, 2, 2]]
    stack = segment(np.stack([probability, probability]), min_size=3)
    assert stack.dtype == np.int32 and stack.max() == 2
    assert stack[0].tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]] and np.array_equal(stack[1], 2 * stack[0])
    assert not segment(np.zeros((2, 3, 4))).any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.zeros((2, 2), np.uint8),), "expected .* floats"),
        ((np.zeros(4),), "expected"),
        ((np.full((2, 2), np.nan),), "outside 0 to 1"),
        ((np.full((2, 2), 255.0),), "outside 0 to 1"),
        ((np.zeros((2, 2)), 2), "threshold 2"),
        ((np.zeros((2, 2)), None), "threshold None, .* numbers, 0 to 1"),
        ((np.zeros((2, 2)), "0.5"), "threshold '0.5', .* numbers, 0 to 1"),
        ((np.zeros((2, 2)), 0.5, "3"), "min_size '3'; they must be numbers"),
        ((np.zeros((2, 2)), 0.5, -1), "min_size -1"),
    ],
)
def test_maps_that_cannot_be_segmented(given, message):
    with pytest.raises(BadInput, match=message):
        segment(*given)


def test_a_step_that_takes_more_memory_than_there_is_is_refused_before_the_work(phantom):
    with pytest.raises(BadInput, match=r"training on tiles of 60012 px takes some [0-9,.]+ GiB of memory"):
        train(*phantom, **(TINY | dict(tile_size=60012)))


def test_a_value_that_stands_for_nothing_is_refused_as_in_a_file(phantom):
    images = phantom[0] / np.float32(255)
    images[0, 0, 0] = -9999
    with pytest.raises(BadInput, match="the array of images holds -9999 in 1 pixels, far from all others"):
        train(images, phantom[1], **TINY)
