"""What is trained on and what is scored (section 4): the challenge's test stack, or a fold of the training stack."""

import re
from dataclasses import dataclass

import numpy as np

from unet_paper.support.errors import BadInput


@dataclass(frozen=True)
class Fold:
    """Block `number` (1 ... count) of the `count` contiguous blocks that a training stack is cut into."""

    number: int
    count: int

    @classmethod
    def parse(cls, text):
        """Read "K/N". Raises BadInput unless 1 <= K <= N and N >= 2."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
            raise BadInput(f"fold {text!r} is not K/N with 1 <= K <= N and N >= 2; for example 6/6, the last of six")
        return cls(int(match[1]), int(match[2]))

    def split(self, sections):
        """(training, held-out) arrays of section indices, 0-based. Raises BadInput with fewer sections than folds.

        The held-out block is contiguous, because neighbouring sections resemble each other.
        """
        if sections < self.count:
            raise BadInput(f"{sections} sections cannot be cut into {self.count} folds; every fold needs a section")
        blocks = np.array_split(np.arange(sections), self.count)
        held_out = blocks.pop(self.number - 1)
        return np.concatenate(blocks), held_out

    def __str__(self):
        return f"{self.number}/{self.count}"
