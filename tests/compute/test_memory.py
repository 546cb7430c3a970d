"""How much memory there is and was taken."""

import sys

import numpy as np
import pytest
import torch

from unet_paper.compute.memory import available_memory, peak_memory, require_memory
from unet_paper.support.errors import BadInput


def test_the_peak_is_in_bytes_and_at_least_what_is_held():
    held = np.ones(20 * 2**20, np.uint8)
    peak = peak_memory()
    assert peak is not None and held.nbytes < peak < 2**42


def test_gpu_memory_that_pytorch_keeps_for_later_counts_as_free(monkeypatch):
    """Such as a training has taken, when what it made is predicted with."""
    for name, told in (("mem_get_info", (3, 80)), ("memory_reserved", 60), ("memory_allocated", 20)):
        monkeypatch.setattr(torch.cuda, name, lambda device, told=told: told)
    assert available_memory("cuda:0") == 43
    require_memory(43, "it", "take less", "cuda:0")
    with pytest.raises(BadInput, match="it takes"):
        require_memory(44, "it", "take less", "cuda:0")


def test_no_peak_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None
