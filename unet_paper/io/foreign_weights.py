"""Telling weights of other programs from damaged ones of ours."""

import zipfile
from pathlib import Path

# How such files begin: pickles (PyTorch before 1.6, joblib), HDF5 (Keras), NumPy, ONNX.
BEGINNINGS = (b"\x80", b"\x89HDF", b"\x93NUMPY", b"\x08")
PICKLE = "/data.pkl"  # what every file of torch.save holds in its folder


def is_foreign(path: Path) -> bool:
    """Whether a file holds weights, or anything else, that PyTorch's own format of today does not."""
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return not any(name.endswith(PICKLE) for name in archive.namelist())
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            return False  # an archive that is damaged
    with open(path, "rb") as file:
        return file.read(8).startswith(BEGINNINGS)


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever its name: with the length of a description in JSON."""
    with open(path, "rb") as file:
        first = file.read(9)
    return first[8:] == b"{" and int.from_bytes(first[:8], "little") <= path.stat().st_size - 8
