"""Mutated files: TIFF, PNG, zip, checkpoints, prediction journals. Only clean errors, in bounded time."""

import os
import signal
import struct
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from unet_paper import checkpoint
from unet_paper.checkpoint import Checkpoint, new_network
from unet_paper.config import PROFILES
from unet_paper.datasets import isbi2012
from unet_paper.io.stack import read_stack
from unet_paper.normalisation import Standardisation
from unet_paper.support.errors import BadInput

TINY = PROFILES["smoke"]
LONGEST = 20  # seconds for one file
QUICK = 60  # mutations of each file, in the fast suite
THOROUGH = {"TIFF": 600, "PNG": 1000, "checkpoint": 1000, "zip": 1000}  # and, twice, in the slow one
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


class TooLong(BaseException):
    """Not an Exception, which the readers may take for a damaged file."""


@contextmanager
def time_limit():
    """A hang is as bad as a crash."""

    def too_long(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mutated(content, random):
    """A copy with bits flipped, bytes and whole numbers replaced, parts cut out, doubled, or the end cut off."""
    content = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        place = (
            int(random.integers(len(content)))
            if random.random() < 0.5
            else int(random.integers(min(300, len(content))))
        )
        kind = random.integers(6)
        if kind == 0:
            content[place] ^= 1 << int(random.integers(8))
        elif kind == 1:
            content[place] = int(random.choice(INTERESTING))
        elif kind == 2:
            number = int(random.choice([0, 1, 2**15, 2**31 - 1, 2**32 - 1, int(random.integers(2**32))]))
            content[place : place + 4] = struct.pack("<I", number)
        elif kind == 3:
            del content[place : place + int(random.integers(1, 64))]
        elif kind == 4:
            content[place:place] = content[place : place + int(random.integers(1, 64))]
        else:
            del content[place:]
        if not content:
            return b""
    return bytes(content)


def tiffs(folder, random):
    """TIFFs of several kinds."""
    stack = random.integers(0, 256, (3, 20, 30)).astype(np.uint8)
    kinds = {
        "imagej": dict(imagej=True),
        "plain": dict(photometric="minisblack"),
        "deflate": dict(compression="zlib", photometric="minisblack"),
        "tiled": dict(tile=(16, 16), photometric="minisblack"),
        "big": dict(bigtiff=True, photometric="minisblack"),
        "ome": dict(ome=True, metadata={"axes": "ZYX"}),
    }
    for name, options in kinds.items():
        tifffile.imwrite(folder / f"{name}.tif", stack, **options)
    Image.fromarray(stack[0]).save(folder / "lzw.tif", compression="tiff_lzw")
    return sorted(folder.glob("*.tif"))


def pngs(folder, random):
    """PNGs of several kinds."""
    values = random.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(values[..., 0]).save(folder / "gray.png")
    Image.fromarray(values).save(folder / "colour.png")
    Image.fromarray(values[..., 0]).convert("P").save(folder / "numbered.png")
    Image.fromarray(values[..., 0].astype(np.uint16) * 200).save(folder / "deep.png")
    return sorted(folder.glob("*.png"))


def checkpoints(folder, random):
    """Of a small network, as training writes it."""
    torch.manual_seed(0)
    network = new_network(TINY).state_dict()
    values = Checkpoint(3, TINY, Standardisation(0.5, 0.1, "uint8"), network, None, [], {}, 1.0)
    checkpoint.save(folder / "weights.pt", values)
    return [folder / "weights.pt"]


def archives(folder, random):
    """With stacks that are not the challenge's."""
    tifffile.imwrite(folder / "train-volume.tif", random.integers(0, 256, (2, 9, 9)).astype(np.uint8))
    for name, kind in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", kind) as archive:
            for member in ("train-volume", "train-labels", "test-volume"):
                archive.write(folder / "train-volume.tif", f"in/a/folder/{member}.tif")
    return sorted(folder.glob("*.zip"))


def fetch(path):
    """As `data --from` does."""
    isbi2012.fetch(path.parent / "to", path)
    assert not list((path.parent / "to").glob("*.tif"))


KINDS = {
    "TIFF": (tiffs, read_stack),
    "PNG": (pngs, read_stack),
    "checkpoint": (checkpoints, checkpoint.load),
    "zip": (archives, fetch),
}


def fuzz(kind, mutations, folder, seed):
    """(files tried, files refused) of one kind."""
    make, use = KINDS[kind]
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    tried = refused = 0
    for path in make(folder, random):
        content = path.read_bytes()
        target = path.with_name(f"mutated-{path.name}")
        for number in range(mutations):
            target.write_bytes(mutated(content, random))
            tried += 1
            try:
                with time_limit():
                    use(target)
            except BadInput as error:
                refused += 1
                assert str(error).count("\n") == 0 and str(target.name) in str(error), str(error)
            except (Exception, TooLong) as error:
                kept = os.environ.get("FUZZ_KEEP")
                if kept:
                    with open(os.path.join(kept, f"{kind}-{seed}-{number}-{path.name}"), "wb") as file:
                        file.write(target.read_bytes())
                raise AssertionError(f"{path.name}, mutation {number} of seed {seed}: {error!r}") from error
        assert path.read_bytes() == content
    return tried, refused


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(kind, tmp_path):
    tried, refused = fuzz(kind, QUICK, tmp_path / "files", 0)
    assert tried >= QUICK and refused > tried // 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_by_the_thousand(kind, tmp_path):
    for seed in range(1, 3):
        tried, refused = fuzz(kind, THOROUGH[kind], tmp_path / str(seed), seed)
        print(f"{kind}: {tried} tried, {refused} refused")


@pytest.mark.parametrize("seed", range(60))
def test_checkpoints_with_a_part_missing_or_changed(tmp_path, seed):
    """Whole files, with the checksums that they should have."""
    random = np.random.default_rng(seed)
    checkpoints(tmp_path, random)
    values = torch.load(tmp_path / "weights.pt", weights_only=True)
    part = values[random.choice([name for name in values if isinstance(values[name], dict) and values[name]])]
    part = values if random.random() < 0.4 else part
    name = list(part)[int(random.integers(len(part)))]
    others = [None, "text", -1, {}, [], torch.zeros(3), 2**70, float("nan")]
    if random.random() < 0.4:
        del part[name]
    else:
        part[name] = others[int(random.integers(len(others)))]
    torch.save(values, tmp_path / "weights.pt")
    try:
        checkpoint.load(tmp_path / "weights.pt").build_network()
    except BadInput as error:
        assert "weights.pt" in str(error)
