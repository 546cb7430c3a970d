"""The report of a run: its table, pictures, the paper's figures and the page."""

from pathlib import Path

import numpy as np

from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics import warping_errors
from unet_paper.metrics.scores import Scores
from unet_paper.report.cell_report import write_cell_report
from unet_paper.report.class_report import write_class_report
from unet_paper.report.figures import write_figures
from unet_paper.report.figures.section_figures import draw_weight_figure
from unet_paper.report.own_report import write_own_report
from unet_paper.report.panels import literal, save_figure
from unet_paper.report.pictures import draw_result, draw_warping_errors
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.shown_threshold import how_shown
from unet_paper.report.table_1 import run_document
from unet_paper.report.viewer.run_page import background_of, pixel_size_of, section_names, write_run_page
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.runs.results import read_history, read_run
from unet_paper.runs.scoring import require_scores_of_its_maps
from unet_paper.support.files import atomic_write


def write_report(folder: str | Path, figures: bool = False) -> str:
    """Write table1.md (of people's own data metrics.md), the pictures that a run's results allow, and index.html;
    `figures`: the paper's figures too. Returns the table's text.

    Raises BadInput when the folder holds no run, a training that has not finished, or another map than was scored.
    """
    run = RunFolder(Path(folder))
    if run.record.is_file():
        known = read_record(run.record)
        if known.protocol.sequences is not None:
            return write_cell_report(run, figures)
        if known.config.classes > 2:
            return write_class_report(run, figures)
    record, scores = read_run(run)
    require_scores_of_its_maps(run, {tta: values.probability_sha256 for tta, values in scores.items()})
    if record.dataset == "own":
        return write_own_report(run, record, scores, figures)
    primary = scores.get(record.config.primary)
    history = read_history(run.history) if run.history.is_file() else None
    if history:
        save_figure(history_figure({record.name: history}), run.path / "loss.png")
    curves = {tta: values for tta, values in scores.items() if values.is_complete}
    if curves:
        save_figure(thresholds_figure(curves), run.path / "thresholds.png")
    if run.weight_maps.is_file():
        save_figure(draw_weight_figure(read_stack(run.weight_maps).pixels[0]), run.path / "weight-map.png")
    if primary is not None and run.labels.is_file() and run.probability(record.config.primary).is_file():
        draw_scored_sections(run, record, primary)

    document = run_document(record, scores)
    text = document.to_markdown()
    with atomic_write(run.table) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if figures:
        write_figures(run, record, primary, pixel_size_of(record))
    write_run_page(run, record, scores, history, document)
    return text


def draw_scored_sections(run: RunFolder, record: RunRecord, scores: Scores) -> None:
    """The first section beside its truth, and where cells are split and merged, with and without the raw sections;
    all of the primary test-time augmentation.
    """
    primary = record.config.primary
    truth, probability = read_labels(run.labels).pixels, read_probabilities(run.probability(primary)).pixels
    threshold, _ = how_shown(run, record, scores)
    kinds = np.asarray(warping_errors(truth, probability, threshold))
    names = section_names(record, len(kinds))
    above = f"Probability ({primary}) above {threshold:.1f}"
    first = truth[0] > 0, probability[0], threshold, f"{literal(names[0])}: probability of cell ({primary})"
    between = background_of(record)
    draw_result(run.path / "result.png", *first, between=between)
    outline = np.where(probability.astype(np.float64) > threshold, 1.0, 0.6)
    draw_warping_errors(run.path / "splits-and-mergers.png", kinds, outline, above, names)
    if run.volume.is_file():
        volume = read_stack(run.volume).pixels
        draw_result(run.sections / "result.png", *first, volume[0], between)
        draw_warping_errors(run.sections / "splits-and-mergers.png", kinds, volume, above, names)
