"""Checks of arguments that a notebook gives, which may be of any type."""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.support.errors import BadInput, first_line
from unet_paper.support.out_of_memory import is_out_of_memory


def holds(condition: Callable[[], Any]) -> bool:
    """Whether a condition on values holds. It does not for values of which it cannot be asked, such as a text that is
    compared with a number, or an array.
    """
    try:
        return bool(condition())
    except (TypeError, ValueError, OverflowError):
        return False


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number, Python's or NumPy's; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def require_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise BadInput unless a value is one of these words. name : of the argument."""
    if not isinstance(value, str) or value not in choices:
        raise BadInput(f"{name} is {value!r}; it must be one of {', '.join(choices)}")


def labels_option(meaning: str) -> str:
    """What to give where labels mean this, for messages: a command's option, and the argument from Python."""
    return f"--labels-are {meaning} (from Python labels_are={meaning!r})"


def as_array(values: ArrayLike | Sequence[ArrayLike], name: str) -> np.ndarray:
    """Values as an array. name : for messages.

    Raises BadInput for paths, for a list of arrays that differ in shape, for what NumPy cannot make an array of, such
    as a tensor that needs a gradient, and for masked pixels, whose mask would be lost.
    """
    parts = values if isinstance(values, (list, tuple)) else (values,)
    path = next((part for part in parts if isinstance(part, (str, os.PathLike))), None)
    if path is not None:
        raise BadInput(f"{name} are given as a path, {str(path)!r}; read the file first, as tifffile.imread does")
    if any(np.ma.is_masked(part) for part in parts):
        raise BadInput(
            f"{name} are masked; give their .filled() values and, where labels are not known, ignore=labels.mask"
        )
    try:
        return np.asarray(values)
    except Exception as error:  # of many kinds: what another library's arrays say of it
        if is_out_of_memory(error):
            raise
        if isinstance(error, ValueError) and isinstance(values, (list, tuple)):
            raise BadInput(f"{name} are arrays of several shapes; give them one by one, each (H, W)") from None
        kind = f"{type(values).__module__}.{type(values).__qualname__}"
        raise BadInput(
            f"{name} are given as {kind}, of which NumPy makes no array ({first_line(error)}); give an array"
        ) from None


def as_path(name: str, value: Any) -> Path:
    """A text or a path as a path, whether a file is there or not, ~ being the home folder. name : of the argument, for
    the message.

    Raises BadInput for anything else, and for what no file can be called.
    """
    try:
        path = Path(os.path.expanduser(value))
        os.lstat(path)
    except TypeError:
        raise BadInput(f"{name} is given as {type(value).__name__}; it must be a path") from None
    except ValueError:
        raise BadInput(f"{name} is {value!r}, which no file can be called; give another name") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise BadInput(f"{name} is {str(value)[:40]}...: {error.strerror}; give another name") from None
    return path
