"""Sections of one size, which are a stack, or of several sizes, which are a list."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from unet_paper.support.arguments import as_array
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.words import counted

COLOURS = (3, 4)  # samples of a pixel in colour
NARROW = 64  # px, the least width of which nobody wonders whether it is the number of sections
Sections = np.ndarray | Sequence[np.ndarray]  # a (Z, H, W) array, or (H, W) arrays of any sizes


class Block(NamedTuple):
    """Rows top ... bottom - 1 and columns left ... right - 1 of a section, px."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), px."""
        return self.bottom - self.top, self.right - self.left


def as_sections(values: ArrayLike | Sequence[ArrayLike], name: str) -> Sections:
    """What a notebook has as Sections: an (H, W) or (Z, H, W) array, or a sequence of (H, W) arrays of any sizes.

    name : for messages. Arrays are in the machine's byte order. Raises BadInput for other shapes, and without pixels.
    """
    if isinstance(values, (list, tuple)) and any(as_array(section, name).ndim == 2 for section in values):
        sections = [as_array(section, name) for section in values]
        for number, section in enumerate(sections):
            if section.ndim != 2 or section.size == 0:
                raise BadInput(f"{name} hold shape {section.shape} at {number}; expected (H, W) arrays")
        return stacked([section.astype(section.dtype.newbyteorder("="), copy=False) for section in sections])
    stack = as_array(values, name)
    require_no_colours(stack, name)
    if stack.ndim not in (2, 3) or stack.size == 0:
        raise BadInput(f"{name} of shape {stack.shape}; expected (H, W) or (Z, H, W)")
    stack = stack.astype(stack.dtype.newbyteorder("="), copy=False)
    return stack[None] if stack.ndim == 2 else stack


def lone_label(ignore: Any) -> int | None:
    """The label that pixels to ignore have, where that is what `ignore` says: a whole number, also as an array without
    a dimension. None for masks and all else.
    """
    if isinstance(ignore, int) and not isinstance(ignore, bool):
        return ignore
    if ignore is None or isinstance(ignore, (list, tuple)):
        return None
    value = np.asarray(ignore)
    return int(value) if value.ndim == 0 and value.dtype.kind in "ui" else None


def require_no_colours(stack: np.ndarray, name: str) -> None:
    """Raise BadInput for what is a picture (H, W, 3) or (H, W, 4) rather than a stack of sections 3 or 4 px wide, for
    several pictures, and for the same with one channel, (H, W, 1).
    """
    is_picture = stack.ndim == 3 and min(stack.shape[:2]) > max(COLOURS)
    if (is_picture or stack.ndim == 4) and stack.shape[-1] == 1:
        raise BadInput(
            f"{name} of shape {stack.shape} have a last axis of one channel; expected (H, W) or (Z, H, W), so give "
            "[..., 0]"
        )
    if (is_picture or stack.ndim == 4) and stack.shape[-1] in COLOURS:
        raise BadInput(
            f"{name} of shape {stack.shape} are in colour; expected (H, W) or (Z, H, W), so give one channel, such as "
            "[..., 0]"
        )


def note_odd_axes(shape: tuple[int, ...], name: Path | str) -> None:
    """Say so where (Z, H, W) sections are so narrow that their axes may be in another order. name : what they are
    called.
    """
    if len(shape) == 3 and shape[2] < NARROW and 4 * shape[2] < min(shape[:2]):
        logger.warning(
            f"note: {name} holds {shape[0]} sections of {shape[1]} x {shape[2]} px; expected "
            "(sections, height, width), so if that is a surprise, put its axes into this order"
        )


def require_contrast(sections: Sections) -> None:
    """Raise BadInput where there is nothing but blank sections to train on."""
    if all(section.min() == section.max() for section in sections):
        raise BadInput("each section that is trained on holds one gray value only; train on images that show something")


def stacked(sections: Sequence[np.ndarray]) -> Sections:
    """(H, W) arrays as one (Z, H, W) array where all have one size and type, else as they are."""
    if len({(section.shape, section.dtype) for section in sections}) == 1:
        return np.stack(sections)
    return list(sections)


def joined(sections: Sections) -> np.ndarray:
    """All pixels, one after the other."""
    if isinstance(sections, np.ndarray):
        return sections.ravel()
    return np.concatenate([section.ravel() for section in sections])


def like(values: np.ndarray, sections: Sections) -> Sections:
    """The inverse of `joined`: values one after the other in the shapes of sections."""
    if isinstance(sections, np.ndarray):
        return values.reshape(sections.shape)
    ends = np.cumsum([section.size for section in sections])[:-1]
    return [part.reshape(section.shape) for part, section in zip(np.split(values, ends), sections, strict=True)]


def require_same_shapes(first: Sections, second: Sections, names: tuple[str, str]) -> None:
    """Raise BadInput unless there are as many sections of the same sizes. names : of both, for the message."""
    if shapes(first) != shapes(second):
        raise BadInput(
            f"{names[0]} of shape {described(first)} with {names[1]} of shape {described(second)}; both must be the "
            "same"
        )


def shapes(sections: Sections) -> list[tuple[int, ...]]:
    """The shape of each section."""
    return [np.shape(section) for section in sections]


def described(sections: Sections) -> str:
    """The shape of a stack, or those of its sections, in words."""
    if isinstance(sections, np.ndarray):
        return str(sections.shape)
    texts = [str(shape) for shape in dict.fromkeys(shapes(sections))]
    return ", ".join(texts[:3]) + (", ..." if len(texts) > 3 else "") + f" ({len(sections)} sections)"


def sizes_told(sections: Sections) -> str:
    """How many sections there are, and of which size, in words."""
    first, *others = dict.fromkeys(shapes(sections))
    size = "several sizes" if others else f"{first[0]} x {first[1]} px"
    return f"{counted(len(sections), 'section')} of {size}"
