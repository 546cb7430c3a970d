"""The program's name, and its commands as they are typed."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

INSTALLED = "unet-paper"
MODULE = "python -m unet_paper"


def program_name() -> str:
    """The program as it was called: by its own name, or as a module."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else MODULE


def typed(words: Iterable[str | Path]) -> str:
    """A command line of the program, in which no path looks like an option."""
    plain = (f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words)
    return f"{program_name()} {shlex.join(plain)}"
