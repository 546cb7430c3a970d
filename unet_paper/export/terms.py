"""Who made the weights of a package, and what others may do with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from unet_paper.support.errors import BadInput


@dataclass(frozen=True)
class Terms:
    """`licence` : its identifier in SPDX's list."""

    authors: tuple[str, ...] = ("The unet_paper authors",)
    licence: str = "MIT"

    @classmethod
    def of(cls, authors: Sequence[str] | None, licence: str | None) -> "Terms":
        """Those of this project where nothing else is given. Raises BadInput for empty names."""
        terms = cls(cls.authors if authors is None else tuple(authors), cls.licence if licence is None else licence)
        if not all(name.strip() for name in (*terms.authors, terms.licence)):
            raise BadInput("--author and --licence must not be empty; give a name, or leave them out")
        return terms
