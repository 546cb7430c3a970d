"""What a study keeps of earlier runs is of its recipe and of its data, or is refused."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reproduce.studies import archive
from reproduce.studies.archive import StudyRun
from reproduce.studies.cells import CellStudyRun
from reproduce.studies.definitions import Run
from unet_paper.cli.settings import changed_config
from unet_paper.cli.values import sections
from unet_paper.config import OF_SGD, PROFILES, without_effect
from unet_paper.datasets.cell_tracking import SEQUENCES, SequenceFiles, load_sequences
from unet_paper.datasets.training_stacks import training_content
from unet_paper.runs.branching import branch_config
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.support.errors import BadInput

CHANGE_NO_RESULT = ("profile", "checkpoint_every")  # of the settings


def records_of(finished: Mapping[str, StudyRun | CellStudyRun]) -> dict[str, RunRecord]:
    """The records of a study's finished runs, by name."""
    return {name: run.record for name, run in finished.items()}


def require_as_planned(
    folder: Path,
    records: Mapping[str, RunRecord],
    runs: Sequence[Run],
    profile: str,
    changes: Mapping[str, str],
) -> None:
    """Raise BadInput where a finished run was trained with other settings, or on other sections, than the study plans
    now, by a profile and `changes` of it.

    records : of the finished runs, by name
    """
    for run in runs:
        if run.name not in records:
            continue
        record, wanted, usual = records[run.name], run.changes | dict(changes), run.profile or profile
        if record.config.profile != usual:
            raise BadInput(
                f"{folder} holds {run.name} of the profile {record.config.profile}, and {usual} is planned; give "
                f"another --out, or --profile {record.config.profile}"
            )
        before, now = _sections_of(record), _planned_sections(run)
        if before != now:
            raise BadInput(
                f"{folder} holds {run.name} of other sections ({before}) than are planned ({now}); give another --out"
            )
        planned = changed_config(PROFILES[usual], [f"{name}={wanted[name]}" for name in wanted])
        if run.trunk is not None:
            step = record.trunk.step if record.trunk else run.trunk_steps
            planned = branch_config(replace(planned, steps=run.trunk_steps, decay="constant"), step)
        without_a_say = {*CHANGE_NO_RESULT, *without_effect(planned, OF_SGD)}
        if planned.minutes:
            without_a_say.add("steps")  # a run by minutes has as many as there was time for
        differing = [
            (name, _shown(before), _shown(now))
            for name in dict.fromkeys((*changes, *record.config.as_dict()))
            if (before := getattr(record.config, name)) != (now := getattr(planned, name)) and name not in without_a_say
        ]
        if differing:
            name, before, now = differing[0]
            raise BadInput(
                f"{folder} holds {run.name} with {name}={before}, and {now} is planned; give another --out, or "
                f"{' '.join(f'--set {name}={before}' for name, before, _ in differing)}"
            )


def _sections_of(record: RunRecord) -> str:
    """What a run was trained on and is scored on, in words."""
    protocol = record.protocol
    trained = protocol.sequences[0] if protocol.sequences else None
    return _in_words(None if protocol.fold is None else str(protocol.fold), protocol.left_out, trained)


def _planned_sections(run: Run) -> str:
    return _in_words(run.fold, sections(run.leave_out) if run.leave_out else (), run.trained_on)


def _in_words(fold: str | None, left_out: Sequence[int], trained_on: str | None) -> str:
    told = [f"fold {fold}" if fold else "", f"without {', '.join(map(str, left_out))}" if left_out else ""]
    return " ".join(filter(None, [*told, f"trained on {trained_on}" if trained_on else ""])) or "no fold"


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def require_studys_own(folder: Path) -> None:
    """Raise BadInput where a folder holds files that a study's would replace, and that no study has written."""
    if (folder / archive.RECORDS).is_file():
        return
    pages = [folder / name for name in ("README.md", "plot.png") if os.path.lexists(folder / name)]
    tables = [folder / name for name in (archive.RUNS, archive.HISTORIES) if os.path.lexists(folder / name)]
    lost = [*pages, *(table for table in tables if not _is_begun_as_a_studys(table))]
    if lost:
        raise BadInput(f"{lost[0]} is no study's, and would be lost; give another --out")


def _is_begun_as_a_studys(table: Path) -> bool:
    """Such as a study leaves that is stopped before its records are written."""
    return table.is_file() and table.read_bytes().startswith(b"run,")


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


def require_same_data(folder: Path, records: Mapping[str, RunRecord], data: Path) -> None:
    """Raise BadInput where a finished run was trained on other stacks, or frames, than `data` holds.

    records : of the finished runs, by name
    """
    if not records or not data.exists():  # from which nothing can be trained; the tables can be written all the same
        return
    if next(iter(records.values())).protocol.sequences is not None:
        now = load_sequences(SequenceFiles(data, SEQUENCES[0])).data
    else:
        now = training_content(data)
    for name, record in records.items():
        before = record.data_sha256
        differing = [stack for stack in sorted(now) if before.get(stack) != now[stack]]
        if differing:
            raise BadInput(
                f"{folder} holds {name}, which was trained on other data than {data} ({', '.join(differing)}); give "
                "another --out, or the --data that it was trained on"
            )
