"""`weights` and `score`: what takes labels."""

from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np

from unet_paper.cli.checks import must_be_writable
from unet_paper.cli.segmentation_options import NAMES, given_segmentation
from unet_paper.io.pixel_size import PixelSize
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.progress import progress_bar

if TYPE_CHECKING:
    from unet_paper.metrics.scores import Scores

MOST_TOLD = 5  # places of the largest weights


def do_weights(arguments: Namespace) -> None:
    """`weights`"""
    from unet_paper.datasets.labels import interpret_labels
    from unet_paper.io.image_files import TIFF_SUFFIXES
    from unet_paper.io.stack import read_labels, write_stack
    from unet_paper.weight_map import weight_maps

    if not (0 <= arguments.w0 <= 1e6 and 0 < arguments.sigma <= 1e4):
        raise BadInput(
            f"--w0 {arguments.w0} --sigma {arguments.sigma}: w0 must be from 0 to 1e6, sigma above 0 and at most 1e4 px"
        )
    truth = read_labels(arguments.labels)
    must_be_writable(arguments.out)
    if arguments.out.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{arguments.out} must be a TIFF, with a name that ends in .tif")
    if arguments.out.exists() and arguments.out.samefile(arguments.labels):
        raise BadInput(f"{arguments.out} holds the labels, which would be lost; give another name for the weights")
    must_be_writable(arguments.out, arguments.force)
    if arguments.png:
        for index in range(len(truth.pixels)):
            must_be_writable(arguments.png / f"weight-map-{index:03}.png", arguments.force)
    image = _image_of(arguments, truth.pixels.shape)
    labels_are = arguments.labels_are or "instances"
    labels, _ = interpret_labels(truth.pixels, labels_are, arguments.labels)
    weights = weight_maps(
        labels,
        arguments.w0,
        arguments.sigma,
        connectivity=arguments.connectivity,
        class_weights=arguments.class_weights,
        semantic=labels_are == "classes",
    )
    info = f"weight map w(x), equation 2, w0 {arguments.w0}, sigma {arguments.sigma} px"
    write_stack(arguments.out, weights, info, truth.pixel_size)
    print(f"wrote {len(weights)} weight maps, {weights.min():.3f} to {weights.max():.3f}, to {arguments.out}")
    if arguments.png:
        _draw(arguments, image, labels, weights, truth.pixel_size, is_semantic=labels_are == "classes")


def _image_of(arguments: Namespace, shape: tuple[int, ...]) -> np.ndarray | None:
    """The pixels of --image, or None where it is not given. Raises BadInput where they do not fit the labels."""
    from unet_paper.io.stack import read_stack

    if arguments.image is None:
        return None
    if arguments.png is None:
        raise BadInput("--image is only drawn; give --png DIR, the folder of the pictures, too")
    image = read_stack(arguments.image, channel=arguments.channel).pixels
    if image.shape != shape:
        raise BadInput(f"{arguments.image} has the shape {image.shape}, but the labels {shape}; give the labels' image")
    return image


def _draw(
    arguments: Namespace,
    image: np.ndarray | None,
    labels: np.ndarray,
    weights: np.ndarray,
    pixel_size: PixelSize | None,
    is_semantic: bool,
) -> None:
    """Figure 3 of every section, and in words where the weights are largest."""
    from unet_paper.report.figures.section_figures import draw_weight_figure
    from unet_paper.report.largest_weights import largest_weights
    from unet_paper.report.panels import save_figure
    from unet_paper.weight_map import label_cells

    found = []
    for index, of_section in enumerate(progress_bar(weights, desc="draw", unit="section")):
        numbered = is_semantic or len(np.unique(labels[index])) > 2
        cells = labels[index] if numbered else label_cells(labels[index], arguments.connectivity)
        places = largest_weights(of_section, cells, arguments.sigma)
        found += [(place.weight, f"{place}, section {index}") for place in places]
        figure = draw_weight_figure(
            of_section,
            None if image is None else image[index],
            cells,
            pixel_size=pixel_size,
            largest=float(weights.max()),
            marked=places,
        )
        save_figure(figure, arguments.png / f"weight-map-{index:03}.png")
    print(f"drew them in {arguments.png} (yellow = high, violet = low; circles: the largest of each section)")
    largest = sorted(found, key=lambda place: -place[0])[:MOST_TOLD]
    print("largest weights:", *(text for _, text in largest), sep="\n  ")


def do_score(arguments: Namespace) -> None:
    """`score`"""
    from unet_paper.runs.scoring import score_file

    if arguments.json:
        for given in (arguments.labels, arguments.probability):
            if arguments.json.exists() and given.exists() and arguments.json.samefile(given):
                raise BadInput(f"{arguments.json} is scored, and would be lost; give another name for the scores")
        must_be_writable(arguments.json, arguments.force)
    if arguments.metrics != "challenge":
        _score_cells(arguments)
        return
    for name in ("unknown", "segments"):
        if getattr(arguments, name) is not None:
            raise BadInput(f"--{name} belongs to --metrics seg; the challenge's metrics take no such file")
    if given_segmentation(arguments) is not None:
        raise BadInput(f"{NAMES} belong to --metrics seg; the challenge's metrics are taken at every threshold")
    _print_challenge(score_file(arguments.labels, arguments.probability, arguments.json, arguments.labels_are))


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
        scores = score_all(*files, arguments.json, arguments.labels_are, how, arguments.unknown)
        _print_challenge(scores.challenge)
        found = scores.cells
    else:
        if arguments.segments is not None:
            must_be_writable(arguments.segments, arguments.force)
        others = arguments.unknown, arguments.json, arguments.segments
        found = score_cells(*files, how, *others, arguments.labels_are)
    if found.segmentation is None and segmentation is not None:
        logger.warning(f"note: {arguments.probability} holds numbered cells; {NAMES} are of probabilities")
    counts = found.scores
    print(f"SEG               {counts.seg:.6f}  ({counts.found + counts.missed} cells)")
    print(f"F1 at IoU 0.5     {counts.f1:.6f}")
    print(
        f"{counts.found} cells found, {counts.missed} missed, {counts.split} split; {counts.merged} segments merged, "
        f"{counts.unmatched} of no cell"
    )


def _print_challenge(scores: "Scores") -> None:
    from unet_paper.metrics.registry import CHALLENGE_METRICS, WARPING_ERROR

    for metric in CHALLENGE_METRICS:
        details = f"threshold {scores.best_threshold[metric.key]:.1f}"
        if metric is WARPING_ERROR and scores.warping_counts_at_best is not None:
            counts = scores.warping_counts_at_best
            details += f", {counts.split} split and {counts.merge} merger pixels"
        print(f"{metric.title:17} {scores.value(metric):.6f}  ({details})")
