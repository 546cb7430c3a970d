"""Names that tell runs apart."""

from pathlib import Path

from unet_paper.runs.folder import unique_names


def test_names_that_tell_folders_apart():
    assert unique_names([Path("/a/x/fold-1"), Path("/a/x/fold-2")]) == ["fold-1", "fold-2"]
    assert unique_names([Path("/a/x/fold-1"), Path("/a/y/fold-1")]) == ["x/fold-1", "y/fold-1"]
