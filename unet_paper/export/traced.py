"""Run in a package's folder, in a process of its own: TorchScript of the package's architecture and weights.

Names within TorchScript count what a process has traced before; here they begin anew, and no path of this machine but
PyTorch's gets in. python traced.py FOLDER OPTIONS_AS_JSON OUT
"""

import json
import sys
import zipfile
from pathlib import Path

EXAMPLE = 112  # px; the file keeps the example
OF_THIS_MACHINE = (".debug_pkl", "/.data/serialization_id")  # where each line came from, and a hash of that; not needed


def trace(folder: Path, options: str, out: Path) -> None:
    """Trace and save."""
    sys.path[0] = str(folder)
    import torch
    from architecture import SameSizeUNet

    network = SameSizeUNet(**json.loads(options))
    network.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    network.eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(1, 1, EXAMPLE, EXAMPLE))
    whole = out.with_suffix(".whole")
    torch.jit.save(traced, whole)
    portable(whole, out)
    whole.unlink()


def portable(path: Path, out: Path) -> None:
    """Copy a TorchScript file without what names this machine's files: the same network gives the same bytes."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as written:
        for entry in source.infolist():
            if not entry.filename.endswith(OF_THIS_MACHINE):
                name = entry.filename.replace(f"{path.stem}/", "archive/", 1)
                written.writestr(zipfile.ZipInfo(name), source.read(entry))


if __name__ == "__main__":
    trace(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
