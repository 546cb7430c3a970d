"""What the values of people's own labels mean: one reading for weight maps, training and scores."""

from pathlib import Path

import numpy as np
from skimage import measure

from unet_paper.config import MOST_CLASSES
from unet_paper.io.sections import Sections, joined, require_same_shapes, stacked
from unet_paper.io.stack import if_unannotated
from unet_paper.separation_border import (
    lost_cells,
    note_cells_in_pieces,
    separate_touching_cells,
    warn_of_other_meanings,
)
from unet_paper.support.arguments import labels_option, require_choice
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.words import counted
from unet_paper.weight_map import require_no_negatives

LABELS_ARE = {
    "cells": "of two values, the larger is cell, the other background",
    "membranes": "of two values, the larger is membrane, the other cell",
    "instances": "0 is background, every cell has a number of its own",
    "classes": "every value is a class: 0, 1, 2, ...",
}
LEAST_RIM = 12  # gray levels near one end of a mask's, of which there are a hundred at least
PLAINLY_INSTANCES = 12  # values from which "classes" that are in one piece each look like numbered cells


def pixels_to_ignore(
    labels: Sections, ignore: int | Sections | None, name: Path | str, aloud: bool = True
) -> Sections | None:
    """Where the truth is not known: bool, or None where it is everywhere.

    ignore : the value that such pixels have, or a mask that is not 0 there. name : of the labels' file, for messages;
    how many pixels these are is said, if `aloud`. Raises BadInput for all of them, and a mask that does not fit.
    """
    if ignore is None:
        return None
    if isinstance(ignore, int):
        ignored, what = stacked([section == ignore for section in labels]), f"hold {ignore}"
    else:
        require_same_shapes(labels, ignore, ("labels", "pixels to ignore"))
        ignored, what = stacked([section != 0 for section in ignore]), "are marked"
    share = joined(ignored).mean()
    if share == 1:
        raise BadInput(f"all pixels of {name} {what}, which are ignored; leave some that count")
    if share == 0:
        if aloud:
            logger.warning(f"note: no pixels of {name} {what}, so none is ignored")
        return None
    if aloud:
        logger.info(f"{100 * share:.1f} % of the pixels of {name} {what} and are ignored")
    return ignored


class MeaningNotSaid(BadInput):
    """Labels so doubtful that somebody must say what they mean."""


def interpret_labels(
    labels: Sections,
    labels_are: str | None,
    name: Path | str,
    ignored: Sections | None = None,
    said: bool = True,
    connectivity: int = 4,
    scored: bool = False,
) -> tuple[Sections, int]:
    """Labels by their meaning, a key of LABELS_ARE: (labels, classes).

    Sections of whole numbers -> with two classes, 0 = background and cells above 0, touching ones separated; with more,
    class numbers. `name` is the file's, for messages. `ignored` pixels, bool, mean nothing and come back as 0. What is
    lost or doubtful is said aloud, with its count. said : whether the user told the meaning; else it is what such files
    usually hold, and the most doubtful labels are refused. connectivity : 4 or 8, by which cells touch. scored :
    whether they are what a result is scored against, which classes are not, and of which no weight map is made.

    Raises BadInput where the meaning is not said, cannot be, or leaves one class only.
    """
    if ignored is None:
        ignored = [np.zeros(section.shape, bool) for section in labels]
    labels = _of_whole_numbers(without_ignored(labels, ignored), name)
    known = ~joined(ignored)
    values = np.unique(joined(labels)[known])
    if labels_are is None:
        choices = "; ".join(f"{meant} ({meaning})" for meant, meaning in LABELS_ARE.items())
        raise BadInput(
            f"{name} holds {_shown(values)}; say with --labels-are (from Python labels_are) what they mean: {choices}"
        )
    require_choice("labels_are", labels_are, LABELS_ARE)
    if len(values) < 2:
        raise BadInput(f"{name} holds {values[0]} only, which is one class only; there must be two at least")
    if labels_are in ("instances", "classes"):
        require_no_negatives(values, f"{name} holds")
    if labels_are == "classes":
        _require_classes(values, name)
        if len(values) >= PLAINLY_INSTANCES:
            _warn_of_numbered_cells(labels, len(values), name)
        return labels, len(values)
    if labels_are == "instances":
        doubt_three_values(values, name, said)
        labels = _separated(labels, values, name, connectivity, scored)
    else:
        if len(values) > 2:
            holds = f"{name} holds {len(values)} values ({_shown(values)}); labels that are {labels_are} hold two"
            if len(labels) > 1 and all(np.unique(section).size <= 2 for section in labels):
                raise BadInput(
                    f"{holds} in all, and here no section has more; make them alike, or number cells as instances"
                )
            marked = values[0] if values[0] < 0 else values[-1]
            unknown = f"; {if_unannotated(marked)}" if len(values) == 3 else ""
            smoothed = _if_smoothed(values, joined(labels)[known])
            raise BadInput(
                f"{holds}, and cells that have numbers of their own are {labels_option('instances')}{unknown}{smoothed}"
            )
        cell = values[1] if labels_are == "cells" else values[0]
        labels = without_ignored([(section == cell).astype(np.uint8) * 255 for section in labels], ignored)
    pixels = joined(labels)[known]
    if not pixels.any() or pixels.all():
        left = "background" if pixels.all() else "cell"
        raise BadInput(f"{name}, read as {labels_are}, leaves no {left}; there must be both")
    return labels, 2


def _of_whole_numbers(labels: Sections, name: Path | str) -> Sections:
    """Labels whose sections have one type where joining them would make floats of uint64 and signed numbers, of which
    those above 2^53 become one another. Raises BadInput where no type holds all of them.
    """
    types = {section.dtype for section in labels}
    if any(each.kind not in "ui" for each in types) or np.result_type(*types).kind in "ui":
        return labels
    lowest, highest = min(int(section.min()) for section in labels), max(int(section.max()) for section in labels)
    if lowest < 0 and highest > np.iinfo(np.int64).max:
        raise BadInput(
            f"{name} holds {lowest} and {highest}, which no type of whole numbers does; number cells from 0 on"
        )
    return stacked([section.astype(np.uint64 if lowest >= 0 else np.int64) for section in labels])


def _shown(values: np.ndarray) -> str:
    return ", ".join(map(str, values[:5])) + ", ..." * (len(values) > 5)


def _if_smoothed(values: np.ndarray, pixels: np.ndarray) -> str:
    """What to do where most pixels lie near the two ends of many values, as those of a mask that was smoothed do."""
    lowest, highest = int(values[0]), int(values[-1])
    rim = (highest - lowest) // 8
    low, high = (pixels <= lowest + rim).sum(), (pixels >= highest - rim).sum()
    # numbers of cells may lie near 0, with the background, but seldom near the largest
    if len(values) == 3 or rim < LEAST_RIM or low + high < 0.8 * len(pixels) or 2 * high < len(pixels) - low:
        return ""
    return (
        f"; most pixels lie near {lowest} and {highest}, as of a mask that was saved as JPEG or resized with "
        f"smoothing: where it is one, threshold it at {(lowest + highest + 1) // 2}"
    )


def without_ignored(labels: Sections, ignored: Sections | None) -> Sections:
    """Labels that are 0 where they are ignored."""
    if ignored is None:
        return labels
    return stacked(
        [np.where(mask, section.dtype.type(0), section) for section, mask in zip(labels, ignored, strict=True)]
    )


def renumbered(labels: np.ndarray) -> np.ndarray:
    """Cells of any shape and integer type -> intp: numbered from 1 on in the order of their numbers, 0 as it is."""
    values, places = np.unique(labels, return_inverse=True)
    return places.reshape(labels.shape) + int(values[0] > 0)


def _require_classes(values: np.ndarray, name: Path | str) -> None:
    """Raise BadInput for numbers with gaps, and for more than MOST_CLASSES."""
    if not np.array_equal(values, np.arange(len(values))):
        raise BadInput(
            f"{name} holds {len(values)} values from {values[0]} to {values[-1]}; classes must be numbered 0, 1, 2, "
            "... without gaps"
        )
    if len(values) > MOST_CLASSES:
        raise BadInput(
            f"{name} holds {len(values)} values, and there may be {MOST_CLASSES} classes; these are numbered cells "
            f"rather than classes, so give {labels_option('instances')}"
        )


def _warn_of_numbered_cells(labels: Sections, classes: int, name: Path | str) -> None:
    """Say so where most numbers are in one piece, as those of cells are."""
    pieces = sum(int(measure.label(section, background=0, connectivity=1).max()) for section in labels)
    appearances = sum(np.count_nonzero(np.unique(section)) for section in labels)
    if pieces < 2 * appearances:
        logger.warning(
            f"note: {name} holds {classes} values, most of them in one piece, and each is taken as a class; if these "
            f"are numbered cells rather than classes, give {labels_option('instances')}"
        )


def doubt_three_values(values: np.ndarray, name: Path | str, said: bool) -> None:
    """Say so where numbers of cells look like a mask with a third value in it. Raises MeaningNotSaid where nobody said
    that they are numbers.
    """
    if len(values) != 3 or values[0] != 0 or values[-1] != np.iinfo(values.dtype).max:
        return
    if not said:
        raise MeaningNotSaid(
            f"{name} holds {_shown(values)}; labels are 0 = membrane and {values[-1]} = cell, or every cell has a "
            f"number of its own, and where these are such, say {labels_option('instances')}; "
            f"{if_unannotated(values[-1])}"
        )
    logger.warning(
        f"note: {name} holds {_shown(values)}, and {values[1]} and {values[-1]} are taken as numbers of cells; if "
        f"0 = membrane and {values[-1]} = cell, make {values[1]} one of them, or ignore it; "
        f"{if_unannotated(values[-1])}"
    )


def _separated(labels: Sections, values: np.ndarray, name: Path | str, connectivity: int, scored: bool) -> Sections:
    """Numbered cells with background between those that touch. Says what may not be as it is meant."""
    if values[0] > 0:
        logger.warning(
            f"note: {name} holds no 0, which is background: all of its {len(values)} numbers are taken as cells, with "
            f"lines between them; if one of them ({_shown(values)}) is the background, make it 0"
        )
    # first: of gray levels there may be very many to separate
    doubtful = len(values) > 2 and warn_of_other_meanings(labels, name, may_be_said=not scored)
    separated = stacked([separate_touching_cells(section, connectivity) for section in labels])
    lost = sum(lost_cells(before, after, connectivity) for before, after in zip(labels, separated, strict=True))
    if lost:
        be, their = ("is", "its") if lost == 1 else ("are", "their")
        logger.warning(
            f"note: {counted(lost, 'cell')} of {name} {be} too thin to be separated from {their} neighbours, and "
            f"{be} lost"
        )
    if len(values) > 2 and not doubtful and not scored:
        note_cells_in_pieces(separated, name, connectivity)
    return separated
