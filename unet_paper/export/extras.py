"""Libraries that only the export needs."""

import importlib
from types import ModuleType

from unet_paper.support.errors import BadInput


def extra(name: str) -> ModuleType:
    """A module of the extra `export`. Raises BadInput where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput(
            f"this file needs packages that are not installed ({error}); install them with: pip install '.[export]'"
        ) from None
