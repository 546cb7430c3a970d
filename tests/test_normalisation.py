"""Gray values in, standardised gray values out."""

import numpy as np
import pytest

from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.support.errors import BadInput


def test_gray_values(random):
    assert gray_values(np.array([[[0, 255]]], np.uint8)).tolist() == [[[0, 1]]]
    assert gray_values(np.array([[[0, 65535]]], np.uint16)).tolist() == [[[0, 1]]]
    assert gray_values(np.array([[[0.5, 3]]])).tolist() == [[[0.5, 3]]]
    with pytest.raises(BadInput, match="finite"):
        gray_values(np.array([[[np.nan]]]))


@pytest.mark.parametrize("scale, offset", [(1e-25, 0), (1e12, 0), (1, 1e4)])
def test_sums_are_in_double_precision(random, scale, offset):
    """Squares of 1e-25 and of 1e12 are beyond 32 bits, or nearly so."""
    values = random.random((2, 200, 300))
    gray = (values * scale + offset).astype(np.float32)
    found = Standardisation.of(gray, gray.dtype)
    assert found.mean == pytest.approx(gray.astype(np.float64).mean(), rel=1e-12)
    assert found.deviation == pytest.approx(gray.astype(np.float64).std(), rel=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_no_finite_32_bits_are_refused(value):
    with pytest.raises(BadInput, match="the stack holds values that are not finite in 32 bits"):
        gray_values(np.array([[0.0, value]]))


def test_types_with_a_sign_are_divided_by_their_largest_too():
    assert gray_values(np.array([-127, 0, 127], np.int8)).tolist() == [-1, 0, 1]


def test_whole_numbers_are_summed_as_before(random):
    gray = (random.integers(0, 256, (2, 200, 300)).astype(np.float32)) / np.float32(255)
    found = Standardisation.of(gray, np.dtype(np.uint8))
    assert (found.mean, found.deviation) == (float(gray.mean()), float(gray.std()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("value", [0, 1, 100, 201])
def test_a_stack_of_one_value_has_deviation_1(dtype, value):
    """32-bit sums may round: a deviation of 3e-8 would make noise of a difference that is none."""
    gray = gray_values(np.full((2, 250, 250), value, dtype))
    found = Standardisation.of(gray, np.dtype(dtype))
    assert found.deviation == 1 and np.abs(found(gray)).max() < 1e-6


def test_the_range_of_those_trained_on_is_told():
    assert Standardisation(0.25, 0.1, "uint8").range_told() == "0 to 255 for uint8, whose mean was 64"
    assert Standardisation(0.25, 0.1, "uint16").range_told() == "0 to 65535 for uint16, whose mean was 16384"
    assert Standardisation(0.25, 0.1, "float32").range_told() == "float32 whose mean was 0.25"


@pytest.mark.parametrize(("dtype", "gray"), [("uint8", "uint8 / 255"), ("float32", "float32")])
def test_what_is_done_to_gray_values_in_words(dtype, gray):
    assert Standardisation(0.5, 0.25, dtype).described() == f"{gray}, minus 0.5, divided by 0.25"
