"""The network as one Python file that needs PyTorch and NumPy only, and the options that make it."""

import ast
import inspect
from typing import Any

from unet_paper import network
from unet_paper.checkpoint import Checkpoint, network_options
from unet_paper.export import same_size
from unet_paper.export.same_size import SameSizeUNet
from unet_paper.support.errors import BadInput

OWN = "unet_paper"
HEAD = '"""The U-Net of Ronneberger, Fischer and Brox (MICCAI 2015) as unet_paper defines it, in one file."""'


def architecture_source() -> str:
    """The sources of the network and of SameSizeUNet, joined; this package's own imports are left out."""
    imports, bodies = [], [inspect.getsource(BadInput).strip()]
    for module in (network, same_size):
        of_module, body = _parted(inspect.getsource(module))
        imports += [line for line in of_module if line not in imports]
        bodies.append(body)
    return "\n\n\n".join((HEAD + "\n\n" + "\n".join(imports), *bodies)) + "\n"


def _parted(source: str) -> tuple[list[str], str]:
    """A module's imports of other packages, and what follows all its imports."""
    lines = source.splitlines()
    imports, end = [], 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            end = node.end_lineno or end
            if not (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == OWN):
                imports.append("\n".join(lines[node.lineno - 1 : end]))
    return imports, "\n".join(lines[end:]).strip()


def same_size_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """The arguments of SameSizeUNet for a checkpoint, plain values."""
    seen = checkpoint.standardisation
    of_image = {"largest": seen.largest, "mean": seen.mean, "deviation": seen.deviation}
    return of_image | {"extrapolation": checkpoint.config.extrapolation} | network_options(checkpoint.config)


def same_size_network(checkpoint: Checkpoint) -> SameSizeUNet:
    """The network with a checkpoint's weights, in evaluation mode, on the CPU."""
    wrapped = SameSizeUNet(**same_size_options(checkpoint))
    wrapped.load_state_dict(checkpoint.network)
    wrapped.eval()
    return wrapped
