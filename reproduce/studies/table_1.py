"""results/isbi/table1.md: the paper's table 1 and the runs of ours that stand beside it, each with what it was; and
headline.md, the few rows of it that a reader wants first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reproduce.studies import archive
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import folder_of
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.metrics.common import THRESHOLDS
from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, TABLE_1_METRICS, V_INFO, V_RAND
from unet_paper.report.table import Table
from unet_paper.report.table_1 import TABLE_1
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json

TEST_SCORES = "test-scores{}.json"  # beside a network trained on all sections: its metrics on the official ones
TEST_PROBABILITY = "test-probability.tif"  # the same: its probabilities of the test sections, 8 bits
UNSCORED = f"official test sections, not scored yet (`{TEST_PROBABILITY}`)"
RECOVERED = "official test sections, labels recovered (97.4 % exact)"
RECOVERED_NOTE = (
    "The official archive could not be downloaded where these runs were made, so its test labels are not at hand. "
    "Others measured the full network with SGD as first tried for us, by this project's own `predict` and `score`, on "
    "the true labels as they recovered them from a public rendering of the official file: as they report, exact in "
    "97.4 % of the pixels; a caption hid rows 24 to 65, columns 10 to 316 of every section, which were filled (97 % "
    "right where that could be checked). Which rendering, and which pixels are not exact, is not recorded here. "
    "Nothing was chosen by these labels. Only the best values are known, and their thresholds: 0.2 of warping and Rand "
    "error, 0.3 of pixel error.",
    "",
    "Its weights are in this repository's history (in a whole clone, `git show "
    "6a73fc6^:results/isbi/final/weights.safetensors > final.safetensors`) and can be trained anew by a command "
    "([reproduce](../../reproduce/README.md#studies)). Whoever has the official `test-labels.tif` gets such rows by "
    "`predict --weights FILE test-volume.tif p.tif --tta rot7` (or `d4`) and `score test-labels.tif p.tif`; of a "
    f"network that is not scored yet, by `score test-labels.tif FOLDER/{TEST_PROBABILITY}`: its map (d4, in 8 bits; "
    "where labels were registered, with `--registered`) lies in its folder.",
    "",
)
PIXELS = {"all_pixels": "all", "exact_rows": "rows 66 to 511, where nothing was filled"}  # as test scores tell them
V_SCORES = (V_RAND, V_INFO)  # which the challenge took later; best 1
ALL_CELL = "pixel error of a map that is all cell"
COLUMNS = ("rank", "group", "scored on", "network", "tiles", "hardware", "training time", "TTA")
HEADLINE_COLUMNS = ("network and recipe", "tiles", "hardware and time", "scored on")
READING = (
    "- The paper averaged over 7 rotated versions, whose angles it does not name: `rot7` is our reading of it. `d4`, "
    "the mean of 8 flips and quarter turns, is our primary test-time augmentation (TTA), fixed before any run.",
    "- Each error is taken at its own best threshold on the scored sections themselves, as the challenge did. Warping "
    "error: split and merger pixels by all pixels. Rand error: 1 - F of pairs of pixels in a common segment, pixels of "
    "the truth's membranes left out (sums of squares; the form that counts pairs differs by less than 0.0001). Pixel "
    "error: 1 - F of cell pixels. Thresholds are 0, 0.1, ... 0.9 and, for all but the warping error, one just below 1. "
    "Of V_rand and V_info, the challenge's later scores, 1 is best.",
    "- Pixel error goes with how much of the truth is membrane, which differs from fold to fold and is more in the "
    "test stack (about 29 %, as the same people report; 22 % in the training stack). The last column has what a map "
    "would get that finds no membrane.",
    "- Our folds train on 24 or 25 sections, the paper on 30; the sections next to the scored ones, 50 nm away, are "
    "trained on, while the test sections are a stack of their own. SGD's rate, warmup and clipping were chosen on fold "
    "1/6, whose sections are in fold 1/5 too; the quarter network's initial weights, decay and rate with Adam on fold "
    "6/6, whose sections are in fold 5/5, and SGD has taken over this decay; the mean of folds 2 to 4 is in the tables "
    "of the folds. SGD's rise of the momentum was chosen by dead ReLUs and loss on all sections but those of fold 1/6.",
    "- `As first tried`: with initial weights of the up-convolutions of N = C_in and a cosine decay, SGD with momentum "
    "0.99 from the first step, Adam with rate 0.001. The full network with Adam has these initial weights too, but "
    "where labels are registered. `Labels registered`: with registration_x=0.15 and registration_y=0.6, as the labels "
    "lie beside what they show ([registration](registration/README.md)).",
    "- `SCI`: with post-processing fitted to this dataset.",
)


@dataclass(frozen=True)
class Entry:
    """What may stand beside the paper's rows: a title, and the runs that it is the mean of."""

    title: str
    study: str  # folder below results/isbi: of a study, or of a run itself
    prefix: str = ""  # of the names of the study's runs that count
    suffix: str = ""  # the same
    short: str = ""  # its title in headline.md, where the columns say the rest; without it its folds are not there

    def runs(self, results: Path) -> list[StudyRun]:
        """Those that are there and of the ISBI stack; none of a run that has not finished. Raises BadInput where what a
        run left or a study kept is damaged.
        """
        folder = RunFolder(results / self.study)
        if not folder.record.is_file():
            runs = archive.read(folder.path)
        elif read_record(folder.record).status == "finished":
            runs = [archive.from_folder(folder.path)]
        else:
            runs = []
        named = (run for run in runs if run.name.startswith(self.prefix) and run.name.endswith(self.suffix))
        return [run for run in named if run.record.dataset == "isbi"]


LONGER = folder_of("folds", "quick", "adam", 5000)  # twice the tiles of `quick`
LONGEST = folder_of("registered-folds", "quick", "adam", 10_000)
ENTRIES = (
    Entry("full recipe", "paper", short="full network, SGD"),
    Entry("full recipe, 5 folds", "folds-paper", "fold-", short="full network, SGD"),
    Entry("full network, SGD as first tried", "final", short="full network, SGD as first tried"),
    Entry("full network, Adam, labels registered", "registered-full-2500"),
    Entry("full network, Adam, all sections", "full-adam-2500"),
    Entry("released quarter network, Adam, labels registered", "registered-quarter"),
    Entry("quarter network, Adam, all sections", "quarter-adam"),
    Entry("quarter network, SGD, all sections", "quarter-sgd"),
    Entry(
        "full network, Adam, labels registered, 5 folds",
        *("registered-folds-paper-adam", "registered-fold-"),
        short="full network, Adam, labels registered",
    ),
    Entry("full network, Adam, one fold", "budgets", "64-channels-Adam-seed-0-2500"),
    Entry(
        "quarter network, Adam, labels registered, 10,000 tiles, 5 folds",
        *(LONGEST, "registered-fold-"),
        short="quarter network, Adam, labels registered",
    ),
    Entry("quarter network, Adam, labels registered, 5,000 tiles, 5 folds", f"registered-{LONGER}", "registered-fold-"),
    Entry("quarter network, Adam, 5,000 tiles, 5 folds", LONGER, "fold-"),
    Entry("quarter network, Adam, 5,000 tiles, one fold", "budgets", "16-channels-Adam-seed-", "-5000"),
    Entry("full network, SGD as first tried, one fold", "final-fold"),
    Entry("quarter network, Adam, 5 folds", "folds-adam", "fold-", short="quarter network, Adam"),
    Entry("quarter network, Adam, labels registered, 5 folds", "registered-folds-adam", "registered-fold-"),
    Entry("quarter network, Adam, one fold, its own seeds", "ablations-adam", "as-the-paper-seed-"),
    Entry("quarter network, Adam, one fold, other seeds", "seeds-adam", "seed-"),
    Entry("quarter network, SGD, 5 folds", "folds", "fold-", short="quarter network, SGD"),
    Entry("quarter network, SGD, one fold", "ablations", "as-the-paper-seed-"),
)


Found = dict[Entry, list[StudyRun]]  # in the order of ENTRIES


def duration(seconds: float) -> str:
    """A time as people say it."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def scored_on(runs: Sequence[StudyRun]) -> str:
    """The protocol in a few words. Runs refuse test labels that are not the official ones, whose hash they verify."""
    protocol = runs[0].record.protocol
    if len(runs) > 1 and len({run.record.protocol.fold for run in runs}) > 1:
        return f"{len(runs)} folds of the training stack"
    if protocol.kind == "test":
        return "test stack, official labels"
    seeds = f", {len(runs)} seeds" if len(runs) > 1 else ""
    return f"fold {protocol.fold} of the training stack{seeds}" if protocol.kind == "fold" else "nothing"


def hardware(*records: RunRecord) -> str:
    """What runs were trained on; that the first had no bfloat16, which makes a processor slower, is said too."""
    first = records[0].first
    if first.hardware.device != "cpu":
        return first.hardware.device
    slower = " in float32" if first.precision == "float32" else ""
    threads = sorted({session.hardware.threads for record in records for session in record.sessions})
    return f"{' or '.join(map(str, threads))} CPU core{'s' if threads != [1] else ''}{slower}"


def trained_on(runs: Sequence[StudyRun]) -> str:
    """The hardware of all."""
    return hardware(*(run.record for run in runs))


def training_time(runs: Sequence[StudyRun]) -> str:
    """The mean over the runs."""
    return duration(sum(run.record.times.training_seconds or 0 for run in runs) / len(runs))


def network(record: RunRecord) -> str:
    """The network in a few words."""
    channels = record.config.base_channels
    return f"{channels} base channels" + (" (the paper's)" if channels == 64 else "")


def test_scores(folder: Path, tta: str, primary: str, pixels: str = "all_pixels") -> dict[str, Any] | None:
    """The metrics on the official test sections of a network trained on all sections, or None. pixels : of PIXELS"""
    path = folder / TEST_SCORES.format("" if tta == primary else f"-{tta}")
    return read_json(path)[pixels] if path.is_file() else None


def errors_at(runs: Sequence[StudyRun], tta: str, threshold: float) -> list[str]:
    """The mean Rand and pixel error of several runs at one threshold, which is not each error's best."""
    shown = []
    for metric in (RAND_ERROR, PIXEL_ERROR):
        f_scores = [run.scores[tta].curve(metric)[THRESHOLDS.index(threshold)] for run in runs]
        shown.append(metric.formatted(float(np.mean([1 - (f_score or 0.0) for f_score in f_scores]))))
    return shown


def errors_of(runs: Sequence[StudyRun], tta: str) -> list[str] | None:
    """The errors of several runs with one test-time augmentation, or None where a run lacks it."""
    scores = [run.scores.get(tta) for run in runs]
    if any(of_run is None for of_run in scores):
        return None
    known = [of_run for of_run in scores if of_run is not None]
    return [mean_and_deviation([of_run.value(metric) for of_run in known], metric.digits) for metric in TABLE_1_METRICS]


def read_entries(results: Path) -> Found:
    """The entries whose runs are there. Raises what `Entry.runs` does."""
    return {entry: runs for entry in ENTRIES if (runs := entry.runs(results))}


def our_rows(results: Path, found: Found) -> list[list[str]]:
    """The rows of our runs."""
    rows = []
    for entry, runs in found.items():
        record = runs[0].record
        what = [network(record), f"{record.config.steps:,}", trained_on(runs), training_time(runs)]
        for tta in record.config.tta:
            errors, all_cell, where = errors_of(runs, tta), "", scored_on(runs)
            if errors is not None:
                pixel_errors = sorted({1 - (run.scores[tta].curve(PIXEL_ERROR)[0] or 0.0) for run in runs})
                all_cell = mean_and_deviation(pixel_errors, 4)
            else:
                measured = test_scores(results / entry.study, tta, record.config.primary)
                if measured is not None:
                    errors, where = [metric.formatted(measured[metric.key]) for metric in TABLE_1_METRICS], RECOVERED
                elif tta == record.config.primary and (results / entry.study / TEST_PROBABILITY).is_file():
                    errors, where = ["-"] * len(TABLE_1_METRICS), UNSCORED
                else:
                    continue
            if tta == record.config.primary and where != UNSCORED:
                errors = [f"**{error}**" for error in errors]
            rows.append(["", f"ours, [{entry.title}]({entry.study})", where, *what, tta, *errors, all_cell])
    return rows


def of_test_labels(results: Path, found: Found) -> list[str]:
    """What is known of the labels of the test sections, and all that was measured with them."""
    rows = []
    for entry, runs in found.items():
        config = runs[0].record.config
        for tta in config.tta:
            for pixels, told in PIXELS.items():
                measured = test_scores(results / entry.study, tta, config.primary, pixels)
                if measured is not None:
                    metrics = [metric.formatted(measured[metric.key]) for metric in (*TABLE_1_METRICS, *V_SCORES)]
                    rows.append([f"[{entry.title}]({entry.study})", tta, told, *metrics])
    titles = [metric.title for metric in (*TABLE_1_METRICS, *V_SCORES)]
    return (
        [
            "## The labels of the test sections",
            "",
            *RECOVERED_NOTE,
            Table(["ours", "TTA", "pixels", *titles], rows).to_markdown(),
            "",
        ]
        if rows
        else []
    )


def table(results: Path, found: Found) -> str:
    """The whole of table1.md. found : what `read_entries` finds in `results`."""
    titles = [metric.title for metric in TABLE_1_METRICS]
    rows = []
    for rank, group, *errors in TABLE_1:
        described = ["test stack", "", "", "", "", ""]
        if group == "u-net":
            described = ["test stack", "64 base channels", "not stated", "NVIDIA Titan", "10 h", "7 rotations"]
        shown = [metric.formatted(error) for metric, error in zip(TABLE_1_METRICS, errors, strict=True)]
        rows.append([rank, group, *described, *shown, ""])
    lines = [
        "# Table 1 of the paper, and ours",
        "",
        "Written by `python -m reproduce.studies` from the records of the runs. The paper's rows are the challenge "
        "server's, of the 30 test sections; a row of ours is of them only where it says so. Rows of folds are of the "
        "training stack, another stack with thinner membranes in its truth: do not compare them with the paper's. "
        "Of several folds or seeds, one run each: mean ± standard deviation. Bold: the primary TTA. "
        "Times on CPU cores are of machines that others used too, on which the same run takes up to twice as long. "
        "Which command made a row: its folder's page, or [reproduce](../../reproduce/README.md#studies).",
        "",
        Table([*COLUMNS, *titles, ALL_CELL], [*rows, *our_rows(results, found)]).to_markdown(),
        "",
        *of_test_labels(results, found),
        "## What the errors are",
        "",
        *READING,
    ]
    return "\n".join(lines) + "\n"


def headline(results: Path, found: Found) -> str:
    """The whole of headline.md: the paper's row and ours that a reader wants first. found : as of `table`."""
    u_net = next(errors for _, group, *errors in TABLE_1 if group == "u-net")
    shown = [metric.formatted(error) for metric, error in zip(TABLE_1_METRICS, u_net, strict=True)]
    rows = [["the paper's u-net, 7 rotations", "not stated", "NVIDIA Titan, 10 h", "official test sections", *shown]]
    for entry, runs in found.items():
        record = runs[0].record
        config = record.config
        what = [f"{config.steps:,}", f"{trained_on(runs)}, {training_time(runs)}"]
        for tta in ("rot7", config.primary):  # the paper's own averaging, where that was measured
            measured = test_scores(results / entry.study, tta, config.primary)
            if measured is not None:
                errors = [metric.formatted(measured[metric.key]) for metric in TABLE_1_METRICS]
                rows.append([f"ours: {entry.short}, {tta}", *what, RECOVERED, *errors])
                break
        of_primary = errors_of(runs, config.primary)
        if of_primary is not None and entry.short:
            rows.append([f"ours: {entry.short}, {config.primary}", *what, scored_on(runs), *of_primary])
    titles = [metric.title for metric in TABLE_1_METRICS]
    note = (
        "Compare only the rows of official test sections with the paper's. The [README](../../README.md) has this "
        "table and explains its words; all rows are in [table1.md](table1.md)."
    )
    return "\n".join(["# The headline", "", note, "", Table([*HEADLINE_COLUMNS, *titles], rows).to_markdown(), ""])


def write(results: Path) -> str:
    """Write table1.md and headline.md into the folder of the runs' folders. Returns the table's text. Raises BadInput
    where what a run left or a study kept is damaged.
    """
    found = read_entries(results)
    texts = {"table1.md": table(results, found), "headline.md": headline(results, found)}
    for name, text in texts.items():
        with atomic_write(results / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return texts["table1.md"]
