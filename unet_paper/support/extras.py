"""Packages that only some of the work needs."""

from importlib.util import find_spec

from unet_paper.support.errors import BadInput

EXTRAS = {"volumes": ("zarr", "ome_zarr", "distributed", "dask_jobqueue")}  # as in pyproject.toml


def require_extra(package: str, what: str) -> None:
    """Raise BadInput, with the command that installs it, unless a package is there that `what` needs."""
    if find_spec(package) is None:
        extra = next(name for name, packages in EXTRAS.items() if package in packages)
        raise BadInput(f"{what} needs the package {package}; install it with: pip install '.[{extra}]'")
