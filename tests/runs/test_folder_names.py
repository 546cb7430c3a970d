"""Names that tell runs apart."""

from pathlib import Path

import pytest

from unet_paper.runs.folder import RunFolder, unique_names


def test_names_that_tell_folders_apart():
    assert unique_names([Path("/a/x/fold-1"), Path("/a/x/fold-2")]) == ["fold-1", "fold-2"]
    assert unique_names([Path("/a/x/fold-1"), Path("/a/y/fold-1")]) == ["x/fold-1", "y/fold-1"]


@pytest.mark.parametrize(("given", "name"), [(".", "run"), ("..", "runs"), ("../other", "other"), ("a/..", "run")])
def test_a_folder_has_a_name_however_it_is_given(tmp_path, monkeypatch, given, name):
    inside = tmp_path / "runs" / "run"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert RunFolder(Path(given)).name == name and unique_names([given]) == [name]
