"""What a notebook has changed of PyTorch, and its random numbers: no result depends on it, and it is left as it was."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_drawing = threading.RLock()
_counting = threading.Lock()
_inside = 0  # in how many calls, in all threads, the default type is set aside
_callers_dtype = torch.float32  # of the process, as the first of them found it


@contextmanager
def callers_settings_set_aside() -> Iterator[None]:
    """Inside the `with`, PyTorch makes tensors of float32 on the CPU, computes in their type and takes gradients, as it
    does when it is new; after it, it goes on as the caller had set it.
    """
    with _float32_made(), ExitStack() as contexts:  # all but the type are of the thread
        if torch.get_default_device().type != "cpu":  # otherwise it would be asked at every call
            contexts.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                contexts.enter_context(torch.autocast(device, enabled=False))
        contexts.enter_context(torch.inference_mode(False))
        contexts.enter_context(torch.enable_grad())
        yield


@contextmanager
def _float32_made() -> Iterator[None]:
    """The default type is the process's: the first that comes in changes it, and the last that leaves restores it."""
    global _inside, _callers_dtype
    with _counting:
        if _inside == 0:
            _callers_dtype = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _inside += 1
    try:
        yield
    finally:
        with _counting:
            _inside -= 1
            if _inside == 0:
                torch.set_default_dtype(_callers_dtype)


@contextmanager
def callers_random_numbers_kept() -> Iterator[None]:
    """Inside the `with`, PyTorch's generators may be seeded and drawn from; after it they go on where they were:
    the processor's, and the GPUs' once CUDA is in use. They are the process's: another thread waits meanwhile.
    """
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with _drawing, torch.random.fork_rng(devices=gpus):
        yield


def _begin_in_child() -> None:
    """A forked process has one thread: what the parent's others held or were in is over."""
    global _drawing, _counting, _inside
    _drawing, _counting = threading.RLock(), threading.Lock()
    if _inside:
        torch.set_default_dtype(_callers_dtype)
    _inside = 0


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_in_child)
