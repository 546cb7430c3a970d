"""Several runs in one table, and on one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from unet_paper.metrics.registry import CELL_METRICS, TABLE_1_METRICS
from unet_paper.metrics.scores import Scores
from unet_paper.report.document import Document
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.table import Cell, Table
from unet_paper.report.viewer.page import Page
from unet_paper.report.viewer.run_page import SMOKE, described_pictures, smoke_banner, viewed_run
from unet_paper.runs.cell_scoring import CellScores
from unet_paper.runs.folder import RunFolder, unique_names
from unet_paper.runs.own_scoring import cells_of_run, fitting_metrics, is_tessellation
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.runs.results import read_history, read_run
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.words import counted

NamedRun = tuple[str, RunRecord, Mapping[str, Scores]]


def require_comparable(folders: Sequence[str | Path]) -> None:
    """Raise BadInput for runs on sequences of cells and on more than two classes, which have other metrics, and for
    folders without a run.
    """
    for folder in folders:
        record = read_record(RunFolder(Path(folder)).record)
        if record.config.classes > 2:
            raise BadInput(
                f"{folder} is a run on {record.config.classes} classes, which --compare does not take; leave it out, "
                "and see its metrics.md"
            )
        if record.protocol.sequences is not None:
            raise BadInput(
                f"{folder} is a run on sequences of cells, which --compare does not take; leave it out: `report` alone "
                "writes its table 2, and reproduce/cells.sh that of several runs together"
            )


def comparison(folders: Sequence[str | Path]) -> Table:
    """The table of several runs, which are called by their folders."""
    return _table(_read(folders))


def _read(folders: Sequence[str | Path]) -> list[tuple[RunFolder, NamedRun]]:
    runs = [RunFolder(Path(folder)) for folder in folders]
    return [(run, (name, *read_run(run))) for name, run in zip(unique_names(folders), runs, strict=True)]


def _table(runs: Sequence[tuple[RunFolder, NamedRun]]) -> Table:
    cells = {name: cells_of_run(run, record) for run, (name, record, _) in runs if record.dataset == "own"}
    return comparison_table([named for _, named in runs], cells)


def comparison_table(runs: Sequence[NamedRun], cells: Mapping[str, Mapping[str, CellScores]] | None = None) -> Table:
    """One row for each test-time augmentation of each run: what was run, and the metrics that fit its data. A run
    without metrics has a row that says so.

    cells : the scores of cells by name of run and test-time augmentation.
    """
    fitting = {name: fitting_metrics(record) for name, record, _ in runs}
    shown = [metric for metric in TABLE_1_METRICS if any(metric in metrics for metrics in fitting.values())]
    of_cells = CELL_METRICS if any((cells or {}).values()) else ()
    rows: list[Sequence[Cell]] = []
    for name, record, scores in runs:
        for tta, values in scores.items():
            cell_scores = (cells or {}).get(name, {}).get(tta)
            counted = (getattr(cell_scores.scores, metric.key) if cell_scores else None for metric in of_cells)
            errors = (values.value(metric) if metric in fitting[name] else None for metric in shown)
            scored_on = f"{record.dataset}, {record.protocol}"
            rows.append((name, record.profile_title, scored_on, tta, *counted, *errors))
        if not scores:
            nothing = (None,) * (len(of_cells) + len(shown))
            rows.append((name, record.profile_title, f"{record.dataset}, no metrics", None, *nothing))
    return Table(("run", "profile", "scored on", "TTA", *of_cells, *shown), rows)


def write_comparison(path: str | Path, folders: Sequence[str | Path]) -> None:
    """Write what compares several runs: a Markdown table, or a page where the name of `path` ends in .html."""
    path = Path(path)
    if path.suffix == ".html":
        comparison_page(folders, path.absolute().parent).write(path)
    else:
        with atomic_write(path) as temporary:
            temporary.write_text(comparison(folders).to_markdown() + "\n", encoding="utf-8")


def comparison_page(folders: Sequence[str | Path], page_folder: Path) -> Page:
    """The page of several runs: their table, their curves, and two of them at a time side by side. Runs whose pictures
    were never made are named in a note.
    """
    runs = _read(folders)
    histories, primary, viewed, missing, short = {}, {}, [], [], []
    for run, (name, record, scores) in runs:
        history = read_history(run.history) if run.history.is_file() else []
        if history:
            histories[name] = history
        of_primary = scores.get(record.config.primary)
        if of_primary is not None and of_primary.is_complete and is_tessellation(record):
            primary[name] = of_primary
        pictures = described_pictures(run)
        if pictures is None:
            missing.append(name)
        else:
            viewed.append(viewed_run(run, record, primary.get(name), pictures, page_folder, name))
        if smoke_banner(record):
            short.append(name)
    curves = []
    if histories:
        curves.append(("Loss and error in training", history_figure(histories)))
    if primary:
        curves.append(("Errors by threshold, each run's primary test-time augmentation", thresholds_figure(primary)))
    return Page(
        title=counted(len(folders), "run"),
        document=Document("Metrics", (_table(runs),)),
        note=f"Not in the viewer, as their folders hold no pictures for it: {', '.join(missing)}." if missing else "",
        curves=curves,
        viewed=viewed,
        banner=f"{', '.join(short)}: {SMOKE[0].lower()}{SMOKE[1:]}" if short else None,
    )
