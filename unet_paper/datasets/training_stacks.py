"""What a run trains on and what it is scored on: a folder of the challenge's form, or files of the user's own."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unet_paper.datasets import isbi2012
from unet_paper.datasets.labels import interpret_labels
from unet_paper.io.hashes import content_sha256, labels_sha256
from unet_paper.io.pixel_size import EM, PixelSize, read_pixel_size
from unet_paper.io.stack import read_gray, read_labels
from unet_paper.support.errors import BadInput
from unet_paper.weight_map import separate_touching_cells


@dataclass(frozen=True)
class Stacks:
    """What a run trains on and what it is scored on: (Z, H, W) arrays; the evaluation's are None when there is none."""

    volume: np.ndarray
    labels: np.ndarray
    evaluation_volume: np.ndarray | None
    evaluation_labels: np.ndarray | None
    protocol: dict
    data: dict  # name -> SHA-256 of the content
    dataset: str  # "isbi" (the challenge's contents), "phantom" or "own"
    classes: int = 2  # with more, the labels are class numbers
    pixel_size: PixelSize | None = None


@dataclass(frozen=True)
class OwnFiles:
    """Files of the user's own: gray values, and labels of which LABELS_ARE says what they mean."""

    images: Path
    labels: Path
    labels_are: str | None = None
    channel: int | str | None = None  # of the images, see image_files.open_stack


def load(source, fold=None, leave_out=()):
    """The Stacks of a folder (a path, see `load_folder`) or of OwnFiles (see `load_files`).

    leave_out : numbers of sections of the training stack, counted from 0, that are not trained on.
    """
    own = isinstance(source, OwnFiles)
    stacks = (load_files if own else load_folder)(source, fold, leave_out)
    size = read_pixel_size(source.images if own else Path(source) / "train-volume.tif")
    return replace(stacks, pixel_size=EM if stacks.dataset == "isbi" else size)


def load_files(files, fold=None, leave_out=()):
    """Read a user's own training files. With a fold its block is held out and scored, without nothing is.

    Raises BadInput for files that cannot be read, shapes that differ, labels of one class only, and labels of which it
    is not said what they mean or that cannot mean it.
    """
    volume, labels = read_gray(files.images, files.channel), read_labels(files.labels)
    if volume.shape != labels.shape:
        raise BadInput(
            f"{files.images} has shape {volume.shape} and {files.labels} {labels.shape} (sections, height, width); "
            "both must be the same"
        )
    data = {"train-volume": content_sha256(volume), "train-labels": content_sha256(labels)}
    labels, classes = interpret_labels(labels, files.labels_are, files.labels)
    stacks = _split(volume, labels, fold, leave_out, data, "own", classes)
    stacks.protocol["labels_are"] = files.labels_are
    return stacks


def load_folder(folder, fold=None, leave_out=()):
    """Read a data folder and split it as the protocol says.

    Parameters
    ----------
    folder : path
        Holds `train-volume.tif` and `train-labels.tif`, perhaps `test-volume.tif` and `test-labels.tif`.
    fold : protocol.Fold or None
        With a fold, train without its block and score that. Without, train on everything and score the test stack
        if its labels are there.

    Raises
    ------
    BadInput for missing or damaged files, shapes that differ, and test labels that are not the challenge's own beside
    its training stack.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder; give one with train-volume.tif and train-labels.tif")
    data = {}
    volume, labels = _read_pair(folder, "train", data)
    test_labels = folder / "test-labels.tif"
    if fold is not None or not test_labels.is_file():
        return _split(volume, labels, fold, leave_out, data, dataset_name(folder, data))
    if data["train-volume"] == isbi2012.CONTENT["train-volume"]:
        finding = isbi2012.check_stack("test-labels", test_labels)
        if finding.state != "verified":
            raise BadInput(f"{finding.sentence}; many copies are some network's output, so remove it or use a fold")
    test = _read_pair(folder, "test", data)
    kept, left_out = _kept(np.arange(len(volume)), leave_out)
    protocol = {
        "kind": "test",
        "short": "test stack",
        "training_sections": len(kept),
        "scored_sections": len(test[0]),
        **left_out,
    }
    return Stacks(volume[kept], labels[kept], *test, protocol, data, dataset_name(folder, data))


def _kept(sections, leave_out):
    """The sections to train on, without those to be left out, and the protocol's entry about these. Raises BadInput
    for one that is not among them, and where none is left.
    """
    for number in leave_out:
        if number not in sections:
            among = f"{sections[0]} to {sections[-1]}"
            raise BadInput(f"--leave-out names section {number}, which is none to train on; these are of {among}")
    kept = np.setdiff1d(sections, leave_out)
    if not len(kept):
        raise BadInput("--leave-out leaves no section to train on; name fewer")
    return kept, {"left_out": sorted(leave_out)} if leave_out else {}


def _split(volume, labels, fold, leave_out, data, dataset, classes=2):
    """Hold out a fold, if there is one."""
    if fold is None:
        kept, left_out = _kept(np.arange(len(volume)), leave_out)
        protocol = {"kind": "none", "short": "not scored", "training_sections": len(kept), "scored_sections": 0}
        return Stacks(volume[kept], labels[kept], None, None, protocol | left_out, data, dataset, classes)
    kept, held_out = fold.split(len(volume))
    kept, left_out = _kept(kept, leave_out)
    protocol = {
        "kind": "fold",
        "short": f"validation fold {fold}",
        "fold": str(fold),
        "held_out": f"sections {held_out[0]} to {held_out[-1]}",
        "training_sections": len(kept),
        "scored_sections": len(held_out),
        **left_out,
    }
    if classes == 2 and not (labels[kept] > 0).any():
        raise BadInput(f"without fold {fold} no section has a cell; take another fold")
    return Stacks(volume[kept], labels[kept], volume[held_out], labels[held_out], protocol, data, dataset, classes)


def _read_pair(folder, name, data):
    """A stack and its truth, touching cells separated; adds the hashes of both files' content to `data`."""
    volume, labels = read_gray(folder / f"{name}-volume.tif"), read_labels(folder / f"{name}-labels.tif")
    if volume.shape != labels.shape:
        raise BadInput(
            f"{folder} has a {name}-volume.tif of shape {volume.shape} and a {name}-labels.tif of shape "
            f"{labels.shape}; both must be the same"
        )
    data |= {f"{name}-volume": content_sha256(volume), f"{name}-labels": labels_sha256(labels)}
    values = np.unique(labels)
    if len(values) == 3 and values[-1] == np.iinfo(labels.dtype).max:
        raise BadInput(
            f"{folder / name}-labels.tif holds {', '.join(map(str, values))}; labels are 0 = membrane and "
            f"{values[-1]} = cell, or every cell has a number of its own"
        )
    labels = separate_touching_cells(labels)
    if not (labels > 0).any() or (labels > 0).all():
        raise BadInput(f"{folder / name}-labels.tif holds one class only; membranes must be 0 and cells above 0")
    return volume, labels


def dataset_name(folder, data):
    """Name the data: "isbi" (every stack used has the challenge's content), "phantom" (made by `phantom`), else "own".

    data : {name: SHA-256}, as in `Stacks`; test labels were verified when they were loaded.
    """
    if all(isbi2012.CONTENT[name] == found for name, found in data.items() if name in isbi2012.CONTENT):
        return "isbi"
    return "phantom" if (Path(folder) / "phantom.json").is_file() else "own"
