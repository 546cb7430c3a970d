"""Content hashes, which name data whatever file it lies in."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from unet_paper.compute.memory import release
from unet_paper.io.sections import Sections, stacked


def content_sha256(stack: np.ndarray) -> str:
    """SHA-256 of the pixels in C order, little-endian, which does not depend on how the file was written.

    A (Z, H, W) stack, or a LazyStack, is read section by section.
    """
    digest = hashlib.sha256()
    little_endian = stack.dtype.newbyteorder("<")
    for section in stack if stack.ndim == 3 else [stack]:
        digest.update(np.ascontiguousarray(section, little_endian).tobytes())
        release(stack)
    return digest.hexdigest()


def sections_sha256(sections: Sections) -> str:
    """SHA-256 of a stack's pixels, or, of sections of several sizes, of their hashes one after the other."""
    if isinstance(sections, np.ndarray):
        return content_sha256(sections)
    return joint_sha256(content_sha256(section) for section in sections)


def joint_sha256(hashes: Iterable[str]) -> str:
    """SHA-256 of several."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def labels_sha256(labels: Sections) -> str:
    """SHA-256 of a truth's foreground written as 0 / 255, uint8."""
    return sections_sha256(stacked([(section > 0).astype(np.uint8) * 255 for section in labels]))


def truth_sha256(labels: Sections) -> str:
    """SHA-256 of what a truth tells: of two values, 0 and another, `labels_sha256`; else of the values, as numbers part
    cells that touch.
    """
    values = {int(value) for section in labels for value in np.unique(section)}
    return labels_sha256(labels) if len(values - {0}) < 2 and 0 in values else sections_sha256(labels)


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
