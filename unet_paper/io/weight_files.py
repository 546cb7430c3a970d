"""Files of weights: what is said of those that are damaged or another program's, and what is unpickled of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unet_paper.io.quiet import quiet_readers
from unet_paper.support.errors import BadInput, first_line
from unet_paper.support.out_of_memory import is_out_of_memory
from unet_paper.support.system_errors import raise_if_of_system

SUFFIX = ".safetensors"


class Damaged(BadInput):
    """A file that is no whole checkpoint."""


def foreign(path: Path | str) -> BadInput:
    """What is said of another program's weights.

    Parameters
    ----------
    path : path
        Named in the message.

    Returns
    -------
    BadInput
        For the caller to raise.
    """
    return BadInput(
        f"{path} holds another program's weights; give a weights.pt or checkpoint.pt that `train` wrote, or published "
        f"weights ({SUFFIX})"
    )


@contextmanager
def damage_told(path: Path | str, what: str, advice: str) -> Iterator[None]:
    """Whatever goes wrong inside is Damaged, but for what says nothing of the file: too little memory, which is raised
    as it is, and a system that cannot read it now, which is BadInput.
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # many kinds, for a damaged file
        raise_if_of_system(error, path)
        raise Damaged(f"{path} cannot be read as {what} ({first_line(error)}); {advice}") from None


def unpickled(path: Path) -> dict[str, Any]:
    """The values of a whole file of torch.save. Raises BadInput for those of another program."""
    try:
        with quiet_readers():
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # many kinds: for classes that are not known here, and for what is no pickle
        if is_out_of_memory(error) or isinstance(error, OSError):
            raise
        raise foreign(path) from None
    if not isinstance(values, dict) or not {"config", "network", "standardisation"} <= values.keys():
        raise foreign(path)
    return values
