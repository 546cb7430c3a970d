"""Numba as this package uses it: compiled once, kept on disk where that is possible, free of Python's global lock."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays and numbers at its first call.

    The machine code is kept beside the source or in the user's cache folder; where neither can be written it is made
    anew in every process (seconds). A function compiled here may only call those of its own file: Numba does not
    notice when another file changes.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba's word for "nowhere to keep it"
        return njit(nogil=True)(function)
