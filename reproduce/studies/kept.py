"""What a study keeps of earlier runs is of its recipe and of its data, or is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reproduce.studies.archive import StudyRun
from reproduce.studies.cells import CellStudyRun
from reproduce.studies.definitions import Run
from unet_paper.cli.settings import changed_config
from unet_paper.config import OF_SGD, PROFILES
from unet_paper.datasets.cell_tracking import SEQUENCES, SequenceFiles, load_sequences
from unet_paper.datasets.training_stacks import training_content
from unet_paper.runs.branching import branch_config
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput

OF_RECIPE = ("optimiser", "learning_rate", "momentum_warmup", "up_convolution_fan_in", "decay")


def require_as_planned(
    folder: Path,
    finished: Mapping[str, StudyRun | CellStudyRun],
    runs: Sequence[Run],
    changes: Mapping[str, str],
) -> None:
    """Raise BadInput where a finished run was trained by another recipe than the study plans now, or with other
    settings than `changes` has.
    """
    for run in runs:
        if run.name not in finished:
            continue
        record, wanted = finished[run.name].record, run.changes | dict(changes)
        planned = changed_config(PROFILES[record.config.profile], [f"{name}={wanted[name]}" for name in wanted])
        compared = [*OF_RECIPE, *(name for name in changes if name not in OF_RECIPE)]
        if run.trunk is not None:
            step = record.trunk.step if record.trunk else run.trunk_steps
            planned = branch_config(replace(planned, steps=run.trunk_steps, decay="constant"), step)
        differing = [
            (name, _shown(before), _shown(now))
            for name in compared
            if (before := getattr(record.config, name)) != (now := getattr(planned, name))
            and not (name == "steps" and planned.minutes)  # a run by minutes has as many as there was time for
            and not (name in OF_SGD and planned.optimiser == record.config.optimiser == "adam")
        ]
        if differing:
            name, before, now = differing[0]
            raise BadInput(
                f"{folder} holds {run.name} with {name}={before}, and {now} is planned; give another --out, or "
                f"{' '.join(f'--set {name}={before}' for name, before, _ in differing)}"
            )


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def require_shorter_branches(
    folder: Path, finished: Mapping[str, object], runs: Sequence[Run], wanted: Sequence[Run]
) -> None:
    """Raise BadInput where a wanted branch would take its trunk past the place where another, not wanted now, branches
    off: a training does not go back.
    """

    def is_begun(run: Run) -> bool:
        return run.name in finished or RunFolder(folder / run.name).record.is_file()

    def is_past(trunk: str, steps: int) -> bool:  # so that nothing can be done about it
        record = RunFolder(folder / trunk).record
        return record.is_file() and read_record(record).config.steps > steps

    for run in wanted:
        for other in runs:
            if (
                run.trunk is not None
                and other.trunk == run.trunk
                and other.trunk_steps < run.trunk_steps
                and other not in wanted
                and not is_begun(run)
                and not is_begun(other)
                and not is_past(run.trunk, other.trunk_steps)
            ):
                raise BadInput(
                    f"{run.name} is a branch of the training that {other.name} leaves earlier, and which does not go "
                    f"back; make that first, by --only {other.name}, or both, by a word that both have"
                )


def require_same_data(folder: Path, finished: Mapping[str, StudyRun | CellStudyRun], data: Path) -> None:
    """Raise BadInput where a finished run was trained on other stacks, or frames, than `data` holds."""
    if not finished or not data.exists():  # from which nothing can be trained; the tables can be written all the same
        return
    if next(iter(finished.values())).record.protocol.sequences is not None:
        now = load_sequences(SequenceFiles(data, SEQUENCES[0])).data
    else:
        now = training_content(data)
    for name, run in finished.items():
        before = run.record.data_sha256
        differing = [stack for stack in sorted(now) if before.get(stack) != now[stack]]
        if differing:
            raise BadInput(
                f"{folder} holds {name}, which was trained on other data than {data} ({', '.join(differing)}); give "
                "another --out, or the --data that it was trained on"
            )
