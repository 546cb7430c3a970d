"""One progress line for all long work: how far, how fast, how much longer."""

import logging
import sys
from contextlib import suppress
from typing import Any, TextIO

from tqdm import tqdm

from unet_paper.support.logs import logger


class _Lines:
    """A log, into which a bar that would be drawn over and over goes line by line. Where nobody reads it any more, as
    when Ctrl-C has stopped that program too, the work goes on.
    """

    def __init__(self, log: TextIO) -> None:
        self.log = log

    def write(self, text: str) -> None:
        """Write what is not empty, as a line."""
        if text.strip():
            with suppress(OSError):
                self.log.write(text.strip("\r\n") + "\n")

    def flush(self) -> None:
        """Flush the log."""
        with suppress(OSError):
            self.log.flush()


def progress_bar(*arguments: Any, **options: Any) -> tqdm:
    """A tqdm bar on stderr: twice a second in a terminal, a line every ten seconds in a log.

    It shows where the package's logger shows information, as in the commands (`logs.configure`), and where there is a
    stderr, which programs with windows alone have not.
    """
    options = {"disable": not logger.isEnabledFor(logging.INFO), "maxinterval": 60} | options
    if sys.stderr is None:
        return tqdm(*arguments, **options | {"disable": True})
    if sys.stderr.isatty():
        return tqdm(*arguments, mininterval=0.5, dynamic_ncols=True, **options)
    return tqdm(*arguments, mininterval=10, file=_Lines(sys.stderr), ncols=100, **options)
