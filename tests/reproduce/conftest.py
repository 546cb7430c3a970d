"""The scripts, run in a copy of the project without data and results."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from reproduce.studies import archive

ROOT = Path(__file__).parents[2]
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
DATA = ("ISBI_DATA", "CTC_DATA")


@pytest.fixture(scope="session")
def committed(tmp_path_factory):
    """A folder with the READMEs and the results as git holds them."""
    packed = subprocess.run(
        ["git", "archive", "HEAD", "README.md", "reproduce/README.md", "results"], cwd=ROOT, capture_output=True
    )
    if packed.returncode:
        pytest.skip("without git there is no telling which results are committed")
    folder = tmp_path_factory.mktemp("committed")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def other_seeds(committed):
    """Group -> the committed trainings of `quick` on fold 6/6 with seeds that its recipe was not chosen with."""
    groups: dict[str, list[archive.StudyRun]] = {}
    for run in archive.read(committed / "results/isbi/seeds-adam"):
        groups.setdefault(run.group, []).append(run)
    return groups


@pytest.fixture
def clone(tmp_path):
    """The copy; it is run with this environment."""
    for name in ("reproduce", "unet_paper"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "requirements.txt", tmp_path / "requirements.txt")
    return tmp_path


@pytest.fixture
def run_script(clone):
    """Runs a script of the copy, without network and without data but for what is in the copy."""

    def run(name, *arguments):
        environment = {name: value for name, value in os.environ.items() if name not in DATA} | NO_NETWORK
        environment["UNET_PAPER_PYTHON"] = sys.executable
        command = ["bash", str(clone / "reproduce" / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")

    return run
