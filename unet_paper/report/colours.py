"""The colours of all pictures, which colour-blind readers tell apart; `tests/report/test_colours.py` measures it."""

import numpy as np

Colour = tuple[int, int, int]  # red, green, blue, from 0 to 255

# Okabe and Ito's eight, with a dark red instead of black: of components, which lie on black or on the gray image.
COMPONENTS: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
    (160, 30, 90),
)
# Everywhere, what merges cells is blue and what splits them is red.
MERGER, SPLIT = (0, 60, 200), (200, 20, 10)  # the pixels of the warping error
MISSED_MEMBRANE, MISSED_CELL = (120, 180, 235), (245, 160, 130)  # other pixels on the wrong side
CIRCLES = {"merger": (47, 139, 255), "split": (232, 64, 12)}  # drawn over images, light or dark
NOT_SCORED: Colour = (128, 128, 128)  # pixels whose truth is not known
WEIGHTS = "viridis"  # figure 3 has a rainbow, which colour-blind readers cannot read


def hexadecimal(colour: Colour) -> str:
    """(red, green, blue) from 0 to 255 as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


LINES = tuple(hexadecimal(COMPONENTS[number]) for number in (4, 5, 2, 6, 0, 1))  # of curves


def in_colours(numbers: np.ndarray) -> np.ndarray:
    """Numbers of COMPONENTS, counted from 1, 0 = black: (H, W) -> (H, W, 3) uint8."""
    return np.array([(0, 0, 0), *COMPONENTS], np.uint8)[numbers]
