"""Several runs in one table, and on one page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.metrics.scores import Scores
from unet_paper.report.document import Document
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.table import Cell, Table
from unet_paper.report.viewer.page import Page
from unet_paper.report.viewer.run_page import described_pictures, smoke_banner, viewed_run
from unet_paper.runs.folder import RunFolder, unique_names
from unet_paper.runs.record import RunRecord
from unet_paper.runs.results import read_history, read_run
from unet_paper.support.files import atomic_write

NamedRun = tuple[str, RunRecord, Mapping[str, Scores]]


def comparison(folders: Sequence[str | Path]) -> Table:
    """The table of several runs, which are called by their folders."""
    names = unique_names(folders)
    return comparison_table(
        (name, *read_run(RunFolder(Path(folder)))) for name, folder in zip(names, folders, strict=True)
    )


def comparison_table(runs: Iterable[NamedRun]) -> Table:
    """One row for each test-time augmentation of each run: what was run, and its errors. A run without metrics has a
    row that says so.
    """
    rows: list[Sequence[Cell]] = []
    for name, record, scores in runs:
        for tta, values in scores.items():
            errors = (values.value(metric) for metric in TABLE_1_METRICS)
            rows.append((name, record.profile_title, f"{record.dataset}, {record.protocol}", tta, *errors))
        if not scores:
            nothing = (None,) * len(TABLE_1_METRICS)
            rows.append((name, record.profile_title, f"{record.dataset}, no metrics", None, *nothing))
    return Table(("run", "profile", "scored on", "TTA", *TABLE_1_METRICS), rows)


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
    histories, primary, viewed, missing, banners = {}, {}, [], [], []
    for name, folder in zip(unique_names(folders), folders, strict=True):
        run = RunFolder(Path(folder))
        record, scores = read_run(run)
        if run.history.is_file():
            histories[name] = read_history(run.history)
        of_primary = scores.get(record.config.primary)
        if of_primary is not None and of_primary.is_complete:
            primary[name] = of_primary
        pictures = described_pictures(run)
        if pictures is None:
            missing.append(name)
        else:
            viewed.append(viewed_run(run, record, of_primary, pictures, page_folder, name))
        banners.append(smoke_banner(record))
    curves = []
    if histories:
        curves.append(("Loss and error in training", history_figure(histories)))
    if primary:
        curves.append(("Errors by threshold, each run's primary test-time augmentation", thresholds_figure(primary)))
    return Page(
        title=f"{len(folders)} runs",
        document=Document("Metrics", (comparison(folders),)),
        note=f"Not in the viewer, as their folders hold no pictures for it: {', '.join(missing)}." if missing else "",
        curves=curves,
        viewed=viewed,
        banner=next((banner for banner in banners if banner), None),
    )
