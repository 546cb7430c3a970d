"""Weights for handing on: what was written is what is read, half as precise, and nothing else is taken for it."""

import dataclasses
import errno
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from unet_paper import checkpoint
from unet_paper.checkpoint import Checkpoint, load_published, new_network, publish
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.normalisation import Standardisation
from unet_paper.runs.training_record import times_of
from unet_paper.support.errors import BadInput

CONFIG = dataclasses.replace(PROFILES["smoke"], base_channels=2, batch_norm=True, padding="zeros", bfloat16=False)


def made(config=CONFIG):
    torch.manual_seed(0)
    network = new_network(config).state_dict()
    return Checkpoint(7, config, Standardisation(0.5, 0.2, "uint8"), network, None, [{"step": 7}], {"train": "ab"}, 1.5)


def test_what_is_read_is_what_was_written(tmp_path):
    before, path = made(), tmp_path / "weights.safetensors"
    publish(path, before)
    after = load_published(path)
    for name in ("step", "config", "standardisation", "data", "seconds", "optimiser"):
        assert getattr(after, name) == getattr(before, name)
    for name, values in before.network.items():
        assert after.network[name].dtype == values.dtype
        torch.testing.assert_close(after.network[name], values, rtol=2**-11, atol=2**-24)
    assert {values.dtype for values in load_file(path).values()} == {torch.float16, torch.int64}


def test_the_same_weights_give_the_same_bytes(tmp_path):
    """Whatever order the library leaves the texts in; and the tensors begin where it has them begin."""
    contents = set()
    for number in range(5):
        publish(tmp_path / f"{number}.safetensors", made())
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    (content,) = contents
    assert int.from_bytes(content[:8], "little") % 8 == 0


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path):
    """Whatever its temporary name was."""
    for name in ("one.pt", "two.pt"):
        checkpoint.save(tmp_path / name, made())
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def test_they_predict_like_the_full_ones(tmp_path):
    full = made(dataclasses.replace(CONFIG, batch_norm=False, padding="valid"))
    checkpoint.save(tmp_path / "weights.pt", full)
    volume = np.random.default_rng(0).integers(0, 256, (1, 60, 60)).astype(np.uint8)
    write_stack(tmp_path / "in.tif", volume)
    assert main(["publish", str(tmp_path / "weights.pt"), str(tmp_path / "w.safetensors")]) == 0
    for weights in ("weights.pt", "w.safetensors"):
        files = [str(tmp_path / name) for name in (weights, "in.tif", f"{weights}.tif")]
        assert main(["predict", "--weights", *files, "--tta", "none", "--device", "cpu"]) == 0
    maps = [read_stack(tmp_path / f"{weights}.tif").pixels for weights in ("weights.pt", "w.safetensors")]
    assert 0 < np.abs(maps[0] - maps[1]).max() < 0.02


def test_too_large_weights_are_refused(tmp_path):
    large = made()
    large.network["classifier.bias"][0] = 1e5
    with pytest.raises(BadInput, match=r"classifier.bias has values beyond 65504"):
        publish(tmp_path / "weights.safetensors", large)
    large.network["classifier.bias"][0] = float("nan")
    with pytest.raises(BadInput, match=r"classifier.bias has values that are not finite"):
        publish(tmp_path / "weights.safetensors", large)
    assert not list(tmp_path.iterdir())


def test_the_weights_of_a_folder_are_named(tmp_path):
    with pytest.raises(BadInput, match="run is not a file; give a run's weights.pt"):
        checkpoint.load(tmp_path / "run")
    (tmp_path / "run").mkdir()
    publish(tmp_path / "run/weights.safetensors", made())
    with pytest.raises(BadInput, match="run is not a file; give .*run/weights.safetensors$"):
        checkpoint.load(tmp_path / "run")
    (tmp_path / "run/weights.pt").write_bytes(b"any")
    with pytest.raises(BadInput, match="run is not a file; give .*run/weights.pt$"):
        checkpoint.load(tmp_path / "run")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(BadInput, match="is not a file"):
        load_published(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(BadInput, match="another program's weights"):
        load_published(path)
    publish(path, made())
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:5], b"", whole.replace(b"classifier.bias", b"classifier.bios")):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match="cannot be read as published weights"):
            load_published(path)


@pytest.mark.parametrize("name", ["profile", "padding"])
def test_a_setting_that_is_none_is_damage(tmp_path, name):
    path = tmp_path / "weights.safetensors"
    publish(path, made())
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}
    config = json.loads(metadata["config"]) | {name: 5.5}
    save_file(tensors, path, metadata | {"config": json.dumps(config)})
    with pytest.raises(BadInput, match="weights.safetensors"):
        load_published(path)


def save_scripted(path):
    torch.jit.save(torch.jit.trace(torch.nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 5, 5)), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("state.pth", lambda path: torch.save(torch.nn.Conv2d(1, 2, 3).state_dict(), path)),
        ("module.pt", lambda path: torch.save(torch.nn.Conv2d(1, 2, 3), path)),
        ("nested.pt", lambda path: torch.save({"state_dict": {}, "epoch": 3}, path)),
        ("list.pt", lambda path: torch.save([torch.zeros(2)], path)),
        ("old.pth", lambda path: torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)),
        ("scripted.pt", save_scripted),
        ("weights.npz", lambda path: np.savez(path, a=np.zeros(3))),
        ("weights.npy", lambda path: np.save(path, np.zeros(3))),
        ("forest.joblib", lambda path: path.write_bytes(pickle.dumps({"a": 1}))),
        ("keras.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))),
        ("named.pt", lambda path: save_file({"a": torch.zeros(3)}, path)),
    ],
)
@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")
def test_weights_of_other_programs(tmp_path, capfd, name, write):
    """They are called that, in one line, without the terminal codes and the advice of a library."""
    write_stack(tmp_path / "in.tif", np.arange(400, dtype=np.uint8).reshape(1, 20, 20))
    write(tmp_path / name)
    capfd.readouterr()
    assert main(["predict", "--weights", str(tmp_path / name), str(tmp_path / "in.tif"), str(tmp_path / "o.tif")]) == 2
    said = "".join(capfd.readouterr())
    assert f"{name} holds another program's weights; give a weights.pt" in said
    assert said.count("\n") == 1 and "\x1b" not in said


def test_a_cut_off_file_is_not_called_foreign(tmp_path):
    checkpoint.save(tmp_path / "weights.pt", made())
    whole = (tmp_path / "weights.pt").read_bytes()
    for kept in (len(whole) - 1, len(whole) // 2, 30):
        (tmp_path / "weights.pt").write_bytes(whole[:kept])
        with pytest.raises(checkpoint.Damaged, match="cannot be read as a checkpoint"):
            checkpoint.load(tmp_path / "weights.pt")


def fails_with(error):
    """A function that raises it, whatever it is given."""

    def fails(*_, **__):
        raise error

    return fails


@pytest.fixture
def last_and_earlier(tmp_path):
    """checkpoint.pt of step 7, good, and checkpoint-before.pt of step 6."""
    last, earlier = tmp_path / "checkpoint.pt", tmp_path / "checkpoint-before.pt"
    checkpoint.save(last, made())
    checkpoint.save(earlier, dataclasses.replace(made(), step=6))
    return last, earlier


def require_both_kept(last, earlier):
    assert sorted(last.parent.iterdir()) == [earlier, last] and checkpoint.load_last(last, earlier).step == 7


def allocation_error():
    """What PyTorch's allocator raises for more than any machine has."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    return raised.value


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("of a GPU"), allocation_error()], ids=repr)
@pytest.mark.parametrize("where", ["torch.load", "zipfile.ZipFile.testzip", "unet_paper.checkpoint.must_fit"])
def test_too_little_memory_is_not_called_damage(last_and_earlier, monkeypatch, capsys, error, where):
    with monkeypatch.context() as patch:
        patch.setattr(where, fails_with(error))
        with pytest.raises(type(error)) as raised:
            checkpoint.load_last(*last_and_earlier)
        assert raised.value is error
        assert main(["publish", str(last_and_earlier[0]), "w.safetensors"]) == 2
        assert "there is too little memory" in capsys.readouterr().err
    require_both_kept(*last_and_earlier)


def test_too_little_memory_for_published_weights_is_not_called_damage(tmp_path, monkeypatch):
    publish(tmp_path / "weights.safetensors", made())
    error = allocation_error()
    monkeypatch.setattr("unet_paper.checkpoint.read_half_precision", fails_with(error))
    with pytest.raises(RuntimeError) as raised:
        checkpoint.load(tmp_path / "weights.safetensors")
    assert raised.value is error


@pytest.mark.parametrize("where", ["torch.load", "zipfile.ZipFile.testzip", "zipfile._EndRecData"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_what_the_system_cannot_read_now_is_neither_damaged_nor_foreign(last_and_earlier, monkeypatch, where, number):
    with monkeypatch.context() as patch:
        patch.setattr(where, fails_with(OSError(number, os.strerror(number))))
        with pytest.raises(BadInput, match=f"checkpoint.pt cannot be read: {os.strerror(number)}; fix") as raised:
            checkpoint.load_last(*last_and_earlier)
        assert not isinstance(raised.value, checkpoint.Damaged)
    require_both_kept(*last_and_earlier)


def test_published_weights_that_the_system_cannot_read_now_are_not_called_damaged(tmp_path, monkeypatch):
    publish(tmp_path / "weights.safetensors", made())
    error = OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr("unet_paper.checkpoint.read_half_precision", fails_with(error))
    with pytest.raises(BadInput, match="weights.safetensors cannot be read: Input/output error; fix") as raised:
        checkpoint.load(tmp_path / "weights.safetensors")
    assert not isinstance(raised.value, checkpoint.Damaged)


def test_a_place_outside_the_file_is_damage(last_and_earlier, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "testzip", fails_with(OSError(errno.EINVAL, os.strerror(errno.EINVAL))))
    with pytest.raises(checkpoint.Damaged, match="Invalid argument"):
        checkpoint.load(last_and_earlier[0])


def test_weights_of_another_network_than_the_configuration_says_are_damage(tmp_path):
    wider = new_network(dataclasses.replace(CONFIG, base_channels=3)).state_dict()
    for network in (wider, {name: values for name, values in made().network.items() if name != "classifier.bias"}):
        checkpoint.save(tmp_path / "weights.pt", dataclasses.replace(made(), network=network))
        with pytest.raises(checkpoint.Damaged, match="its weights are not those of its network, c.* for one"):
            checkpoint.load(tmp_path / "weights.pt")


def test_what_an_older_checkpoint_does_not_tell_is_in_no_record(tmp_path):
    """The time of all threads, of which 0 would be wrong."""
    path = tmp_path / "weights.pt"
    checkpoint.save(path, dataclasses.replace(made(), cpu_seconds=3.04))
    assert times_of(checkpoint.load(path), "cpu")["training_cpu_seconds"] == 3.0
    values = torch.load(path)
    del values["cpu_seconds"]
    torch.save(values, path)
    assert "training_cpu_seconds" not in times_of(checkpoint.load(path), "cpu")


def test_published_weights_are_known_by_their_content(tmp_path):
    publish(tmp_path / "weights.safetensors", made())
    (tmp_path / "weights.safetensors").rename(tmp_path / "weights.pt")
    assert checkpoint.load(tmp_path / "weights.pt").step == 7
