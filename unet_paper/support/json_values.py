"""Values as JSON has them, checked for what they should be."""

import math
from typing import Any


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> Any:
    """A finite number. Raises ValueError for anything else."""
    if not is_number(value):
        raise ValueError(f"{value!r} where a number belongs")
    return value


def number_or_none(value: Any) -> Any:
    """A finite number, or None. Raises ValueError for anything else."""
    return None if value is None else number(value)


def count(value: Any) -> int:
    """A whole number, 0 or above. Raises ValueError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} where a count belongs")
    return value


def text(value: Any) -> str:
    """A text. Raises ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} where a text belongs")
    return value
