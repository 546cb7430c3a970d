"""`score` of more than two classes: probabilities as `predict` writes them, or the numbers of classes."""

import json

import numpy as np
import pytest
import tifffile

from unet_paper.cli.commands import main
from unet_paper.io.image_files import class_count
from unet_paper.io.stack import read_most_probable, write_eight_bits, write_stack
from unet_paper.metrics.class_scores import class_scores

SHAPE = (3, 30, 44)


@pytest.fixture
def files(tmp_path, random):
    """Classes of a truth, and probabilities that mostly agree with them; one of the classes is in neither."""
    truth = random.choice([0, 1, 3], SHAPE).astype(np.uint8)
    maps = random.random((4, *SHAPE)).astype(np.float32) * 0.8
    maps[2] = 0
    np.put_along_axis(maps, truth[None], 0.7, axis=0)
    maps = (maps / maps.sum(axis=0)).transpose(1, 0, 2, 3)
    write_stack(tmp_path / "labels.tif", truth)
    write_stack(tmp_path / "found.tif", maps.argmax(axis=1).astype(np.uint8))
    tifffile.imwrite(tmp_path / "maps.tif", maps, imagej=True, metadata={"axes": "ZCYX"})
    return tmp_path, truth, maps.argmax(axis=1)


def scored(folder, result, *options, labels="labels.tif"):
    out = folder / "out.json"
    given = [str(folder / labels), str(folder / result), "--json", str(out), "--force", *options]
    assert main(["score", *given]) == 0
    return json.loads(out.read_text())


@pytest.mark.parametrize("options", [(), ("--metrics", "all"), ("--labels-are", "classes")])
def test_probabilities(files, capsys, options):
    folder, truth, found = files
    expected = class_scores(truth, found, classes=4)
    scores = scored(folder, "maps.tif", *options)
    assert scores["confusion"] == [list(row) for row in expected.confusion]
    assert 0.5 < scores["accuracy"] == (truth == found).mean() < 1
    said = capsys.readouterr().out
    assert f"class 1    IoU {scores['iou'][1]:.6f}  Dice {scores['dice'][1]:.6f}" in said
    assert "in neither: class 2" in said and scores["iou"][2] is None
    assert f"mean IoU   {scores['mean_iou']:.6f}" in said and f"accuracy   {scores['accuracy']:.6f}" in said


def test_class_numbers_where_the_labels_are_said_to_be_classes(files):
    folder, _, _ = files
    of_maps, of_numbers = scored(folder, "maps.tif"), scored(folder, "found.tif", "--labels-are", "classes")
    assert of_maps["confusion"] == of_numbers["confusion"] and of_maps["result_sha256"] == of_numbers["result_sha256"]


def test_folders_are_paired_by_name_and_scored_together(files, capsys):
    folder, truth, found = files
    whole = tifffile.imread(folder / "maps.tif")
    for number in range(3):
        size = 30 - number
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "maps").mkdir(exist_ok=True)
        write_stack(folder / "labels" / f"a{number}.tif", truth[[number, 0], :size])
        part = whole[[number, 0], :, :size]
        tifffile.imwrite(folder / "maps" / f"a{number}.tif", part, imagej=True, metadata={"axes": "ZCYX"})
    parts = [(each, slice(30 - number)) for number in range(3) for each in (number, 0)]
    expected = class_scores(*([values[part] for part in parts] for values in (truth, found)), classes=4)
    assert scored(folder, "maps", labels="labels")["confusion"] == [list(row) for row in expected.confusion]
    tifffile.imwrite(folder / "maps" / "a2.tif", whole[[2, 0], :3, :28], imagej=True, metadata={"axes": "ZCYX"})
    assert main(["score", str(folder / "labels"), str(folder / "maps")]) == 2
    assert "of the probabilities of different numbers of classes (3, 4)" in capsys.readouterr().err
    write_stack(folder / "maps" / "a2.tif", truth[[2, 0], :28])
    assert main(["score", str(folder / "labels"), str(folder / "maps")]) == 2
    assert "of different numbers of classes (none, 4)" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["ignore", "unknown"])
def test_pixels_whose_truth_is_not_known(files, how):
    folder, truth, found = files
    marks = np.zeros(SHAPE, np.uint8)
    marks[:, :10] = 9
    write_stack(folder / "marks.tif", marks)
    write_stack(folder / "marked.tif", np.where(marks > 0, marks, truth))
    if how == "ignore":
        scores = scored(folder, "maps.tif", "--ignore", "9", labels="marked.tif")
    else:
        scores = scored(folder, "maps.tif", "--unknown", str(folder / "marks.tif"))
    expected = class_scores(truth[:, 10:], found[:, 10:], classes=4)
    assert scores["confusion"] == [list(row) for row in expected.confusion]
    assert scores["ignored_pixels"] == (marks > 0).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metrics", "seg"), "maps.tif holds probabilities of 4 classes; give labels, or those of two classes"),
        (("--labels-are", "cells"), "labels of these are --labels-are classes, not cells"),
        (("--threshold", "0.4"), "are of cells"),
        (("--segments", "segments.tif"), "are of cells"),
        (("--unknown", "labels.tif"), "is not a file"),
    ],
)
def test_what_is_of_cells_is_refused(files, capsys, options, message):
    folder, _, _ = files
    assert main(["score", str(folder / "labels.tif"), str(folder / "maps.tif"), *options]) == 2
    assert message in capsys.readouterr().err


def test_labels_beyond_the_classes_and_other_shapes(files, capsys):
    folder, truth, _ = files
    write_stack(folder / "more.tif", truth + np.uint8(1))
    assert main(["score", str(folder / "more.tif"), str(folder / "maps.tif")]) == 2
    assert "more.tif holds the class 4, and " in capsys.readouterr().err
    write_stack(folder / "fewer.tif", truth[:2])
    assert main(["score", str(folder / "fewer.tif"), str(folder / "maps.tif")]) == 2
    assert "both must be the same" in capsys.readouterr().err
    maps = tifffile.imread(folder / "maps.tif") * np.float32(2)
    tifffile.imwrite(folder / "logits.tif", maps, imagej=True, metadata={"axes": "ZCYX"})
    assert main(["score", str(folder / "labels.tif"), str(folder / "logits.tif")]) == 2
    assert "logits.tif holds values outside 0 to 1" in capsys.readouterr().err


def test_numbers_without_a_word_of_what_they_are(files, capsys):
    folder, _, _ = files
    for options in ((), ("--metrics", "all")):
        assert main(["score", str(folder / "labels.tif"), str(folder / "found.tif"), *options]) == 2
        assert "where these are numbers of classes, give --labels-are classes" in capsys.readouterr().err


def test_the_truth_comes_first(files, capsys):
    folder, _, _ = files
    for result in ("labels.tif", "maps.tif"):
        assert main(["score", str(folder / "maps.tif"), str(folder / result), "--labels-are", "classes"]) == 2
        assert "maps.tif holds probabilities of 4 classes, and is given as the truth" in capsys.readouterr().err


def test_maps_of_one_section_without_a_word_of_their_axes(files, capsys):
    """Which tifffile writes so for ImageJ: they are taken for sections."""
    folder, truth, _ = files
    write_stack(folder / "one.tif", truth[:1])
    tifffile.imwrite(folder / "map.tif", tifffile.imread(folder / "maps.tif")[0], imagej=True)
    for options in ((), ("--labels-are", "classes")):
        assert main(["score", str(folder / "one.tif"), str(folder / "map.tif"), *options]) == 2
        assert "map.tif is read as 4 sections, and " in capsys.readouterr().err
    whole = tifffile.imread(folder / "maps.tif")[:1]
    tifffile.imwrite(folder / "map.tif", whole, photometric="minisblack", metadata={"axes": "ZCYX"})  # as it says
    assert main(["score", str(folder / "one.tif"), str(folder / "map.tif")]) == 0


def test_numbers_that_no_label_has_are_told(files, capsys):
    folder, _, _ = files
    scored(folder, "found.tif", "--labels-are", "classes")
    assert "which no label does" not in capsys.readouterr().out
    write_stack(folder / "cells.tif", np.arange(3 * 30 * 44, dtype=np.uint16).reshape(SHAPE) % 200)
    scored(folder, "cells.tif", "--labels-are", "classes")
    said = capsys.readouterr().out
    assert "which no label does, and each counts as a class; numbered cells are scored with --metrics seg" in said


def test_a_negative_label_may_be_ignored_and_a_negative_result_may_not(files, capsys):
    folder, truth, _ = files
    marked = truth.astype(np.int16)
    marked[0, 0] = -1
    tifffile.imwrite(folder / "marked.tif", marked, photometric="minisblack")
    assert scored(folder, "maps.tif", "--ignore", "-1", labels="marked.tif")["ignored_pixels"] == 44
    words = ["score", str(folder / "labels.tif"), str(folder / "marked.tif"), "--labels-are", "classes"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "negative" in said and "--ignore" not in said


def test_more_classes_than_there_may_be(files, capsys):
    folder, _, _ = files
    maps = np.full((3, 256, 30, 44), 0.5, np.float32)
    tifffile.imwrite(folder / "many.tif", maps, photometric="minisblack", metadata={"axes": "ZCYX"})
    assert main(["score", str(folder / "labels.tif"), str(folder / "many.tif")]) == 2
    assert "many.tif holds probabilities of 256 classes; there may be 255" in capsys.readouterr().err


def test_nothing_is_written_over(files, capsys):
    folder, _, _ = files
    write_stack(folder / "marks.tif", np.ones((3, 30, 44), np.uint8) - np.eye(30, 44, dtype=np.uint8))
    before = (folder / "marks.tif").read_bytes()
    words = ["score", str(folder / "labels.tif"), str(folder / "maps.tif")]
    assert main([*words, "--unknown", str(folder / "marks.tif"), "--json", str(folder / "marks.tif"), "--force"]) == 2
    assert (folder / "marks.tif").read_bytes() == before
    (folder / "mine.json").write_text("mine")
    assert main([*words, "--json", str(folder / "mine.json")]) == 2 and (folder / "mine.json").read_text() == "mine"


def test_maps_in_eight_bits_are_probabilities_of_two_classes(files, random):
    folder, truth, _ = files
    write_stack(folder / "two.tif", (truth > 0).astype(np.uint8) * 255)
    write_eight_bits(folder / "map.tif", random.random(SHAPE), "d4")
    assert main(["score", str(folder / "two.tif"), str(folder / "map.tif")]) == 0


def test_of_several_the_first_where_they_are_alike(files):
    folder, _, _ = files
    maps = np.full((2, 3, 8, 9), 0.5, np.float32)
    tifffile.imwrite(folder / "ties.tif", maps, imagej=True, metadata={"axes": "ZCYX"})
    assert not read_most_probable(folder / "ties.tif", 3).any()
    tifffile.imwrite(folder / "bytes.tif", maps.astype(np.uint8), imagej=True, metadata={"axes": "ZCYX"})
    one = {"photometric": "minisblack", "metadata": {"axes": "ZCYX"}}
    tifffile.imwrite(folder / "one.tif", maps[:, :1], **one)
    assert class_count(folder / "bytes.tif") is None and class_count(folder / "one.tif") is None


def test_what_holds_the_probabilities_of_classes(files, random):
    """Neither sections without a word of their axes, nor a picture in colour."""
    folder, _, _ = files
    assert class_count(folder / "maps.tif") == 4 and class_count(folder / "labels.tif") is None
    stack = random.random((3, 30, 44)).astype(np.float32)
    write_stack(folder / "two.tif", stack)
    tifffile.imwrite(folder / "imagej.tif", stack, imagej=True)
    tifffile.imwrite(folder / "colour.tif", random.integers(0, 9, (30, 44, 3), dtype=np.uint8), photometric="rgb")
    tifffile.imwrite(folder / "floats.tif", stack.transpose(1, 2, 0), photometric="rgb")
    for name in ("two", "imagej", "colour", "floats"):
        assert class_count(folder / f"{name}.tif") is None
