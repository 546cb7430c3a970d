"""A study's runs on a cluster of dask.distributed: each a task, which resumes from its own checkpoint."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reproduce.studies.definitions import Run
from reproduce.studies.runner import NOT_DONE, OutOfTime, lacks_trunk, make
from unet_paper.runs.folder import RunFolder
from unet_paper.support.extras import require_extra
from unet_paper.volumes.engines import cluster


@dataclass(frozen=True)
class Task:
    """Runs that one worker makes, one after the other: one, or the branches of one trunk."""

    runs: Sequence[Run]
    folder: Path  # of the study, and the data; under these paths on all machines
    data: Path
    profile: str
    changes: Mapping[str, str]

    def __str__(self) -> str:
        return ", ".join(run.name for run in self.runs)


def carry_out(task: Task, ends: float | None) -> int:
    """Make a task's runs, on a worker; the exit code that the study would have. ends : time.time() of the deadline."""
    deadline = None if ends is None else time.monotonic() + ends - time.time()
    try:
        for run in task.runs:
            folder = RunFolder(task.folder / run.name)
            make(run, folder, task.data, task.profile, task.changes, deadline)
            if lacks_trunk(run, task.folder):  # and so do the longer branches
                break
    except OutOfTime:
        return NOT_DONE
    except SystemExit as ended:  # of a command that failed, and said why
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def spread(tasks: Sequence[Task], scheduler: str, deadline: float | None) -> None:
    """Make all tasks by the workers of the scheduler at an address. Where one fails, the others are made all the same.

    Raises OutOfTime where the deadline came first, and ends the study where a run failed.
    """
    as_completed = require_extra("distributed", "--scheduler").as_completed
    ends = None if deadline is None else time.time() + deadline - time.monotonic()
    codes = {}
    with cluster(None, scheduler) as client:
        if client.dashboard_link:
            print(f"dashboard: {client.dashboard_link}", flush=True)
        futures = {client.submit(carry_out, task, ends, pure=False): task for task in tasks}
        for count, future in enumerate(as_completed(futures), 1):
            task = futures[future]
            codes[str(task)] = future.result() if future.status == "finished" else 1
            why = f" ({future.exception()})" if future.status == "error" else ""
            outcome = {0: "done", NOT_DONE: "stopped in time"}.get(codes[str(task)], f"failed{why}")
            print(f"[{count} of {len(tasks)}] {task}: {outcome}", flush=True)
    failed = [name for name, code in codes.items() if code not in (0, NOT_DONE)]
    if failed:
        print(f"Failed: {'; '.join(failed)}. The same command tries these again.", file=sys.stderr)
        sys.exit(codes[failed[0]])
    if NOT_DONE in codes.values():
        raise OutOfTime
