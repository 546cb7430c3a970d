"""Sequences of the cell tracking challenge: the layout, and what is not annotated."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unet_paper.config import PROFILES
from unet_paper.datasets import cell_tracking
from unet_paper.datasets.cell_tracking import (
    SequenceFiles,
    cells_without_mask,
    is_cell_tracking_folder,
    load_sequences,
    read_sequence,
    unpack,
)
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.support.errors import BadInput

SHAPE = (60, 80)


def disc(row, column, radius):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def write_frame(folder, sequence, number, cells, without_mask=()):
    """A frame of discs: cells are (row, column, radius), marked in their middle; those of `without_mask` too."""
    image, masks, markers = (np.full(SHAPE, 50, np.uint8), np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16))
    for label, (row, column, radius) in enumerate((*cells, *without_mask), 1):
        image[disc(row, column, radius)] = 90 + label
        markers[disc(row, column, 2)] = label
        if label <= len(cells):
            masks[disc(row, column, radius)] = label
    for name, pixels in (
        (f"{sequence}/t{number:03}", image),
        (f"{sequence}_GT/SEG/man_seg{number:03}", masks),
        (f"{sequence}_GT/TRA/man_track{number:03}", markers),
    ):
        path = folder / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels, compression="lzw")


@pytest.fixture
def folder(tmp_path):
    """Frames 3 and 10 of sequence 01, of which the second is partly annotated, and frame 7 of 02."""
    write_frame(tmp_path, "01", 3, [(20, 20, 10), (20, 50, 8)])
    write_frame(tmp_path, "01", 10, [(20, 20, 9)], without_mask=[(45, 60, 6)])
    write_frame(tmp_path, "02", 7, [(30, 40, 12)])
    return tmp_path


def unannotated_cells(folder, sequence):
    """Of each frame of a CellSequence, how many tracked cells have no mask."""
    files = [f"{sequence.name}_GT/TRA/man_track{number:03}.tif" for number in sequence.numbers]
    markers = [tifffile.imread(folder / file) for file in files]
    return [len(cells_without_mask(*pair)) for pair in zip(sequence.masks, markers, strict=True)]


def test_the_frames_with_masks_in_order(folder):
    (folder / "01" / "t004.tif").write_bytes((folder / "01" / "t003.tif").read_bytes())  # without a mask
    sequence = read_sequence(folder, "01")
    assert is_cell_tracking_folder(folder) and not is_cell_tracking_folder(folder / "01")
    assert sequence.numbers == (3, 10) and unannotated_cells(folder, sequence) == [0, 1]
    assert sequence.images.shape == sequence.masks.shape == sequence.unknown.shape == (2, *SHAPE)
    assert [np.unique(frame).tolist() for frame in sequence.masks] == [[0, 1, 2], [0, 1]]


def test_cells_with_numbers_beyond_16_bits(folder):
    path = folder / "01_GT/SEG/man_seg003.tif"
    masks = tifffile.imread(path)
    before = read_sequence(folder, "01")
    tifffile.imwrite(path, np.where(masks == 2, 65_536, masks * np.uint32(70_000)))
    found = read_sequence(folder, "01")
    assert found.masks.dtype == np.uint16 and np.array_equal(np.unique(found.masks[0]), [0, 1, 2])
    assert np.array_equal(found.masks > 0, before.masks > 0) and np.array_equal(found.masks[1], before.masks[1])
    assert np.array_equal(found.masks[0] == 1, masks == 2)


def test_unknown_is_as_far_around_a_marker_as_any_cell_reaches(folder):
    """The farthest pixels of a disc of 10 px lie 8 px from a marker of 2 px, or a little more on the grid."""
    sequence = read_sequence(folder, "01")
    assert not sequence.unknown[0].any()
    unknown = sequence.unknown[1]
    assert unknown[disc(45, 60, 9.9)].all() and not unknown[~disc(45, 60, 10.6)].any()
    assert not (unknown & (sequence.masks[1] > 0)).any()


def test_a_mask_beside_the_marker_stays_known():
    masks, markers = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    masks[20:30, 20:30] = 1
    markers[25, 25], markers[25, 33] = 1, 2
    unknown = cell_tracking.unknown_pixels(masks, markers, 5)
    assert cell_tracking.cells_without_mask(masks, markers).tolist() == [2]
    assert not unknown[20:30, 20:30].any() and unknown[25, 30:39].all() and not unknown[25, 39:].any()


def test_a_cells_own_marker_is_the_one_that_most_of_it_has():
    """Not that of a neighbour which reaches into its mask."""
    masks, markers = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    masks[20:30, 20:40] = 1
    markers[24:26, 26:34], markers[22:30, 10:21] = 7, 2
    assert cell_tracking.largest_reach([masks], [markers]) == pytest.approx((6**2 + 4**2) ** 0.5)
    assert cell_tracking.largest_reach([masks], [np.zeros_like(markers)]) == 0


def test_what_is_unknown_weighs_nothing_and_counts_in_no_class_weight(folder):
    stacks = load_sequences(SequenceFiles(folder, "01"))
    training_set = prepare_training_set(stacks.volume, stacks.labels, PROFILES["smoke"], "cpu", stacks.ignored)
    weights = np.stack([section.numpy() for section in training_set.weights])
    assert np.array_equal(weights == 0, stacks.ignored)
    cells = (stacks.labels > 0)[~stacks.ignored].mean()
    assert training_set.class_weights == pytest.approx((1 / (2 * (1 - cells)), 1 / (2 * cells)))
    masked = np.where(stacks.ignored, 1, 0)[1] * training_set.labels[1].numpy()
    assert not masked.any()


def test_the_other_sequence_is_scored(folder):
    for trained, scored, numbers in (("01", "02", ((3, 10), (7,))), ("02", "01", ((7,), (3, 10)))):
        stacks = load_sequences(SequenceFiles(folder, trained))
        assert stacks.protocol.sequences == (trained, scored)
        assert (stacks.protocol.training_sections, stacks.protocol.scored_sections) == numbers
        assert type(stacks.protocol).from_json(stacks.protocol.to_json()) == stacks.protocol
        assert len(stacks.volume) == len(numbers[0]) and len(stacks.evaluation_labels) == len(numbers[1])
        assert np.array_equal(stacks.ignored, read_sequence(folder, trained).unknown)
        assert np.array_equal(stacks.evaluation_ignored, read_sequence(folder, scored).unknown)
        assert set(stacks.data) == {f"{name}-{what}" for name in "01 02".split() for what in cell_tracking.CONTENT}


def test_the_name_of_the_data(folder):
    assert load_sequences(SequenceFiles(folder, "01")).dataset == "own"
    (folder / "phantom.json").write_text("{}")
    assert load_sequences(SequenceFiles(folder, "01")).dataset == cell_tracking.PHANTOM


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("01/t010.tif", "holds a mask of frame 010 but lacks 01/t010.tif"),
        ("01_GT/TRA/man_track003.tif", "lacks 01_GT/TRA/man_track003.tif"),
        ("02_GT/SEG/man_seg007.tif", "no masks of sequence 02"),
    ],
)
def test_files_that_are_missing(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(BadInput, match=message):
        load_sequences(SequenceFiles(folder, "01"))


@pytest.mark.parametrize("name", ["man_segX.tif", "man_seg 004.tif", "man_seg004 (copy).tiff"])
def test_a_mask_of_no_frame_is_not_left_out_silently(folder, name):
    mask = folder / "01_GT/SEG/man_seg010.tif"
    mask.replace(mask.with_name(name))
    with pytest.raises(BadInput, match=re.escape(f"{name} is of no frame; name it man_segNNN.tif, by")):
        read_sequence(folder, "01")


@pytest.mark.parametrize(("empty", "use"), [("01", "trained on"), ("02", "scored")])
def test_masks_without_a_cell(folder, empty, use):
    for path in (folder / f"{empty}_GT/SEG").iterdir():
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16))
    with pytest.raises(BadInput, match=f"the masks of sequence {empty} hold no cell, so it cannot be {use}; number"):
        load_sequences(SequenceFiles(folder, "01"))


@pytest.mark.parametrize("name", ["01_GT/SEG/man_seg010.tif", "01_GT/TRA/man_track010.tif", "01/t010.tif"])
def test_files_of_another_shape(folder, name):
    path = folder / name
    tifffile.imwrite(path, tifffile.imread(path)[:-1])
    with pytest.raises(BadInput, match="of shape"):
        read_sequence(folder, "01")


def test_frames_of_one_sequence_are_of_one_type(folder):
    first, frame = sorted((folder / "01_GT/SEG").iterdir())[:2]
    frame = folder / "01" / frame.name.replace("man_seg", "t")
    tifffile.imwrite(frame, tifffile.imread(frame).astype(np.uint16))
    with pytest.raises(BadInput, match=f"{frame.name} holds uint16 values, and the first frame uint8; save all"):
        read_sequence(folder, "01")


def test_frames_of_two_types_or_of_several_pages(folder):
    frame = folder / "02/t007.tif"
    pixels = tifffile.imread(frame)
    tifffile.imwrite(frame, pixels.astype(np.uint16))
    with pytest.raises(BadInput, match="holds uint8 frames in 01 and uint16 ones in 02; both must be of one type"):
        load_sequences(SequenceFiles(folder, "01"))
    tifffile.imwrite(frame, np.stack([pixels, pixels]), photometric="minisblack")
    with pytest.raises(BadInput, match="t007.tif holds 2 pages; a frame of a sequence is a file of one"):
        load_sequences(SequenceFiles(folder, "01"))


@pytest.mark.skipif(not os.environ.get("CTC_DATA"), reason="CTC_DATA names no folder of the cell tracking challenge")
@pytest.mark.parametrize(
    ("dataset", "frames", "cells", "unannotated"),
    [(cell_tracking.U373, (15, 13), (100, 77), (0, 3)), (cell_tracking.HELA, (9, 6), (98, 60), (17, 2))],
)
def test_the_annotated_frames_of_the_paper(dataset, frames, cells, unannotated):
    folder = Path(os.environ["CTC_DATA"]) / dataset
    sequences = [read_sequence(folder, name) for name in cell_tracking.SEQUENCES]
    assert tuple(len(sequence.numbers) for sequence in sequences) == frames
    found = [sum(len(np.unique(frame)) - 1 for frame in sequence.masks) for sequence in sequences]
    assert tuple(found) == cells
    assert tuple(sum(unannotated_cells(folder, sequence)) for sequence in sequences) == unannotated
    assert all(not (sequence.unknown & (sequence.masks > 0)).any() for sequence in sequences)
    assert cell_tracking.cell_dataset_name(folder) == dataset


def test_a_data_set_is_known_by_any_path_to_it(tmp_path, monkeypatch):
    """Its rules of segmentation are not those of another one."""
    dataset = tmp_path / cell_tracking.HELA
    (dataset / "01").mkdir(parents=True)
    (tmp_path / "link").symlink_to(dataset)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / cell_tracking.U373).symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(dataset / "01")
    for path in ("..", dataset, dataset / "01/..", tmp_path / "link"):
        assert cell_tracking.cell_dataset_name(path) == cell_tracking.HELA
    assert cell_tracking.cell_dataset_name(tmp_path / cell_tracking.U373) == cell_tracking.U373
    assert cell_tracking.cell_dataset_name(".") == cell_tracking.cell_dataset_name(tmp_path) == "own"


def test_what_an_archive_holds_besides_is_no_difference(folder, tmp_path):
    """macOS adds a folder of its own."""
    archive = tmp_path / "NAME.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in folder.rglob("*.tif"):
            packed.write(path, Path("NAME") / path.relative_to(folder))
        packed.writestr("__MACOSX/NAME/._01", b"x")
    for _ in range(2):
        cell_tracking.unpack(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["NAME"]


@pytest.mark.parametrize("others", [None, "01/t003.tif"])
def test_of_two_that_unpack_an_archive_at_once_none_fails(folder, tmp_path, monkeypatch, others):
    """Unless the other one has put something else there."""
    shutil.copytree(folder, tmp_path / "packed" / "NAME", ignore=shutil.ignore_patterns("packed"))
    archive = Path(shutil.make_archive(str(tmp_path / "NAME"), "zip", tmp_path / "packed", "NAME"))
    extract = zipfile.ZipFile.extractall

    def meanwhile(*given):
        monkeypatch.setattr(zipfile.ZipFile, "extractall", extract)
        extract(*given)
        unpack(archive, tmp_path / "out")
        if others:
            (tmp_path / "out/NAME" / others).write_bytes(b"another")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", meanwhile)
    if others:
        with pytest.raises(BadInput, match="out/NAME is not what .*NAME.zip holds .*t003.tif differs"):
            unpack(archive, tmp_path / "out")
    else:
        unpack(archive, tmp_path / "out")
        assert is_cell_tracking_folder(tmp_path / "out" / "NAME")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["NAME"]


def test_an_archive_is_unpacked_once_and_puts_nothing_else_aside(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "packed" / "NAME", ignore=shutil.ignore_patterns("packed"))
    archive = Path(shutil.make_archive(str(tmp_path / "NAME"), "zip", tmp_path / "packed", "NAME"))
    unpack(archive, tmp_path / "out")
    assert is_cell_tracking_folder(tmp_path / "out" / "NAME")
    frame = tmp_path / "out/NAME/01/t003.tif"
    made = frame.stat().st_mtime_ns
    unpack(archive, tmp_path / "out")
    assert frame.stat().st_mtime_ns == made
    frame.write_bytes(b"another")
    with pytest.raises(BadInput, match="out/NAME is not what .*NAME.zip holds .*t003.tif differs.*; move one"):
        unpack(archive, tmp_path / "out")
    assert frame.read_bytes() == b"another" and [path.name for path in (tmp_path / "out").iterdir()] == ["NAME"]


def test_two_frames_of_one_number_are_refused(folder):
    (folder / "01" / "t0003.tif").write_bytes((folder / "01" / "t003.tif").read_bytes())
    with pytest.raises(BadInput, match=r"t0003.tif and t003.tif are both of number 3; keep one of them"):
        read_sequence(folder, "01")


def test_the_first_number_beyond_16_bits_becomes_another():
    assert cell_tracking._in_16_bits(np.array([[0, 2**16]], np.uint32)).tolist() == [[0, 1]]
