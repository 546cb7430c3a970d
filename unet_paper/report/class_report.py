"""The report of a run on more than two classes: metrics.md, pictures and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from unet_paper.io.stack import read_labels, read_stack
from unet_paper.metrics.class_scores import ClassScores
from unet_paper.metrics.registry import ACCURACY, DICE, IOU, MEAN_IOU, Metric
from unet_paper.report.colours import COMPONENTS, NOT_SCORED, SPLIT, hexadecimal, in_colours
from unet_paper.report.document import Block, Document
from unet_paper.report.figures import write_figures
from unet_paper.report.figures.section_figures import draw_weight_figure
from unet_paper.report.panels import literal, row_of_panels, save_figure, show_gray
from unet_paper.report.plots import history_figure
from unet_paper.report.shown_sections import first_unknown, read_first
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_1 import SMOKE_NOTE, what_was_scored, why_unscored
from unet_paper.report.viewer.run_page import pixel_size_of, section_names, write_run_page
from unet_paper.runs.class_scoring import read_class_run
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.runs.results import read_history
from unet_paper.support.files import atomic_write
from unet_paper.support.words import counted

READING = (
    "Pixels of all scored sections count together, each with its most probable class. A class that neither truth nor "
    "result hold has no value, and is in no mean."
)
PERCENT = Metric("percent", "%", "%", 1, "higher", "")  # a column of shares
FEW = 8  # classes whose IoU stand in one row
MOST_COLUMNS = 16  # classes of which the table of what is taken for what can still be read


def write_class_report(run: RunFolder, figures: bool = False) -> str:
    """Write metrics.md, the pictures that the results allow, and index.html; `figures`: the paper's figures too.
    Returns the text of metrics.md. Raises what `read_class_run` raises.
    """
    class_run = read_class_run(run)
    record, scores, primary = class_run.record, class_run.scores, class_run.record.config.primary
    history = read_history(run.history) if run.history.is_file() else None
    if history:
        save_figure(history_figure({record.name: history}), run.path / "loss.png")
    if run.weight_maps.exists():
        save_figure(draw_weight_figure(read_first(run.weight_maps, read_stack)), run.path / "weight-map.png")
    shown = []
    if primary in class_run.found:
        truth, found = read_first(run.labels, read_labels), class_run.found[primary][0]
        name, unknown = section_names(record, 1)[0], first_unknown(run)
        kind = truth, found, record.config.classes, literal(name), unknown
        save_figure(class_figure(*kind), run.path / "result.png")
        if run.volume.exists():
            beside = class_figure(*kind, read_first(run.volume, read_stack))
            save_figure(beside, run.sections / "result.png")
            shown.append((f"Truth and result ({name}, {primary})", beside))
    document = class_document(record, scores)
    with atomic_write(run.own_table) as temporary:
        temporary.write_text(document.to_markdown(), encoding="utf-8")
    if figures:
        write_figures(run, record, None, pixel_size_of(record))
    write_run_page(run, record, {}, history, document, shown)
    return document.to_markdown()


def class_document(record: RunRecord, scores: Mapping[str, ClassScores]) -> Document:
    """What metrics.md holds: which data, the metrics, and how to read them. scores : by test-time augmentation."""
    blocks: list[Block] = [SMOKE_NOTE] if record.config.profile == "smoke" else []
    blocks.append(what_was_scored(record, bool(scores)))
    if not scores:
        blocks.append(f"This run has no metrics: {why_unscored(record)}.")
        return Document(f"The run `{record.name}`", tuple(blocks))
    primary = record.config.primary
    shown = primary if primary in scores else next(iter(scores))
    ignored = scores[shown].ignored_pixels
    of_unknown = f" {counted(ignored, 'pixel')} of unknown truth {'counts' if ignored == 1 else 'count'} in nothing."
    blocks += [by_tta(scores, primary), READING + (of_unknown if ignored else "")]
    blocks += [f"Each class ({shown}):", each_class(scores[shown])]
    if len(scores[shown].confusion) <= MOST_COLUMNS:
        blocks += [
            "Of the pixels of each class, in %, which class they are given:",
            confusion_table(scores[shown]),
        ]
    return Document(f"The run `{record.name}`", tuple(blocks))


def by_tta(scores: Mapping[str, ClassScores], primary: str) -> Table:
    """A row for each test-time augmentation, with the IoU of each class where these are few; the primary one's is
    emphasised.
    """
    few = min(len(each.confusion) for each in scores.values()) <= FEW
    rows: list[Sequence[Cell]] = [
        (tta, each.accuracy, each.mean_iou, *(each.iou if few else ())) for tta, each in scores.items()
    ]
    of_each = [replace(IOU, title=f"IoU of {number}") for number in range(len(rows[0]) - 3)]
    emphasised = [number for number, tta in enumerate(scores) if tta == primary]
    return Table(("TTA", ACCURACY, MEAN_IOU, *of_each), rows, emphasised_rows=emphasised)


def each_class(scores: ClassScores) -> Table:
    """A row for each class: how much of the truth it is, IoU and Dice."""
    of_truth = np.array(scores.confusion).sum(axis=1)
    rows: list[Sequence[Cell]] = [
        (str(number), 100 * share, iou, dice)
        for number, (share, iou, dice) in enumerate(
            zip(of_truth / of_truth.sum(), scores.iou, scores.dice, strict=True)
        )
    ]
    return Table(("class", replace(PERCENT, title="% of the truth"), IOU, DICE), rows)


def confusion_table(scores: ClassScores) -> Table:
    """The confusion matrix, in percent of each class's pixels; the right ones are bold."""
    rows: list[Sequence[Cell]] = []
    for number, row in enumerate(scores.confusion):
        of_class = sum(row)
        rows.append((f"class {number}", *(100 * pixels / of_class if of_class else None for pixels in row)))
    columns = [replace(PERCENT, title=f"taken for {number}") for number in range(len(rows))]
    right = [(number, number + 1) for number in range(len(rows))]
    return Table(("truth", *columns), rows, emphasised_cells=right)


def class_colours(classes: np.ndarray) -> np.ndarray:
    """(H, W) class numbers -> (H, W, 3) uint8: 0 is black, the others have a colour each, which begin anew after the
    last.
    """
    return in_colours(np.where(classes > 0, (classes.astype(np.intp) - 1) % len(COMPONENTS) + 1, 0))


def class_figure(
    truth: np.ndarray,
    found: np.ndarray,
    classes: int,
    name: str,
    unknown: np.ndarray | None = None,
    image: np.ndarray | None = None,
) -> Figure:
    """One section's classes, true and found, and where they differ; the image beside them where it is given.

    truth, found : (H, W) class numbers; name : of the section; unknown : (H, W) bool, where nothing is scored, or None.
    """
    not_scored = "" if unknown is None else ", not scored gray"
    titles: tuple[str, ...] = ("truth", f"result, {name}", f"wrong pixels red{not_scored}")
    if image is not None:
        titles = ("image", *titles)
    figure, axes = row_of_panels(titles, truth.shape, 5.0 * len(titles))
    if image is not None:
        show_gray(axes[0], image)
    wrong = np.where((truth != found)[..., None], np.array(SPLIT, np.uint8), np.uint8(255))
    for axis, picture in zip(axes[-3:], (class_colours(truth), class_colours(found), wrong), strict=True):
        if unknown is not None:
            picture[unknown] = NOT_SCORED
        axis.imshow(picture, interpolation="nearest")
    highest = max(classes - 1, int(truth.max()), int(found.max()))
    patches = []
    for first, colour in enumerate([(0, 0, 0), *COMPONENTS[:highest]]):
        alike = range(first, highest + 1, len(COMPONENTS)) if first else [0]
        named = f"class{'es' * (len(alike) > 1)} {', '.join(map(str, alike))}"
        patches.append(Patch(facecolor=hexadecimal(colour), edgecolor="gray", label=named))
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 5), frameon=False)
    return figure
