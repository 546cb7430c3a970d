"""Which code a run is of, and on which hardware."""

import hashlib
import os
import shutil
import subprocess

import pytest

from unet_paper.runs import environment
from unet_paper.runs.environment import code_version, hardware


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_users_git_index_is_left_alone(tmp_path, monkeypatch):
    """Not even where `git status` would note in it that a file that was touched is as it was."""
    (tmp_path / "config.py").write_text("a = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    os.utime(tmp_path / "config.py", (1, 1))
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    version = code_version()
    assert version.commit and version.changed is False
    assert index.read_bytes() == before


def test_the_sources_have_one_hash_on_all_systems(tmp_path, monkeypatch):
    """Names as they are with slashes, and in their order; others order the paths, or do not tell case."""
    (tmp_path / "io").mkdir()
    expected = hashlib.sha256()
    for name in ("A.py", "io.py", "io/a.py"):
        (tmp_path / name).write_text(name)
        expected.update(name.encode() + b"\0" + name.encode())
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    assert code_version().sources_sha256 == expected.hexdigest()


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    """A container or a cluster's job has few of the machine's."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 17}, raising=False)
    assert hardware("cpu").cores == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # outside Linux
    assert hardware("cpu").cores == 64
