"""results/isbi/recipe.md: what the paper leaves open, what was tried on fold 1/6, and what was taken."""

import csv
import math
import statistics
from pathlib import Path

from reproduce.studies.definitions import CHOICES, UNCLIPPED
from unet_paper.config import PROFILES
from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, TABLE_1_METRICS, WARPING_ERROR
from unet_paper.report.tables import comparison, read_run
from unet_paper.runs.folder import RunFolder
from unet_paper.support.files import atomic_write

SEEDS = ("quick", *(f"seeds/seed-{seed}" for seed in range(1, 5)))
SHOWN = {  # the settings that tell a choice's runs apart
    "learning rate, quick": ("learning_rate",),
    "gradient clipping": ("gradient_clip", "learning_rate"),
    "schedule": ("decay", "warmup"),
    "steps": ("steps",),
    "gray-value range": ("contrast", "brightness"),
    "class balance": ("class_balance",),
    "border term": ("w_0", "sigma"),
    "learning rate, full network": ("learning_rate",),
}
NOTES = {
    "steps": "Taken: 2,500 in `quick`, what a quarter of an hour on two CPU cores allows; 30,000 in `paper`.",
    "gradient clipping": "What clipping buys is the higher rate: at 0.001 the better run is without it.",
    "gray-value range": "Twice the range costs pixel error; none at all is as good as the one taken.",
    "border term": "w_0 = 20 and sigma = 10 cost pixel error; half the height costs less than chance could; none gains "
    "more elsewhere than runs differ by chance. The paper's is taken.",
    "learning rate, full network": "After so few tiles the scores do not decide.",
}


def section(folder, choice):
    """One choice: a row for each of its runs, the best of each error in bold, and the settings that were taken."""
    names = SHOWN[choice]
    rows = []
    for run in CHOICES[choice]:
        record, scores = read_run(RunFolder(folder / run))
        recorded = {name: entry["value"] for name, entry in record["configuration"].items()}
        value = PROFILES["paper"].as_dict() | recorded  # the first records lack settings that came later
        taken = PROFILES["paper" if "full" in choice else "quick"].as_dict()
        is_taken = all(value[name] == taken[name] for name in names)
        if choice == "steps":
            is_taken = False  # 2,500 in the profile, more than any of these
        rows.append(
            (
                [shown_setting(name, value[name]) for name in names],
                [scores["none"].value(metric) for metric in TABLE_1_METRICS],
                "taken" if is_taken else "",
                record["code"]["commit"][:7],
            )
        )
    columns = zip(*(errors for _, errors, *_ in rows), strict=True)
    best = [metric.best(errors) for metric, errors in zip(TABLE_1_METRICS, columns, strict=True)]
    titles = " | ".join(metric.title for metric in TABLE_1_METRICS)
    lines = [
        f"## {choice[0].upper()}{choice[1:]}",
        "",
        f"| {' | '.join(names)} | {titles} | | code |",
        "|---" * (len(names) + len(TABLE_1_METRICS) + 2) + "|",
    ]
    for values, errors, *remarks in rows:
        shown = [metric.formatted(error) for metric, error in zip(TABLE_1_METRICS, errors, strict=True)]
        shown = [
            f"**{text}**" if error == least else text for text, error, least in zip(shown, errors, best, strict=True)
        ]
        lines.append(f"| {' | '.join([*values, *shown, *remarks])} |")
    return [*lines, "", *([NOTES[choice], ""] if choice in NOTES else [])]


def shown_setting(name, value):
    """A setting as the table has it."""
    if name == "gradient_clip" and value >= UNCLIPPED:
        return "none"
    return f"{value:g}" if isinstance(value, (int, float)) else value


def headline(place):
    """The Scores of a run's headline."""
    record, scores = read_run(place)
    return scores[record["configuration"]["primary"]["value"]]


def reliability(results):
    """Momentum 0.99 with one tile a step: a row for each seed, its losses and its headline's errors."""
    titles = " | ".join(metric.title for metric in TABLE_1_METRICS)
    lines = [
        "## Does it train every time?",
        "",
        "The `quick` run with five seeds, trained on folds 1 to 5 and scored on fold 6/6 (mean of 8 flips and quarter "
        "turns). Loss: the mean of the first and of the last hundred tiles.",
        "",
        f"| seed | steps | loss, first 100 | loss, last 100 | {titles} |",
        "|---" * (4 + len(TABLE_1_METRICS)) + "|",
    ]
    for name in SEEDS:
        place = RunFolder(results / name)
        seed = read_run(place)[0]["configuration"]["seed"]["value"]
        with open(place.history, newline="") as file:
            losses = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
        steps = max(losses)
        parts = [[losses[step] for step in losses if low < step <= low + 100] for low in (0, steps - 100)]
        shown = [f"{statistics.mean(part):.3f}" for part in parts]
        shown += [metric.formatted(headline(place).value(metric)) for metric in TABLE_1_METRICS]
        lines.append(f"| {seed} | {steps:,} | {' | '.join(shown)} |")
    return lines


def text(folder, results):
    """The whole of recipe.md."""
    seeds = [read_run(RunFolder(Path(results) / name))[1]["none"] for name in SEEDS]
    warping, rand, pixel = (
        math.sqrt(2) * statistics.stdev(scores.value(metric) for scores in seeds)
        for metric in (WARPING_ERROR, RAND_ERROR, PIXEL_ERROR)
    )
    lines = [
        "# The recipe: what the paper leaves open, and what was tried",
        "",
        "Written by `python -m reproduce.studies choices` from the records in `choices/`. Every run was trained on "
        "folds 2 to 6 of the training stack and scored on fold 1/6 (sections 0 to 4); one pass, no averaging. Besides "
        "these runs only the remedies are scored on these sections, and fold 1/5 of the cross-validation, which shares "
        "them. Runs have 16 first-level channels, 1,000 steps and a highest rate of 0.016 unless the table says "
        "otherwise; those of the full network 400 steps on tiles of 252 px. One run each. By chance alone two runs of "
        "the five seeds below, which are of 2,500 steps and another fold, in one pass too, differ with a standard "
        f"deviation of {warping:.6f} in warping, {rand:.3f} in Rand and "
        f"{pixel:.4f} in pixel error, so that among these runs it is mostly the pixel error that tells "
        "anything. Bold: the smallest. Code: the commit that trained the run; `base` and learning rate 0.016 are the "
        "same settings in two of them, whose sums round differently.",
        "",
    ]
    for choice in CHOICES:
        lines += section(folder, choice)
    return "\n".join([*lines, *reliability(Path(results)), ""])


def write(folder, results):
    """Write recipe.md beside the folder of the choices, and their README.md. `results` holds the seeds' runs."""
    folder = Path(folder)
    runs = sorted({folder / run for tried in CHOICES.values() for run in tried})
    for path, content in (
        (folder.parent / "recipe.md", text(folder, results)),
        (folder / "README.md", comparison(runs)),
    ):
        with atomic_write(path) as temporary:
            temporary.write_text(content)
