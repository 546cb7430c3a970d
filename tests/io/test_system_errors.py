"""What says nothing of a file's content, such as too little memory, is not told as a damaged file."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unet_paper.io.image_files import open_stack
from unet_paper.io.raw_image import Scratch
from unet_paper.io.tiff_segments import TiffSegments
from unet_paper.support.errors import BadInput

ROOT = Path(__file__).parents[2]
WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from unet_paper.io.image_files import open_stack
taken = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**26, resource.RLIM_INFINITY))
try:
    open_stack(sys.argv[1])
except MemoryError:
    print("too little memory")
"""


def fails_with(error):
    def fails(*_, **__):
        raise error

    return fails


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")
def test_too_little_memory_to_unpack_is_told_as_that(tmp_path):
    section = np.zeros((12_000, 12_000), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", section, photometric="minisblack", compression="zlib", rowsperstrip=1000)
    done = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY, tmp_path / "a.tif"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "too little memory\n", done.stderr


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="needs a file that the system does not let be read")
def test_a_file_that_the_system_cannot_read_now():
    with pytest.raises(BadInput, match="^/proc/self/mem cannot be read: Input/output error; fix that and try again"):
        open_stack("/proc/self/mem")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EIO, "Input/output error"), OSError("decoder"), EOFError]
)
def test_of_a_tile_only_what_the_codec_says_is_damage(tmp_path, random, monkeypatch, error):
    monkeypatch.setattr("unet_paper.io.raw_image.UNPACKED_IN_MEMORY", 100)
    pixels = random.integers(0, 256, (2, 30, 41), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", compression="zlib")
    stack = open_stack(tmp_path / "a.tif").pixels
    monkeypatch.setattr(TiffSegments, "_unpack", fails_with(error))
    is_of_system = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
    with pytest.raises(type(error) if is_of_system else BadInput) as raised:
        np.asarray(stack[0])
    assert raised.value is error or "is damaged in tile or strip 0 of section 0" in str(raised.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_no_room_to_unpack_is_one_sentence(tmp_path, monkeypatch, number):
    monkeypatch.setattr("unet_paper.io.raw_image.UNPACKED_IN_MEMORY", 100)
    monkeypatch.setattr(os, "posix_fallocate", fails_with(OSError(number, os.strerror(number))), raising=False)
    message = f"a.tif is packed and cannot be unpacked on its disk: {os.strerror(number)}; write the result where"
    with pytest.raises(BadInput, match=message):
        Scratch(tmp_path).empty(Path("a.tif"), (101,), np.uint8)
    assert not list(tmp_path.iterdir())
