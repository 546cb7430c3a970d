"""Too little memory is told from other failures."""

import pytest
import torch

from unet_paper.support.out_of_memory import is_out_of_memory


def test_what_python_and_pytorch_raise_where_memory_runs_out():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("of a GPU"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (allocated: 1 GB)"))


def test_other_failures_are_not_taken_for_it():
    for error in (RuntimeError("shapes differ"), ValueError("allocation of names"), OSError(5, "Input/output error")):
        assert not is_out_of_memory(error)
