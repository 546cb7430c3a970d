"""One writer at a time: who holds the lock, who dies with it, and file systems that have none."""

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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


def test_somebodys_file_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("notes")
    with pytest.raises(BadInput, match="lock is no lock, and would be lost"), exclusive_lock(tmp_path / "lock", "it"):
        pass
    assert (tmp_path / "lock").read_text() == "notes"


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
    message = f"the folder {tmp_path / 'file'} cannot be written: .*; give another one"
    with pytest.raises(BadInput, match=message), exclusive_lock(tmp_path / "file" / "lock", "it"):
        pass


def test_who_waits_gets_it_afterwards(tmp_path, monkeypatch):
    """The holder removes the file; a lock on a file without a name guards nothing."""
    inside, refused, unlink = [], set(), Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda *path, **options: time.sleep(0.002) or unlink(*path, **options))

    def wait_and_hold(number):
        for _ in range(10):
            while True:
                try:
                    with exclusive_lock(tmp_path / "lock", "it"):
                        inside.append(number)
                        time.sleep(0.001)
                        assert inside == [number]
                        inside.remove(number)
                    break
                except BadInput:
                    refused.add(number)

    with ThreadPoolExecutor(4) as threads:
        with exclusive_lock(tmp_path / "lock", "it"):
            waiting = [threads.submit(wait_and_hold, number) for number in range(4)]
            while refused != {0, 1, 2, 3} and not any(each.done() for each in waiting):
                time.sleep(0.001)
        assert [each.result() for each in waiting] == [None] * 4
    assert refused == {0, 1, 2, 3} and not list(tmp_path.iterdir())


def fails(error):
    def unlink(*_, **__):
        raise error

    return unlink


def test_a_file_that_cannot_be_removed_is_let_go_of(tmp_path, monkeypatch):
    """On Windows none can that is open."""
    monkeypatch.setattr(Path, "unlink", fails(PermissionError(errno.EACCES, "it is open")))
    for _ in range(2):
        with exclusive_lock(tmp_path / "lock", "it"):
            pass
    monkeypatch.setattr(Path, "unlink", fails(OSError(errno.EIO, "the disk is broken")))
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is broken"), exclusive_lock(tmp_path / "lock", "it"):
            pass
