"""Who does the blocks: this process, workers on this machine, or a cluster of dask.distributed that is there."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from unet_paper.volumes.work import Outcome, attempt, opened

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
        opened.cache_clear()  # a notebook lives on, and needs the memory


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
        # A block takes seconds. To look at each process 50 and 100 times a second costs more than the scheduling.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
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
            # In a thread, as a notebook's own loop may be running in this one.
            ThreadPoolExecutor(1).submit(asyncio.run, _require_answer(scheduler)).result()
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except Exception as error:  # of many kinds: something else may answer
            why = str(error) or f"no answer within {CONNECT_SECONDS} s"
            raise BadInput(
                f"--scheduler {scheduler}: nobody answers there ({why}); give the address that dask scheduler prints"
            ) from None
        with client:
            yield client


async def _require_answer(scheduler: str) -> None:
    """Raise an exception unless a scheduler answers. dask's own client waits for ever where a call is taken and nothing
    said, as by a tunnel to a machine that is off.
    """
    from distributed import Security
    from distributed.comm import connect

    arguments = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(scheduler, timeout=CONNECT_SECONDS, **arguments), CONNECT_SECONDS + 1)
    comm.abort()


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
    for batch in running.batches():
        outcomes = _gathered(client, batch)
        for future in batch:
            number = number_of.pop(future.key)
            yield outcomes.get(future.key) or _outcome(future, number, client)
        while len(number_of) <= WINDOW - BATCH and (following := submit(BATCH)):
            running.update(following)


def _gathered(client: Any, futures: list[Any]) -> dict[str, Outcome]:
    """The outcomes of those futures that finished, by key, at once: one by one they cost more than the scheduling.

    None where that fails for one of them.
    """
    finished = [future for future in futures if future.status == "finished"]
    try:
        return dict(zip((future.key for future in finished), client.gather(finished), strict=True))
    except (Exception, asyncio.CancelledError):  # a worker is lost, or the scheduler
        return {}


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
