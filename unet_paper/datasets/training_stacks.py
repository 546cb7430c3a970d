"""What a run trains on and what it is scored on: a folder of the challenge's form, or files of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unet_paper.datasets import isbi2012
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.datasets.labels import MeaningNotSaid, interpret_labels, pixels_to_ignore, without_ignored
from unet_paper.datasets.own_pairs import read_pairs
from unet_paper.io.hashes import truth_sha256
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.pixel_size import EM, PixelSize
from unet_paper.io.sections import Sections, require_contrast, stacked
from unet_paper.io.stack import read_gray, read_labels
from unet_paper.separation_border import require_no_gray_levels
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger


@dataclass(frozen=True)
class Stacks:
    """What a run trains on and what it is scored on: sections; the evaluation's are None when there is none."""

    volume: Sections
    labels: Sections
    evaluation_volume: Sections | None
    evaluation_labels: Sections | None  # instances as they are given, also where they touch
    protocol: Protocol
    data: dict  # name -> SHA-256 of the content
    dataset: str  # "isbi" (the challenge's contents), "phantom", "own", or a name of cell_tracking.py
    classes: int = 2  # with more, the labels are class numbers
    pixel_size: PixelSize | None = None
    ignored: Sections | None = None  # bool: pixels of `volume` of which the truth is not known
    evaluation_ignored: Sections | None = None  # the same of the evaluation's


@dataclass(frozen=True)
class OwnFiles:
    """Files of the user's own, or folders of them: gray values, and labels of which LABELS_ARE says what they mean."""

    images: Path | Sequence[Path]
    labels: Path | Sequence[Path]
    labels_are: str | None = None
    channel: int | str | None = None  # of the images, see image_files.open_stack
    ignore: int | None = None  # the value of pixels of which the truth is not known


def load(source: Path | str | OwnFiles, fold: Fold | None = None, leave_out: Sequence[int] = ()) -> Stacks:
    """The Stacks of a folder (a path, see `load_folder`) or of OwnFiles (see `load_files`).

    leave_out : numbers of sections of the training stack, counted from 0, that are not trained on.
    """
    if isinstance(source, OwnFiles):
        return load_files(source, fold, leave_out)
    return load_folder(source, fold, leave_out)


def load_files(files: OwnFiles, fold: Fold | None = None, leave_out: Sequence[int] = ()) -> Stacks:
    """Read a user's own training files. With a fold its block is held out and scored, without nothing is.

    Raises BadInput for files that cannot be read or have no partner, shapes that differ, labels of one class only,
    labels of which it is not said what they mean or that cannot mean it, a fold that holds out no cell, and nothing but
    blank sections to train on.
    """
    own = read_pairs(files.images, files.labels, files.channel, files.ignore)
    ignored = pixels_to_ignore(own.labels, files.ignore, own.name)
    if files.labels_are == "instances":
        require_no_gray_levels(without_ignored(own.labels, ignored), own.name)
    labels, classes = interpret_labels(own.labels, files.labels_are, own.name, ignored)
    truth = labels if files.labels_are != "instances" else without_ignored(own.labels, ignored)
    stacks = _split(
        own.images,
        labels,
        fold,
        leave_out,
        data=own.data,
        dataset="own",
        classes=classes,
        ignored=ignored,
        truth=truth,
        files=own.names,
    )
    require_contrast(stacks.volume)  # each file was read as one among others
    protocol = replace(stacks.protocol, labels_are=files.labels_are, ignore=files.ignore)
    return replace(stacks, protocol=protocol, pixel_size=own.pixel_size)


def load_folder(folder: Path | str, fold: Fold | None = None, leave_out: Sequence[int] = ()) -> Stacks:
    """Read a data folder and split it as the protocol says.

    Parameters
    ----------
    folder : path
        Holds `train-volume.tif` and `train-labels.tif`, perhaps `test-volume.tif` and `test-labels.tif`.
    fold : folds.Fold or None
        With a fold, train without its block and score that. Without, train on everything and score the test stack
        if its labels are there.

    Raises
    ------
    BadInput for missing or damaged files, shapes that differ, a test stack of another type than the training stack, a
    fold that holds out no cell or all, and test labels that are not the challenge's own beside its training stack.
    """
    folder = Path(folder)
    data: dict[str, str] = {}
    images, labels = _read_pair(folder, "train", data)
    volume, test_labels = images.pixels, folder / "test-labels.tif"
    if fold is not None or not test_labels.is_file():
        stacks = _split(volume, labels, fold, leave_out, data=data, dataset=em_dataset_name(folder, data))
        return replace(stacks, pixel_size=_pixel_size(stacks.dataset, images))
    if data["train-volume"] == isbi2012.CONTENT["train-volume"]:
        finding = isbi2012.check_stack("test-labels", test_labels)
        if finding.state != "verified":
            raise BadInput(f"{finding.sentence}; many copies are some network's output, so remove it or use a fold")
    test_images, test_truth = _read_pair(folder, "test", data)
    if test_images.pixels.dtype != volume.dtype:
        raise BadInput(
            f"{folder} holds {volume.dtype} values in train-volume.tif and {test_images.pixels.dtype} ones in "
            "test-volume.tif; both must be of one type"
        )
    protocol = Protocol.of_test(len(volume), len(test_truth)).without(leave_out)
    kept, dataset = protocol.training_sections, em_dataset_name(folder, data)
    of_training, evaluation = (_chosen(volume, kept), _chosen(labels, kept)), (test_images.pixels, test_truth)
    pixel_size = _pixel_size(dataset, images)
    return Stacks(*of_training, *evaluation, protocol, data, dataset, pixel_size=pixel_size)


def training_content(folder: Path | str) -> dict[str, str]:
    """{name: SHA-256} of a data folder's training stack and of its labels, as in `Stacks`.

    Raises BadInput for missing or damaged files, and shapes that differ.
    """
    data: dict[str, str] = {}
    _read_pair(Path(folder), "train", data)
    return data


def _pixel_size(dataset: str, images: ImageStack) -> PixelSize | None:
    """Of the challenge's stacks by the paper, as their files do not tell it."""
    return EM if dataset == "isbi" else images.pixel_size


def _split(
    volume: Sections,
    labels: Sections,
    fold: Fold | None,
    leave_out: Sequence[int],
    *,
    data: dict[str, str],
    dataset: str,
    classes: int = 2,
    ignored: Sections | None = None,
    truth: Sections | None = None,
    files: tuple[str, ...] = (),
) -> Stacks:
    """Hold out a fold, if there is one. truth : what it is scored against, the labels unless given. files : the name of
    each section, where they are of several files.
    """
    whole = Protocol.unscored(len(volume)) if fold is None else Protocol.of_fold(fold, len(volume))
    protocol = replace(whole.without(leave_out), files=files)
    kept, scored = protocol.training_sections, protocol.scored_sections
    if classes == 2 and not any((labels[number] > 0).any() for number in kept):
        raise BadInput("no section that is left to train on has a cell; take another fold, or leave out others")
    is_scored = [
        (labels[number] > 0).any() if classes == 2 else ignored is None or not ignored[number].all()
        for number in scored
    ]
    if scored and not any(is_scored):
        names = protocol.names(scored)
        held = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        lacking = "a cell" if classes == 2 else "a pixel whose class is known"
        raise BadInput(f"fold {fold} holds out {held}, without {lacking}, which cannot be scored; take another fold")
    if scored and all(volume[number].min() == volume[number].max() for number in scored):
        raise BadInput(
            f"fold {fold} holds out nothing but images of one gray value, which cannot be predicted; take another fold"
        )
    if classes > 2:
        _tell_of_untrained_classes(labels, ignored, kept, scored)
    held_out = scored or None
    return Stacks(
        volume=_chosen(volume, kept),
        labels=_chosen(labels, kept),
        evaluation_volume=held_out and _chosen(volume, held_out),
        evaluation_labels=held_out and _chosen(labels if truth is None else truth, held_out),
        protocol=protocol,
        data=data,
        dataset=dataset,
        classes=classes,
        ignored=None if ignored is None else _chosen(ignored, kept),
        evaluation_ignored=None if ignored is None else held_out and _chosen(ignored, held_out),
    )


def _tell_of_untrained_classes(
    labels: Sections, ignored: Sections | None, kept: Sequence[int], scored: Sequence[int]
) -> None:
    """Say which classes are scored and were not seen in training."""

    def found(numbers: Sequence[int]) -> set[int]:
        known = (labels[number] if ignored is None else labels[number][~ignored[number]] for number in numbers)
        return {int(value) for section in known for value in np.unique(section)}

    untrained = sorted(found(scored) - found(kept))
    if untrained:
        named = f"class{'es' * (len(untrained) > 1)} {', '.join(map(str, untrained))}"
        logger.warning(f"note: no section that is trained on has {named}, only those held out; take another fold")


def _chosen(sections: Sections, numbers: Sequence[int]) -> Sections:
    return stacked([sections[number] for number in numbers])


def _read_pair(folder: Path, name: str, data: dict[str, str]) -> tuple[ImageStack, Sections]:
    """A stack and its truth, touching cells separated; adds the hashes of both files' content to `data`."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder; give one with train-volume.tif and train-labels.tif")
    images = read_gray(folder / f"{name}-volume.tif")
    labels = read_labels(folder / f"{name}-labels.tif", may_be_ignored=False).pixels
    if images.pixels.shape != labels.shape:
        raise BadInput(
            f"{folder} has a {name}-volume.tif of shape {images.pixels.shape} and a {name}-labels.tif of shape "
            f"{labels.shape}; both must be the same"
        )
    data |= {f"{name}-volume": images.content_sha256, f"{name}-labels": truth_sha256(labels)}
    try:
        return images, interpret_labels(labels, "instances", folder / f"{name}-labels.tif", said=False)[0]
    except MeaningNotSaid as error:
        raise BadInput(f"{error}; these go with --images and --labels, in place of --data") from None


def em_dataset_name(folder: Path | str, data: dict[str, str]) -> str:
    """Name the data: "isbi" (every stack used has the challenge's content), "phantom" (made by `phantom`), else "own".

    data : {name: SHA-256}, as in `Stacks`; test labels were verified when they were loaded.
    """
    if all(isbi2012.CONTENT[name] == sha256 for name, sha256 in data.items() if name in isbi2012.CONTENT):
        return "isbi"
    return "phantom" if (Path(folder) / "phantom.json").is_file() else "own"
