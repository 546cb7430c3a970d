"""How much memory there is and was taken."""

import sys

import numpy as np

from unet_paper.compute.memory import peak_memory


def test_the_peak_is_in_bytes_and_at_least_what_is_held():
    held = np.ones(20 * 2**20, np.uint8)
    peak = peak_memory()
    assert peak is not None and held.nbytes < peak < 2**42


def test_no_peak_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None
