"""A folder as people have it: nuclei that touch, PNG and TIFF, of several sizes."""

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage


def draw_nuclei(random, height, width, count):
    """Discs that touch: (H, W) uint8 gray values and uint16 numbers."""
    numbers = np.zeros((height, width), np.uint16)
    y, x = np.mgrid[:height, :width]
    for number in range(1, count + 1):
        centre, radius = random.uniform((0, 0), (height, width)), random.uniform(6, 11)
        numbers[((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2) & (numbers == 0)] = number
    bright = ndimage.gaussian_filter((numbers > 0) * 120.0, 1.2) + 40
    return np.clip(random.normal(bright, 8), 0, 255).astype(np.uint8), numbers


SIZES = {"t1": (70, 90), "t2": (64, 64), "t10": (50, 120)}


@pytest.fixture(scope="session")
def nuclei_folders(tmp_path_factory):
    """`images` with t1.png (Pillow), t2.tif (imageio) and t10.png, `masks` of other formats, and what lies about."""
    folder, random = tmp_path_factory.mktemp("nuclei"), np.random.default_rng(3)
    (folder / "images").mkdir(), (folder / "masks").mkdir()
    for name, size in SIZES.items():
        image, numbers = draw_nuclei(random, *size, 12)
        if name == "t2":
            imageio.imwrite(folder / "images" / f"{name}.tif", image)
            Image.fromarray(numbers.astype(np.uint8)).save(folder / "masks" / f"{name}.png")
        else:
            Image.fromarray(image).save(folder / "images" / f"{name}.png")
            imageio.imwrite(folder / "masks" / f"{name}.tif", numbers)
    for hidden in (".DS_Store", "._t1.png", "Thumbs.db"):
        (folder / "images" / hidden).write_bytes(b"\0\0\0\1Bud1")
    return folder
