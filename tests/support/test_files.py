"""Files are written whole, with the usual permissions; what a killed process has left."""

import os
import stat

import pytest
import torch

from unet_paper.io.half_precision import write_half_precision
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


def test_leftovers_are_files_and_folders(tmp_path):
    """A folder is what the making of a volume leaves."""
    (tmp_path / f"{LEFTOVER}run-abc.json").touch()
    (tmp_path / f"{LEFTOVER}abc" / "out.zarr.partial").mkdir(parents=True)
    (tmp_path / f"{LEFTOVER}link").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]
