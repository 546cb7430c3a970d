"""What a notebook may give and do: it ends in one sentence, or it makes no difference."""

import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from unet_paper import load, predict, score, segment, train, warping_errors, weight_map
from unet_paper.compute.callers_torch import callers_random_numbers_kept
from unet_paper.io.quiet import quiet_readers
from unet_paper.segmentation import CellSegmentation, segment_stack
from unet_paper.support.errors import BadInput

TINY = dict(profile="smoke", base_channels=2, steps=3, tile_size=188, device="cpu", bfloat16=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(profile="fast"), "profile is 'fast'; it must be one of"),
        (dict(learning=1), "there is no setting learning"),
        (dict(tile_size=187), "the setting tile_size is 187"),
        (dict(rotate="false"), "rotate is 'false'; it must be true or false"),
        (dict(flip=1), "flip is 1; it must be true or false"),
        (dict(steps=1.5), "steps is 1.5; it must be a whole number, at least 1"),
        (dict(steps=np.float64(3)), "steps is 3.0; it must be a whole number"),
        (dict(steps="5"), "steps is '5'; it must be a whole number"),
        (dict(steps=None), "steps is None; it must be a whole number"),
        (dict(steps=True), "steps is True; it must be a whole number"),
        (dict(steps=10**400), "steps is 10*; it must be at least 1 and at most 1e.09"),
        (dict(tile_size=316.0), "tile_size is 316.0; it must be a whole number, at least 188, in steps of 16"),
        (dict(seed=1.5), "seed is 1.5; it must be a whole number"),
        (dict(sigma="5"), "sigma is '5'; it must be a number, above 0"),
        (dict(tta=["none"]), "tta is .'none'.; it must be a tuple of texts, one of none, rot7, d4"),
        (dict(tta="none"), "tta is 'none'; it must be a tuple of texts"),
        (dict(optimiser=["adam"]), "optimiser is .'adam'.; it must be a text, one of sgd, adam"),
        (dict(learning_rate=10**400), "learning_rate is 10*; it must be .*, and finite"),
        (dict(ignore=True), "ignore is True; it must be a label, a whole number, or bool arrays"),
        (dict(labels_are="cell"), "labels_are is .cell.; it must be one of cells, membranes, instances, classes"),
    ],
)
def test_settings_that_do_not_fit(phantom, change, message):
    with pytest.raises(BadInput, match=message):
        train(*phantom, **{"labels_are": "cells", **TINY, **change})


@pytest.mark.parametrize(
    ("function", "change", "message"),
    [
        (train, dict(start=3), "the file of a trained network is given as int; it must be a path"),
        (train, dict(folder=["a"]), "folder is given as list; it must be a path"),
        (train, dict(labels_are=["cells"]), "labels_are is .'cells'.; it must be one of cells, membranes"),
        (train, dict(profile=["smoke"]), "profile is .'smoke'.; it must be one of paper, quick, smoke"),
        (train, dict(tta=(["none"],)), "tta is .*; it must be one of none, rot7, d4"),
        (load, dict(path=None), "the file of a trained network is given as NoneType; it must be a path"),
        (load, dict(path=b"weights.pt"), "the file of a trained network is given as bytes; it must be a path"),
        (
            predict,
            dict(model=torch.nn.ReLU()),
            "the model is given as ReLU, .* give what `train` or `load` returns",
        ),
        (predict, dict(tta=0), "tta is 0; it must be one of none, rot7, d4"),
        (predict, dict(tta=np.zeros(2)), "tta is array.*; it must be one of none, rot7, d4"),
        (segment, dict(threshold=np.zeros(2)), "threshold array.*; they must be numbers, 0 to 1"),
        (segment, dict(connectivity=np.zeros(2)), "connectivity .*; it must be 4 or 8"),
        (score, dict(ignore={}), "pixels to ignore have shape .1,. and type object; they must be bool"),
        (score, dict(labels={}, proposal={}), "have shape .1,.; give at least one section"),
        (score, dict(workers="2"), "workers is '2'; it must be a whole number"),
        (train, dict(ignore=np.zeros((1, 9, 9))), "pixels to ignore have type float64; they must be bool"),
        (train, dict(ignore=[[True], [True, False]]), "pixels to ignore are arrays of several shapes"),
        (train, dict(labels=[[[1, 2], [3]]]), "labels are arrays of several shapes"),
        (load, dict(path="x" * 5000), "the file of a trained network is xxx.*: File name too long; give another name"),
        (score, dict(labels=[[[1, 2], [3]]]), "labels and probabilities are arrays of several shapes"),
        (warping_errors, dict(threshold="0.5"), "threshold '0.5'; it must be 0 to 1, a number"),
        (warping_errors, dict(threshold=np.array([0.5])), "threshold array.*; it must be 0 to 1, a number"),
        (weight_map, dict(w_0="10"), "w_0 '10', .* w_0 must be 0 or above .*, all of them numbers"),
        (weight_map, dict(sigma=None), "sigma None, .* sigma above 0 .*, all of them numbers"),
        (weight_map, dict(connectivity=np.zeros(2)), "connectivity array.* connectivity 4 or 8"),
        (weight_map, dict(class_weights=3), "class_weights is 3; it must be a list of numbers, one for each class"),
        (weight_map, dict(class_weights=[1e300, 1]), "class weights are .*; they must be at most 1e.30"),
        (weight_map, dict(semantic="no"), "semantic is 'no'; it must be True or False"),
        (weight_map, dict(labels=[[0, 2**62]], semantic=True), "classes are numbered .* leave semantic out"),
        (weight_map, dict(ignore=[[True], [True, False]]), "pixels to ignore are arrays of several shapes"),
        (weight_map, dict(class_weights=["a", "b"]), "class_weights is .'a', 'b'.; it must be a list of numbers"),
    ],
)
def test_arguments_of_a_wrong_type(phantom, trained, function, change, message):
    images, labels = phantom
    scored = dict(labels=labels, proposal=np.zeros(labels.shape, np.float32))
    usual = {
        train: dict(images=images, labels=labels, labels_are="cells", **TINY),
        load: {},
        predict: dict(model=trained, image=images[0], tta="none"),
        segment: dict(probability=scored["proposal"]),
        score: scored,
        warping_errors: scored,
        weight_map: dict(labels=labels[0]),
    }
    with pytest.raises(BadInput, match=message):
        function(**{**usual[function], **change})


def test_what_is_resumed_has_the_same_type_of_gray_values(phantom, tmp_path):
    """Whose bytes, and so whose hashes, may be the same."""
    signed = phantom[0].astype(np.int16) * 120
    train(signed.astype(np.uint16), phantom[1], "cells", folder=tmp_path, **TINY)
    before = (tmp_path / "weights.pt").read_bytes()
    with pytest.raises(BadInput, match="differs .gray values uint16 -> int16.; give what it began with"):
        train(signed, phantom[1], "cells", folder=tmp_path, resume=True, **TINY)
    assert (tmp_path / "weights.pt").read_bytes() == before


def test_a_strangers_history_is_not_replaced(phantom, tmp_path):
    (tmp_path / "history.csv").write_text("my measurements of 2019")
    with pytest.raises(BadInput, match="history.csv is no history of a training"):
        train(*phantom, "cells", folder=tmp_path, resume=True, **TINY)
    assert (tmp_path / "history.csv").read_text() == "my measurements of 2019"


def test_the_folder_is_where_it_was_when_the_training_began(phantom, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    hook = register_module_forward_hook(lambda *_: os.chdir(tmp_path / "elsewhere"))
    try:
        train(*phantom, "cells", folder="run", **TINY)
    finally:
        hook.remove()
    assert (tmp_path / "run/weights.pt").is_file() and not [*(tmp_path / "elsewhere").iterdir()]


def test_a_second_signal_promises_nothing(phantom, tmp_path):
    """It ends the step at once: nothing is kept, and nothing is said to be."""
    hook = register_module_forward_hook(lambda *_: [signal.raise_signal(signal.SIGINT) for _ in range(2)])
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            train(*phantom, "cells", folder=tmp_path, **TINY)
    finally:
        hook.remove()
    assert not str(stopped.value)


@pytest.mark.parametrize("images", [np.full((1, 40, 60), 7, np.uint8), 1e9 + np.arange(2400.0).reshape(1, 40, 60) % 2])
def test_images_that_show_nothing_are_not_trained_on(images):
    """As one value, or as 32 bits keep it."""
    labels = np.eye(40, 60, dtype=np.uint8)[None]
    with pytest.raises(BadInput, match="each section that is trained on holds one gray value only"):
        train(images, labels, "cells", **TINY)


def test_masks_are_not_lost(phantom, trained):
    hidden = np.broadcast_to(np.arange(phantom[1].shape[1])[:, None] < 9, phantom[1].shape)
    images, labels = (np.ma.masked_array(values, mask=hidden) for values in phantom)
    probability = np.ma.masked_array(np.full(phantom[1].shape, 0.9, np.float32), mask=hidden)
    for refused in (
        lambda: train(images, phantom[1], "cells", **TINY),
        lambda: train(phantom[0], labels, "cells", **TINY),
        lambda: train(phantom[0], list(labels), "cells", **TINY),
        lambda: predict(trained, images),
        lambda: segment(probability),
        lambda: score(labels, probability.filled(0)),
        lambda: weight_map(labels[0]),
    ):
        with pytest.raises(BadInput, match="are masked; give their .filled.. values"):
            refused()
    whole = np.ma.masked_array(phantom[0], mask=False)  # of which nothing is masked
    assert (predict(trained, whole, tta="none") == predict(trained, phantom[0], tta="none")).all()


def test_tensors_that_numpy_cannot_take_are_refused(phantom, trained):
    probability = torch.rand(1, 40, 60)
    for values in (probability.clone().requires_grad_(), probability.bfloat16(), probability.to_sparse()):
        for refused in (lambda values=values: segment(values), lambda values=values: predict(trained, values)):
            with pytest.raises(BadInput, match="given as torch.Tensor, of which NumPy makes no array"):
                refused()


def test_a_picture_in_colour_is_no_stack_of_maps():
    with pytest.raises(BadInput, match="probabilities of shape .40, 50, 4. are in colour"):
        segment(np.ones((40, 50, 4), np.float32))


def test_predict_says_what_the_command_says_of_gray_values(phantom, caplog):
    """Before it computes anything, where a value is no number."""
    gray = phantom[0].astype(np.float32)
    trained = train(gray, phantom[1], "cells", **TINY)
    for images, told in ((gray * 1000, "note: the gray values differ from the training stack's"),):
        predict(trained, images, tta="none")
        assert told in caplog.text
    hole = gray.copy()
    hole[0, 0, 0] = -99999
    predict(trained, hole, tta="none")
    assert "note: the images hold -99999, " in caplog.text
    hole = np.concatenate([gray, gray])
    hole[-1, 0, 0] = np.nan
    with pytest.raises(BadInput, match=f"section {len(hole) - 1} of the images holds values that are not finite"):
        predict(trained, hole, tta="none")


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def same(first, second):
    return all(torch.equal(values, second.network[name]) for name, values in first.network.items())


@pytest.mark.parametrize(
    "changed",
    [
        lambda: default_dtype(torch.float64),
        lambda: default_dtype(torch.float16),
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", torch.bfloat16),
        torch.no_grad,
        torch.inference_mode,
    ],
    ids=["float64", "float16", "meta", "autocast", "no_grad", "inference_mode"],
)
def test_what_the_caller_has_set_of_pytorch_changes_nothing(phantom, trained, changed):
    probability = predict(trained, phantom[0][0], tta="none")
    with changed():
        before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")
        assert same(train(*phantom, "cells", **TINY), trained)
        assert (predict(trained, phantom[0][0], tta="none") == probability).all()
        assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")) == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_threads_do_not_take_one_anothers_random_numbers(phantom, trained, dtype):
    """Weights and dropout are drawn from the process's own generator, of which the default type is, too."""
    with default_dtype(dtype):
        trained_in_threads(phantom, trained)
        assert torch.get_default_dtype() == dtype


def trained_in_threads(phantom, trained):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    done = threading.Event()

    def predict_meanwhile():
        while not done.is_set():
            predict(trained, phantom[0][0, :20, :20], tta="none")

    with ThreadPoolExecutor(3) as pool:
        beside = pool.submit(predict_meanwhile)
        try:
            found = [*pool.map(lambda _: train(*phantom, "cells", **TINY), range(2))]
        finally:
            done.set()
        beside.result()
    assert all(same(each, trained) for each in found) and torch.rand(1) == expected


def test_a_setting_that_changes_nothing_is_noted(phantom, caplog):
    train(*phantom, "cells", **TINY, optimiser="adam", momentum=0.5)
    assert "note: of adam, the setting momentum has no effect" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    """Which is not there."""
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with callers_random_numbers_kept(), quiet_readers():
            held.set()
            let_go.wait(60)

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait(60)
    child = multiprocessing.get_context("fork").Process(target=_enter_both)
    child.start()
    child.join(30)
    ended = child.exitcode
    child.kill()
    let_go.set()
    holding.join()
    assert ended == 0


def _enter_both():
    with callers_random_numbers_kept(), quiet_readers():
        pass
    assert logging.getLogger("tifffile").level <= logging.CRITICAL


def test_narrow_volumes_of_files_are_numbered():
    """A file's axes tell that they are no picture in colour."""
    segments = segment_stack(np.ones((10, 50, 4), np.float32), CellSegmentation())
    assert segments.shape == (10, 50, 4) and segments.max() == 10
