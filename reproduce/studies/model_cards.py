"""README.md beside released weights: what the network is, how to use it, and which errors such networks make."""

from pathlib import Path

from reproduce.studies.release import PUBLISHED
from reproduce.studies.table_1 import (
    TEST_PROBABILITY,
    Found,
    duration,
    errors_at,
    errors_of,
    hardware,
    read_entries,
    scored_on,
    test_scores,
)
from unet_paper.config import Config
from unet_paper.io.hashes import file_sha256
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.report.table import Cell, Table
from unet_paper.report.table_1 import TTA_NAMES
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.segmentation import THRESHOLD
from unet_paper.support.files import atomic_write

CARD = "README.md"
DEFAULT = "registered-quarter"  # which `predict` takes without --weights
# Of each released network: the entries of table 1 that hold out sections and have its recipe, perhaps for other tiles.
ALIKE = {
    "registered-quarter": (
        "quarter network, Adam, labels registered, 10,000 tiles, 5 folds",
        "quarter network, Adam, labels registered, 5,000 tiles, 5 folds",
        "quarter network, Adam, labels registered, 5 folds",
    ),
}


def write(results: Path) -> None:
    """Write the cards of the released networks that are in the folder of the runs' folders."""
    found = read_entries(results)
    for folder in (results / name for name in ALIKE):
        if (folder / PUBLISHED).is_file():
            with atomic_write(folder / CARD) as temporary:
                temporary.write_text(card(folder, found), encoding="utf-8")


def card(folder: Path, found: Found) -> str:
    """The text for the folder of a released network. found : what `table_1.read_entries` finds."""
    record, weights = read_record(RunFolder(folder).record), folder / PUBLISHED
    config = record.config
    rows: list[list[Cell]] = []
    for entry, runs in found.items():
        for tta in config.tta if entry.title in ALIKE[folder.name] else ():
            errors = errors_of(runs, tta)
            if errors is not None:
                where = f"[{scored_on(runs)}](../{entry.study}/README.md)"
                rows.append([where, runs[0].record.config.steps, len(runs), tta, *errors])
    chosen = "" if folder.name == DEFAULT else f"--weights results/isbi/{folder.name}/{PUBLISHED} "
    is_scored = test_scores(folder, config.primary, config.primary) is not None
    there = "[scored](../table1.md#the-labels-of-the-test-sections)" if is_scored else "not scored yet"
    lines = [
        f"# {folder.name}: weights to start from",
        "",
        "Written by `python -m reproduce.studies` from [run.json](run.json) and the records of the studies.",
        "",
        f"- **What**: the paper's network with {config.base_channels} base channels, {record.parameters:,} parameters "
        f"in half precision ({weights.stat().st_size / 1e6:.0f} MB): the probability of cell (0: membrane) in 8-bit "
        "electron micrographs of about 4 nm per px like those it was trained on.",
        f"- **Trained on** all {len(record.protocol.training_sections)} sections of the ISBI 2012 training stack, "
        f"{config.steps:,} tiles with Adam: {duration(record.times.training_seconds or 0)} on {hardware(record)}.",
        f"- **Use**: `python -m unet_paper predict {chosen}IN.tif OUT.tif`, with `d4`; `--tta none` is one pass, "
        "`--instances CELLS.tif` numbers the cells. [All commands](../../../unet_paper/README.md).",
        *_where_its_map_lies(config),
        "- **Limits**: other tissues, stains and sizes of pixels were not tried. Look at its map before you use it, or "
        "train it further on a few of your own sections (`train --from`).",
        "- **Licence**: the repository's, MIT. The stack belongs to its authors: cite [them](../../../data/README.md) "
        "and the paper.",
        f"- **SHA-256** of [{PUBLISHED}]({PUBLISHED}): `{file_sha256(weights)}`.",
        "",
        "No section was left to score it on. Networks of its recipe that were trained without the sections that they "
        "are scored on, a fold of the stack, make these errors (0 is best; mean ± standard deviation over folds "
        f"or seeds; {', '.join(f'{tta}: {TTA_NAMES[tta]}' for tta in config.tta)}; "
        "[more](../table1.md#what-the-errors-are)). They flatter it: the sections beside the scored ones were trained "
        "on, fold 6/6, a part of fold 5/5, had a say in the recipe, and all of them in its length.",
        "",
        Table(["scored on", "tiles", "runs", "TTA", *(metric.title for metric in TABLE_1_METRICS)], rows).to_markdown(),
        "",
        *_at_half(folder, found),
        f"Its map of the official test sections is [{TEST_PROBABILITY}]({TEST_PROBABILITY}) ({config.primary}, in 8 "
        f"bits), {there}.",
    ]
    if (folder / "preview.png").is_file():
        lines += ["", "![Its probability of cell in the official test sections](preview.png)"]
    return "\n".join(lines) + "\n"


def _where_its_map_lies(config: Config) -> list[str]:
    """Of labels that were registered."""
    if not any(config.registration):
        return []
    x, y = config.registration
    return [
        f"- **Its map lies on the image.** The stack's labels lie {x:g} px to the left of and {y:g} px above what they "
        f"show ([registration](../registration/README.md)); with `--registered`, as of {TEST_PROBABILITY} and the "
        "errors below, the map lies there too."
    ]


def _at_half(folder: Path, found: Found) -> list[str]:
    """What the first of such networks make of their maps cut at one half."""
    for entry, runs in found.items():
        if entry.title in ALIKE[folder.name]:
            primary = runs[0].record.config.primary
            rand, pixel = errors_at(runs, primary, THRESHOLD)
            return [
                f"Each error is at its own best threshold. Cut at {THRESHOLD:g}, as `--instances` does unless "
                f"`--threshold` says another number, the maps of {primary} have Rand and pixel errors of {rand} and "
                f"{pixel} in the first of these rows: membranes come out thick, as the loss balances the classes.",
                "",
            ]
    return []
