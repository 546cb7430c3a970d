"""The figures of the paper, from our own code and a run's own data: `report --figures`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from unet_paper.checkpoint import new_network
from unet_paper.config import Config
from unet_paper.datasets.cell_phantom import make_cell_phantom
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics.scores import Scores
from unet_paper.report.figures.cell_figures import UNKNOWN, draw_found, draw_taught
from unet_paper.report.figures.deformation_figure import LONGER, draw_deformations, shown_deformations
from unet_paper.report.figures.network_figure import draw_network
from unet_paper.report.figures.section_figures import (
    PAPERS_BLOCK,
    draw_segmentation,
    draw_tile,
    draw_weight_figure,
    drawn_tile,
)
from unet_paper.report.panels import for_light_and_dark, save_figure
from unet_paper.report.shown_sections import first_unknown, read_first, read_shown
from unet_paper.report.shown_threshold import how_shown
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.separation_border import label_cells, separate_touching_cells
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json, write_json
from unet_paper.weight_map import weight_map

CAPTIONS = "captions.json"
HOW_TILES_LIE = "lie on the network's own grid of 16 px, and a cost model chooses their size."
EM_DATASETS = ("isbi", "phantom")  # whose cells are parted by membranes
TOUCHING_SIZE, TOUCHING_SEED = 256, 2  # px, of the drawn cells
FONT_SIZE = 13  # points, to be read at half the figures' size


@dataclass(frozen=True)
class Caption:
    """The name of a figure's files, and what was computed from what."""

    name: str
    text: str  # sentences, the first of which says what the figure shows

    @property
    def first_sentence(self) -> str:
        """What the figure shows, in one sentence."""
        return re.split(r"(?<=\.) ", self.text, maxsplit=1)[0]


Captioned = tuple[Caption, Figure]


def write_figures(
    run: RunFolder, record: RunRecord, scores: Scores | None, pixel_size: PixelSize | None = None
) -> list[Caption]:
    """Write a run's figures as PNG, and those of lines alone as SVG too, into its folder `figures`, with their captions
    in README.md and in captions.json there. Without held-out or test sections that is figure 1 alone.

    scores : of the primary test-time augmentation.
    """
    captions = []
    with matplotlib.rc_context({"font.size": FONT_SIZE}):
        for caption, figure in figures_of(run, record, scores, pixel_size):
            path = run.figures / f"{caption.name}.png"
            save_figure(figure, path)
            path.with_suffix(".svg").unlink(missing_ok=True)  # of an earlier report
            if not any(axis.images for axis in figure.axes):
                save_as_svg(figure, path.with_suffix(".svg"))
            captions.append(caption)
    lines = ["# Figures", ""]
    for caption in captions:
        vector = run.figures / f"{caption.name}.svg"
        link = f" ([SVG]({vector.name}))" if vector.is_file() else ""
        lines += [f"![{caption.first_sentence}]({caption.name}.png)", "", f"{caption.text}{link}", ""]
    with atomic_write(run.figures / "README.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    write_json(run.figures / CAPTIONS, {caption.name: caption.text for caption in captions})
    return captions


def read_captions(run: RunFolder) -> list[Caption]:
    """The captions of the figures that a run's folder holds; none where no figures were written. Raises BadInput for a
    damaged file.
    """
    path = run.figures / CAPTIONS
    captions = read_json(path) if path.is_file() else {}
    if not isinstance(captions, dict) or not all(isinstance(text, str) for text in captions.values()):
        raise BadInput(f"{path} is not as `report --figures` writes it; delete {run.figures} and try again")
    return [Caption(name, text) for name, text in captions.items()]


def figures_of(
    run: RunFolder, record: RunRecord, scores: Scores | None, pixel_size: PixelSize | None
) -> Iterator[Captioned]:
    """The figures that a run allows, with their captions, one after the other."""
    config = record.config
    network = new_network(config).eval()
    yield (
        Caption(
            "figure-1-network",
            f"Figure 1: the network of this run, with {record.parameters:,} parameters. It is drawn from one pass of "
            f"the module itself over a tile of {config.tile_size} px. Above each map stand its channels, below it its "
            "size in px. The white part of a map is copied from the contracting path.",
        ),
        draw_network(network, config.tile_size),
    )
    if not run.volume.exists():
        return
    section, what = read_first(run.volume, read_stack), f"{record.dataset}, first scored section"
    whose = "This is the paper's tile; ours" if drawn_tile(section)[0] == PAPERS_BLOCK else "Ours"
    yield (
        Caption(
            "figure-2-tile",
            f"Figure 2: the block (yellow) needs the tile (blue, dashed), which reaches beyond the image ({what}). "
            f"Under the veil the image is mirrored. {whose} {HOW_TILES_LIE}",
        ),
        draw_tile(section, pixel_size),
    )
    if record.protocol.sequences is not None:
        yield from _of_cells(run, record, pixel_size)
    elif config.classes == 2:
        yield from _of_two_classes(run, record, scores, config, section, what, pixel_size)
        if record.dataset in EM_DATASETS:
            yield touching_cells(config)
    grid = config.grid_points
    size, deformations = shown_deformations(section.shape, config.displacement_sigma, grid, config.seed)
    yield (
        Caption(
            "elastic-deformation",
            f"A tile of {size} px is bent, turned and mirrored, as training does anew in every step ({what}). "
            f"(a) At {grid} x {grid} points of the tile (yellow) an arrow, drawn from a Gaussian of "
            f"{config.displacement_sigma:g} px and shown {LONGER} times as long, points to where the value comes from; "
            "between them it is interpolated bicubically. (b) The tile that it makes, (c, d) two others. The orange "
            "lines are straight in the section.",
        ),
        draw_deformations(section, deformations, size, pixel_size),
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
    if run.labels.exists():
        labels = read_first(run.labels, read_labels)
        truth = separate_touching_cells(labels) > 0
        known = record.class_weights
        whose = "the class weights of the training set" if known else "class weights balanced over this section"
        unknown = first_unknown(run)
        weights = weight_map(labels, config.w_0, config.sigma, class_weights=known, ignore=unknown)
        mask = truth if unknown is None else np.where(unknown, UNKNOWN, truth)
        yield (
            Caption(
                "figure-3-weight-map",
                f"Figure 3: from a truth to its weight map ({what}). (a) The image. (b) Its cells, the truth's "
                "4-connected components, neighbours in different colours. (c) The mask, cells white"
                + (", and gray what is ignored" if unknown is not None else "")
                + ". (d) Equation 2 "
                f"with w_0 = {config.w_0:g}, sigma = {config.sigma:g} px and {whose}; weights run from "
                f"{weights.min():.2f} to {weights.max():.2f}.",
            ),
            draw_weight_figure(weights, section, label_cells(truth), mask, pixel_size),
        )
    probability = run.probability(config.primary)
    if probability.exists():
        threshold, why = how_shown(run, record, scores)
        yield (
            Caption(
                "figure-4-segmentation",
                f"Figure 4: what the run found ({what}). (a) The image. (b) The probability of cell "
                f"({config.primary}). (c) Its 4-connected components above {threshold:.1f}, where {why}; neighbours "
                "have different colours"
                + (", and white lines are the outlines of the truth's cells." if truth is not None else "."),
            ),
            draw_segmentation(section, truth, read_first(probability, read_probabilities), threshold, pixel_size),
        )


def touching_cells(config: Config) -> Captioned:
    """Figure 3 of drawn cells, whose border term is for few pixels, while nearly every membrane of EM has it."""
    ((frame, cells),) = make_cell_phantom(1, TOUCHING_SIZE, TOUCHING_SEED)
    weights = weight_map(cells, config.w_0, config.sigma)
    return (
        Caption(
            "figure-3-touching-cells",
            "Figure 3 on cells that touch, as in the paper: they are drawn, and not of this run. (a) The image. (b) "
            "The numbered cells. (c) The mask, with a line of background where two of them touch. (d) Equation 2 with "
            f"w_0 = {config.w_0:g} and sigma = {config.sigma:g} px: the line weighs up to {weights.max():.1f}, the "
            f"cells {weights[cells > 0].min():.1f}, so that the network learns to keep the cells apart.",
        ),
        draw_taught(frame, cells, separate_touching_cells(cells) > 0, weights),
    )


def _of_cells(run: RunFolder, record: RunRecord, pixel_size: PixelSize | None) -> Iterator[Captioned]:
    """Figures 3 and 4 of the scored frame that has the most cells with a mask."""
    config, masks = record.config, read_shown(run.labels, read_labels, rim=0)
    chosen = int(np.argmax([len(np.unique(frame)) for frame in masks]))
    frame, of_frame = read_shown(run.volume, read_stack)[chosen], masks[chosen]
    unknown = read_shown(run.unknown, read_labels, rim=0)[chosen] > 0
    sizes = config.w_0, config.sigma
    what = f"{record.dataset}, frame {record.protocol.scored_sections[chosen]:03} of the scored sequence"
    weights = weight_map(of_frame, *sizes, class_weights=record.class_weights, ignore=unknown)
    yield (
        Caption(
            "figure-3-weight-map",
            f"Figure 3: from masks to the weight map ({what}). (a) The image. (b) The annotated cells, neighbours in "
            "different colours. (c) The mask with background between cells that touch: cells are white, and gray is "
            f"what nobody annotated, if anything. (d) Equation 2 with w_0 = {config.w_0:g}, sigma = {config.sigma:g} "
            "px and the class weights of the training set; weights run from "
            f"{weights.min():.2f} to {weights.max():.2f}.",
        ),
        draw_taught(frame, of_frame, separate_touching_cells(of_frame) > 0, weights, pixel_size),
    )
    if run.segments(config.primary).is_file():
        segments = read_labels(run.segments(config.primary)).pixels[chosen]
        yield (
            Caption(
                "figure-4-segmentation",
                f"Figure 4: what the run found ({what}, which was not trained on; {config.primary}). (a) The image. "
                "(b) The segments in colours, and the outlines of the annotated cells in yellow.",
            ),
            draw_found(frame, of_frame, segments, pixel_size),
        )


def save_as_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG with its letters as outlines, whole or not at all."""
    for_light_and_dark(figure)
    options: Any = {"svg.fonttype": "path", "svg.hashsalt": "unet_paper"}
    with matplotlib.rc_context(options), atomic_write(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
