"""The reports of runs on cells: of one run table2.md, figures and page; of several one table and one page."""

from collections.abc import Sequence
from pathlib import Path

from unet_paper.report.document import Document
from unet_paper.report.figures import write_figures
from unet_paper.report.panels import save_figure
from unet_paper.report.plots import history_figure
from unet_paper.report.table_2 import run_document, table_2_document
from unet_paper.report.viewer.page import Page
from unet_paper.report.viewer.run_page import (
    described_pictures,
    pixel_size_of,
    smoke_banner,
    viewed_run,
    write_run_page,
)
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.results import read_cell_run, read_history
from unet_paper.runs.scoring import require_scores_of_its_maps
from unet_paper.support.files import atomic_write
from unet_paper.support.words import counted


def write_cell_report(run: RunFolder, figures: bool = False) -> str:
    """Write table2.md, the loss's plot and index.html of a run on cells; `figures`: the paper's figures too. Returns
    the text of table2.md.

    Raises BadInput when the folder holds no such run, a training that has not finished, or another map than was scored.
    """
    record, scores = read_cell_run(run)
    require_scores_of_its_maps(
        run, {tta: values.probability_sha256 if values.segmentation else None for tta, values in scores.items()}
    )
    history = read_history(run.history) if run.history.is_file() else None
    if history:
        save_figure(history_figure({record.name: history}), run.path / "loss.png")
    document = run_document(record, scores)
    _write(run.cell_table, document)
    if figures:
        write_figures(run, record, None, pixel_size_of(record))
    write_run_page(run, record, {}, history, document)
    return document.to_markdown()


def write_table_2(folder: Path, runs: Sequence[RunFolder]) -> str:
    """Write table2.md and index.html of several runs on cells, in a folder above theirs. Returns the table's text."""
    cell_runs = [read_cell_run(run) for run in runs]
    document = table_2_document(cell_runs)
    _write(folder / "table2.md", document)
    histories, viewed = {}, []
    for run, (record, _) in zip(runs, cell_runs, strict=True):
        history = read_history(run.history) if run.history.is_file() else []
        if history:
            histories[record.name] = history
        pictures = described_pictures(run)
        if pictures is not None:
            viewed.append(viewed_run(run, record, None, pictures, folder, record.name))
    Page(
        title=f"Cells: {counted(len(runs), 'run')}",
        document=document,
        links=["table2.md", *(f"{run.path.name}/index.html" for run in runs if run.page.is_file())],
        banner=next((banner for record, _ in cell_runs if (banner := smoke_banner(record))), None),
        viewed=viewed,
        curves=[("Loss and error in training", history_figure(histories))] if histories else [],
    ).write(folder / "index.html")
    return document.to_markdown()


def _write(path: Path, document: Document) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(document.to_markdown(), encoding="utf-8")
