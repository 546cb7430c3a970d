"""What labels mean: checked, and what is lost or doubtful is said aloud with its count."""

import re

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import draw

from unet_paper import score, train
from unet_paper.cli.commands import main
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.datasets.labels import interpret_labels
from unet_paper.datasets.training_stacks import OwnFiles, load_files, load_folder
from unet_paper.io.sections import joined
from unet_paper.io.stack import read_labels, read_stack, write_stack
from unet_paper.runs.scoring import read_truth
from unet_paper.runs.training_run import _stored
from unet_paper.separation_border import label_cells, require_no_gray_levels
from unet_paper.support.errors import BadInput

INSTANCES = re.escape("--labels-are instances (from Python labels_are='instances')")


def tiles(cells, side=12):
    """Numbered squares that touch: (1, side * n, side * n) uint16, without a background."""
    return np.kron(np.arange(1, cells * cells + 1).reshape(cells, cells), np.ones((side, side), int))[None].astype("u2")


def test_instances_without_a_background_are_counted_aloud(caplog):
    labels, classes = interpret_labels(tiles(4), "instances", "labels.tif")
    assert classes == 2 and len(np.unique(labels)) == 17
    assert "labels.tif holds no 0, which is background: all of its 16 numbers are taken as cells" in caplog.text
    caplog.clear()
    with_background = np.pad(tiles(4), ((0, 0), (3, 3), (3, 3)))
    interpret_labels(with_background, "instances", "labels.tif")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("labels", "stored"),
    [
        ([0, 5, 5, 0], [0, 255, 255, 0]),
        ([3, 3, 3, 3], [255, 255, 255, 255]),
        ([3, 3, 7, 7], [3, 0, 0, 7]),  # of two values, 3 would be read as background
        ([0, 5, 70_000, 2**32 - 1], [0, 5, 70_000, 2**32 - 1]),
        ([0, 1, 2**32 + 1, 2**32], [0, 1, 3, 2]),
        ([0, 7, 2**32 - 1, 0], [0, 1, 2, 0]),  # else what reads them takes them for a mask with a third value
        ([2**63 + 4, 2**63 + 5, 2**63 + 5, 4], [2, 3, 3, 1]),
    ],
)
def test_the_truth_of_a_run_holds_every_cell(labels, stored):
    sections = [np.array([labels], np.uint64), np.array([labels[:1], labels[:1]], np.uint64)]
    assert [section.tolist() for section in _stored(sections, False)] == [[stored], [stored[:1]] * 2]


def test_numbers_of_several_types_are_not_joined_as_floats():
    """Above 2^53 neighbouring whole numbers are one float64."""
    large = np.zeros((8, 20), np.int64)
    for column, number in enumerate((2**53, 2**53 + 1, 2**63 - 1)):
        large[1:7, 6 * column + 1 : 6 * column + 6] = number
    sections = [large, (large > 0).astype(np.uint64)]
    alike = [section.astype(np.int64) for section in sections]
    for meant, given in (("instances", slice(None)), ("cells", slice(1, None))):
        found, _ = interpret_labels([*sections[given], sections[-1][:4]], meant, "labels")
        expected, _ = interpret_labels([*alike[given], alike[-1][:4]], meant, "labels")
        assert all(np.array_equal(one, two) for one, two in zip(found, expected, strict=True))
    found, _ = interpret_labels(sections, "instances", "labels")
    assert set(np.unique(joined(found)).tolist()) - {1} == {0, 2**53, 2**53 + 1, 2**63 - 1}
    three_values = [sections[1] * np.uint64(7), np.where(large == 2**63 - 1, large, 0)]
    assert set(np.unique(joined(interpret_labels(three_values, "instances", "labels")[0]))) == {0, 7, 2**63 - 1}
    signed = [np.where(large > 0, 5, -1), (large > 0).astype(np.uint64) * np.uint64(5)]
    masks = [signed[0] < 0, np.zeros(large.shape, bool)]
    assert set(np.unique(interpret_labels(signed, "instances", "labels", masks)[0])) == {0, 5}
    with pytest.raises(BadInput, match="labels holds -1; "):
        interpret_labels(signed, "instances", "labels")


def test_numbers_that_no_type_holds():
    sections = [np.array([[-1, 0, 1]]), np.array([[0, 1, 2**64 - 1]], np.uint64)]
    with pytest.raises(BadInput, match="labels holds -1 and 18446744073709551615, which no type of whole numbers does"):
        interpret_labels(sections, "instances", "labels")


def test_classes_that_look_like_instances_are_said_to_and_taken_as_classes(random, caplog):
    with_background = np.pad(tiles(8), ((0, 0), (3, 3), (3, 3)))
    labels, classes = interpret_labels(with_background, "classes", "labels.tif")
    assert classes == 65 and np.array_equal(labels, with_background)
    assert re.search("65 values, most of them in one piece.*" + INSTANCES, caplog.text)
    caplog.clear()
    scattered = random.integers(0, 20, (2, 40, 40))
    assert interpret_labels(scattered, "classes", "labels.tif")[1] == 20  # of many pieces each
    organs = np.zeros((1, 60, 60), np.uint8)
    for number in range(1, 6):
        organs[0, 10 * number : 10 * number + 8, 10:50] = number
    assert interpret_labels(organs, "classes", "labels.tif")[1] == 6  # in one piece each, but few
    assert not caplog.messages
    with pytest.raises(
        BadInput, match="there may be 255 classes; these are numbered cells rather than classes, .*" + INSTANCES
    ):
        interpret_labels(random.integers(0, 300, (1, 200, 200)), "classes", "labels.tif")


def test_a_cell_may_have_the_highest_number_that_there_is(caplog):
    """0 = membrane, 255 = cell and a third value look like a mask with something else in it."""
    labels = np.array([[[0, 7, 7, 0, 255, 255, 0]]], np.uint8)
    interpreted, classes = interpret_labels(labels, "instances", "labels.tif")
    assert classes == 2 and np.array_equal(interpreted, labels)
    assert "labels.tif holds 0, 7, 255, and 7 and 255 are taken as numbers of cells" in caplog.text
    assert "where 255 marks pixels that nobody annotated, give --ignore 255 (from Python ignore=255)" in caplog.text
    with pytest.raises(
        BadInput, match="0 = membrane and 255 = cell, or every cell has a number .*" + INSTANCES + ".*--ignore 255"
    ):
        interpret_labels(labels, "instances", "labels.tif", said=False)


def test_instances_that_are_plainly_classes_are_said_to_look_like_that(caplog):
    """Nuclei 1 and their borders 2, of many nuclei."""
    nucleus = np.pad(np.ones((6, 6), np.uint8), 2)
    eight = np.ones((3, 3))
    labels = np.tile(np.where((nucleus == 0) & ndimage.binary_dilation(nucleus, eight), 2, nucleus), (1, 3, 3))
    interpret_labels(labels, "instances", "labels.tif")
    assert "in 18 pieces, for 2 numbers" in caplog.text and "--labels-are classes (from Python" in caplog.text
    caplog.clear()
    score(labels, np.zeros(labels.shape, np.float32))  # which is not told what labels mean
    assert "in 18 pieces, for 2 numbers" in caplog.text and "labels-are" not in caplog.text
    caplog.clear()
    interpret_labels(np.pad(tiles(4), ((0, 0), (3, 3), (3, 3))), "instances", "labels.tif")
    assert not caplog.messages


def test_cells_in_several_pieces_are_counted_aloud(caplog):
    """By what holds a cell together, and of all sections; of a mask of two values every cell is a piece."""
    labels = np.zeros((2, 30, 40), np.uint8)
    labels[:, 2:10, 2:10], labels[0, 20:28, 2:10], labels[1, 10:18, 10:18], labels[:, 20:28, 30:38] = 5, 5, 5, 7
    interpret_labels(labels, "instances", "labels.tif")
    assert (
        "2 cells of labels.tif (5, ...) are in several pieces, each taken as a cell, with border weight" in caplog.text
    )
    caplog.clear()
    interpret_labels(labels, "instances", "labels.tif", connectivity=8)
    assert "cell 5 of labels.tif is in several pieces" in caplog.text
    caplog.clear()
    labels[0, 2:10, 24:28] = labels[0, 2:10, 32:36] = 7
    interpret_labels(labels, "instances", "labels.tif")
    assert "3 cells of labels.tif (7, ...) are in several pieces" in caplog.text  # of which it is in most
    caplog.clear()
    interpret_labels(labels[1:], "instances", "labels.tif", connectivity=8)
    interpret_labels(np.where(labels == 5, labels, 0), "instances", "labels.tif")
    assert not caplog.messages


def test_thin_cells_between_others_are_kept(caplog):
    labels = np.zeros((1, 30, 40), np.uint8)
    labels[0, 5:25, 5:15], labels[0, 5:25, 15:17], labels[0, 5:25, 17:30] = 1, 2, 3
    separated, _ = interpret_labels(labels, "instances", "thin.tif")
    assert set(np.unique(separated)) == {0, 1, 2, 3} and label_cells(separated[0]).max() == 3
    assert not caplog.messages


def test_cells_that_are_lost_are_counted_aloud(caplog):
    """Single pixels of a chessboard have no room for lines between them."""
    labels = np.zeros((1, 20, 20), np.uint16)
    labels[0, 5:15, 5:15] = np.arange(1, 101).reshape(10, 10)
    separated, _ = interpret_labels(labels, "instances", "dense.tif")
    lost = 100 - len(np.unique(separated[separated > 0]))
    assert lost > 0 and f"{lost} cells of dense.tif are too thin to be separated" in caplog.text


@pytest.mark.parametrize(
    ("meaning", "message"), [(None, r"say with --labels-are \(from Python labels_are\)"), ("cells", INSTANCES)]
)
def test_what_to_say_is_told_to_commands_and_to_python(meaning, message):
    with pytest.raises(BadInput, match=message):
        interpret_labels(np.array([[[0, 1, 2]]]), meaning, "labels")


def test_masks_of_several_conventions_are_said_to_differ():
    sections = np.zeros((2, 8, 8), np.uint8)
    sections[0, 2:5, 2:5], sections[1, 2:5, 2:5] = 1, 255
    with pytest.raises(
        BadInput, match=r"3 values \(0, 1, 255\).* no section has more; make them alike, or number cells as inst"
    ):
        interpret_labels(sections, "cells", "masks")


@pytest.mark.parametrize("marked", [255, -1])
def test_a_third_value_may_be_of_pixels_that_nobody_annotated(tmp_path, marked):
    labels = np.zeros((1, 8, 8), np.int16)
    labels[0, 2:5, 2:5], labels[0, :, 6:] = 1, marked
    advice = (
        rf"where {marked} marks pixels that nobody annotated, give --ignore {marked} \(from Python ignore={marked}\)"
    )
    with pytest.raises(BadInput, match=f"hold two, and cells .*{INSTANCES}; {advice}"):
        interpret_labels(labels, "cells", "mask.tif")
    write_stack(tmp_path / "mask.tif", labels)
    out = str(tmp_path / "weights.tif")
    assert main(["weights", str(tmp_path / "mask.tif"), out, "--labels-are", "cells", "--ignore", str(marked)]) == 0
    if marked < 0:
        with pytest.raises(BadInput, match=f"holds negative labels; .*and above, and {advice}"):
            read_labels(tmp_path / "mask.tif")


def test_gray_levels_of_a_smoothed_mask_are_said_to_look_like_that(caplog):
    mask = np.zeros((1, 100, 100))
    mask[0, 20:80, 20:80] = 255
    mask[0, 40:60, 40:60] = 0
    smooth = ndimage.gaussian_filter(mask, (0, 2, 2)).round().astype(np.uint8)
    with pytest.raises(BadInput, match="hold two, and cells that have numbers of their own"):
        interpret_labels(smooth, "cells", "mask.tif")
    interpret_labels(smooth, "instances", "mask.tif")
    assert "have at most 4 px; these may be gray levels of a smoothed mask" in caplog.text


def test_a_gray_picture_is_doubted_before_its_many_cells_are_separated(random, caplog):
    interpret_labels(random.integers(0, 256, (1, 64, 64)), "instances", "picture.tif")
    assert [("gray levels" in said, "too thin" in said) for said in caplog.messages] == [(True, False), (False, True)]


def test_the_older_name_of_instances(tmp_path, capsys):
    write_stack(tmp_path / "labels.tif", np.pad(tiles(3), ((0, 0), (3, 3), (3, 3))))
    maps = []
    for name in ("numbers", "instances"):
        out = tmp_path / f"{name}.tif"
        assert main(["weights", str(tmp_path / "labels.tif"), str(out), "--labels-are", name]) == 0
        maps.append(read_stack(out).pixels)
    assert np.array_equal(*maps)
    with pytest.raises(SystemExit):
        main(["weights", "--help"])
    assert "numbers}" not in capsys.readouterr().out
    old = {"kind": "none", "training_sections": 3, "scored_sections": 0, "labels_are": "numbers"}
    assert Protocol.from_json(old).labels_are == "instances"


def test_where_the_meaning_of_labels_cannot_be_said_the_message_says_where_it_can(tmp_path):
    write_stack(tmp_path / "train-volume.tif", np.random.default_rng(0).integers(0, 256, (1, 40, 40)).astype(np.uint8))
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, 2:5, 2:5], labels[0, :, 30:] = 1, 255
    write_stack(tmp_path / "train-labels.tif", labels)
    with pytest.raises(BadInput, match="--ignore 255 .*; these go with --images and --labels, in place of --data$"):
        load_folder(tmp_path)


@pytest.fixture(scope="module")
def jpeg_mask(tmp_path_factory):
    """A folder with discs in noise, `images.png`, and a mask of them that was a JPEG once, `mask.png`."""
    folder, random = tmp_path_factory.mktemp("jpeg"), np.random.default_rng(0)
    mask = np.zeros((300, 360), np.uint8)
    for row, column in random.integers(12, 288, (40, 2)):
        mask[draw.disk((row, column), 10, shape=mask.shape)] = 255
    Image.fromarray(np.clip(60 + mask // 2 + random.normal(0, 10, mask.shape), 0, 255).astype(np.uint8)).save(
        folder / "images.png"
    )
    Image.fromarray(mask).save(folder / "mask.jpg", quality=75)
    Image.open(folder / "mask.jpg").save(folder / "mask.png")
    return folder


def test_a_mask_that_was_a_jpeg_is_to_be_thresholded(jpeg_mask):
    labels = read_labels(jpeg_mask / "mask.png").pixels
    advice = "most pixels lie near 0 and 255, as of a mask that was saved as JPEG .*, threshold it at 128$"
    with pytest.raises(BadInput, match=advice):
        interpret_labels(labels, "cells", "mask.png")
    interpret_labels((labels >= 128).astype(np.uint8), "cells", "mask.png")


@pytest.mark.parametrize("last", [10, 100, 255])
def test_numbered_cells_are_no_smoothed_mask(last):
    """Most pixels are background, near the lowest value."""
    labels = np.zeros((1, 200, 200), np.uint8)
    for number in range(1, last + 1):
        row, column = divmod(number, 16)
        labels[0, 12 * row : 12 * row + 8, 12 * column : 12 * column + 8] = number
    with pytest.raises(BadInput, match="numbers of their own are --labels-are instances") as raised:
        interpret_labels(labels, "cells", "cells.tif")
    assert "JPEG" not in str(raised.value)


def test_thousands_of_gray_levels_are_refused_as_cells(jpeg_mask, capsys):
    """In training, and where a result is scored against them; so are images that are given as labels."""
    images, mask = jpeg_mask / "images.png", jpeg_mask / "mask.png"
    refused = "cells of .* have at most 4 px, as gray levels do; threshold it if .* images and labels are swapped"
    for given in (images, mask), (mask, images):
        with pytest.raises(BadInput, match=refused):
            load_files(OwnFiles(*given, "instances"))
    with pytest.raises(BadInput, match=refused):
        train(np.asarray(Image.open(images)), np.asarray(Image.open(mask)), "instances", "smoke")
    for metrics in ("seg", "all", "challenge"):
        assert main(["score", str(mask), str(mask), "--metrics", metrics, "--labels-are", "instances"]) == 2
    assert "as gray levels do" in capsys.readouterr().err


def test_thousands_of_annotated_spots_are_cells():
    """Of a pixel each, as far from one another as they have to be."""
    spots = np.zeros((1, 200, 200), np.uint16)
    spots[0, ::4, ::4] = np.arange(1, 2501).reshape(50, 50)
    require_no_gray_levels(spots, "spots.tif")
    interpret_labels(spots, "instances", "spots.tif")


def test_three_numbers_of_a_runs_truth_are_no_mask(tmp_path):
    """Of 16 bits, 65,535 beside 0 and one more would be."""
    stored = _stored(np.array([[[0, 3, 0, 65_535]]], np.uint16), False)
    assert stored.tolist() == [[[0, 3, 0, 65_535]]] and stored.dtype == np.uint32
    write_stack(tmp_path / "truth.tif", stored)
    truth, _ = read_truth([tmp_path / "truth.tif"], tmp_path / "truth.tif")
    assert truth.tolist() == [[[False, True, False, True]]]


def test_there_may_be_255_classes():
    assert interpret_labels(np.arange(255).reshape(1, 15, 17), "classes", "x")[1] == 255
    with pytest.raises(BadInput, match="255 classes"):
        interpret_labels(np.arange(256).reshape(1, 16, 16), "classes", "x")


@pytest.mark.parametrize(("classes", "doubted"), [(11, False), (12, True)])
def test_many_classes_of_one_piece_each_are_doubted(classes, doubted, caplog):
    interpret_labels(np.arange(classes)[None, :, None].repeat(3, 2), "classes", "x")
    assert bool(caplog.messages) == doubted


@pytest.mark.parametrize(("pieces", "doubted"), [(2, False), (3, True)])
def test_numbers_of_many_pieces_each_are_doubted(pieces, doubted, caplog):
    labels = np.zeros((1, 30, 40), np.uint8)
    for number in (1, 2):
        for piece in range(pieces):
            labels[0, 10 * piece : 10 * piece + 5, 12 * number : 12 * number + 5] = number
    interpret_labels(labels, "instances", "x")
    assert ("if these are classes" in caplog.text) == doubted


def test_a_class_that_only_held_out_sections_have_is_said(tmp_path, random, caplog):
    labels = np.zeros((4, 30, 40), np.uint8)
    labels[:, 5:9], labels[0, 15:20] = 1, 2
    write_stack(tmp_path / "images.tif", random.integers(0, 256, labels.shape, np.uint8))
    write_stack(tmp_path / "labels.tif", labels)
    files = OwnFiles(tmp_path / "images.tif", tmp_path / "labels.tif", "classes")
    load_files(files, Fold(1, 4))
    assert "no section that is trained on has class 2, only those held out; take another fold" in caplog.text
    caplog.clear()
    load_files(files, Fold(2, 4)), load_files(files)
    assert "held out" not in caplog.text
