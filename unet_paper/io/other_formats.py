"""Opening PNG, JPEG, BMP, PGM, WebP, JPEG 2000 and GIF."""

import io
import re
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from unet_paper.compute.memory import require_memory
from unet_paper.io.lossy import lossy_file
from unet_paper.io.raw_image import RawImage

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "JPEG2000", "GIF")
ORIENTATION = 0x0112  # of EXIF
GRAY, COLOUR_TABLE = 0, 3  # kinds of PNG
FEW_BITS = {2**bits - 1: bits for bits in (1, 2, 4)}  # a PGM's largest value, and the bits of one
RGB_MODES = ("RGB", "RGBA", "RGBX")


def open_image(path: Path) -> RawImage:
    """What the image holds. Raises ValueError and what Pillow raises for files that it cannot be read from."""
    with Image.open(path, formats=FORMATS) as image:
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise ValueError(f"it holds {frames} images")
        values = 8 * len(image.getbands())
        require_memory(values * image.width * image.height, f"{path}, unpacked,", "save it as a plain TIFF")
        content = path.read_bytes()
        if image.format == "PNG":
            _require_checksums(content)
        raw = _read(image, content)
        raw.orientation = int(image.getexif().get(ORIENTATION, 1))
        raw.lossy = lossy_file(image.format, content)
    return raw


def _require_checksums(content: bytes) -> None:
    """Raise ValueError for a damaged PNG: Pillow decodes what there is, and leaves the rest black."""
    try:
        Image.open(io.BytesIO(content), formats=("PNG",)).verify()
    except (SyntaxError, ValueError, OSError):
        raise ValueError("it is cut off or damaged: its checksums do not fit") from None


def _read(image: Image.Image, content: bytes) -> RawImage:
    if image.format == "PNG":
        bits, kind = content[24], content[25]
        if bits == 16 and kind not in (GRAY, COLOUR_TABLE):  # Pillow would keep eight of the bits
            pixels = imagecodecs.png_decode(content)
            return RawImage(pixels, "YXS" if pixels.ndim == 3 else "YX")
        if bits < 8 and kind == GRAY:  # Pillow spreads them over 0 to 255
            return RawImage(np.array(image.convert("L")) // np.uint8(255 // (2**bits - 1)), "YX", bits)
    if image.mode in ("P", "PA"):
        table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return RawImage(np.array(image.convert("P") if image.mode == "PA" else image), "YX", tables=(table,))
    if image.mode == "1":
        return RawImage(np.array(image.convert("L")) != 0, "YX", 1)  # as bool Pillow gives bytes of 255
    if image.format == "PPM" and image.mode in ("L", "I"):
        return _read_pgm(image, content)
    if len(image.getbands()) >= 3 and image.mode not in RGB_MODES:
        image = image.convert("RGB")
    pixels = np.array(image)
    return RawImage(pixels, "YXS" if pixels.ndim == 3 else "YX")


def _read_pgm(image: Image.Image, content: bytes) -> RawImage:
    """A PGM's own numbers: Pillow spreads them over 0 to 255 or 65,535."""
    header = re.match(rb"P[25](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d+)", content)
    largest = int(header[1]) if header else 255
    dtype, full = (np.uint8, 255) if largest < 256 else (np.uint16, 65535)
    spread = np.array(image).astype(np.float64)
    pixels = np.rint(spread * largest / full).astype(dtype)
    return RawImage(pixels, "YX", FEW_BITS[largest]) if largest in FEW_BITS else RawImage(pixels, "YX")
