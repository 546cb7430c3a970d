"""The page of a run, and of several side by side: what of their folders goes into it."""

import re
from pathlib import Path

from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_labels, read_probabilities, read_stack
from unet_paper.report.plots import history_figure, thresholds_figure
from unet_paper.report.viewer.layers import write_pictures
from unet_paper.report.viewer.page import viewed, write_page
from unet_paper.runs.folder import unique_names
from unet_paper.support.json_files import read_json, write_json
from unet_paper.weight_map import weight_maps

LARGEST_SHOWN = 4096  # px of a side; larger sections a browser does not show well
MOST_PIXELS = 40 * 512 * 512  # of all the sections shown, which are the first ones
LINKS = ("run.json", "scores.json", "history.csv", "table1.md")


def write_run_page(run, record, scores, curves, history, table):
    """Write a run's index.html and the pictures beside it, as far as its results allow.

    run : RunFolder; record : run.json's content; scores : {average: Scores}; curves : those of them that are
    complete; history : rows of history.csv, or None; table : the text of table1.md.
    """
    described, remark = write_section_pictures(run, record)
    figures = []
    if history:
        figures.append(("Loss and error in training", history_figure({record.name: history})))
    if curves:
        figures.append(("Errors by threshold", thresholds_figure(curves)))
    shown = [] if described is None else [_viewed(run, record, scores, described, run.path, record.name)]
    links = [(name, name) for name in LINKS if (run.path / name).is_file()]
    if remark:
        table += f"\n{remark}\n"
    title = f"{record.name}: {record.dataset}, {record.profile_title}"
    write_page(run.page, title, table, figures, shown, links, written_figures(run))


def written_figures(run):
    """The Markdown of the figures that `report --figures` wrote, as it stands in a page beside their folder."""
    text = run.figures / "README.md"
    if not text.is_file():
        return ""
    return re.sub(r"\]\((?=[\w-]+\.(png|svg))", f"]({run.figures.name}/", text.read_text(encoding="utf-8"))


def write_section_pictures(run, record):
    """The viewer's pictures of a run, in its folder `page`. Where the stacks are not there, as in a clone, those that
    were made before stay.

    Returns what the viewer must know of them (None where there is nothing to show), and a remark for the reader, or "".
    """
    if not run.volume.is_file():
        if described_pictures(run):
            return described_pictures(run), ""
        return None, "There is no viewer here: no sections were held out, and there was no test stack with a truth."
    if record.config.classes > 2:
        return None, "There is no viewer here: it shows two classes, and this run has more."
    volume = read_stack(run.volume).pixels
    count, height, width = volume.shape
    if max(height, width) > LARGEST_SHOWN:
        return None, f"There is no viewer here: it shows sections of up to {LARGEST_SHOWN:,} px a side."
    volume = volume[: max(1, MOST_PIXELS // (height * width))]
    truth = probability = weights = None
    if run.labels.is_file():
        truth = read_labels(run.labels).pixels[: len(volume)] > 0
        weights = weight_maps(truth, record.config.w_0, record.config.sigma, class_weights=record.class_weights)
    headline = run.probability(record.config.primary)
    if headline.is_file():
        probability = read_probabilities(headline).pixels[: len(volume)]
    described = write_pictures(run.pictures, volume, truth, probability, weights)
    write_json(run.pictures / "page.json", described)
    return described, f"The viewer shows the first {len(volume)} of {count} sections." if len(volume) < count else ""


def described_pictures(run):
    """What the viewer must know of the pictures that are there already, or None."""
    path = run.pictures / "page.json"
    return read_json(path) if path.is_file() else None


def _viewed(run, record, scores, described, page_folder, name):
    sections = section_names(record, described["sections"])
    headline = record.config.primary
    size = pixel_size_of(record)
    return viewed(described, name, run.path, page_folder, sections, scores.get(headline), size)


def section_names(record, count):
    """What the scored sections are called: their numbers in the stack that they are from, counted from 0."""
    first = record.protocol.scored_sections[0] if record.protocol.kind == "fold" else 0
    return [f"section {first + number}" for number in range(count)]


def pixel_size_of(record):
    """[x, y, z] in nm of the sections of a run, or None where it is not known."""
    return list(record.pixel_size) if record.pixel_size else list(EM) if record.dataset == "isbi" else None


def write_comparison_page(path, read, table):
    """One page of several runs: their table, their curves, and two of them at a time side by side.

    path : where the page goes; read : [(RunFolder, record, scores, history or None)]; table : Markdown. Runs whose
    pictures were never made are named below the table.
    """
    path = Path(path)
    names = unique_names([run.path for run, *_ in read])
    histories, headlines, shown, missing = {}, {}, [], []
    for name, (run, record, scores, history) in zip(names, read, strict=True):
        headline = record.config.primary
        if history:
            histories[name] = history
        if headline in scores and scores[headline].is_complete:
            headlines[name] = scores[headline]
        described = described_pictures(run)
        if described:
            shown.append(_viewed(run, record, scores, described, path.absolute().parent, name))
        else:
            missing.append(name)
    figures = []
    if histories:
        figures.append(("Loss and error in training", history_figure(histories)))
    if headlines:
        figures.append(("Errors by threshold, each run's headline", thresholds_figure(headlines)))
    if missing:
        table += f"\nNot in the viewer, as their folders hold no pictures for it: {', '.join(missing)}.\n"
    write_page(path, f"{len(read)} runs", table, figures, shown)
