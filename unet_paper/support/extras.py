"""Packages that only some of the work needs."""

from importlib import import_module
from types import ModuleType

from unet_paper.support.errors import BadInput

EXTRAS = {  # as in pyproject.toml
    "volumes": ("zarr", "ome_zarr", "distributed", "dask_jobqueue"),
    "export": ("onnx", "ruyaml", "bioimageio"),
}


def require_extra(name: str, what: str) -> ModuleType:
    """A module of such a package. Raises BadInput, with the command that installs it, where `what` lacks it."""
    try:
        return import_module(name)
    except ImportError as error:
        extra = next(extra for extra, packages in EXTRAS.items() if name.split(".")[0] in packages)
        raise BadInput(
            f"{what} needs the package {name}; install it with: pip install '.[{extra}]' ({error})"
        ) from None
