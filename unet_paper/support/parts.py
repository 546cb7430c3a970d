"""Work that several jobs share without speaking to one another: job K of N takes its part of the list."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from unet_paper.support.errors import BadInput

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """Part `number` (1 ... count) of `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read "K/N". Raises BadInput unless 1 <= K <= N."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise BadInput(f"part {text!r} is not K/N with 1 <= K <= N; for example 3/8, the third of eight")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Its items, which follow one another. All parts together have each item once."""
        ends = [len(items) * number // self.count for number in (self.number - 1, self.number)]
        return items[ends[0] : ends[1]]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
