"""PyTorch's global random numbers, which are the caller's too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def callers_random_numbers_kept() -> Iterator[None]:
    """Inside the `with`, PyTorch's generators may be seeded and drawn from; after it they go on where they were:
    the processor's, and the GPUs' once CUDA is in use.
    """
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        yield
