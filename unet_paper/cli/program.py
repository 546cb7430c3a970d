"""The program's name, and its commands as they are typed."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from unet_paper.support.interpreter import python_as_typed

INSTALLED = "unet-paper"
MODULE = "python -m unet_paper"


def program_name() -> str:
    """What messages and `--help` call the program: its own name where it was called by it, or the module."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else MODULE


def typed(words: Iterable[str | Path]) -> str:
    """A command line of the program to be pasted, in which no path looks like an option."""
    plain = (f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words)
    program = INSTALLED if program_name() == INSTALLED else f"{python_as_typed()} -m unet_paper"
    return f"{program} {shlex.join(plain)}"
