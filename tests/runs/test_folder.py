"""Names that tell runs apart, and which files are a run's."""

from pathlib import Path

import pytest

from unet_paper.runs.folder import RunFolder, unique_names
from unet_paper.support.errors import BadInput


def test_names_that_tell_folders_apart():
    assert unique_names([Path("/a/x/fold-1"), Path("/a/x/fold-2")]) == ["fold-1", "fold-2"]
    assert unique_names([Path("/a/x/fold-1"), Path("/a/y/fold-1")]) == ["x/fold-1", "y/fold-1"]


@pytest.mark.parametrize(("given", "name"), [(".", "run"), ("..", "runs"), ("../other", "other"), ("a/..", "run")])
def test_a_folder_has_a_name_however_it_is_given(tmp_path, monkeypatch, given, name):
    inside = tmp_path / "runs" / "run"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert RunFolder(Path(given)).name == name and unique_names([given]) == [name]


@pytest.mark.parametrize("name", ["history.csv", "index.html", "page/notes.txt", "figures/my-figure.txt"])
def test_files_are_a_runs_only_beside_a_run(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(BadInput, match=f"{name} has the name of a file of a run"):
        RunFolder(tmp_path).archive_previous_run()
    assert file.read_text() == "mine" and not (tmp_path / "earlier").exists()


@pytest.mark.parametrize("left", ["run.json", "weights.pt", "checkpoint-before.pt"])
def test_what_lies_beside_a_part_of_a_run_is_put_away(tmp_path, left):
    (tmp_path / left).write_text("of a run")
    (tmp_path / "history.csv").write_text("of a run")
    assert RunFolder(tmp_path).archive_previous_run() == tmp_path / "earlier" / "1"
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.parametrize("name", ["weights.safetensors", "test-scores-rot7.json", "test-probability.tif"])
def test_what_was_published_is_put_away_with_its_run_and_else_is_somebodys(tmp_path, name):
    """Scores of earlier weights would be taken for those of the new ones."""
    (tmp_path / name).write_text("published")
    assert RunFolder(tmp_path).archive_previous_run() is None and (tmp_path / name).is_file()
    (tmp_path / "run.json").write_text("of a run")
    assert RunFolder(tmp_path).archive_results() == tmp_path / "earlier" / "1"
    (tmp_path / name).write_text("published again")
    assert RunFolder(tmp_path).archive_previous_run() == tmp_path / "earlier" / "2"
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.parametrize(
    "name",
    [
        *("probability-d4.tif", "probability-none/t1.tif", "segments-d4.tif", "scores.json", "scores-none.json"),
        *("table1.md", "table2.md", "metrics.md", "index.html", "page/page.json", "figures/figure-1.png"),
        *("result.png", "sections/cells.png"),
    ],
)
def test_what_was_made_with_earlier_weights_is_put_away_and_nothing_else(tmp_path, name):
    training = ("run.json", "checkpoint.pt", "history.csv", "weight-maps.tif", "weight-map.png", "mine.png")
    for each in (name, *training):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text("of a run")
    earlier = RunFolder(tmp_path).archive_results()
    assert earlier == tmp_path / "earlier" / "1" and (earlier / name).is_file() and not (tmp_path / name).exists()
    assert all((tmp_path / each).is_file() for each in training)


def test_a_run_that_is_half_put_away_is_still_one(tmp_path, monkeypatch):
    for name in ("run.json", "weights.pt", "history.csv", "scores.json"):
        (tmp_path / name).write_text("of a run")
    moved, replace = [], Path.replace

    def killed(path, target):
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(path.name)
        return replace(path, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        RunFolder(tmp_path).archive_previous_run()
    assert RunFolder(tmp_path).archive_previous_run() == tmp_path / "earlier" / "2" and "run.json" not in moved
