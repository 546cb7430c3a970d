"""The figures of the paper, from our own code and a run's own data: `report --figures`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from unet_paper.augmentation import draw_deformation
from unet_paper.checkpoint import new_network
from unet_paper.config import Config
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics.registry import RAND_ERROR
from unet_paper.metrics.scores import Scores
from unet_paper.report.figures.cell_figures import draw_found, draw_taught
from unet_paper.report.figures.network_figure import draw_network
from unet_paper.report.figures.section_figures import draw_elastic, draw_segmentation, draw_tile, draw_weight_figure
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json, write_json
from unet_paper.weight_map import label_cells, separate_touching_cells, weight_map, weight_maps

CAPTIONS = "captions.json"
FONT_SIZE = 13  # points, to be read at half the figures' size


@dataclass(frozen=True)
class Caption:
    """The name of a figure's files, and what was computed from what."""

    name: str
    text: str


Captioned = tuple[Caption, Figure]


def write_figures(
    run: RunFolder, record: RunRecord, scores: Scores | None, pixel_size: PixelSize | None = None
) -> list[Caption]:
    """Write a run's figures as PNG and SVG into its folder `figures`, with their captions in README.md and in
    captions.json there. Without held-out or test sections that is figure 1 alone.

    scores : of the primary test-time augmentation.
    """
    captions = []
    with matplotlib.rc_context({"font.size": FONT_SIZE}):
        for caption, figure in figures_of(run, record, scores, pixel_size):
            save_both(figure, run.figures / caption.name)
            captions.append(caption)
    lines = ["# Figures", ""]
    for caption in captions:
        name = caption.name
        lines += [f"![{name}]({name}.png)", "", f"**{name}.** {caption.text} ([SVG]({name}.svg))", ""]
    with atomic_write(run.figures / "README.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    write_json(run.figures / CAPTIONS, {caption.name: caption.text for caption in captions})
    return captions


def read_captions(run: RunFolder) -> list[Caption]:
    """The captions of the figures that a run's folder holds; none where no figures were written."""
    path = run.figures / CAPTIONS
    return [Caption(name, text) for name, text in read_json(path).items()] if path.is_file() else []


def figures_of(
    run: RunFolder, record: RunRecord, scores: Scores | None, pixel_size: PixelSize | None
) -> Iterator[Captioned]:
    """The figures that a run allows, with their captions, one after the other."""
    config = record.config
    network = new_network(config).eval()
    yield (
        Caption(
            "figure-1-network",
            f"The network of this run, {record.parameters:,} parameters, drawn from one pass of the module itself over "
            f"a tile of {config.tile_size} px: above each map its channels, below it its size in px. White: the part "
            "that is copied from the contracting path.",
        ),
        draw_network(network, config.tile_size),
    )
    if not run.volume.is_file():
        return
    volume = read_stack(run.volume).pixels
    section, what = volume[0], f"{record.dataset}, first scored section"
    yield (
        Caption(
            "figure-2-tile",
            f"Overlap-tile prediction as the paper has it ({what}): the block (yellow) needs the tile (blue, dashed), "
            "of which the part outside the image (under the veil) is mirrored. Ours lays tiles on the network's own "
            "grid of 16 px; a cost model chooses their size.",
        ),
        draw_tile(section, pixel_size),
    )
    if record.protocol.sequences is not None:
        yield from _of_cells(run, record)
    elif config.classes == 2:
        yield from _of_two_classes(run, record, scores, config, section, what, pixel_size)
    generator = torch.Generator().manual_seed(config.seed)
    size = min(config.tile_size, *section.shape)
    deformation = draw_deformation(
        section.shape, generator, config.displacement_sigma, config.grid_points, False, False, False
    )
    yield (
        Caption(
            "elastic-deformation",
            f"Elastic deformation ({what}; seed {config.seed}): (a) the displacements drawn from a Gaussian of "
            f"{config.displacement_sigma:g} px on a grid of {config.grid_points} x {config.grid_points} points over a "
            f"tile of {size} px, and how far off they send each pixel for its value, by bicubic interpolation; the "
            "tile (b) before and (c) after, with the section's own straight grid drawn along.",
        ),
        draw_elastic(section, deformation, size, pixel_size),
    )


def _of_two_classes(
    run: RunFolder,
    record: RunRecord,
    scores: Scores | None,
    config: Config,
    section: np.ndarray,
    what: str,
    pixel_size: PixelSize | None,
) -> Iterator[Captioned]:
    """Figures 3 and 4, where there is a truth and a probability."""
    truth = None
    if run.labels.is_file():
        labels = read_labels(run.labels).pixels[:1]
        truth = labels[0] > 0
        known = record.class_weights
        whose = "the class weights of the training set" if known else "class weights balanced over this section"
        weights = weight_maps(labels, config.w_0, config.sigma, class_weights=known)[0]
        yield (
            Caption(
                "figure-3-weight-map",
                f"From a truth to its weight map ({what}): (a) the image, (b) its cells, the truth's 4-connected "
                "components (neighbours in different colours), (c) the mask, white = cell, (d) equation 2 with "
                f"w_0 = {config.w_0:g}, sigma = {config.sigma:g} px and {whose}. "
                f"Weights run from {weights.min():.2f} to {weights.max():.2f}.",
            ),
            draw_weight_figure(section, truth, label_cells(truth), weights, pixel_size),
        )
    probability = run.probability(config.primary)
    if probability.is_file():
        threshold = scores.best_threshold[RAND_ERROR.key] if scores else 0.5
        chosen = "the best of the Rand error" if scores else "there are no metrics to choose by"
        yield (
            Caption(
                "figure-4-segmentation",
                f"The run's result ({what}): (a) the image, (b) the 4-connected components of the probability "
                f"({config.primary}) above {threshold:.1f} ({chosen}), neighbours in different colours"
                + (", and the outlines of the truth's cells in white." if truth is not None else "."),
            ),
            draw_segmentation(section, truth, read_probabilities(probability).pixels[0], threshold, pixel_size),
        )


def _of_cells(run: RunFolder, record: RunRecord) -> Iterator[Captioned]:
    """Figures 3 and 4 of the scored frame that has the most cells with a mask."""
    config, masks = record.config, read_labels(run.labels).pixels
    chosen = int(np.argmax([len(np.unique(frame)) for frame in masks]))
    frame, of_frame = read_stack(run.volume).pixels[chosen], masks[chosen]
    unknown = read_labels(run.unknown).pixels[chosen] > 0
    sizes = config.w_0, config.sigma
    what = f"{record.dataset}, frame {record.protocol.scored_sections[chosen]:03} of the scored sequence"
    weights = weight_map(of_frame, *sizes, class_weights=record.class_weights, ignore=unknown)
    yield (
        Caption(
            "figure-3-weight-map",
            f"From masks to the weight map ({what}): (a) the image, (b) the annotated cells, neighbours in different "
            "colours, (c) the mask with background between cells that touch, white = cell, (d) equation 2 with "
            f"w_0 = {config.w_0:g}, sigma = {config.sigma:g} px and the class weights of the training set. Weights run "
            f"from {weights.min():.2f} to {weights.max():.2f}.",
        ),
        draw_taught(frame, of_frame, separate_touching_cells(of_frame) > 0, weights),
    )
    if run.segments(config.primary).is_file():
        segments = read_labels(run.segments(config.primary)).pixels[chosen]
        yield (
            Caption(
                "figure-4-segmentation",
                f"The run's result ({what}, which was not trained on; {config.primary}): (a) the image, (b) the "
                "segments in colours, and the outlines of the annotated cells in yellow.",
            ),
            draw_found(frame, of_frame, segments),
        )


def save_both(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG and as SVG with its letters as outlines: `path`.png and `path`.svg, each whole or not."""
    options: Any = {"svg.fonttype": "path", "svg.hashsalt": "unet_paper", "image.composite_image": True}
    for suffix in ("png", "svg"):
        metadata = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
        with matplotlib.rc_context(options), atomic_write(Path(f"{path}.{suffix}")) as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata)
