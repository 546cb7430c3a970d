"""Reading people's own images and labels, in one file each or in many."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unet_paper.datasets.file_pairs import paired
from unet_paper.io.hashes import joint_sha256
from unet_paper.io.image_folder import by_number, section_names, stem
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.labelled_box import box_of
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.sections import Sections, stacked
from unet_paper.io.stack import read_gray, read_labels
from unet_paper.support.errors import BadInput
from unet_paper.support.progress import progress_bar


@dataclass(frozen=True)
class Pairs:
    """Images and labels of the same sections."""

    images: Sections
    labels: Sections
    name: str  # of the labels, for messages
    names: tuple[str, ...]  # of the sections: their files', where there are several; else none
    data: dict[str, str]  # name -> SHA-256 of the content
    pixel_size: PixelSize | None  # where all files tell the same


def read_pairs(
    images: Path | Sequence[Path],
    labels: Path | Sequence[Path],
    channel: int | str | None = None,
    ignore: int | None = None,
) -> Pairs:
    """Read images and their labels: one file each, or folders and lists of files that are paired by name.

    Files may hold one section or several, of any size. ignore : see `read_labels`. Raises BadInput for files that
    cannot be read or have no partner, a pair that differs in shape, images of several types, labels of uint64 and of a
    signed type, and sections that would have one name.
    """
    of_images, of_labels = _paths(images), _paths(labels)
    pairs = sorted(paired(of_images, of_labels), key=lambda pair: by_number(stem(pair[0])))
    read: list[tuple[ImageStack, ImageStack]] = []
    for image, truth in pairs:
        if image.exists() and truth.exists() and image.samefile(truth):
            raise BadInput(
                f"{image} is given for the images and for the labels; these are two files, each of which "
                "is named where one folder holds both"
            )
    for image, truth in progress_bar(pairs, desc="read", unit="file") if len(pairs) > 1 else pairs:
        gray, labelled = (
            read_gray(image, channel, box_of(truth, image), among_others=len(pairs) > 1),
            read_labels(truth, ignore),
        )
        if gray.pixels.shape != labelled.pixels.shape:
            raise BadInput(
                f"{image} has shape {gray.pixels.shape} and {truth} {labelled.pixels.shape} (sections, height, width); "
                "both must be the same"
            )
        if read and gray.pixels.dtype != read[0][0].pixels.dtype:
            raise BadInput(
                f"{read[0][0].source} holds {read[0][0].pixels.dtype} values and {image} {gray.pixels.dtype}; gray "
                "values must be of one type, so scale those of one to the range of the other"
            )
        read.append((gray, labelled))
    first, second = zip(*read, strict=True)
    _require_common_type(second)
    sizes = {stack.pixel_size for stack in first}
    if len(read) == 1:
        hashes = first[0].content_sha256, second[0].content_sha256
    else:
        hashes = (
            joint_sha256(stack.content_sha256 for stack in first),
            joint_sha256(stack.content_sha256 for stack in second),
        )
    names = section_names([(stack.source, len(stack.pixels)) for stack in first])
    pixels = ([section for stack in stacks for section in stack.pixels] for stacks in (first, second))
    # as they lie in a folder, where the sections of a run are read again
    sections = sorted(zip(names, *pixels, strict=True), key=lambda section: by_number(section[0]))
    return Pairs(
        images=stacked([image for _, image, _ in sections]),
        labels=stacked(_of_one_type([truth for _, _, truth in sections])),
        name=str(of_labels[0]) if len(of_labels) == 1 else f"{of_labels[0]} and the other labels",
        names=tuple(name for name, _, _ in sections) if len(read) > 1 else (),
        data={"train-volume": hashes[0], "train-labels": hashes[1]},
        pixel_size=sizes.pop() if len(sizes) == 1 else None,
    )


def _paths(given: Path | Sequence[Path]) -> list[Path]:
    return [given] if isinstance(given, Path) else list(given)


def _require_common_type(labels: Sequence[ImageStack]) -> None:
    """Raise BadInput where no type of whole numbers holds the values of all: of uint64 and a signed one."""
    if np.result_type(*(stack.pixels.dtype for stack in labels)).kind != "f":
        return
    largest = next(stack for stack in labels if stack.pixels.dtype.kind == "u" and stack.pixels.dtype.itemsize == 8)
    signed = next(stack for stack in labels if stack.pixels.dtype.kind == "i")
    raise BadInput(
        f"{largest.source} holds {largest.pixels.dtype} values and {signed.source} {signed.pixels.dtype}; no type of "
        "whole numbers holds those of both, so convert one of them"
    )


def _of_one_type(sections: list[np.ndarray]) -> list[np.ndarray]:
    """Labels of the type that holds the values of all."""
    common = np.result_type(*sections)
    return [section.astype(common, copy=False) for section in sections]
