"""A run on a folder of images of several sizes, some pixels ignored: train, predict, score and report."""

import json
import shutil

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper import score, train, warping_errors, weight_map
from unet_paper.cli.commands import main
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.labels import interpret_labels, pixels_to_ignore
from unet_paper.datasets.own_pairs import read_pairs
from unet_paper.datasets.training_stacks import OwnFiles, load_files
from unet_paper.io.stack import read_labels, read_stack, write_stack
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput

TINY = [
    "--profile",
    "smoke",
    "--set",
    "base_channels=2",
    "--set",
    "tile_size=188",
    "--set",
    "steps=2",
    "--device",
    "cpu",
]
IGNORED = 250


def command(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def run(nuclei_folders, tmp_path_factory):
    """Trained on t10, scored on t1 and t2; the left part of each label file is ignored."""
    own = tmp_path_factory.mktemp("own")
    shutil.copytree(nuclei_folders / "images", own / "images")
    (own / "masks").mkdir()
    for path in (nuclei_folders / "masks").iterdir():
        labels = np.array(imageio.imread(path))
        labels[:, :20] = IGNORED
        imageio.imwrite(own / "masks" / path.name, labels)
    files = ["--images", own / "images", "--labels", own / "masks", "--labels-are", "instances", "--ignore", IGNORED]
    assert command("train", *files, "--fold", "1/2", "--out", own / "run", *TINY) == 0
    return own / "run"


def test_what_the_run_holds(run):
    protocol = read_record(run / "run.json").protocol
    assert protocol.ignore == IGNORED and protocol.files == ("t1", "t2", "t10")
    weights = read_stack(run / "weight-maps.tif").pixels[0]  # sections of one size are a stack
    assert not weights[:, :20].any() and weights[:, 20:].min() > 0
    assert [path.name for path in sorted((run / "evaluation-volume").iterdir())] == ["t1.tif", "t2.tif"]
    labels, unknown = (read_labels(run / f"evaluation-{name}/t1.tif").pixels[0] for name in ("labels", "unknown"))
    assert labels.shape == (70, 90) and np.array_equal(unknown > 0, np.arange(90)[None] + 0 * labels < 20)


@pytest.mark.long
def test_predicted_scored_and_reported(run, capsys):
    folder, result = run / "evaluation-volume", run / "probability-none"
    predict = ["predict", "--weights", run / "weights.pt", folder, result, "--tta", "none", "--device", "cpu"]
    assert command(*predict) == 0
    assert read_stack(result / "t1.tif").pixels.shape == (1, 70, 90)
    before = (result / "t1.tif").stat().st_mtime_ns
    capsys.readouterr()
    assert command(*predict, "--force") == 0 and (result / "t1.tif").stat().st_mtime_ns == before  # nothing is left
    said = capsys.readouterr().out
    assert "2 maps of these images are there already, made by these weights and settings, and are kept" in said
    assert "predicting" not in said
    (result / "t2.tif").unlink()
    assert command(*predict) == 0 and (result / "t1.tif").stat().st_mtime_ns == before  # it resumes
    said = capsys.readouterr().out
    assert "1 map of these images is there already, " in said and "predicting 1 image in" in said
    other = [*predict[:-4], "--tta", "d4", "--device", "cpu"]
    assert command(*other) == 2 and "there already" in capsys.readouterr().err
    files = ["score", run / "evaluation-labels", result, "--metrics", "all", "--unknown", run / "evaluation-unknown"]
    assert command(*files, "--json", run / "scores.json") == 0
    scores = json.loads((run / "scores.json").read_text())
    assert scores["ignored_pixels"] == (70 + 64) * 20 and 0 <= scores["seg"] <= 1
    assert command("report", run) == 0
    assert "t2" in (run / "index.html").read_text()
    assert "the 2 held out as fold 1/2 (t1, t2): " in (run / "metrics.md").read_text()
    capsys.readouterr()
    kept = (result / "t1.tif").read_bytes()
    tifffile.memmap(result / "t1.tif")[:] = 0
    assert command("report", run) == 2
    assert "probability-none holds other maps than the run's scores of none are of" in capsys.readouterr().err
    (result / "t1.tif").write_bytes(kept)


def test_several_images_into_a_folder(run, tmp_path, capsys):
    images = sorted((run.parent / "images").glob("t*"))
    predict = ["predict", "--weights", run / "weights.pt", "--tta", "none", "--device", "cpu", *images]
    assert command(*predict, tmp_path / "one.tif") == 2
    assert "is one file, and the images are a folder or several;" in capsys.readouterr().err
    assert command(*predict, tmp_path / "out", "--instances", tmp_path / "cells") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["t1.tif", "t10.tif", "t2.tif"]
    assert (tmp_path / "cells/t1.tif").is_file() and (tmp_path / "cells/t1.csv").is_file()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((1, 9, 9), np.uint16), "t2.tif holds uint16 values but the network was trained on uint8"),
        (None, "t2.tif"),
    ],
)
def test_an_image_that_cannot_be_predicted_is_said_before_the_first_is(run, tmp_path, capsys, content, message):
    """One of another type, and one that is cut off."""
    images = shutil.copytree(run / "evaluation-volume", tmp_path / "images")
    if content is None:
        (images / "t2.tif").write_bytes((images / "t2.tif").read_bytes()[:99])
    else:
        write_stack(images / "t2.tif", content)
    out = tmp_path / "out"
    assert command("predict", "--weights", run / "weights.pt", "--tta", "none", "--device", "cpu", images, out) == 2
    assert message in capsys.readouterr().err and not out.exists()


def test_a_blank_image_is_predicted_among_others(run, tmp_path, capsys):
    """As a blank section of a stack is; a lone one is refused."""
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(run / "evaluation-volume/t1.tif", folder)
    write_stack(folder / "t0.tif", np.zeros((1, 30, 40), np.uint8))
    predict = ["predict", "--weights", run / "weights.pt", "--tta", "none"]
    assert command(*predict, folder, tmp_path / "maps") == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["t0.tif", "t1.tif"]
    assert "t0.tif holds one gray value only, 0; is that a surprise?" in capsys.readouterr().out
    assert command(*predict, folder / "t0.tif", tmp_path / "lone.tif") == 2


def test_images_of_a_folder_are_trained_on_unless_all_of_these_are_blank(tmp_path, random):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(3):
        write_stack(tmp_path / f"images/{number}.tif", np.full((1, 30, 40), 7 + number, np.uint8))
        write_stack(tmp_path / f"labels/{number}.tif", np.eye(30, 40, dtype=np.uint8)[None])
    files = OwnFiles(*(sorted((tmp_path / name).iterdir()) for name in ("images", "labels")), "cells")
    with pytest.raises(BadInput, match="each section that is trained on holds one gray value only"):
        load_files(files)
    write_stack(tmp_path / "images/2.tif", random.integers(0, 256, (1, 30, 40), np.uint8))
    assert len(load_files(files).volume) == 3
    with pytest.raises(BadInput, match="each section that is trained on holds one gray value only"):
        load_files(files, Fold(3, 3))  # which holds out the one that shows something
    write_stack(tmp_path / "images/1.tif", random.integers(0, 256, (1, 30, 40), np.uint8))
    with pytest.raises(BadInput, match="fold 1/3 holds out nothing but images of one gray value, which cannot be pred"):
        load_files(files, Fold(1, 3))


def test_one_file_is_not_its_own_labels(tmp_path, random):
    write_stack(tmp_path / "cells.tif", random.integers(0, 4, (1, 30, 40), np.uint8))
    with pytest.raises(BadInput, match="cells.tif is given for the images and for the labels; these are two files"):
        read_pairs(tmp_path / "cells.tif", tmp_path / "cells.tif")


@pytest.mark.parametrize(
    ("given", "said"),
    [("nofolder", "there is no file or folder {}; give the path of"), ("empty", "{} is a folder without images")],
)
def test_a_folder_that_is_mistyped_or_empty_is_what_is_said(run, tmp_path, capsys, given, said):
    (tmp_path / "empty").mkdir()
    said = said.format(tmp_path / given)
    for out in ("maps", "map.tif"):
        assert command("predict", "--weights", run / "weights.pt", tmp_path / given, tmp_path / out) == 2
        assert said in capsys.readouterr().err
    shutil.copytree(run / "evaluation-labels", tmp_path / "labels")
    train = ["train", "--images", tmp_path / given, "--labels", tmp_path / "labels", "--labels-are", "instances"]
    assert command(*train, "--out", tmp_path / "run", *TINY) == 2
    assert said in capsys.readouterr().err


def test_images_predicted_before_are_numbered_when_cells_are_asked_for(run, tmp_path, capsys):
    """Also with another segmentation, which --force must allow; and nothing is done twice."""
    images = sorted((run.parent / "images").glob("t*"))
    out, cells = tmp_path / "out", tmp_path / "cells"
    predict = ["predict", "--weights", run / "weights.pt", "--tta", "none", "--device", "cpu", *images, out]
    assert command(*predict) == 0 and not cells.exists()
    maps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert command(*predict, "--instances", cells) == 0 and len(list(cells.glob("*.tif"))) == 3
    made = {path: path.stat().st_mtime_ns for path in cells.iterdir()}
    assert command(*predict, "--instances", cells) == 0
    assert made == {path: path.stat().st_mtime_ns for path in cells.iterdir()}
    table = (cells / "t1.csv").read_text()
    (cells / "t1.csv").unlink()
    assert command(*predict, "--instances", cells) == 0 and (cells / "t1.csv").read_text() == table
    assert all(path.stat().st_mtime_ns == time for path, time in made.items() if path.stem != "t1")
    capsys.readouterr()
    assert command(*predict, "--instances", cells, "--threshold", "0.1") == 2
    assert "cells/t1.tif is there already" in capsys.readouterr().err
    assert command(*predict, "--instances", cells, "--threshold", "0.1", "--force") == 0
    assert all(path.stat().st_mtime_ns > made[path] for path in cells.glob("*.tif"))
    assert maps == {path: path.stat().st_mtime_ns for path in out.iterdir()}


def test_force_predicts_a_file_anew_unless_it_is_cells_that_it_replaces(run, tmp_path):
    """As of several images, of which a call that was interrupted goes on where it was, with --force too."""
    image, out, cells = next((run.parent / "images").glob("t1.*")), tmp_path / "out.tif", tmp_path / "cells.tif"
    predict = ["predict", "--weights", run / "weights.pt", "--tta", "none", "--device", "cpu", image, out]
    assert command(*predict) == 0
    first = out.stat().st_mtime_ns
    assert command(*predict, "--force") == 0
    second = out.stat().st_mtime_ns
    assert second > first and command(*predict, "--instances", cells) == 0
    numbered = cells.stat().st_mtime_ns
    assert command(*predict, "--instances", cells, "--threshold", "0.1", "--force") == 0
    assert out.stat().st_mtime_ns == second and cells.stat().st_mtime_ns > numbered


def with_cells(run, folder):
    """The command that predicts the images of the run, and numbers their cells in the folder's `cells`."""
    images = sorted((run.parent / "images").glob("t*"))
    predict = ["predict", "--weights", run / "weights.pt", "--tta", "none", "--device", "cpu", *images]
    return [*predict, folder / "out", "--instances", folder / "cells"]


def test_a_table_of_somebody_else_is_not_replaced(run, tmp_path, capsys):
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/t2.csv").write_text("mine")
    assert command(*with_cells(run, tmp_path)) == 2
    assert "cells/t2.csv is there already" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert (tmp_path / "cells/t2.csv").read_text() == "mine"


def test_numbering_that_was_interrupted_resumes(run, tmp_path, capsys):
    """The table is written first: without its cells it is no result, unless it is somebody else's."""
    predict = with_cells(run, tmp_path)
    cells, table = tmp_path / "cells/t2.tif", tmp_path / "cells/t2.csv"
    assert command(*predict) == 0
    made = table.read_text()
    cells.unlink()
    assert command(*predict) == 0 and cells.is_file() and table.read_text() == made
    cells.unlink()
    table.write_text(made.replace("\n1,", "\n7,", 1))  # of other cells
    assert command(*predict) == 2 and "cells/t2.csv is there already, of other" in capsys.readouterr().err
    assert command(*predict, "--force") == 0 and table.read_text() == made
    cells.unlink()
    table.write_text("mine")
    assert command(*predict) == 2 and "cells/t2.csv is there already" in capsys.readouterr().err
    assert table.read_text() == "mine"


def test_numbering_of_one_file_resumes_too(run, tmp_path, random, capsys):
    """Probabilities that the same command has made are numbered; others in their place are refused."""
    write_stack(tmp_path / "one.tif", random.integers(0, 256, (1, 60, 70), np.uint8))
    out, cells = tmp_path / "probability.tif", tmp_path / "cells.tif"
    predict = ("predict", "--weights", run / "weights.pt", tmp_path / "one.tif", out, "--instances", cells)
    assert command(*predict, "--tta", "none") == 0
    made, numbered, table = out.stat().st_mtime_ns, cells.read_bytes(), cells.with_suffix(".csv").read_bytes()
    cells.unlink()
    assert command(*predict, "--tta", "none") == 0
    assert out.stat().st_mtime_ns == made and cells.read_bytes() == numbered
    assert cells.with_suffix(".csv").read_bytes() == table
    cells.unlink()
    for other in ((*predict, "--tta", "d4"), (*predict[:3], out, *predict[4:], "--tta", "none")):
        capsys.readouterr()
        assert command(*other) == 2 and "probability.tif is " in capsys.readouterr().err  # there already; the image
    cells.with_suffix(".csv").write_text("mine")
    assert command(*predict, "--tta", "none") == 2 and "cells.csv is there already" in capsys.readouterr().err


def test_score_by_value_and_by_mask_are_the_same(tmp_path, random_stack, random, capsys):
    truth, proposal = random_stack((1, 40, 40), "float32")
    ignore = random.random(truth.shape) < 0.2
    labels = np.where(ignore, 7, truth * 255).astype(np.uint8)
    imageio.imwrite(tmp_path / "labels.tif", labels[0])
    imageio.imwrite(tmp_path / "probability.tif", np.clip(proposal[0], 0, 1))
    files = ["score", tmp_path / "labels.tif", tmp_path / "probability.tif"]
    assert command(*files, "--ignore", 7, "--json", tmp_path / "scores.json") == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    wanted = score(truth, proposal, ignore)
    assert all(found[metric.key] == wanted.value(metric) for metric in CHALLENGE_METRICS)
    assert score(labels, proposal, 7) == wanted
    assert f"{100 * ignore.mean():.1f} % of the pixels" in capsys.readouterr().out


def test_sections_of_several_sizes_are_scored_together(random_stack):
    truth, proposal = random_stack((2, 30, 40), "tenths")
    cut = [truth[0], truth[1][:20, :33]], [proposal[0], proposal[1][:20, :33]]
    both, first, second = score(*cut), score(*(part[0] for part in cut)), score(*(part[1] for part in cut))
    for of_both, one, other in zip(both.warping_counts, first.warping_counts, second.warping_counts, strict=True):
        assert of_both == (*one, *other)
    assert score(list(truth), list(proposal)) == score(truth, proposal)
    kinds = warping_errors(*cut, 0.5)
    assert [of_section.shape for of_section in kinds] == [(30, 40), (20, 33)]
    for of_section, labels, proposed in zip(kinds, *cut, strict=True):
        assert np.array_equal(of_section, warping_errors(labels, proposed, 0.5)[0])
    with pytest.raises(BadInput, match="both must be of the same sections"):
        score(cut[0], cut[1][::-1])


@pytest.mark.parametrize(
    ("values", "labels_are", "ignore", "wanted"),
    [
        ([0, 1, 255], "cells", 255, [0, 255, 0]),
        ([0, 1, 2], "cells", 0, [0, 0, 255]),  # as ilastik writes: 0 is not annotated, 1 background, 2 cell
        ([0, 1, 9], "membranes", 9, [255, 0, 0]),
        ([-1, 0, 1], "classes", -1, [0, 0, 1]),
        ([0, 5, 255], "instances", 255, [0, 5, 0]),
    ],
)
def test_labels_beside_what_is_ignored(values, labels_are, ignore, wanted):
    labels = np.array([[values]])
    ignored = pixels_to_ignore(labels, ignore, "labels.tif")
    assert interpret_labels(labels, labels_are, "labels.tif", ignored)[0].ravel().tolist() == wanted
    assert weight_map(labels[0], ignore=ignore)[0, values.index(ignore)] == 0


def test_negative_values_may_be_ignored(tmp_path):
    labels = np.array([[-1, 0, 1], [-1, 0, 1]], np.int16)
    imageio.imwrite(tmp_path / "labels.tif", labels)
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "image.png")
    files = OwnFiles(tmp_path / "image.png", tmp_path / "labels.tif", "cells", ignore=-1)
    assert load_files(files).ignored[0].tolist() == [[True, False, False]] * 2
    with pytest.raises(BadInput, match="negative labels"):
        load_files(OwnFiles(tmp_path / "image.png", tmp_path / "labels.tif", "cells"))


def test_a_value_that_nobody_has_is_said(caplog):
    assert pixels_to_ignore(np.array([[[0, 1]]]), 9, "labels.tif") is None
    assert "no pixels of labels.tif hold 9, so none is ignored" in caplog.text
    with pytest.raises(BadInput, match="all pixels of labels.tif hold 1"):
        pixels_to_ignore(np.array([[[1, 1]]]), 1, "labels.tif")


def test_arrays_of_several_sizes_and_ignored_pixels(random):
    images = [random.integers(0, 255, size).astype(np.uint8) for size in ((40, 50), (30, 33))]
    labels = [(image > 128).astype(np.uint8) for image in images]
    for section in labels:
        section[:5] = 9
    tiny = dict(profile="smoke", base_channels=2, steps=2, tile_size=188, device="cpu")
    by_value = train(images, labels, "cells", ignore=labels[0].dtype.type(9), **tiny)
    masks = [section == 9 for section in labels]
    by_mask = train(images, [np.where(section == 9, 1, section) for section in labels], "cells", ignore=masks, **tiny)
    assert all((values == by_mask.network[name]).all() for name, values in by_value.network.items())
