"""What the page's viewer shows of each section: one PNG for each layer, as large as the section, pixel for pixel."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage
from skimage.segmentation import expand_labels

from unet_paper.metrics import warping_error, warping_errors
from unet_paper.report.colours import COMPONENTS, MERGER, MISSED_CELL, MISSED_MEMBRANE, SPLIT, WEIGHTS
from unet_paper.report.pictures import gray_range, spots
from unet_paper.support.files import atomic_write
from unet_paper.support.progress import progress_bar

THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(1, 10))  # that the viewer can show
ERRORS = {"missed membrane": MISSED_MEMBRANE, "missed cell": MISSED_CELL, "merger": MERGER, "split": SPLIT}
NEAR = 8  # px: components that are closer get different colours, as far as there are colours


def layer_file(layer, section, threshold=None):
    """Name of one picture; layers that depend on the threshold have one for each of THRESHOLDS."""
    return f"{layer}-{section:03}" + ("" if threshold is None else f"-{threshold:.1f}") + ".png"


def write_pictures(folder, volume, truth, probability, weights, progress=True):
    """Write all layers of all sections, and return what the viewer has to know besides.

    Parameters
    ----------
    folder : path
    volume : (Z, H, W) gray values, or None; stretched as `pictures.gray_range` says
    truth : (Z, H, W) bool, True = cell, or None
    probability : (Z, H, W) float from 0 to 1, of cell, or None
    weights : (Z, H, W) float weight maps, or None

    Returns
    -------
    dict of plain values: `sections`, `size` [width, height] px, `layers` (which there are), `thresholds`,
    `largest_weight`, and `spots` [section][threshold] of [x, y, radius, "split" or "merger"].
    """
    given = {"image": volume, "truth": truth, "probability": probability, "weights": weights}
    shape = next(stack.shape for stack in given.values() if stack is not None)
    layers = [name for name, stack in given.items() if stack is not None]
    if probability is not None:
        layers += ["components"] + ["errors"] * (truth is not None)
    described = {
        "sections": shape[0],
        "size": [shape[2], shape[1]],
        "layers": layers,
        "thresholds": list(THRESHOLDS),
        "largest_weight": None if weights is None else float(weights.max()),
        "spots": [],
    }
    shown = None if volume is None else gray_range(volume)
    for section in progress_bar(range(shape[0]), desc="page", unit="section", disable=not progress):

        def save(layer, pixels, palette=None, threshold=None, section=section):
            _save(Path(folder) / layer_file(layer, section, threshold), pixels, palette)

        if volume is not None:
            save("image", _gray(volume[section], *shown))
        if truth is not None:
            save("truth", truth[section] * np.uint8(255))
        if weights is not None:
            save("weights", _gray(weights[section], 0, described["largest_weight"]), _colour_scale(WEIGHTS))
        if probability is not None:
            save("probability", _gray(probability[section], 0, 1))
            found = []
            for threshold in THRESHOLDS:
                save("components", components(probability[section], threshold), _palette(COMPONENTS), threshold)
                if truth is not None:
                    kinds = warping_errors(truth[section], probability[section], threshold)[0]
                    errors = error_kinds(truth[section], probability[section], threshold, kinds)
                    save("errors", errors, _palette(ERRORS.values(), clear=True), threshold)
                    named = ((warping_error.MERGE, "merger"), (warping_error.SPLIT, "split"))
                    found.append([[*spot, name] for kind, name in named for spot in spots(kinds == kind)])
            described["spots"].append(found)
    return described


def components(probability, threshold):
    """The 4-connected components above a threshold, as numbers of colours from 1 on; 0 elsewhere: (H, W) uint8.

    A component's first choice of colour hangs on where it is most probable, so that it mostly stays when the threshold
    changes; it takes another where a neighbour has it already, as long as there are others.
    """
    labels, count = ndimage.label(probability.astype(np.float64) > threshold)
    if not count:
        return np.zeros(labels.shape, np.uint8)
    summits = np.array(ndimage.maximum_position(probability, labels, np.arange(1, count + 1)))
    scattered = (summits[:, 0] * 2_654_435_761 + summits[:, 1] * 40_503) >> 7
    return different_colours(labels, scattered)


def different_colours(labels, preferred):
    """Colours, numbers from 1 on, for (H, W) labels from 1 on, 0 = none: neighbours' differ where colours suffice.

    preferred : a whole number for each label, which says (modulo the colours there are) which it takes if it can.
    """
    colours = np.zeros(len(preferred) + 1, np.uint8)
    near = neighbours(labels, len(preferred))
    for number in range(1, len(colours)):
        taken = np.bincount(colours[near[number]], minlength=len(COMPONENTS) + 1)[1:]
        choices = np.roll(np.arange(len(COMPONENTS)), -(preferred[number - 1] % len(COMPONENTS)))
        colours[number] = 1 + choices[np.argmin(taken[choices])]
    return colours[labels]


def neighbours(labels, count):
    """The numbers of the components that lie within NEAR px of each, roughly: {number: [others]}."""
    grown = expand_labels(labels, NEAR / 2)
    pairs = set()
    for one, other in ((grown[1:], grown[:-1]), (grown[:, 1:], grown[:, :-1])):
        touching = (one != other) & (one > 0) & (other > 0)
        pairs.update(zip(one[touching].tolist(), other[touching].tolist(), strict=True))
    found = {number: [] for number in range(1, count + 1)}
    for one, other in pairs:
        found[one].append(other)
        found[other].append(one)
    return found


def error_kinds(truth, probability, threshold, kinds):
    """(H, W) uint8: the place of each pixel's error in ERRORS, from 1 on; 0 where it is right.

    kinds : see `metrics.warping_errors`, at the same threshold.
    """
    positive = probability.astype(np.float64) > threshold
    errors = np.zeros(truth.shape, np.uint8)
    errors[positive & ~truth] = 1
    errors[~positive & truth] = 2
    errors[kinds == warping_error.MERGE] = 3
    errors[kinds == warping_error.SPLIT] = 4
    return errors


def _gray(values, lowest, highest):
    scaled = (values.astype(np.float64) - lowest) / ((highest - lowest) or 1)
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def _colour_scale(name):
    return np.round(255 * colormaps[name](np.arange(256))[:, :3]).astype(np.uint8), False


def _palette(colours, clear=False):
    """Colours of numbers from 1 on, 0 is black; and whether 0 is nothing instead."""
    return np.array([(0, 0, 0), *colours], np.uint8), clear


def _save(path, pixels, palette=None):
    picture = Image.fromarray(pixels)
    options = {}
    if palette is not None:
        colours, clear = palette
        picture.putpalette(colours.tobytes())
        options = {"transparency": 0} if clear else {}
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True, **options)
