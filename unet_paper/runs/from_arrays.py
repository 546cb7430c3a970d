"""A training from arrays, for notebooks; the record, the pages and the scores of a run are the pipeline's."""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.checkpoint import Checkpoint, load_last
from unet_paper.compute.precision import usable_device
from unet_paper.config import PROFILES, Config, optimiser_settings, without_effect
from unet_paper.datasets.labels import interpret_labels, pixels_to_ignore, without_ignored
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.io.hashes import sections_sha256
from unet_paper.io.sections import (
    Sections,
    as_sections,
    joined,
    lone_label,
    note_odd_axes,
    require_same_shapes,
    stacked,
)
from unet_paper.io.stack import require_no_lone_value
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.results import read_history
from unet_paper.runs.resuming import changed_settings, changed_type
from unet_paper.runs.starting_weights import StartingWeights
from unet_paper.runs.step_memory import require_step_memory
from unet_paper.separation_border import require_no_gray_levels
from unet_paper.support.arguments import as_array, as_path, require_choice
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.signals import Interrupted
from unet_paper.training import train as train_network

SHELL = 128  # its exit code for a signal is that of the signal and this


def train(
    images: ArrayLike | Sequence[ArrayLike],
    labels: ArrayLike | Sequence[ArrayLike],
    labels_are: str | None = None,
    profile: str = "quick",
    *,
    ignore: int | ArrayLike | Sequence[ArrayLike] | None = None,
    start: Checkpoint | Path | str | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    device: str | None = None,
    **settings: Any,
) -> Checkpoint:
    """Train a network on images and their labels.

    Parameters
    ----------
    images : (H, W) or (Z, H, W) array, or a sequence of (H, W) arrays of any sizes
        Gray values, whole or floating-point numbers of one type. Predictions are made from the same type.
    labels : bool or integer arrays of the same shapes
        The truth.
    labels_are : str or None
        None is "instances" (0 is background, every cell has a number of its own, or all the same; touching cells are
        separated), "cells" or "membranes" (of two values, the larger), or "classes" (0, 1, 2, ...).
    profile : str
        "paper", "quick" or "smoke", see `config.PROFILES`.
    ignore : int, bool arrays of the labels' shapes, or None
        The label of pixels of which the truth is not known, or True for such pixels. They weigh nothing in the loss.
    start : Checkpoint, path or None
        A trained network to start from, from `train` or `load`, or the file that `load` reads. The network's settings
        are its own, but for `dropout`, which acts in training only, and `up_convolution_fan_in`, by which none of its
        weights are drawn; and so are optimiser, learning rate and momentum_warmup, unless one of these is given. Gray
        values are standardised by these images; a last layer of other classes starts anew.
    folder : path or None
        Gets `history.csv`, `checkpoint.pt` and `weights.pt`; it must hold no training yet, unless that is to
        be resumed. Nothing is written unless it is given.
    resume : bool
        Go on from the last checkpoint in `folder`, where there is one, with the images, labels and settings that the
        training began with, and what `labels_are`, `ignore` and `start` were (these three are not compared). The
        result equals that of a training that was never stopped.
    device : str or None
        "cpu" or "cuda"; the GPU unless given, if there is one.
    **settings
        Settings of `config.Config` that differ from the profile's, such as `steps=500`.

    Returns
    -------
    Checkpoint
        The trained network: for `predict`, or, with `build_network()`, as a PyTorch module.

    Raises
    ------
    BadInput
        For arrays that do not fit, labels that do not mean what `labels_are` says, unknown settings and settings of
        another type or out of range, a device that is not there, a folder that holds a training or cannot be
        written, and, with `resume`, other images, labels or settings than it began with.
    Diverged
        When the loss or a weight stops being finite, or the output says nothing any more.
    Interrupted
        On Ctrl-C and SIGTERM; after a checkpoint, where `folder` is given.
    """
    config = _config(profile, settings)
    device = usable_device(device)
    weights = StartingWeights.of(start)
    if weights is not None:
        config = weights.config(config, settings)
    for name in without_effect(config, settings):
        logger.warning(f"note: of {config.optimiser}, the setting {name} has no effect")
    volume, truth = as_sections(images, "images"), as_sections(labels, "labels")
    require_same_shapes(volume, truth, ("images", "labels"))
    if isinstance(volume, np.ndarray):
        note_odd_axes(volume.shape, "the array of images")
    for section in truth:
        if section.dtype.kind not in "bui":
            raise BadInput(f"the labels hold {section.dtype} values; give whole numbers or bool")
    if not isinstance(resume, (bool, np.bool_)):
        raise BadInput(f"resume is {resume!r}; it must be True or False")
    if folder is not None:
        folder = as_path("folder", folder).absolute()  # wherever the caller goes meanwhile
        _require_usable(folder, bool(resume))
    elif resume:
        raise BadInput("there is no folder to resume from; give the one that the training was kept in")
    data = {"train-volume": sections_sha256(volume), "train-labels": sections_sha256(truth)}
    truth = stacked([section.astype(np.uint8) if section.dtype == bool else section for section in truth])
    ignored = pixels_to_ignore(truth, _label_or_masks(ignore), "the labels")
    if labels_are in (None, "instances"):
        require_no_gray_levels(without_ignored(truth, ignored), "the array of labels")
    truth, classes = interpret_labels(
        truth, labels_are or "instances", "the array of labels", ignored, said=labels_are is not None
    )
    config = replace(config, classes=classes)
    require_no_lone_value(joined(volume), "the array of images")
    require_step_memory(config, device)
    training_set = prepare_training_set(volume, truth, config, device, ignored)
    trained = None if weights is None else weights.trained
    if folder is None:
        return train_network(config, training_set, None, data, start=trained)
    with exclusive_lock(RunFolder(folder).lock, folder):
        _require_usable(folder, bool(resume))  # once more: another training may have ended here meanwhile
        last = _last_checkpoint(folder, config, data, training_set.standardisation.dtype) if resume else None
        try:
            return train_network(config, training_set, folder, data, last, start=trained)
        except Interrupted as stopped:
            if not str(stopped):  # a second signal, which did not wait for the step's end
                raise
            number = stopped.exit_code - SHELL
            raise Interrupted(f"{stopped}; the same call with resume=True resumes from there", number) from None


def _label_or_masks(ignore: int | ArrayLike | Sequence[ArrayLike] | None) -> int | Sections | None:
    """The label of pixels to ignore, or bool sections. Raises BadInput for what is neither."""
    label = lone_label(ignore)
    if ignore is None or label is not None:
        return label
    if not isinstance(ignore, (list, tuple)) and as_array(ignore, "pixels to ignore").ndim == 0:
        raise BadInput(
            f"ignore is {ignore!r}; it must be a label, a whole number, or bool arrays of the labels' shapes"
        )
    masks = as_sections(ignore, "pixels to ignore")
    if joined(masks).dtype != bool:
        raise BadInput(
            f"the pixels to ignore have type {joined(masks).dtype}; they must be bool, of the labels' shapes, or one "
            "whole number, the label that they have"
        )
    return masks


def _config(profile: str, settings: dict[str, Any]) -> Config:
    """The profile with these settings, checked."""
    require_choice("profile", profile, PROFILES)
    known = {entry.name for entry in fields(Config)} - {"profile", "classes"}
    unknown = sorted(settings.keys() - known)
    if unknown:
        raise BadInput(f"there is no setting {unknown[0]}; there are {', '.join(sorted(known))}")
    of_optimiser = optimiser_settings(str(settings.get("optimiser")), profile)
    # of plain types: NumPy's would be pickled with the weights, which are read as plain values only
    plain = {name: _plain(value) for name, value in settings.items()}
    config = replace(PROFILES[profile], **(of_optimiser | plain))
    config.check()
    return config


def _plain(value: Any) -> Any:
    """A NumPy number or text, also as part of a tuple, as Python's."""
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return value.item() if isinstance(value, np.generic) else value


def _last_checkpoint(folder: Path, config: Config, data: dict[str, str], dtype: str) -> Checkpoint | None:
    """Where a training resumes, None for one without a checkpoint. Raises BadInput where it began otherwise."""
    run = RunFolder(folder)
    last = load_last(run.checkpoint, run.earlier_checkpoint)
    if last is None:
        return None
    changes = [f"{name} {before!r} -> {after!r}" for name, (before, after) in changed_settings(last, config).items()]
    changes += [name for name, sha256 in data.items() if last.data.get(name) != sha256]
    changes += changed_type(last, dtype)
    if changes:
        raise BadInput(
            f"{folder} holds a training that differs ({'; '.join(changes)}); give what it began with, or another folder"
        )
    return last


def _require_usable(folder: Path, resume: bool) -> None:
    """Raise BadInput where a training cannot be kept in a folder, or one is there that is not to be resumed."""
    run = RunFolder(folder)
    checkpoints = (run.checkpoint, run.earlier_checkpoint)
    if resume and os.path.lexists(run.record):
        raise BadInput(f"{folder} holds a run of the command; resume it with: train --resume")
    if resume and run.weights.is_file() and not any(path.is_file() for path in checkpoints):
        raise BadInput(f"{folder} holds weights without a checkpoint, which cannot be resumed; give another folder")
    if resume and run.history.is_file() and not any(path.is_file() for path in checkpoints):
        read_history(run.history)  # raises for what is not of a training, and would be replaced
    if not resume and any(os.path.lexists(path) for path in (*checkpoints, run.weights, run.history, run.record)):
        raise BadInput(f"{folder} already holds a training; give another folder, or resume it with resume=True")
    ancestor = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not os.path.isdir(ancestor) or not os.access(ancestor, os.W_OK):
        raise BadInput(f"{folder} cannot be written in {ancestor}; give a folder where files may be made")
