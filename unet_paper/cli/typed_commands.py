"""The commands that do a run's stages by hand, as they are typed."""

from pathlib import Path

from unet_paper.cli.program import typed
from unet_paper.runs.cell_segmentation import segmentation_name, segmentation_of
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import is_tessellation
from unet_paper.runs.pipeline import Stage, stages_after_training
from unet_paper.runs.record import RunRecord


def stage_command(stage: Stage, run: RunFolder, record: RunRecord) -> str:
    """The command that does a stage after the training by hand."""
    return typed(stage_words(stage, run, record))


def stage_words(stage: Stage, run: RunFolder, record: RunRecord) -> list[str | Path]:
    """The words of that command, behind the program's name."""
    if stage.tta is None:
        return ["report", run.path]
    probability = run.probability(stage.tta)
    if stage.kind == "predict":
        registered = ["--registered"] if any(record.config.registration) else []
        return ["predict", "--weights", run.weights, run.volume, probability, "--tta", stage.tta, *registered]
    scores: list[str | Path] = [
        "score",
        run.labels,
        probability,
        "--json",
        run.scores(stage.tta, record.config.primary),
    ]
    if record.protocol.sequences is not None:
        scores += ["--metrics", "seg", "--segmentation", segmentation_name(record.dataset)]
        scores += ["--threshold", f"{segmentation_of(record).threshold:g}", "--unknown", run.unknown]
        scores += ["--segments", run.segments(stage.tta)]
    elif record.dataset == "own":
        scores += ["--metrics", "all"]
        if run.unknown.exists():
            scores += ["--unknown", run.unknown]
    return scores


def next_commands(run: RunFolder, record: RunRecord) -> list[str]:
    """What to type after a training: predict, score and report what was held out, or predict any image."""
    config = record.config
    if not run.labels.exists():
        has_cells = record.dataset == "own" and config.classes == 2 and not is_tessellation(record)
        out = ["PROBABILITY.tif", *(("--instances", "CELLS.tif") if has_cells else ())]
        return [typed(["predict", "--weights", run.weights, "IMAGE.tif", *out, "--tta", config.primary])]
    stages = [stage for stage in stages_after_training(run, record) if stage.tta in (None, config.primary)]
    return [stage_command(stage, run, record) for stage in stages]
