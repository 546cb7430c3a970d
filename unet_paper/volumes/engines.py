"""Who does the blocks: this process, workers on this machine, or a cluster of dask.distributed that is there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import torch

from unet_paper.runs.predicting import PredictionRequest
from unet_paper.support.errors import BadInput
from unet_paper.support.extras import require_extra
from unet_paper.support.logs import logger
from unet_paper.volumes.work import Outcome, attempt

# Blocks that the scheduler knows of at a time. Its memory does not grow with the volume, and 1,000 cores stay busy.
WINDOW = 4096
BATCH = 256  # blocks that it is told of at once: each telling costs as much as some blocks
# Workers that may die with a block in hand before it is given up: one that takes more memory than there is kills each.
DEATHS = 3
# A killed worker whose replacement takes longer to begin is given up for good by dask, after 15 s unless it is told. On
# a busy machine loading PyTorch takes longer, and with the last worker gone the work would never end.
REPLACEMENT = "1 hour"
CONNECT_SECONDS = 20  # to wait for a scheduler to answer

Work = Callable[[PredictionRequest, int], Outcome]


def in_this_process(request: PredictionRequest, numbers: Sequence[int]) -> Iterator[Outcome]:
    """Do the blocks one after the other."""
    threads = torch.get_num_threads()
    try:
        for number in numbers:
            yield attempt(request, number)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def cluster(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A client of `workers` new processes on this machine, or of the scheduler at an address.

    Raises BadInput where nobody answers there.
    """
    require_extra("distributed", "work with several processes")
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.deploy.lost-worker-timeout": REPLACEMENT,
    }
    with dask.config.set(settings):
        if scheduler is None:
            with (
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as local,
                Client(local) as client,
            ):
                yield client
            return
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, ImportError) as error:
            raise BadInput(
                f"--scheduler {scheduler}: nobody answers there ({error}); give the address that dask scheduler prints"
            ) from None
        with client:
            yield client


def on_cluster(
    client: Any, request: PredictionRequest, numbers: Sequence[int], work: Work = attempt
) -> Iterator[Outcome]:
    """Do the blocks by the workers of a client; outcomes come in the order in which blocks end.

    Raises BadInput when the scheduler is gone.
    """
    from distributed import as_completed

    if client.dashboard_link:
        logger.info(f"dashboard: {client.dashboard_link}")
    if not client.scheduler_info()["workers"]:
        logger.warning("note: the scheduler has no workers yet; the blocks begin when some come")
    # Two commands may use one scheduler at once, for results of one name.
    waiting, of_command = iter(numbers), f"of-{request.out.name}-{uuid4().hex[:8]}"
    number_of: dict[str, int] = {}

    def submit(count: int) -> list[Any]:
        batch = list(islice(waiting, count))
        keys = [f"block-{number}-{of_command}" for number in batch]
        number_of.update(zip(keys, batch, strict=True))
        return client.map(partial(work, request), batch, key=keys) if batch else []

    running = as_completed(submit(BATCH))
    for _ in range(BATCH, WINDOW, BATCH):
        running.update(submit(BATCH))
    for future in running:
        number = number_of.pop(future.key)
        yield _outcome(future, number, client)
        if len(number_of) <= WINDOW - BATCH:
            running.update(submit(BATCH))


def _outcome(future: Any, number: int, client: Any) -> Outcome:
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status == "error":
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Outcome(number, f"its worker died {DEATHS + 1} times")
        return Outcome(number, str(error) or type(error).__name__)
    raise BadInput(f"the scheduler at {client.scheduler.address} is gone; start one, and the same command resumes")
