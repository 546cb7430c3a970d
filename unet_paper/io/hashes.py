"""Content hashes, which name data whatever file it lies in."""

import hashlib
from pathlib import Path

import numpy as np


def content_sha256(stack: np.ndarray) -> str:
    """SHA-256 of the pixels in C order, which does not depend on how the file was written."""
    return hashlib.sha256(np.ascontiguousarray(stack).tobytes()).hexdigest()


def labels_sha256(labels: np.ndarray) -> str:
    """SHA-256 of a truth's foreground written as 0 / 255, uint8."""
    return content_sha256((labels > 0).astype(np.uint8) * 255)


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
