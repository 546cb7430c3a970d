"""The program's name."""

import sys
from pathlib import Path

INSTALLED = "unet-paper"
MODULE = "python -m unet_paper"


def program_name() -> str:
    """The program as it was called: by its own name, or as a module."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else MODULE
