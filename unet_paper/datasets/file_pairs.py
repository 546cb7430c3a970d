"""Which image belongs to which labels, by the names of their files."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from unet_paper.io.image_folder import image_files, named, several_files, stem
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger

# What people add to the names of images and of their labels.
WORDS = (
    *("image", "images", "img", "im", "raw", "mask", "masks", "label", "labels", "lbl", "seg", "segmentation"),
    *("gt", "truth", "groundtruth", "annotation", "annotations", "instance", "instances", "cp", "probability"),
)
ONE = "|".join(sorted(WORDS, key=len, reverse=True))
ADDED = re.compile(rf"^(?:{ONE})(?:[ _.-]+|(?=[0-9]))|[ _.-]+(?:{ONE})$", re.IGNORECASE)

Pair = tuple[Path, Path]


def paired(
    images: Sequence[Path],
    labels: Sequence[Path],
    names: tuple[str, str] = ("images", "labels"),
    may_be_listed: bool = True,
) -> list[Pair]:
    """Files and their labels: of one file each as they are, else of folders and lists by name.

    A pair has the same name but for the ending, or but for such words as _mask at the beginning or the end of it. names
    : of both, for messages. may_be_listed : whether the user can name several files in place of a folder. Raises
    BadInput for a file without its partner.
    """
    if not several_files(images) and not several_files(labels):
        return [(images[0], labels[0])]
    first, second = image_files(images), image_files(labels)
    pairs, without = _by(stem, first, second), _by(without_words, first, second)
    if len(without) > len(pairs):
        pairs = without
        logger.info(f"pairs are made by name without words such as mask: {pairs[0][0].name}, {pairs[0][1].name}")
    _require_partners(first, second, pairs, names, may_be_listed)
    return pairs


def without_words(path: Path) -> str:
    """A file's name without its ending and the words of WORDS around it."""
    name = stem(path)
    while (shorter := ADDED.sub("", name)) != name and shorter:
        name = shorter
    return name.casefold()


def _by(key: Callable[[Path], str], first: Sequence[Path], second: Sequence[Path]) -> list[Pair]:
    """The pairs of files that have one key, which is no other file's."""
    counts = [Counter(map(key, files)) for files in (first, second)]
    partners = {key(path): path for path in second}
    return [(path, partners[key(path)]) for path in first if all(count[key(path)] == 1 for count in counts)]


def _require_partners(
    first: Sequence[Path], second: Sequence[Path], pairs: list[Pair], names: tuple[str, str], may_be_listed: bool
) -> None:
    for index, files in enumerate((first, second)):
        with_partner = {pair[index] for pair in pairs}
        lonely = [path for path in files if path not in with_partner]
        if lonely:
            others = (second, first)[index]
            or_else = ", or name only the files that have one" if may_be_listed else ""
            there = f"{others[0].parent} holds {named(path.name for path in others)}"
            raise BadInput(
                f"{lonely[0].parent} holds {names[index]} without {names[1 - index]} of the same name: "
                f"{named(path.name for path in lonely)}; {there}; move what has no partner elsewhere{or_else}"
            )
