"""What a notebook has changed of PyTorch, and its random numbers: no result depends on it, and it is left as it was."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DRAWING = threading.RLock()


@contextmanager
def callers_settings_set_aside() -> Iterator[None]:
    """Inside the `with`, PyTorch makes tensors of float32 on the CPU, computes in their type and takes gradients, as it
    does when it is new; after it, it goes on as the caller had set it.
    """
    dtype = torch.get_default_dtype()
    with ExitStack() as contexts:
        if dtype != torch.float32:
            contexts.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":  # otherwise it would be asked at every call
            contexts.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                contexts.enter_context(torch.autocast(device, enabled=False))
        contexts.enter_context(torch.inference_mode(False))
        contexts.enter_context(torch.enable_grad())
        yield


@contextmanager
def callers_random_numbers_kept() -> Iterator[None]:
    """Inside the `with`, PyTorch's generators may be seeded and drawn from; after it they go on where they were:
    the processor's, and the GPUs' once CUDA is in use. They are the process's: another thread waits meanwhile.
    """
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with _DRAWING, torch.random.fork_rng(devices=gpus):
        yield
