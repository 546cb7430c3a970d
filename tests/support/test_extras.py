"""A package that is not installed is named, with the command that installs it."""

import sys
import tomllib
from pathlib import Path

import pytest

from unet_paper.support.errors import BadInput
from unet_paper.support.extras import EXTRAS, require_extra

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize(("name", "extra"), [("zarr", "volumes"), ("onnx", "export"), ("bioimageio.spec", "export")])
def test_what_is_missing_is_said(monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        BadInput, match=rf"a file needs the package {name}; install it with: pip install '.\[{extra}\]'"
    ):
        require_extra(name, "a file")


def test_they_are_what_is_installed():
    offered = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    for extra, packages in EXTRAS.items():
        for package in packages:
            assert any(line.startswith(package.replace("_", "-")) for line in offered[extra])
