"""What a result was made with, kept in its file: lines of `name: value`, which ImageJ's Show Info shows."""

from collections.abc import Mapping
from typing import Any

import tifffile

EIGHT_BITS = "probability of cell times 255"  # what a map in 8 bits holds; a comma and its TTA follow


def described(title: str, made_with: Mapping[str, Any]) -> str:
    """A title, and a line for each value that is not None."""
    return "\n".join((title, *(f"{name}: {value}" for name, value in made_with.items() if value is not None)))


def made_with_of(file: tifffile.TiffFile) -> dict[str, str]:
    """What `described` put into a TIFF that this package wrote, or a map in 8 bits tells; nothing for another."""
    title, comma, tta = file.pages.first.description.partition(", ")
    if comma and title == EIGHT_BITS:
        return {"values": EIGHT_BITS, "tta": tta}
    text = (file.imagej_metadata or {}).get("Info")
    if text is None:
        text = next((entry.get("Description") for entry in file.shaped_metadata or ()), None)
    lines = (line.partition(": ") for line in str(text or "").splitlines()[1:])
    return {name: value for name, colon, value in lines if colon}
