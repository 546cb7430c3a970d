"""Who made the weights of a package, and what others may do with them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """`licence` : its identifier in SPDX's list."""

    authors: tuple[str, ...] = ("The unet_paper authors",)
    licence: str = "MIT"

    @classmethod
    def of(cls, authors: Sequence[str] | None, licence: str | None) -> "Terms":
        """Those of this project where nothing else is given."""
        return cls(tuple(authors or cls.authors), licence or cls.licence)
