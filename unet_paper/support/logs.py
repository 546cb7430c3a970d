"""The package's one logger. A library stays silent; the commands let people read what it says."""

import logging
import sys
from typing import TextIO

logger = logging.getLogger("unet_paper")


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stdout` is when something is said."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


def configure() -> None:
    """Print the package's messages, plain, on stdout, and show progress. For programs; libraries leave it to them."""
    if not any(isinstance(handler, _StandardOutput) for handler in logger.handlers):
        logger.addHandler(_StandardOutput())
    logger.setLevel(logging.INFO)
