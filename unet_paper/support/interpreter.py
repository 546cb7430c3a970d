"""The Python that this runs with, as it is typed."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def python_as_typed() -> str:
    """What calls this Python again from the current folder: the path of a virtual environment below it, `python` where
    that is this one, else the whole path.
    """
    if not sys.executable:  # of a Python within another program
        return "python"
    here = Path(os.path.abspath(sys.executable))  # no links followed: of an environment they lead out of it
    if sys.prefix != sys.base_prefix and here.is_relative_to(Path.cwd()):
        return shlex.quote(str(here.relative_to(Path.cwd())))
    named = shutil.which("python")
    if named is not None and os.path.realpath(named) == os.path.realpath(here):
        if os.path.realpath(os.path.dirname(named)) == os.path.realpath(here.parent):
            return "python"
    return shlex.quote(str(here))
