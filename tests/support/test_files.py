"""Files are written whole or the reason is told, with the usual permissions; what a killed process has left."""

import errno
import os
import shutil
import stat
from urllib.error import URLError

import pytest
import torch
from PIL import Image, UnidentifiedImageError

from unet_paper.io.half_precision import write_half_precision
from unet_paper.support.errors import BadInput
from unet_paper.support.files import LEFTOVER, atomic_write, remove_leftovers


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_permissions_are_those_of_any_new_file(tmp_path, umask, monkeypatch):
    """Also of one that replaces another. The umask is the process's own: it is not changed, not even for a moment."""
    (tmp_path / "replaced").touch(0o600)
    changed, set_umask = [], os.umask
    monkeypatch.setattr(os, "umask", lambda mask: changed.append(mask) or set_umask(mask))
    for name in ("new", "replaced"):
        with atomic_write(tmp_path / name) as temporary:
            temporary.write_text("text")
    write_half_precision(tmp_path / "weights.safetensors", {"a": torch.zeros(3)}, {})
    for name in ("new", "replaced", "weights.safetensors"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask, name
    assert not changed


def raises(error):
    raise error


OF_SOMETHING_ELSE = {
    "a missing file": (FileNotFoundError, lambda folder, _: (folder / "missing").read_bytes()),
    "a missing file to copy": (FileNotFoundError, lambda folder, temporary: shutil.copy(folder / "no", temporary)),
    "a folder": (IsADirectoryError, lambda folder, _: folder.read_bytes()),
    "another file": (OSError, lambda *_: raises(OSError(errno.ENOSPC, "full", "/elsewhere/file"))),
    "a damaged image": (UnidentifiedImageError, lambda folder, _: Image.open(folder / "text")),
    "a network": (URLError, lambda *_: raises(URLError("no host"))),
    "a broken connection": (ConnectionResetError, lambda *_: raises(ConnectionResetError(errno.ECONNRESET, "reset"))),
}
OF_WRITING = {
    "a full disk": lambda _: raises(OSError(errno.ENOSPC, "No space left on device")),
    "a quota": lambda _: raises(OSError(errno.EDQUOT, "Disk quota exceeded")),
    "a copy": lambda temporary: raises(OSError(errno.ENOSPC, "No space left on device", "source", None, temporary)),
    "NumPy's": lambda _: raises(OSError("4 requested and 0 written")),
    "permissions": lambda temporary: raises(PermissionError(errno.EACCES, "Permission denied", str(temporary))),
    "the file has gone": lambda temporary: temporary.unlink(),
}


@pytest.mark.parametrize("what", OF_SOMETHING_ELSE)
def test_an_error_of_something_else_is_no_error_of_writing(tmp_path, what):
    kind, fail = OF_SOMETHING_ELSE[what]
    (tmp_path / "text").write_text("no image")
    with pytest.raises(kind), atomic_write(tmp_path / "out") as temporary:
        fail(tmp_path, temporary)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize("what", OF_WRITING)
def test_an_error_of_writing_is_one_sentence(tmp_path, what, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="^out cannot be written: .*; make room, or give another folder$"):
        with atomic_write("out") as temporary:
            OF_WRITING[what](temporary.absolute())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["l" * 251 + ".tif", "a." + "l" * 253, "é" * 125 + ".json"])
def test_the_longest_names_are_written_too(tmp_path, name):
    with atomic_write(tmp_path / name) as temporary:
        assert temporary.parent == tmp_path and temporary.name.startswith(LEFTOVER)
        assert (tmp_path / name).suffix.startswith(temporary.suffix)  # of which some writers tell the format
        temporary.write_text("all")
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "all"


def test_an_error_within_a_file_that_is_being_written_names_that_file(tmp_path):
    """As where two files get their names together: nobody knows a temporary name."""
    with pytest.raises(BadInput, match="second.csv cannot be written: No space left on device; make room"):
        with atomic_write(tmp_path / "first.tif"), atomic_write(tmp_path / "second.csv") as outer:
            with atomic_write(outer):
                raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_leftovers_are_files_and_folders(tmp_path):
    """A folder is what the making of a volume leaves."""
    (tmp_path / f"{LEFTOVER}run-abc.json").touch()
    (tmp_path / f"{LEFTOVER}abc" / "out.zarr.partial").mkdir(parents=True)
    (tmp_path / f"{LEFTOVER}link").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]
