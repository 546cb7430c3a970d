"""What the page's viewer shows of each section: one PNG for each layer, as large as the section, pixel for pixel."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

from unet_paper.metrics.warping_error import MERGE, warping_kinds
from unet_paper.metrics.warping_error import SPLIT as SPLIT_KIND
from unet_paper.report.colours import COMPONENTS, MERGER, MISSED_CELL, MISSED_MEMBRANE, SPLIT, WEIGHTS, Colour
from unet_paper.report.components import components, spots
from unet_paper.report.panels import gray_range
from unet_paper.report.shown_threshold import VIEWER_THRESHOLDS
from unet_paper.support.files import atomic_write
from unet_paper.support.progress import progress_bar

ERRORS = {"missed membrane": MISSED_MEMBRANE, "missed cell": MISSED_CELL, "merger": MERGER, "split": SPLIT}

Spot = list[Any]  # [x, y, radius in px, "split" or "merger"]
Palette = tuple[np.ndarray, bool]  # colours of the numbers from 0 on, (N, 3) uint8; whether 0 is nothing instead


@dataclass(frozen=True)
class SectionPictures:
    """What the viewer has to know of a run's pictures besides them; page.json."""

    sections: int
    size: list[int]  # width and height, px
    layers: list[str]
    thresholds: list[float]
    largest_weight: float | None
    spots: list[list[list[Spot]]]  # [section][threshold]

    def to_json(self) -> dict[str, Any]:
        """Plain values, not copied: there may be very many spots."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def layer_file(layer: str, section: int, threshold: float | None = None) -> str:
    """Name of one picture; layers that depend on the threshold have one for each of VIEWER_THRESHOLDS."""
    return f"{layer}-{section:03}" + ("" if threshold is None else f"-{threshold:.1f}") + ".png"


def write_pictures(
    folder: str | Path,
    volume: np.ndarray | None,
    truth: np.ndarray | None,
    probability: np.ndarray | None,
    weights: np.ndarray | None,
    warping: bool = True,
    unknown: np.ndarray | None = None,
) -> SectionPictures:
    """Write all layers of all sections, and return what the viewer has to know besides.

    Parameters
    ----------
    folder : path
    volume : (Z, H, W) gray values, or None; stretched as `panels.gray_range` says
    truth : (Z, H, W) bool, True = cell, or None
    probability : (Z, H, W) float from 0 to 1, of cell, or None
    weights : (Z, H, W) float weight maps, or None
    warping : whether the errors are drawn, which are those of the warping error: splits and mergers of membranes
    unknown : (Z, H, W) bool, where no error is drawn, as nothing is scored there, or None
    """
    given = {"image": volume, "truth": truth, "probability": probability, "weights": weights}
    shape = next(stack.shape for stack in given.values() if stack is not None)
    layers = [name for name, stack in given.items() if stack is not None]
    if probability is not None:
        layers += ["components"] + ["errors"] * (truth is not None and warping)
    black_and_white = None if volume is None else gray_range(volume)
    largest_weight = None if weights is None else float(weights.max())
    spots_of_sections: list[list[list[Spot]]] = []
    for section in progress_bar(range(shape[0]), desc="page", unit="section"):
        pictures = _Section(Path(folder), section)
        if volume is not None and black_and_white is not None:
            pictures.save("image", _gray(volume[section], *black_and_white))
        if truth is not None:
            pictures.save("truth", truth[section] * np.uint8(255))
        if weights is not None and largest_weight is not None:
            pictures.save("weights", _gray(weights[section], 0, largest_weight), _colour_scale(WEIGHTS))
        if probability is not None:
            pictures.save("probability", _gray(probability[section], 0, 1))
            of_truth = truth[section] if truth is not None and warping else None
            where = None if unknown is None else unknown[section]
            spots_of_sections.append(_write_thresholds(pictures, of_truth, probability[section], where))
        else:
            spots_of_sections.append([])
    return SectionPictures(
        sections=shape[0],
        size=[shape[2], shape[1]],
        layers=layers,
        thresholds=list(VIEWER_THRESHOLDS),
        largest_weight=largest_weight,
        spots=spots_of_sections,
    )


@dataclass(frozen=True)
class _Section:
    """The pictures of one section."""

    folder: Path
    number: int

    def save(
        self, layer: str, pixels: np.ndarray, palette: Palette | None = None, threshold: float | None = None
    ) -> None:
        """Write one picture."""
        _save(self.folder / layer_file(layer, self.number, threshold), pixels, palette)


def _write_thresholds(
    pictures: _Section, truth: np.ndarray | None, probability: np.ndarray, unknown: np.ndarray | None
) -> list[list[Spot]]:
    """Write the layers that depend on the threshold; returns the spots of each threshold, none without a truth. Between
    cells that are no tessellation, of which no truth is given, the image stays seen.
    """
    by_threshold: list[list[Spot]] = []
    colours = _palette(COMPONENTS, clear=truth is None)
    scored = probability
    if truth is not None and unknown is not None:  # background in both, as the metrics leave it out
        truth, scored = truth & ~unknown, np.where(unknown, probability.dtype.type(0), probability)
    for threshold in VIEWER_THRESHOLDS:
        pictures.save("components", components(probability, threshold), colours, threshold)
        if truth is not None:
            kinds = warping_kinds(ndimage.label(truth)[0], scored.astype(np.float64), threshold)
            errors = error_kinds(truth, scored, threshold, kinds)
            pictures.save("errors", errors, _palette(ERRORS.values(), clear=True), threshold)
            named = ((MERGE, "merger"), (SPLIT_KIND, "split"))
            by_threshold.append([[*spot, name] for kind, name in named for spot in spots(kinds == kind)])
    return by_threshold


def error_kinds(truth: np.ndarray, probability: np.ndarray, threshold: float, kinds: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the number of each pixel's error in ERRORS, from 1 on; 0 where it is right.

    kinds : see `metrics.warping_errors`, at the same threshold.
    """
    positive = probability.astype(np.float64) > threshold
    errors = np.zeros(truth.shape, np.uint8)
    errors[positive & ~truth] = 1
    errors[~positive & truth] = 2
    errors[kinds == MERGE] = 3
    errors[kinds == SPLIT_KIND] = 4
    return errors


def _gray(values: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    scaled = (values.astype(np.float64) - lowest) / ((highest - lowest) or 1)
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def _colour_scale(name: str) -> Palette:
    return np.round(255 * colormaps[name](np.arange(256))[:, :3]).astype(np.uint8), False


def _palette(colours: Iterable[Colour], clear: bool = False) -> Palette:
    """Colours of numbers from 1 on, 0 is black; and whether 0 is nothing instead."""
    return np.array([(0, 0, 0), *colours], np.uint8), clear


def _save(path: Path, pixels: np.ndarray, palette: Palette | None) -> None:
    picture = Image.fromarray(pixels)
    options: dict[str, Any] = {}
    if palette is not None:
        colours, clear = palette
        picture.putpalette(colours.tobytes())
        options = {"transparency": 0} if clear else {}
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG", **options)  # its best compression takes ten times as long
