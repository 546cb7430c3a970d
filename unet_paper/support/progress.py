"""One progress line for all long work: how far, how fast, how much longer."""

import sys

from tqdm import tqdm


class _Lines:
    """A log, into which a bar that would be drawn over and over goes line by line."""

    def __init__(self, log):
        self.log = log

    def write(self, text):
        """Write what is not empty, as a line."""
        if text.strip():
            self.log.write(text.strip("\r\n") + "\n")

    def flush(self):
        """Flush the log."""
        self.log.flush()


def progress_bar(*arguments, **options):
    """A tqdm bar on stderr: twice a second in a terminal, a line every ten seconds in a log."""
    if sys.stderr.isatty():
        return tqdm(*arguments, mininterval=0.5, maxinterval=60, dynamic_ncols=True, **options)
    return tqdm(*arguments, mininterval=10, maxinterval=60, file=_Lines(sys.stderr), ncols=100, **options)
