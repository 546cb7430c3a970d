"""One progress line for all long work: how far, how fast, how much longer."""

import sys

from tqdm import tqdm


def progress_bar(*arguments, **options):
    """A tqdm bar on stderr: twice a second in a terminal, every ten seconds in a log."""
    interval = 0.5 if sys.stderr.isatty() else 10
    return tqdm(*arguments, mininterval=interval, maxinterval=60, dynamic_ncols=True, **options)
