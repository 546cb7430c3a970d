"""The report of a run on people's own data: metrics.md, pictures and the page, with what fits its labels."""

from collections.abc import Mapping

from unet_paper.io.image_folder import image_files
from unet_paper.io.stack import read_probabilities, read_stack
from unet_paper.metrics.scores import Scores
from unet_paper.report.cell_pictures import draw_cell_errors
from unet_paper.report.figures import write_figures
from unet_paper.report.figures.section_figures import draw_weight_figure
from unet_paper.report.own_data import own_document
from unet_paper.report.panels import literal, save_figure
from unet_paper.report.pictures import draw_result
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.shown_sections import first_unknown, padded, read_first, read_shown, read_unknown
from unet_paper.report.shown_threshold import how_shown
from unet_paper.report.viewer.run_page import background_of, pixel_size_of, section_names, write_run_page
from unet_paper.runs.cell_scoring import CellScores, read_numbered
from unet_paper.runs.cell_segmentation import segment_frames
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import cells_of_run, is_tessellation
from unet_paper.runs.record import RunRecord
from unet_paper.runs.results import read_history
from unet_paper.runs.scoring import read_sections
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.files import atomic_write


def write_own_report(run: RunFolder, record: RunRecord, scores: Mapping[str, Scores], figures: bool = False) -> str:
    """Write metrics.md, the pictures that the results allow, and index.html; `figures`: the paper's figures too.
    Returns the text of metrics.md.

    scores : the challenge's metrics by test-time augmentation; of them, what fits the labels is shown.
    """
    cells = cells_of_run(run, record)
    primary = record.config.primary
    history = read_history(run.history) if run.history.is_file() else None
    if history:
        save_figure(history_figure({record.name: history}), run.path / "loss.png")
    fitting = {tta: values for tta, values in scores.items() if values.is_complete and is_tessellation(record)}
    if fitting:
        save_figure(thresholds_figure(fitting), run.path / "thresholds.png")
    if run.weight_maps.exists():
        save_figure(draw_weight_figure(read_first(run.weight_maps, read_stack)), run.path / "weight-map.png")
    if primary in scores and primary in cells and run.labels.exists() and run.probability(primary).exists():
        _draw(run, record, how_shown(run, record, fitting.get(primary))[0], cells[primary])
    document = own_document(record, scores, cells)
    with atomic_write(run.own_table) as temporary:
        temporary.write_text(document.to_markdown(), encoding="utf-8")
    if figures:
        write_figures(run, record, fitting.get(primary), pixel_size_of(record))
    write_run_page(run, record, fitting, history, document)
    return document.to_markdown()


def _draw(run: RunFolder, record: RunRecord, threshold: float, cells: CellScores) -> None:
    """The first section beside its truth, and what became of the cells; with and without the raw sections.

    threshold : of the first section's errors.
    """
    primary, segmentation = record.config.primary, cells.segmentation
    files = image_files([run.labels])
    numbers = read_numbered(files, run.labels)
    names = section_names(record, len(numbers))
    is_cell, of_cell = separate_touching_cells(numbers[0]) > 0, read_first(run.probability(primary), read_probabilities)
    first = is_cell, of_cell, threshold, f"{literal(names[0])}: probability of cell ({primary})"
    how = background_of(record), first_unknown(run)
    draw_result(run.path / "result.png", *first, None, *how)
    if run.volume.exists():
        draw_result(run.sections / "result.png", *first, read_first(run.volume, read_stack), *how)
    if segmentation is None:
        return
    probability = read_sections(image_files([run.probability(primary)]), read_probabilities)
    found = segment_frames(probability, segmentation)  # each in its own size, as they are scored
    truth, segments = padded(numbers, rim=0), padded(found, rim=0)
    if (unknown := read_unknown(run)) is not None:  # as the scores leave out what lies there
        segments[unknown] = 0
    draw_cell_errors(run.path / "cells.png", truth, segments, cells.scores, names)
    if run.volume.exists():
        volume = read_shown(run.volume, read_stack)
        draw_cell_errors(run.sections / "cells.png", truth, segments, cells.scores, names, volume)
