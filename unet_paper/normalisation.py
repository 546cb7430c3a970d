"""Gray values in, standardised gray values out: the training stack's mean and deviation, kept with the weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from unet_paper.support.errors import BadInput

if TYPE_CHECKING:
    import torch  # which takes a second, and `score`, which reads records, needs no network

Values = TypeVar("Values", np.ndarray, "torch.Tensor")


@dataclass(frozen=True)
class Standardisation:
    """The training stack's mean and standard deviation; the network sees (gray value - mean) / deviation.

    Gray values are those of `gray_values`; `dtype` is the type of the training stack's file.
    """

    mean: float
    deviation: float
    dtype: str

    @classmethod
    def of(cls, gray: np.ndarray, dtype: np.dtype) -> "Standardisation":
        """Of a training stack's gray values, whose file has this type.

        Whole numbers lie in -1 to 1 here, where 32 bits are enough; floats of any size are summed in 64. The deviation
        of one value alone is 1.
        """
        sums = np.float64 if dtype.kind == "f" else np.float32
        is_constant = gray.min() == gray.max()  # its deviation may be a rounding error instead of 0
        return cls(float(gray.mean(dtype=sums)), 1.0 if is_constant else float(gray.std(dtype=sums)), dtype.name)

    @property
    def largest(self) -> int:
        """What gray values of a file are divided by first: the largest of a type of whole numbers; 1 for floats."""
        return int(np.iinfo(self.dtype).max) if np.dtype(self.dtype).kind in "ui" else 1

    def described(self) -> str:
        """In words, what happens to a gray value."""
        divided = self.dtype + (f" / {self.largest}" if self.largest > 1 else "")
        return f"{divided}, minus {self.mean:.4g}, divided by {self.deviation:.4g}"

    def range_told(self) -> str:
        """In words, which gray values of a file are like those of the training stack."""
        mean = self.mean * self.largest
        if self.dtype.startswith("uint"):
            return f"0 to {self.largest} for {self.dtype}, whose mean was {mean:.0f}"
        return f"{self.dtype} whose mean was {mean:.4g}"

    def __call__(self, gray: Values) -> Values:
        return (gray - self.mean) / self.deviation


def gray_values(stack: np.ndarray, name: str = "the stack") -> np.ndarray:
    """A stack as float32: integers divided by their type's largest value, floats as they are.

    Parameters
    ----------
    stack : integer or float array
        Of any shape.
    name : str
        What messages call it.

    Returns
    -------
    float32 array of the same shape
        Of integers 0 to 1, or from just below -1 where their type has a sign.

    Raises
    ------
    BadInput
        For values that are not finite in 32 bits, and for types that are neither whole nor floating-point.
    """
    if stack.dtype.kind in "ui":
        return stack.astype(np.float32) / np.iinfo(stack.dtype).max
    if stack.dtype.kind != "f":
        raise BadInput(f"{name} holds {stack.dtype} values; give whole or floating-point gray values")
    with np.errstate(over="ignore"):
        stack = stack.astype(np.float32)
    if not np.isfinite(stack).all():
        raise BadInput(f"{name} holds values that are not finite in 32 bits; every gray value must be a number")
    return stack
