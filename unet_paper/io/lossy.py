"""Formats that change values, which a picture bears and labels do not."""

import struct

JPEG_IN_TIFF = {6: "JPEG", 7: "JPEG", 33007: "JPEG", 34892: "JPEG", 34934: "JPEG XR", 22610: "JPEG XR"}
JPEG_2000_IN_TIFF = (33003, 33004, 33005, 34712)
WEBP_IN_TIFF = (34927, 50001)
LERC_IN_TIFF = 34887
START_OF_CODE = b"\xff\x4f\xff\x51"  # of JPEG 2000
JPEG_XL_IN_TIFF = (50002, 52546)  # can be without loss, which only its decoder tells
ROUNDS_TO_ITSELF = 0.5  # error of a whole number that LERC may make, at most, and of which none is left


def lossy_in_tiff(compression: int, packed: bytes) -> str | None:
    """The lossy format's name, of a TIFF compressed so and its first strip or tile; None for the others."""
    if compression in JPEG_2000_IN_TIFF:
        return lossy_jpeg_2000(packed)
    if compression in WEBP_IN_TIFF:
        return lossy_webp(packed)
    if compression == LERC_IN_TIFF:
        return lossy_lerc(packed)
    if compression in JPEG_XL_IN_TIFF:
        return "JPEG XL"
    return JPEG_IN_TIFF.get(compression)


def lossy_file(kind: str | None, content: bytes) -> str | None:
    """The lossy format's name, of a file that Pillow calls `kind`; None for the others."""
    if kind in ("JPEG", "MPO"):
        return "JPEG"
    if kind == "JPEG2000":
        return lossy_jpeg_2000(content)
    return lossy_webp(content) if kind == "WEBP" else None


def lossy_jpeg_2000(content: bytes) -> str | None:
    """By its coding style: the 9-7 wavelet loses, the 5-3 wavelet need not. Anything may stand before its code."""
    start = content.find(b"\xff\x52\x00", max(content.find(START_OF_CODE), 0))
    return "JPEG 2000" if 0 <= start and content[start + 13 : start + 14] == b"\0" else None


def lossy_webp(content: bytes) -> str | None:
    """By its chunks: "VP8 " loses, "VP8L" does not."""
    offset = 12  # behind RIFF, its length and WEBP
    while offset + 8 <= len(content):
        name, length = content[offset : offset + 4], int.from_bytes(content[offset + 4 : offset + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            return "WebP" if name == b"VP8 " else None
        if name == b"ANMF":  # a picture of several, with chunks of its own behind its place and size
            length = 16
        offset += 8 + length + length % 2
    return None


def lossy_lerc(content: bytes) -> str | None:
    """By the error that its header allows. What is packed once more, or of another version, cannot be told."""
    if content[:6] != b"Lerc2 ":
        return "LERC"
    (version,) = struct.unpack_from("<i", content, 6)
    if not 2 <= version <= 5:
        return "LERC"
    # A checksum from version 3 on, then six numbers, and the samples of a pixel from version 4 on.
    offset = 10 + 4 * (version >= 3) + 4 * (6 + (version >= 4))
    (error,) = struct.unpack_from("<d", content, offset)
    return None if error <= ROUNDS_TO_ITSELF else "LERC"
