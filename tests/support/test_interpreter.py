"""Commands that are printed are pasted: they call the Python that runs, wherever it lies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAID = "from unet_paper.support.interpreter import python_as_typed; print(python_as_typed())"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment, in a folder whose name has to be quoted."""
    folder = tmp_path_factory.mktemp("an environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    return folder


def said(python, cwd, path="/nowhere"):
    """What a Python in a folder says, with this PATH and this environment's packages."""
    packages = os.pathsep.join([str(ROOT), *(folder for folder in sys.path if folder)])
    variables = {**os.environ, "PYTHONPATH": packages, "PATH": path}
    done = subprocess.run([python, "-c", SAID], cwd=cwd, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.removesuffix("\n")


@pytest.mark.skipif(os.name == "nt", reason="its environments have other folders")
def test_the_python_that_is_named_is_the_one_that_runs(environment, tmp_path):
    python = environment / ".venv/bin/python"
    assert said(python, environment) == ".venv/bin/python"
    assert said(python, environment / ".venv") == "bin/python"
    assert said(python, tmp_path) == f"'{python}'"
    assert said(python, tmp_path, str(python.parent)) == "python"
    # of one program through two links, which are two environments
    other = tmp_path / "bin"
    other.mkdir()
    (other / "python").symlink_to(os.path.realpath(python))
    assert said(python, tmp_path, str(other)) == f"'{python}'"
