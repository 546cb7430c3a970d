"""Checks of arguments that a notebook gives, which may be of any type."""

import errno
import os
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from unet_paper.support.errors import BadInput


def holds(condition: Callable[[], Any]) -> bool:
    """Whether a condition on values holds. It does not for values of which it cannot be asked, such as a text that is
    compared with a number, or an array.
    """
    try:
        return bool(condition())
    except (TypeError, ValueError):
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
