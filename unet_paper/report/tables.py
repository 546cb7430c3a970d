"""The report of a run: its scores beside the paper's table 1, and its pictures."""

import csv
from pathlib import Path

import numpy as np

from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.metrics import warping_errors
from unet_paper.metrics.registry import (
    PIXEL_ERROR,
    RAND_ERROR_PAIRS,
    TABLE_1_METRICS,
    V_INFO,
    V_RAND,
    WARPING_ERROR,
)
from unet_paper.report.figures import write_figures
from unet_paper.report.pictures import draw_result, draw_warping_errors, draw_weight_map, save_figure
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.viewer.run_page import pixel_size_of, section_names, write_comparison_page, write_run_page
from unet_paper.runs.folder import RunFolder, unique_names
from unet_paper.runs.record import read_record, read_scores
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

# Table 1 of the paper (6 March 2015): rank, group, warping error, Rand error, pixel error.
TABLE_1 = (
    ("", "human values", 0.000005, 0.0021, 0.0010),
    ("1", "u-net", 0.000353, 0.0382, 0.0611),
    ("2", "DIVE-SCI", 0.000355, 0.0305, 0.0584),
    ("3", "IDSIA", 0.000420, 0.0504, 0.0613),
    ("4", "DIVE", 0.000430, 0.0545, 0.0582),
    ("10", "IDSIA-SCI", 0.000653, 0.0189, 0.1027),
)
FURTHER_METRICS = (RAND_ERROR_PAIRS, V_RAND, V_INFO)
AVERAGE_NAMES = {"none": "one pass", "rot7": "mean of 7 rotations", "d4": "mean of 8 flips and quarter turns"}


def write_report(folder, figures=False):
    """Write table1.md, the pictures that a run's results allow, and index.html; `figures`: the paper's figures too.
    Returns the table's text.

    Raises BadInput when the folder holds no run, or a training that has not finished.
    """
    run = RunFolder(Path(folder))
    record, scores = read_run(run)
    headline = record.config.primary
    history = read_history(run.history) if run.history.is_file() else None
    if history:
        save_figure(history_figure({record.name: history}), run.path / "loss.png")
    curves = {average: values for average, values in scores.items() if values.is_complete}
    if curves:
        save_figure(thresholds_figure(curves), run.path / "thresholds.png")
    if run.weight_maps.is_file():
        draw_weight_map(run.path / "weight-map.png", read_stack(run.weight_maps).pixels[0])
    if headline in scores and run.labels.is_file() and run.probability(headline).is_file():
        draw_scored_sections(run, record, scores[headline])

    table = table_1(record, scores)
    with atomic_write(run.table) as temporary:
        temporary.write_text(table)
    if figures:
        write_figures(run, record, scores.get(headline), pixel_size_of(record))
    write_run_page(run, record, scores, curves, history, table)
    return table


def write_comparison(path, folders):
    """Write what compares several runs: a Markdown table, or a page where the name of `path` ends in .html."""
    table = comparison(folders)
    if Path(path).suffix == ".html":
        runs = [RunFolder(Path(folder)) for folder in folders]
        histories = [read_history(run.history) if run.history.is_file() else None for run in runs]
        read = [(run, *read_run(run), history) for run, history in zip(runs, histories, strict=True)]
        write_comparison_page(path, read, table)
    else:
        with atomic_write(path) as temporary:
            temporary.write_text(table)


def draw_scored_sections(run, record, scores):
    """The headline's first section beside its truth, and where it splits and merges cells; with and without the raw
    sections.
    """
    headline = record.config.primary
    truth, probability = read_labels(run.labels).pixels, read_probabilities(run.probability(headline)).pixels
    best = scores.best_threshold
    kinds = warping_errors(truth, probability, best[WARPING_ERROR.key])
    names = section_names(record, len(kinds))
    above = f"Probability ({headline}) above {best[WARPING_ERROR.key]:.1f}"
    first = truth[0] > 0, probability[0], best[PIXEL_ERROR.key], f"{names[0]}: probability of cell ({headline})"
    draw_result(run.path / "result.png", *first)
    outline = np.where(probability > best[WARPING_ERROR.key], 1.0, 0.6)
    draw_warping_errors(run.path / "splits-and-mergers.png", kinds, outline, above, names)
    if run.volume.is_file():
        volume = read_stack(run.volume).pixels
        draw_result(run.sections / "result.png", *first, volume[0])
        draw_warping_errors(run.sections / "splits-and-mergers.png", kinds, volume, above, names)


def read_run(run):
    """The record of a finished run and its {tta: Scores}. Raises BadInput otherwise."""
    record = read_record(run.record)
    if record.status == "diverged":
        raise BadInput(f"the training in {run.path} diverged; train in another folder with other settings")
    if record.status != "finished":
        raise BadInput(f"the training in {run.path} has not finished; finish it with: train --resume")
    files = {tta: run.scores(tta, record.config.primary) for tta in record.config.tta}
    return record, {average: read_scores(file) for average, file in files.items() if file.is_file()}


def comparison(folders):
    """One Markdown table of several runs, a row for each averaging of each: what was run, and its errors.

    Runs are called by their folders; one without scores has a row that says so.
    """
    titles = " | ".join(metric.title for metric in TABLE_1_METRICS)
    lines = [f"| run | profile | scored on | average | {titles} |", "|---" * (4 + len(TABLE_1_METRICS)) + "|"]
    for name, folder in zip(unique_names(folders), folders, strict=True):
        record, scores = read_run(RunFolder(Path(folder)))
        for average, values in scores.items():
            errors = (values.value(metric) for metric in TABLE_1_METRICS)
            scored = f"{record.dataset}, {record.protocol}"
            lines.append(_row(name, record.profile_title, scored, average, *errors))
        if not scores:
            lines.append(f"| {name} | {record.profile_title} | {record.dataset}, no scores | - | - | - | - |")
    return "\n".join(lines) + "\n"


def table_1(record, scores):
    """The paper's table 1 with a run's rows below, as Markdown.

    record : the content of run.json; scores : {average: Scores}.
    """
    lines = [
        f"# Table 1 of the paper, and the run `{record.name}`",
        "",
        what_was_scored(record, bool(scores)),
        "",
        f"| rank | group | {' | '.join(metric.title for metric in TABLE_1_METRICS)} |",
        "|---" * (2 + len(TABLE_1_METRICS)) + "|",
        *(_row(rank, group, *errors) for rank, group, *errors in TABLE_1),
    ]
    headline = record.config.primary
    for average, values in scores.items():
        which = f"{record.dataset}, {record.profile_title}, {record.protocol}"
        name = f"this run ({which}), {AVERAGE_NAMES[average]}"
        errors = (values.value(metric) for metric in TABLE_1_METRICS)
        lines.append(_row("", f"**{name}**" if average == headline else name, *errors))
    further = [_further_scores(average, values) for average, values in scores.items() if values.is_complete]
    if further:
        lines += [
            "",
            "Further scores of the run, and the pixels that make up the warping error (the pairs form is that of the "
            "challenge's first server; V_rand and V_info, after thinning, are its scores of 2016, best 1):",
            "",
            f"| average | {' | '.join(metric.title for metric in FURTHER_METRICS)} | split pixels | merger pixels |",
            "|---" * (3 + len(FURTHER_METRICS)) + "|",
            *further,
        ]
    if not scores:
        if record.config.classes > 2:
            why = "the challenge's metrics are of two classes"
        elif record.protocol.kind == "none":
            why = "nothing with a truth was held out or given as a test stack"
        else:
            why = f"predict evaluation-volume.tif as probability-{headline}.tif, score that into scores.json, report"
        lines += ["", f"This run has no scores: {why}."]
    lines += [
        "",
        "The paper's rows are the challenge server's, on the 30 test sections. Each error is taken at its own best "
        "threshold, as the challenge did.",
        "",
    ]
    if headline in scores:
        lines[-2] += (
            f" The run's bold row ({headline}) is its result, fixed before any run; the others show what averaging "
            "does."
        )
    return "\n".join(lines)


def what_was_scored(record, has_scores=True):
    """One paragraph: which data, which profile, which protocol."""
    doing = "scored on" if has_scores else "not yet scored on"
    protocol = record.protocol
    training_sections, scored = len(protocol.training_sections), len(protocol.scored_sections)
    dataset = {
        "isbi": "the ISBI 2012 stack (contents verified)",
        "phantom": "**the built-in phantom: NOT the ISBI stack, not comparable with the paper's rows**",
    }.get(record.dataset, "a stack of the user's own: not comparable with the paper's rows")
    if protocol.kind == "fold":
        what = (
            f"Trained on {training_sections} sections, {doing} the {scored} held out as fold {protocol.fold} "
            f"(sections {protocol.scored_sections[0]} to {protocol.scored_sections[-1]}, counted from 0): "
            "**a validation fold of the training stack, not the paper's test**."
        )
    elif protocol.kind == "test":
        how = "as the challenge did" if record.dataset == "isbi" else "with the challenge's metrics"
        what = f"Trained on all {training_sections} training sections, scored on the {scored} test sections, {how}."
    else:
        what = f"Trained on all {training_sections} sections; nothing was scored."
    if protocol.left_out:
        what += f" Sections {', '.join(map(str, protocol.left_out))} were left out of the training."
    return f"Data: {dataset}. Profile: `{record.profile_title}` ({_profile_note(record)}). {what}"


def _profile_note(record):
    note = f"{record.config.base_channels} first-level channels, {record.config.steps:,} steps"
    if record.config.base_channels != 64:
        note += "; a reduced network, the paper's has 64"
    return note


def _further_scores(average, values):
    counts = values.warping_counts_at_best
    further = " | ".join(metric.formatted(values.value(metric)) for metric in FURTHER_METRICS)
    return f"| {average} | {further} | {counts.split} | {counts.merge} |"


def _row(*cells):
    """A row that ends in the values of table 1's metrics."""
    names, values = cells[: -len(TABLE_1_METRICS)], cells[-len(TABLE_1_METRICS) :]
    shown = [metric.formatted(value) for metric, value in zip(TABLE_1_METRICS, values, strict=True)]
    return f"| {' | '.join([*names, *shown])} |"


def read_history(path):
    """The rows of history.csv as numbers; NaN where a row lacks one, as the first runs' lack the tiles' error."""
    with open(path, newline="") as file:
        return [
            {name: int(value) if name == "step" else float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
