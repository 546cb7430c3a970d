"""What is trained on and what is scored (section 4): the challenge's test stack, a fold of the training stack, or the
other one of two sequences.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from unet_paper.support.errors import BadInput
from unet_paper.support.words import as_text, counted

Kind = Literal["fold", "test", "sequences", "none"]


@dataclass(frozen=True)
class Fold:
    """Block `number` (1 ... count) of the `count` contiguous blocks that a training stack is cut into."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """Read "K/N". Raises BadInput unless 1 <= K <= N and N >= 2."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
            raise BadInput(f"fold {text!r} is not K/N with 1 <= K <= N and N >= 2; for example 6/6, the last of six")
        return cls(int(match[1]), int(match[2]))

    def split(self, sections: int) -> tuple[np.ndarray, np.ndarray]:
        """(training, held-out) arrays of section indices, 0-based. Raises BadInput with fewer sections than folds.

        The held-out block is contiguous, because neighbouring sections resemble each other.
        """
        if sections < self.count:
            fewer = f"take at most {sections} folds"
            advice = fewer if sections > 1 else "leave --fold out, or cut the image into several files"
            count = counted(sections, "section")
            raise BadInput(f"{count} cannot be cut into {self.count} folds, each of which needs one; {advice}")
        blocks = np.array_split(np.arange(sections), self.count)
        held_out = blocks.pop(self.number - 1)
        return np.concatenate(blocks), held_out

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Protocol:
    """Which sections a run is trained on and which it is scored on; numbers of sections count from 0.

    `kind`: "fold" (scored on a held-out block of the training stack), "test" (on the test stack), "sequences" (trained
    on one sequence of frames, scored on another) or "none". Of sequences, the sections are their frames' own numbers.
    """

    kind: Kind
    training_sections: tuple[int, ...]  # of the training stack
    scored_sections: tuple[int, ...]  # of the training stack ("fold") or of the test stack ("test")
    left_out: tuple[int, ...] = ()  # of the training stack, neither trained on nor scored
    fold: Fold | None = None
    ignore: int | None = None  # the value of people's own labels that stands for an unknown truth
    files: tuple[str, ...] = ()  # the name of each section of the training stack, where it is of several files
    labels_are: str | None = None  # what the values of people's own labels mean, see labels.py
    sequences: tuple[str, str] | None = None  # names of the one trained on and of the one scored

    @classmethod
    def of_fold(cls, fold: Fold, sections: int) -> "Protocol":
        """A fold of a stack of so many sections."""
        training, scored = fold.split(sections)
        return cls("fold", tuple(training.tolist()), tuple(scored.tolist()), fold=fold)

    @classmethod
    def of_test(cls, sections: int, test_sections: int) -> "Protocol":
        """Trained on the whole training stack, scored on the test stack."""
        return cls("test", tuple(range(sections)), tuple(range(test_sections)))

    @classmethod
    def of_sequences(cls, trained: str, frames: Iterable[int], scored: str, scored_frames: Iterable[int]) -> "Protocol":
        """Trained on the frames of one sequence, scored on those of another."""
        return cls("sequences", tuple(frames), tuple(scored_frames), sequences=(trained, scored))

    @classmethod
    def unscored(cls, sections: int) -> "Protocol":
        """Trained on the whole training stack; nothing is scored."""
        return cls("none", tuple(range(sections)), ())

    def without(self, sections: Iterable[int]) -> "Protocol":
        """The same without some of the training sections. Raises BadInput for one that is not among them, and where
        none is left.
        """
        left_out = tuple(sorted(set(sections)))
        for number in left_out:
            if number not in self.training_sections:
                among = f"{self.training_sections[0]} to {self.training_sections[-1]}"
                raise BadInput(f"--leave-out names section {number}, which is none to train on; these are of {among}")
        kept = tuple(number for number in self.training_sections if number not in left_out)
        if not kept:
            raise BadInput("--leave-out leaves no section to train on; name fewer")
        return replace(self, training_sections=kept, left_out=left_out)

    def names(self, numbers: Sequence[int]) -> list[str]:
        """What sections of the training stack are called: by their files, where there are several."""
        return [as_text(self.files[number]) if self.files else f"section-{number:03}" for number in numbers]

    def __str__(self) -> str:
        if self.kind == "fold":
            return f"validation fold {self.fold}"
        if self.sequences is not None:
            return f"sequence {self.sequences[1]}, trained on {self.sequences[0]}"
        return {"test": "test stack", "none": "not scored"}[self.kind]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for run.json."""
        return {
            "kind": self.kind,
            "fold": None if self.fold is None else str(self.fold),
            "training_sections": list(self.training_sections),
            "scored_sections": list(self.scored_sections),
            "left_out": list(self.left_out),
            "labels_are": self.labels_are,
            **({} if self.ignore is None else {"ignore": self.ignore}),
            **({"files": list(self.files)} if self.files else {}),
            **({"sequences": list(self.sequences)} if self.sequences else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Protocol":
        """The inverse of `to_json`; also reads the first records, which only counted the sections. Raises ValueError
        for another kind, and where nothing is scored though its kind says so.
        """
        kind, is_scored = values["kind"], bool(values["scored_sections"])
        if kind not in get_args(Kind) or is_scored != (kind != "none"):
            raise ValueError(f"a protocol of kind {kind!r} with the scored sections {values['scored_sections']!r}")
        fold = Fold.parse(values["fold"]) if values.get("fold") else None
        left_out = tuple(values.get("left_out") or ())
        training, scored = values["training_sections"], values["scored_sections"]
        if isinstance(training, int):
            total = training + len(left_out)
            if fold is not None:
                protocol = cls.of_fold(fold, total + scored)
            else:
                protocol = cls.of_test(total, scored) if values["kind"] == "test" else cls.unscored(total)
            protocol = protocol.without(left_out)
        else:
            protocol = cls(values["kind"], tuple(training), tuple(scored), left_out, fold)
        meant, sequences = values.get("labels_are"), values.get("sequences")
        meant = "instances" if meant == "numbers" else meant  # their name in older records
        protocol = replace(protocol, ignore=values.get("ignore"), files=tuple(values.get("files", ())))
        return replace(protocol, labels_are=meant, sequences=(sequences[0], sequences[1]) if sequences else None)
