"""`weights` and `score`: what takes labels."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unet_paper.cli.checks import must_be_tiff, must_be_writable, must_differ, must_fit, must_spare
from unet_paper.cli.outputs import outputs
from unet_paper.cli.segmentation_options import NAMES, given_segmentation
from unet_paper.config import SIGMA, W_0
from unet_paper.io.image_folder import image_files, section_names
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.sections import Sections
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.progress import progress_bar
from unet_paper.support.words import counted

if TYPE_CHECKING:
    from unet_paper.metrics.scores import Scores

MOST_TOLD = 5  # places of the largest weights


def do_weights(arguments: Namespace) -> None:
    """`weights`"""
    from unet_paper.io.stack import read_labels

    if not (W_0.allow(arguments.w0) and SIGMA.allow(arguments.sigma)):
        raise BadInput(f"--w0 {arguments.w0} --sigma {arguments.sigma}: w0 must be {W_0}, sigma {SIGMA} px")
    truths = [read_labels(path, arguments.ignore) for path in image_files(arguments.labels)]
    outs, pictures = _places(arguments, truths)
    images = _images_of(arguments, truths)
    labels, maps, background = _maps(arguments, truths)
    _write_maps(arguments, maps, truths, outs)
    if pictures:
        _draw(arguments, pictures, images, labels, maps, background, truths[0].pixel_size)


def _places(arguments: Namespace, truths: Sequence[ImageStack]) -> tuple[list[Path], dict[Path, str]]:
    """Where each file's weight maps go, and the pictures, see `_pictures`. Raises BadInput where something would be
    lost.
    """
    outs = [out for _, out in outputs(arguments.labels, arguments.out, arguments.force, "labels")]
    pictures = {} if arguments.png is None else _pictures(arguments.png, truths)
    for out in outs:
        must_spare((arguments.image,), out, "the weight maps")
        png = Path(os.path.realpath(arguments.png or ""))
        if pictures and Path(os.path.realpath(out)) in (png, *png.parents):
            raise BadInput(f"{out} cannot be a file of weight maps and hold pictures; give --png another name")
    for picture in pictures:
        must_fit(picture)
        must_spare((arguments.image, *arguments.labels), picture, "the pictures")
        must_be_writable(picture, arguments.force)
    return outs, pictures


def _maps(arguments: Namespace, truths: Sequence[ImageStack]) -> tuple[Sections, list[np.ndarray], float]:
    """The labels of all sections as they are meant, their weight maps, and the class weight of background."""
    from unet_paper.datasets.labels import interpret_labels, pixels_to_ignore
    from unet_paper.io.sections import joined, like, stacked
    from unet_paper.weight_map import balancing_class_weights, weight_map

    labels_are, connectivity = arguments.labels_are or "instances", arguments.connectivity
    semantic = labels_are == "classes"
    given = stacked([section for truth in truths for section in truth.pixels])
    ignored = pixels_to_ignore(given, arguments.ignore, arguments.labels[0])
    labels, classes = interpret_labels(
        given, labels_are, arguments.labels[0], ignored, arguments.labels_are is not None, connectivity
    )
    masks = np.zeros(joined(labels).shape, bool) if ignored is None else joined(ignored)
    class_weights = arguments.class_weights
    if class_weights is None:
        class_weights = balancing_class_weights(joined(labels), semantic, ignored=masks)
    elif len(class_weights) != classes:
        raise BadInput(f"--class-weights gives {len(class_weights)} numbers, but the labels have {classes} classes")
    maps = [
        weight_map(
            section,
            arguments.w0,
            arguments.sigma,
            connectivity=connectivity,
            class_weights=class_weights,
            semantic=semantic,
            ignore=mask,
        )
        for section, mask in zip(labels, like(masks, labels), strict=True)
    ]
    return labels, maps, class_weights[0]


def _write_maps(
    arguments: Namespace, maps: Sequence[np.ndarray], truths: Sequence[ImageStack], outs: Sequence[Path]
) -> None:
    from unet_paper.io.stack import write_stack

    info = f"weight map w(x), equation 2, w0 {arguments.w0}, sigma {arguments.sigma} px"
    remaining = iter(maps)
    for out, truth in zip(outs, truths, strict=True):
        write_stack(out, np.stack([next(remaining) for _ in truth.pixels]), info, truth.pixel_size)
    lowest, largest = min(float(section.min()) for section in maps), max(float(section.max()) for section in maps)
    print(f"wrote {counted(len(maps), 'weight map')}, {lowest:.3f} to {largest:.3f}, to {arguments.out}")


def _images_of(arguments: Namespace, truths: Sequence[ImageStack]) -> Sections | None:
    """The sections of --image, or None where it is not given. Raises BadInput where they do not fit the labels."""
    from unet_paper.datasets.file_pairs import paired
    from unet_paper.io.sections import stacked
    from unet_paper.io.stack import read_stack

    if arguments.image is None:
        if arguments.channel is not None:
            raise BadInput("--channel belongs to --image; leave it out, or give the image too")
        return None
    if arguments.png is None:
        raise BadInput("--image is only drawn; give --png DIR, the folder of the pictures, too")
    images = []
    pairs = {labels: image for image, labels in paired([arguments.image], arguments.labels, ("images", "labels"))}
    for truth in truths:
        image = read_stack(pairs[truth.source], channel=arguments.channel)
        if image.pixels.shape != truth.pixels.shape:
            raise BadInput(
                f"{image.source} has the shape {image.pixels.shape}, but the labels {truth.pixels.shape}; give the "
                "labels' image"
            )
        images += list(image.pixels)
    return stacked(images)


def _draw(
    arguments: Namespace,
    pictures: Mapping[Path, str],
    images: Sections | None,
    labels: Sections,
    maps: Sequence[np.ndarray],
    background: float,
    pixel_size: PixelSize | None,
) -> None:
    """Figure 3 of every section, and in words where the weights are largest. background : its class weight."""
    from unet_paper.report.figures.section_figures import draw_weight_figure, shown_cells
    from unet_paper.report.largest_weights import PLURALS, largest_weights
    from unet_paper.report.panels import save_figure
    from unet_paper.separation_border import label_cells

    weights: list[tuple[float, str]] = []
    what = "class" if arguments.labels_are == "classes" else "cell"
    largest = max(float(section.max()) for section in maps)
    for index, (picture, name) in enumerate(progress_bar(pictures.items(), desc="draw", unit="section")):
        parts = label_cells(labels[index] > 0 if what == "class" else labels[index], arguments.connectivity)
        cells = shown_cells(labels[index], what == "class", arguments.connectivity)
        peaks = largest_weights(maps[index], parts, cells, arguments.sigma, background, what)
        weights += [(peak.weight, f"{peak}, {name}") for peak in peaks]
        image = None if images is None else images[index]
        save_figure(
            draw_weight_figure(maps[index], image, cells, pixel_size=pixel_size, largest=largest, marked=peaks),
            picture,
        )
    print(f"drew them in {arguments.png} (yellow = high, violet = low; circles: the largest of each section)")
    if not weights:
        print(f"the border term counts nowhere: no two {PLURALS[what]} are near, or w_0 is small")
        return
    told = sorted(weights, key=lambda pair: -pair[0])[:MOST_TOLD]
    print("largest weights:", *(text for _, text in told), sep="\n  ")


def _pictures(folder: Path, truths: Sequence[ImageStack]) -> dict[Path, str]:
    """Where the weight maps of files of labels are drawn, and what their sections are called: by number, or by the
    files' names where there are several.
    """
    if len(truths) == 1:
        names = {f"{index:03}": f"section {index}" for index in range(len(truths[0].pixels))}
    else:
        names = {name: name for name in section_names([(truth.source, len(truth.pixels)) for truth in truths])}
    return {folder / f"weight-map-{name}.png": called for name, called in names.items()}


def do_score(arguments: Namespace) -> None:
    """`score`"""
    from unet_paper.runs.class_scoring import are_classes
    from unet_paper.runs.scoring import score_file

    if arguments.unknown is None and arguments.ignore is None:
        arguments.unknown = _unknown_of_run(arguments.labels, arguments.metrics)
    if arguments.json:
        must_fit(arguments.json)
        must_spare((arguments.labels, arguments.probability, arguments.unknown), arguments.json, "the scores")
        must_be_writable(arguments.json, arguments.force)
    if arguments.metrics != "seg" and are_classes(arguments.probability, arguments.labels_are):
        _score_classes(arguments)
        return
    if arguments.metrics != "challenge":
        _score_cells(arguments)
        return
    if arguments.segments is not None:
        raise BadInput("--segments belongs to --metrics seg; the challenge's metrics make none")
    if given_segmentation(arguments) is not None:
        raise BadInput(f"{NAMES} belong to --metrics seg or all; the challenge's metrics are taken at every threshold")
    _print_challenge(
        score_file(
            arguments.labels,
            arguments.probability,
            arguments.json,
            arguments.labels_are,
            arguments.ignore,
            arguments.unknown,
        )
    )


def _unknown_of_run(labels: Path, metrics: str) -> Path | None:
    """Where the truth of a run's held-out sections is not known, as the run itself is scored; None for other labels."""
    from unet_paper.runs.folder import RunFolder

    run = RunFolder(labels.parent)
    if labels != run.labels or not run.unknown.exists():
        return None
    but_seg = "" if metrics == "challenge" else " but SEG"
    print(f"pixels that {run.unknown} marks count in no metric{but_seg}, as their truth is not known")
    return run.unknown


def _score_cells(arguments: Namespace) -> None:
    """`score --metrics seg` and `score --metrics all`"""
    from unet_paper.runs.cell_scoring import score_cells
    from unet_paper.runs.own_scoring import score_all
    from unet_paper.segmentation import CellSegmentation

    segmentation = given_segmentation(arguments)
    how = segmentation or CellSegmentation()
    files = arguments.labels, arguments.probability
    if arguments.metrics == "all":
        if arguments.segments is not None:
            raise BadInput("--segments belongs to --metrics seg")
        scores = score_all(*files, arguments.json, arguments.labels_are, how, arguments.unknown, arguments.ignore)
        _print_challenge(scores.challenge)
        cell_scores = scores.cells
    else:
        if arguments.segments is not None:
            must_be_tiff(arguments.segments)
            must_fit(arguments.segments)
            must_differ(arguments.segments, (arguments.json,), "the segments")
            must_spare((*files, arguments.unknown), arguments.segments, "the segments")
            must_be_writable(arguments.segments, arguments.force)
        others = arguments.unknown, arguments.json, arguments.segments
        cell_scores = score_cells(*files, how, *others, arguments.labels_are, arguments.ignore)
    if cell_scores.segmentation is None and segmentation is not None:
        logger.warning(f"note: {arguments.probability} holds numbered cells; {NAMES} are of probabilities")
    counts = cell_scores.scores
    print(f"SEG               {counts.seg:.6f}  ({counted(counts.found + counts.missed, 'cell')})")
    print(f"F1 at IoU 0.5     {counts.f1:.6f}")
    print(
        f"{counted(counts.found, 'cell')} found, {counts.missed} missed, {counts.split} split; "
        f"{counted(counts.merged, 'segment')} merged, "
        f"{counts.unmatched} of no cell"
    )


def _score_classes(arguments: Namespace) -> None:
    """`score` of more than two classes"""
    from unet_paper.runs.class_scoring import score_class_files

    if arguments.labels_are not in (None, "classes"):
        raise BadInput(
            f"{arguments.probability} holds the probabilities of several classes, and labels of these are "
            f"--labels-are classes, not {arguments.labels_are}"
        )
    if arguments.segments is not None or given_segmentation(arguments) is not None:
        raise BadInput(f"--segments, {NAMES} are of cells; {arguments.probability} is scored by classes")
    files = arguments.labels, arguments.probability, arguments.json, arguments.ignore, arguments.unknown
    scores = score_class_files(*files)
    for number, (iou, dice) in enumerate(zip(scores.iou, scores.dice, strict=True)):
        told = "in neither" if iou is None or dice is None else f"IoU {iou:.6f}  Dice {dice:.6f}"
        print(f"class {number:<4} {told}")
    print(f"mean IoU   {scores.mean_iou:.6f}")
    print(f"accuracy   {scores.accuracy:.6f}  (pixels of the right class; 1 is best of all)")


def _print_challenge(scores: "Scores") -> None:
    from unet_paper.metrics.registry import CHALLENGE_METRICS, WARPING_ERROR

    for metric in CHALLENGE_METRICS:
        details = f"threshold {scores.best_threshold[metric.key]:.1f}"
        if metric is WARPING_ERROR and scores.warping_counts_at_best is not None:
            counts = scores.warping_counts_at_best
            details += f", {counts.split} split and {counts.merge} merger pixels"
        print(f"{metric.title:17} {scores.value(metric):.6f}  ({details})")
    print("0 is best of the errors, 1 of V_rand and V_info")
