"""Somebody else's data, the README's way: stained nuclei, bright on dark, 16 bits, numbered, of an odd size."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from unet_paper.checkpoint import load as load_weights
from unet_paper.cli.commands import main
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.labels import interpret_labels
from unet_paper.datasets.training_stacks import OwnFiles, load_files
from unet_paper.io.sections import sizes_told
from unet_paper.io.stack import read_gray, read_stack, write_stack
from unet_paper.prediction import predict_stack
from unet_paper.support.errors import BadInput

TINY = ["--profile", "smoke", "--set", "base_channels=4", "--set", "tile_size=252"]


def draw_nuclei(random, sections=4, height=143, width=201):
    """Discs that touch each other: (Z, H, W) uint16 images and numbers."""
    images = np.empty((sections, height, width), np.uint16)
    numbers = np.zeros((sections, height, width), np.uint16)
    y, x = np.mgrid[:height, :width]
    for section in range(sections):
        for number in range(1, 26):
            centre, radius = random.uniform((0, 0), (height, width)), random.uniform(7, 13)
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
            numbers[section][inside & (numbers[section] == 0)] = number
        bright = ndimage.gaussian_filter((numbers[section] > 0) * 3000.0, 1.5)
        images[section] = random.poisson(bright + 400)
    return images, numbers


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuclei")
    images, numbers = draw_nuclei(np.random.default_rng(5))
    write_stack(folder / "images.tif", images)
    write_stack(folder / "numbers.tif", numbers)
    return folder


def train(folder, out, labels, *options):
    arguments = ["train", "--images", folder / "images.tif", "--labels", folder / labels, "--out", out, *TINY, *options]
    return main([str(argument) for argument in arguments])


@pytest.mark.long
def test_the_three_commands(nuclei, tmp_path, capsys):
    """It learns what a nucleus is, in a few dozen small tiles; scored on the section that was held out."""
    run = tmp_path / "run"
    options = ["--labels-are", "instances", "--fold", "4/4", "--set", "steps=150", "--set", "learning_rate=0.02"]
    assert train(nuclei, run, "numbers.tif", *options) == 0
    said = capsys.readouterr().out
    assert "gray values: uint16 / 65535, minus" in said and ": 3 sections of 143 x 201 px, " in said
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"] == "own" and record["protocol"]["labels_are"] == "instances"
    probability = tmp_path / "probability.tif"
    arguments = ["predict", "--weights", str(run / "weights.pt"), str(nuclei / "images.tif"), str(probability)]
    assert main([*arguments, "--tta", "none"]) == 0
    found, numbers = read_stack(probability).pixels, read_stack(nuclei / "numbers.tif").pixels
    assert found.shape == numbers.shape  # the map is as large as the image
    assert found[3][numbers[3] > 0].mean() > found[3][numbers[3] == 0].mean() + 0.3
    assert main(["score", str(run / "evaluation-labels.tif"), str(probability)]) == 2  # four sections against one
    assert main(["weights", str(nuclei / "numbers.tif"), str(tmp_path / "w.tif"), "--png", str(tmp_path / "png")]) == 0
    weights = read_stack(tmp_path / "w.tif").pixels
    assert weights.shape == numbers.shape and weights.max() > 5
    assert len(list((tmp_path / "png").iterdir())) == 4


def test_what_labels_mean_is_asked_for(nuclei, tmp_path, capsys):
    write_stack(tmp_path / "mask.tif", (read_stack(nuclei / "numbers.tif").pixels > 0).astype(np.uint8) * 255)
    assert train(nuclei, tmp_path / "run", tmp_path / "mask.tif") == 2
    said = capsys.readouterr().err
    assert "mask.tif holds 0, 255; say with --labels-are" in said and "membranes" in said
    assert not (tmp_path / "run").exists()


def test_both_polarities_train_the_same(nuclei, tmp_path):
    mask = read_stack(nuclei / "numbers.tif").pixels > 0
    stacks = []
    for name, labels, meaning in (
        ("cells.tif", mask.astype(np.uint8) * 255, "cells"),
        ("membranes.tif", ~mask, "membranes"),
        ("ones.tif", mask.astype(np.uint8), "cells"),
        ("other.tif", mask.astype(np.uint16) * 7 + 3, "cells"),
    ):
        write_stack(tmp_path / name, labels)
        stacks.append(load_files(OwnFiles(nuclei / "images.tif", tmp_path / name, meaning)).labels)
    assert all(np.array_equal(labels, stacks[0]) for labels in stacks)
    assert np.array_equal(stacks[0] > 0, mask)


def test_touching_numbers_are_separated(nuclei):
    numbers = read_stack(nuclei / "numbers.tif").pixels
    labels = load_files(OwnFiles(nuclei / "images.tif", nuclei / "numbers.tif", "instances")).labels
    for axis in (1, 2):
        first, second = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        assert not ((first != second) & (first > 0) & (second > 0)).any()
    assert 0.5 < (labels > 0).sum() / (numbers > 0).sum() < 1


def test_touching_numbers_are_scored_as_they_are_given(nuclei):
    """SEG knows no line between them; the challenge's metrics draw it when they read them."""
    numbers = read_stack(nuclei / "numbers.tif").pixels
    files = OwnFiles(nuclei / "images.tif", nuclei / "numbers.tif", "instances", ignore=int(numbers.max()))
    stacks = load_files(files, Fold(1, 4))
    kept = numbers[list(stacks.protocol.scored_sections)]
    assert np.array_equal(stacks.evaluation_labels, np.where(kept == numbers.max(), 0, kept))


@pytest.mark.parametrize(
    ("labels", "meaning", "match"),
    [
        (np.zeros((1, 9, 9), np.uint8), "cells", "holds 0 only"),
        (np.full((1, 9, 9), 255, np.uint8), "membranes", "holds 255 only"),
        (np.array([[[0, 1, 3]]]), "classes", "without gaps"),
        (np.array([[[1, 2, 3]]]), "cells", "holds 3 values"),
        (np.array([[[1, 2, 3]]]), "membranes", "holds 3 values"),
        (np.array([[[1, 1]], [[2, 2]]]), "instances", "leaves no background"),
        (np.array([[[0, 1]]]), None, "say with --labels-are"),
    ],
)
def test_labels_that_cannot_be_meant(labels, meaning, match):
    with pytest.raises(BadInput, match=match):
        interpret_labels(labels, meaning, "labels.tif")


def test_instances_always_leave_a_cell():
    """Two cells of one pixel have no room for a line between them: one is kept."""
    labels, classes = interpret_labels(np.array([[[1, 2]]]), "instances", "labels.tif")
    assert labels.tolist() == [[[1, 0]]] and classes == 2


@pytest.mark.long
def test_k_classes(nuclei, tmp_path):
    """Background, small and large nuclei."""
    numbers = read_stack(nuclei / "numbers.tif").pixels
    classes = np.zeros(numbers.shape, np.uint8)
    for section, labels in zip(numbers, classes, strict=True):
        areas = np.bincount(section.ravel())
        labels[...] = np.where(section == 0, 0, np.where(areas[section] > 250, 2, 1))
    write_stack(tmp_path / "classes.tif", classes)
    run, out = tmp_path / "run", tmp_path / "out.tif"
    options = ["--labels-are", "classes", "--set", "steps=10", "--fold", "1/4"]
    assert train(nuclei, run, tmp_path / "classes.tif", *options) == 0
    assert load_weights(run / "weights.pt").config.classes == 3
    assert np.array_equal(read_stack(run / "evaluation-labels.tif").pixels, classes[:1])
    assert set(np.unique(read_stack(run / "weight-maps.tif").pixels[0][classes[1] == 2]).size for _ in [0]) == {1}
    arguments = ["predict", "--weights", str(run / "weights.pt"), str(nuclei / "images.tif"), str(out)]
    assert main([*arguments, "--tta", "d4"]) == 0
    with tifffile.TiffFile(out) as file:
        assert file.series[0].axes == "ZCYX" and file.series[0].shape == (4, 3, 143, 201)
        assert np.allclose(file.asarray().sum(axis=1), 1, atol=1e-5)
    assert main(["report", str(run)]) == 0 and "has no metrics" in (run / "metrics.md").read_text()


@pytest.mark.long
@pytest.mark.parametrize("shape", [(1, 1, 50), (2, 3, 2), (1, 300, 7)])
def test_images_of_any_shape_train_and_predict(tmp_path, random, shape):
    images = random.integers(0, 256, shape, dtype=np.uint8)
    labels = (random.random(shape) > 0.5).astype(np.uint8)
    labels.ravel()[:2] = 0, 1
    write_stack(tmp_path / "images.tif", images)
    write_stack(tmp_path / "labels.tif", labels)
    options = ["--labels-are", "cells", "--set", "steps=2"]
    assert train(tmp_path, tmp_path / "run", "labels.tif", *options) == 0
    loaded = load_weights(tmp_path / "run" / "weights.pt")
    found = predict_stack(loaded.build_network(), loaded.standardisation, images, "rot7")
    assert found.shape == shape and np.isfinite(found).all()


@pytest.mark.long
def test_sections_with_no_cell_or_one(tmp_path, random):
    images = random.integers(0, 256, (3, 60, 70), dtype=np.uint8)
    labels = np.zeros(images.shape, np.uint8)
    labels[1, 20:40, 20:50] = 1
    write_stack(tmp_path / "images.tif", images)
    write_stack(tmp_path / "labels.tif", labels)
    for meaning in ("cells", "instances"):
        run = tmp_path / meaning
        assert train(tmp_path, run, "labels.tif", "--labels-are", meaning, "--set", "steps=3") == 0
        weights = read_stack(run / "weight-maps.tif").pixels
        assert np.unique(weights).size == 2 and weights.mean() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("labels_are", "ignore"), [("cells", None), ("instances", None), ("cells", 7)])
def test_a_fold_that_holds_out_no_cell_is_refused_before_the_training(tmp_path, random, labels_are, ignore):
    """Also where its cells are all ignored. Of more than two classes nothing is scored anyway."""
    labels = np.zeros((4, 9, 9), np.uint8)
    labels[:2, 3:6, 3:6], labels[3, 2:4] = 1, ignore or 0
    write_stack(tmp_path / "images.tif", random.integers(0, 256, labels.shape, dtype=np.uint8))
    write_stack(tmp_path / "labels.tif", labels)
    files = OwnFiles(tmp_path / "images.tif", tmp_path / "labels.tif", labels_are, ignore=ignore)
    with pytest.raises(BadInput, match="fold 2/2 holds out section-002 to section-003, without a cell"):
        load_files(files, Fold(2, 2))
    assert load_files(files, Fold(2, 4)).protocol.scored_sections == (1,)
    labels[0, 0, 0] = 2
    write_stack(tmp_path / "classes.tif", labels * (labels != 7))
    assert load_files(replace(files, labels=tmp_path / "classes.tif", labels_are="classes", ignore=None), Fold(2, 2))


def test_a_fold_of_classes_that_are_all_unknown_is_refused_before_the_training(tmp_path, random):
    labels = random.integers(0, 3, (4, 9, 9)).astype(np.int16)
    labels[2:] = -1
    write_stack(tmp_path / "images.tif", random.integers(0, 256, labels.shape, dtype=np.uint8))
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    files = OwnFiles(tmp_path / "images.tif", tmp_path / "labels.tif", "classes", ignore=-1)
    with pytest.raises(BadInput, match="section-002 to section-003, without a pixel whose class is known"):
        load_files(files, Fold(2, 2))
    labels[2, 0, 0] = 0
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    assert load_files(files, Fold(2, 2)).protocol.scored_sections == (2, 3)


def test_images_and_labels_that_do_not_match(nuclei, tmp_path, capsys):
    write_stack(tmp_path / "short.tif", read_stack(nuclei / "numbers.tif").pixels[:2])
    assert train(nuclei, tmp_path / "run", tmp_path / "short.tif", "--labels-are", "instances") == 2
    assert "(4, 143, 201)" in (said := capsys.readouterr().err) and "(2, 143, 201)" in said
    images = str(nuclei / "images.tif")
    assert main(["train", "--images", images, "--out", str(tmp_path / "run")]) == 2
    assert "--images needs --labels" in capsys.readouterr().err
    assert main(["train", "--data", str(nuclei), "--labels", images, "--out", str(tmp_path / "run")]) == 2
    assert "belong to --images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "noted"), [((50, 60, 8), True), ((8, 50, 60), False), ((1, 60, 8), False), ((50, 60, 15), False)]
)
def test_sections_as_narrow_as_a_stack_is_deep_are_noted(tmp_path, random, caplog, shape, noted):
    """A stack whose sections come last trains on slices across it without an error."""
    write_stack(tmp_path / "images.tif", random.integers(0, 256, shape, np.uint8))
    pixels = read_gray(tmp_path / "images.tif").pixels
    said = "holds 50 sections of 60 x 8 px; expected (sections, height, width), so if"
    assert (said in caplog.text) == noted and ("surprise" in caplog.text) == noted
    assert sizes_told(pixels) == f"{shape[0]} section{'s' * (shape[0] > 1)} of {shape[1]} x {shape[2]} px"
    assert sizes_told([pixels[0], pixels[0][:9]]) == "2 sections of several sizes"
