"""What a process that was killed has left."""

from unet_paper.support.files import LEFTOVER, remove_leftovers


def test_leftovers_are_files_and_folders(tmp_path):
    """A folder is what the making of a volume leaves."""
    (tmp_path / f"{LEFTOVER}run-abc.json").touch()
    (tmp_path / f"{LEFTOVER}abc" / "out.zarr.partial").mkdir(parents=True)
    (tmp_path / f"{LEFTOVER}link").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]
