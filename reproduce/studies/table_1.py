"""results/isbi/table1.md: the paper's table 1 and the runs of ours that stand beside it, each with what it was."""

from pathlib import Path

from reproduce.studies.tables import mean_and_spread
from unet_paper.metrics.registry import METRICS, PIXEL_ERROR, TABLE_1_METRICS
from unet_paper.report.tables import TABLE_1, read_run
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

# What may stand beside the paper's rows: the title of a row, and the folders below results/isbi that it is the mean of.
ROWS = (
    ("full recipe", ("paper",)),
    ("full recipe, 5 folds", tuple(f"folds-paper/fold-{number}" for number in range(1, 6))),
    ("final model", ("final",)),
    ("full network, one fold", ("full-fold/fold-6",)),
    ("reduced network, 5 folds", tuple(f"folds/fold-{number}" for number in range(1, 6))),
    ("reduced network, one fold", ("quick",)),
)
# What the project set itself for the full recipe, as the mean over folds, and the rows that may say how far it came.
TARGETS = {"pixel_error": 0.055, "rand_error": 0.06, "warping_error": 0.0005}
JUDGED = ("full recipe, 5 folds", "full network, one fold")
COLUMNS = ("rank", "group", "scored on", "network", "steps", "hardware", "training time", "average")
ALL_CELL = "pixel error of a map that is all cell"
READING = (
    "- The paper averaged over 7 rotated versions: beside its row stands our `rot7`. `d4`, the mean of 8 flips and "
    "quarter turns, is our headline, fixed before any run.",
    "- Each error is taken at its own best threshold on the scored sections themselves, as the challenge did. Warping "
    "error: split and merger pixels by all pixels. Rand error: 1 - F of pairs of pixels in a common segment, pixels of "
    "the truth's membranes left out (sums of squares; the form that counts pairs is in each run's table and differs by "
    "less than 0.0001). Pixel error: 1 - F of cell pixels.",
    "- Pixel error goes with how much of the truth is membrane, which differs from fold to fold and is said "
    "to be more in the test stack (about 29 %; 22 % in the training stack). The last column has what a map would get "
    "that finds no membrane at all.",
    "- Our folds train on 24 or 25 sections, the paper on 30; the sections next to the scored ones, 50 nm away, are "
    "trained on, while the test sections are a stack of their own. The recipe was chosen on fold 1/6, whose sections "
    "are in fold 1/5 too; the mean of the other four is in [folds](folds/README.md).",
    "- `SCI`: with post-processing fitted to this dataset.",
)


def hours(seconds):
    """A time as people say it."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def scored_on(record):
    """The protocol in a few words. Runs refuse test labels that are not the official ones, whose id they verify."""
    protocol = record["protocol"]
    if protocol["kind"] == "test":
        return "test stack, official labels"
    return f"validation fold {protocol['fold']} of the training stack" if protocol["kind"] == "fold" else "nothing"


def rows(results):
    """The lines of our runs, as far as they are there and done."""
    lines = []
    for title, folders in ROWS:
        try:
            runs = [read_run(RunFolder(Path(results) / folder)) for folder in folders]
        except BadInput:
            continue
        record = runs[0][0]
        if record["dataset"] != "isbi":
            continue
        value = {name: entry["value"] for name, entry in record["configuration"].items()}
        where = scored_on(record) if len(runs) == 1 else f"each of {len(runs)} contiguous folds of the training stack"
        hardware = record["hardware"]
        device = hardware["device"] if hardware["device"] != "cpu" else f"{hardware['threads']} CPU cores"
        spent = hours(sum(of_run["times"]["training_seconds"] for of_run, _ in runs) / len(runs))
        width = f"{value['base_channels']} first-level channels" + (
            " (the paper's)" if value["base_channels"] == 64 else ""
        )
        fixed = ["", f"ours, {title}", where, width, f"{value['steps']:,}", device, spent]
        for average in value["tta"]:
            scores = [of_run.get(average) for _, of_run in runs]
            if all(scores):
                errors = [
                    mean_and_spread([of_run.value(metric) for of_run in scores], metric.digits)
                    for metric in TABLE_1_METRICS
                ]
                all_cell = mean_and_spread([1 - of_run.curve(PIXEL_ERROR)[0] for of_run in scores], 4)
                lines.append(_row([*fixed, average], errors, all_cell, bold=average == value["primary"]))
        if record["protocol"]["kind"] == "none":
            lines.append(_row([*fixed, "-"], ["-"] * len(TABLE_1_METRICS), "-"))
    return lines


def _row(cells, errors, all_cell, bold=False):
    errors = [f"**{error}**" if bold else error for error in errors]
    return f"| {' | '.join([*cells, *errors, all_cell])} |"


def targets(results):
    """A table of what was aimed at and what was reached, by the best protocol that was carried out."""
    for title in JUDGED:
        try:
            runs = [read_run(RunFolder(Path(results) / folder)) for folder in dict(ROWS)[title]]
        except BadInput:
            continue
        headline = runs[0][0]["configuration"]["primary"]["value"]
        lines = ["", f"| aimed at for the full recipe, {headline} | | ours, {title} | |", "|---" * 4 + "|"]
        for key, target in TARGETS.items():
            metric = METRICS[key]
            values = [scores[headline].value(metric) for _, scores in runs]
            reached = "reached" if sum(values) / len(values) <= target else "missed"
            reached += " on this fold" if len(runs) == 1 else ""
            shown = mean_and_spread(values, metric.digits)
            lines.append(f"| {metric.title} | {target} | {shown} | {reached} |")
        return lines
    return []


def table(results):
    """The whole text."""
    columns = (*COLUMNS, *(metric.title for metric in TABLE_1_METRICS), ALL_CELL)
    lines = [
        "# Table 1 of the paper, and ours",
        "",
        "Written by `python -m reproduce.studies` from the records of the runs. The paper's rows are the challenge "
        "server's, of the 30 test sections; a row of ours is of them only where it says so, and then only with the "
        "official test labels. Rows of folds are of the training stack, another stack with, it is said, thinner "
        "membranes in its truth: side by side with the paper's, not one against the other. Of several folds, one run "
        "each: mean ± standard deviation. Bold: the headline. Times on CPU cores are of a machine that others used "
        "too.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for rank, group, *errors in TABLE_1:
        described = ["test stack", "", "", "", "", ""]
        if group == "u-net":
            described = ["test stack", "64 first-level channels", "not stated", "NVIDIA Titan", "10 h", "rot7"]
        shown = [metric.formatted(error) for metric, error in zip(TABLE_1_METRICS, errors, strict=True)]
        lines.append(_row([rank, group, *described], shown, ""))
    return "\n".join([*lines, *rows(results), "", *READING, *targets(results)]) + "\n"


def write(results):
    """Write table1.md into the folder of the runs' folders. Returns its text."""
    text = table(results)
    with atomic_write(Path(results) / "table1.md") as temporary:
        temporary.write_text(text)
    return text
