"""One writer at a time: who holds the lock, who dies with it, and file systems that have none."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unet_paper.support import locks
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from unet_paper.support.locks import exclusive_lock
with exclusive_lock(sys.argv[1], "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_until_it_dies(tmp_path):
    path = tmp_path / "folder" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BadInput, match="it is being written by another process; wait for it, or give another name"):
        with exclusive_lock(path, "it"):
            pass
    assert path.exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with exclusive_lock(path, "it"):
        pass
    assert not path.exists()


def test_the_lock_ends_with_the_block_however_it_ends(tmp_path):
    with pytest.raises(KeyboardInterrupt), exclusive_lock(tmp_path / "lock", "it"):
        raise KeyboardInterrupt
    with exclusive_lock(tmp_path / "lock", "it"):
        assert (tmp_path / "lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_works(tmp_path, monkeypatch, code):
    def no_locks(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.FileLock, "acquire", no_locks)
    with exclusive_lock(tmp_path / "lock", "it"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"), exclusive_lock(tmp_path / "file" / "lock", "it"):
        pass


def test_who_waits_gets_it_afterwards(tmp_path):
    """The holder removes the file; a lock on a file without a name guards nothing."""
    for _ in range(20):
        with exclusive_lock(tmp_path / "lock", "it"):
            pass
        time.sleep(0.001)
    assert not list(tmp_path.iterdir())
