"""The page of a run: what of its folder goes into it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from unet_paper.io.pixel_size import EM, PixelSize
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics.scores import Scores
from unet_paper.report.colours import CIRCLES, WEIGHTS, hexadecimal
from unet_paper.report.document import Document
from unet_paper.report.figures import EM_DATASETS, read_captions
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.shown_sections import read_shown, read_unknown
from unet_paper.report.shown_threshold import how_shown
from unet_paper.report.viewer.layers import ERRORS, SectionPictures, write_pictures
from unet_paper.report.viewer.page import Page
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import is_tessellation
from unet_paper.runs.record import RunRecord
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json
from unet_paper.weight_map import weight_maps

LARGEST_SHOWN = 4096  # px of a side; larger sections a browser does not show well
MOST_PIXELS = 40 * 512 * 512  # of all the sections shown, which are the first ones
LINKS = ("run.json", "scores.json", "history.csv", "table1.md", "metrics.md", "table2.md")
STEPS_OF_SCALE = 12  # colours that tell the weight map's scale
SMOKE = "This profile only shows that all parts work; its metrics mean nothing."


def write_run_page(
    run: RunFolder,
    record: RunRecord,
    scores: Mapping[str, Scores],
    history: list[dict[str, float]] | None,
    document: Document,
    shown: Sequence[tuple[str, Figure]] = (),
) -> None:
    """Write a run's index.html and the pictures beside it, as far as its results allow.

    scores : by test-time augmentation; history : rows of history.csv; document : what table1.md holds; shown : pictures
    that stand above the curves, with their captions.
    """
    pictures, note = write_section_pictures(run, record)
    curves = [*shown]
    if history:
        curves.append(("Loss and error in training", history_figure({record.name: history})))
    complete = {tta: values for tta, values in scores.items() if values.is_complete}
    if complete:
        curves.append(("Errors by threshold", thresholds_figure(complete)))
    viewed = []
    if pictures is not None:
        viewed = [viewed_run(run, record, scores.get(record.config.primary), pictures, run.path, record.name)]
    Page(
        title=page_title(record),
        document=document,
        note=note,
        links=[name for name in LINKS if (run.path / name).is_file()],
        banner=smoke_banner(record),
        viewed=viewed,
        curves=curves,
        figures=read_captions(run),
        figure_folder=run.figures.name,
    ).write(run.page)


def page_title(record: RunRecord) -> str:
    """A run's name, and what it is, as far as the name does not tell."""
    profile = "" if record.name == record.config.profile else f" {record.config.profile},"
    return f"{record.name}: {record.dataset},{profile} {record.config.steps:,} tiles"


def smoke_banner(record: RunRecord) -> str | None:
    """What stands above the results of a run that is too short to mean anything."""
    return SMOKE if record.config.profile == "smoke" else None


def write_section_pictures(run: RunFolder, record: RunRecord) -> tuple[SectionPictures | None, str]:
    """The viewer's pictures of a run, in its folder `page`. Where the stacks are not there, as in a clone, those that
    were made before stay.

    Returns what the viewer must know of them (None where there is nothing to show), and a note for the reader, or "".
    """
    if not run.volume.exists():
        if described_pictures(run):
            return described_pictures(run), ""
        if record.protocol.kind == "none":
            return None, "There is no viewer here: no sections were held out, and there was no test stack with a truth."
        return None, "There is no viewer here: the scored sections are not in this copy of the run."
    if record.config.classes > 2:
        return None, "There is no viewer here: it shows two classes, and this run has more."
    volume = read_shown(run.volume, read_stack)
    count, height, width = volume.shape
    if max(height, width) > LARGEST_SHOWN:
        return None, f"There is no viewer here: it shows sections of up to {LARGEST_SHOWN:,} px a side."
    volume = volume[: max(1, MOST_PIXELS // (height * width))]
    truth = probability = weights = unknown = None
    if run.labels.exists():
        labels = read_shown(run.labels, read_labels, rim=0)[: len(volume)]
        truth = separate_touching_cells(labels) > 0
        unknown = read_unknown(run, len(volume))
        sizes = record.config.w_0, record.config.sigma
        weights = weight_maps(labels, *sizes, class_weights=record.class_weights, ignore=unknown)
    primary = run.probability(record.config.primary)
    if primary.exists():
        probability = read_shown(primary, read_probabilities, rim=0)[: len(volume)]
    of_membranes = record.protocol.sequences is None  # splits and mergers of cells the warping error does not know
    pictures = write_pictures(run.pictures, volume, truth, probability, weights, of_membranes, unknown)
    write_json(run.pictures / "page.json", pictures.to_json())
    return pictures, f"The viewer shows the first {len(volume)} of {count} sections." if len(volume) < count else ""


def described_pictures(run: RunFolder) -> SectionPictures | None:
    """What the viewer must know of the pictures that are there already, or None. Raises BadInput for a damaged file."""
    path = run.pictures / "page.json"
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        pictures = SectionPictures(**content)
        if (
            len(pictures.size) != 2
            or len(pictures.spots) != pictures.sections
            or not (isinstance(pictures.layers, list) and isinstance(pictures.thresholds, list))
        ):
            raise TypeError("not of that many sections, or no lists")
        return pictures
    except TypeError:
        raise BadInput(f"{path} is not as `report` writes it; delete {run.pictures} and try again") from None


def viewed_run(
    run: RunFolder,
    record: RunRecord,
    scores: Scores | None,
    pictures: SectionPictures,
    page_folder: Path,
    name: str,
) -> dict[str, Any]:
    """What the viewer's script is told of one run, as plain values.

    scores : of the primary test-time augmentation; page_folder : where the page goes.
    """
    best, why = how_shown(run, record, scores)
    background = background_of(record)
    return pictures.to_json() | {
        "name": name,
        "path": address_of(run.path, page_folder),
        "sections": section_names(record, pictures.sections),
        "best": pictures.thresholds.index(best),
        "why_best": why,
        "background": background,
        "pixel_size": pixel_size_of(record),
        "error_colours": {kind.replace("membrane", background): hexadecimal(colour) for kind, colour in ERRORS.items()},
        "circle_colours": {kind: hexadecimal(colour) for kind, colour in CIRCLES.items()},
        "weight_colours": [to_hex(colormaps[WEIGHTS](step / (STEPS_OF_SCALE - 1))) for step in range(STEPS_OF_SCALE)],
    }


def address_of(folder: Path, page_folder: Path) -> str:
    """What stands on a page before the names of a folder's files: "", or a relative address that ends in a slash; on
    Windows, from one drive to another, a whole one.
    """
    try:
        relative = Path(os.path.relpath(folder, page_folder)).as_posix()
    except ValueError:
        return f"{folder.absolute().as_uri()}/"
    return "" if relative == "." else f"{quote(relative)}/"


def section_names(record: RunRecord, count: int) -> list[str]:
    """What the scored sections are called: their numbers in the stack that they are from, counted from 0, or their
    files' names.
    """
    if record.protocol.sequences is not None:
        sequence = record.protocol.sequences[1]  # the scored one: pages show runs on either beside one another
        return [f"sequence {sequence}, frame {number:03}" for number in record.protocol.scored_sections[:count]]
    if record.protocol.files and record.protocol.kind == "fold":
        return record.protocol.names(record.protocol.scored_sections[:count])
    first = record.protocol.scored_sections[0] if record.protocol.kind == "fold" else 0
    return [f"section {first + number}" for number in range(count)]


def background_of(record: RunRecord) -> str:
    """What lies between the cells of a run, in one word."""
    return "membrane" if record.dataset in EM_DATASETS or is_tessellation(record) else "background"


def pixel_size_of(record: RunRecord) -> PixelSize | None:
    """The pixel size of the sections of a run, or None where it is not known."""
    return record.pixel_size or (EM if record.dataset == "isbi" else None)
