"""What people give: TIFF and PNG of many kinds, all as (Z, H, W), or one clear sentence."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.io import imsave

from unet_paper.io.image_files import open_stack
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.errors import BadInput


@pytest.fixture
def stack(random):
    return random.integers(0, 256, (5, 30, 41), dtype=np.uint8)


TIFFS = {
    "plain": {},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "imagej over time": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome over time": {"ome": True, "metadata": {"axes": "TYX"}},
    "big": {"bigtiff": True},
    "deflated": {"compression": "zlib"},
    "tiled": {"tile": (16, 16)},
    "big-endian": {"byteorder": ">"},
}


DTYPES = (np.uint8, np.uint16, np.float32, np.int16)  # ImageJ has no signed 16-bit images


@pytest.mark.parametrize(
    ("kind", "dtype"), [(kind, dtype) for kind in TIFFS for dtype in DTYPES[: 3 if kind.startswith("imagej") else 4]]
)
def test_tiffs(tmp_path, stack, kind, dtype):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack.astype(dtype), photometric="minisblack", **TIFFS[kind])
    found = read_stack(path).pixels
    assert np.array_equal(found, stack) and found.dtype == dtype and found.dtype.isnative


def test_pages_of_their_own(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for section in stack:
            file.write(section, contiguous=False, photometric="minisblack")
    assert np.array_equal(read_stack(tmp_path / "pages.tif").pixels, stack)
    images = [Image.fromarray(section) for section in stack]
    for compression in (None, "tiff_lzw", "packbits"):
        images[0].save(tmp_path / "pil.tif", save_all=True, append_images=images[1:], compression=compression)
        assert np.array_equal(read_stack(tmp_path / "pil.tif").pixels, stack)


def test_a_plain_tiff_is_mapped_not_read(tmp_path, stack):
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    found = open_stack(tmp_path / "stack.tif").pixels
    assert isinstance(found, np.memmap) and not found.flags.writeable


def test_a_large_packed_tiff_is_unpacked_into_a_file(tmp_path, stack, monkeypatch):
    """One whose tiles or strips cannot be read one by one, as here those of a colour table."""
    monkeypatch.setattr("unet_paper.io.raw_image.UNPACKED_IN_MEMORY", 100)
    table = np.repeat(np.arange(256, dtype=np.uint16)[None] * 257, 3, axis=0)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="palette", colormap=table, compression="zlib")
    found = open_stack(tmp_path / "stack.tif", scratch=tmp_path).pixels
    assert isinstance(found, np.memmap) and np.array_equal(found, stack)
    assert [path.name for path in tmp_path.iterdir()] == ["stack.tif"]  # the unpacked pixels have no name any more


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pngs(tmp_path, stack, dtype):
    imsave(tmp_path / "section.png", stack[0].astype(dtype), check_contrast=False)
    found = read_stack(tmp_path / "section.png").pixels
    assert np.array_equal(found, stack[:1]) and found.dtype == dtype
    Image.fromarray(stack[0] > 99).save(tmp_path / "bits.png")
    assert np.array_equal(read_stack(tmp_path / "bits.png").pixels, np.where(stack[:1] > 99, 255, 0))
    numbered = Image.fromarray(stack[0], mode="P")
    numbered.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    numbered.save(tmp_path / "numbered.png")
    assert np.array_equal(read_labels(tmp_path / "numbered.png").pixels, stack[:1])
    tifffile.imwrite(tmp_path / "really-a-tiff.png", stack, photometric="minisblack")
    assert np.array_equal(read_stack(tmp_path / "really-a-tiff.png").pixels, stack)


def test_colours_are_refused_or_converted_when_asked(tmp_path, random):
    colours = random.integers(0, 256, (30, 41, 3), dtype=np.uint8)
    imsave(tmp_path / "colours.png", colours, check_contrast=False)
    tifffile.imwrite(tmp_path / "colours.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([colours] * 4), photometric="rgb")
    for name in ("colours.png", "colours.tif", "stack.tif"):
        with pytest.raises(BadInput, match="in colour.*--channel"):
            read_stack(tmp_path / name)
        assert np.array_equal(read_stack(tmp_path / name, 1).pixels[-1], colours[..., 1])
        gray = read_stack(tmp_path / name, "gray").pixels[-1]
        expected = colours @ [0.2125, 0.7154, 0.0721]
        assert gray.dtype == np.uint8 and np.abs(gray - expected).max() <= 0.51
    tifffile.imwrite(tmp_path / "colours.tif", colours.astype(np.uint16) * 257, photometric="rgb")
    gray = read_stack(tmp_path / "colours.tif", "gray").pixels[0]
    assert gray.dtype == np.uint16 and np.abs(gray - expected * 257).max() <= 0.51
    for name in ("colours.png", "colours.tif", "stack.tif"):
        with pytest.raises(BadInput, match="no channel 3"):
            read_stack(tmp_path / name, 3)


def test_labels_in_colour_are_told_to_be_numbers(tmp_path, random):
    """No channel of a drawing is its labels."""
    colours = random.integers(0, 256, (30, 41, 3), dtype=np.uint8)
    imsave(tmp_path / "drawn.png", colours, check_contrast=False)
    with pytest.raises(BadInput, match="in colour, shape .*labels are numbers, not colours.* 8 or 16 bits") as no:
        read_labels(tmp_path / "drawn.png")
    assert "channel" not in str(no.value)


def test_channels(tmp_path, stack):
    path = tmp_path / "channels.tif"
    two = np.stack([stack, 255 - stack], axis=1)
    tifffile.imwrite(path, two, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(BadInput, match="2 channels"):
        read_stack(path)
    assert np.array_equal(read_stack(path, 1).pixels, 255 - stack)
    with pytest.raises(BadInput, match="red, green and blue"):
        read_stack(path, "gray")
    tifffile.imwrite(path, two[:, 0], imagej=True, metadata={"axes": "ZYX"})
    assert np.array_equal(read_stack(path, 0).pixels, stack)
    with pytest.raises(BadInput, match="one channel only"):
        read_stack(path, 1)


def test_what_cannot_be_a_stack(tmp_path, stack):
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, np.stack([stack, stack]), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(BadInput, match="TZYX"):
        read_stack(path)
    with tifffile.TiffWriter(path) as file:
        file.write(stack[0], photometric="minisblack")
        file.write(stack[0, :9], photometric="minisblack")
    with pytest.raises(BadInput, match="different shapes"):
        read_stack(path)
    # What tifffile makes of three sections unless it is told better.
    tifffile.imwrite(path, stack[:3], photometric="rgb", planarconfig="separate")
    with pytest.raises(BadInput, match="3 sections, save it with photometric='minisblack'"):
        read_stack(path)
    tifffile.imwrite(path, stack[0], photometric="miniswhite")
    with pytest.raises(BadInput, match="0 as white"):
        read_stack(path)
    with tifffile.TiffWriter(path) as file:
        file.write(stack[0], photometric="minisblack")
        file.write(stack[0].astype(np.uint16), photometric="minisblack")
    with pytest.raises(BadInput, match="different shapes or types"):
        read_stack(path)
    colours = np.stack([stack[0]] * 3, axis=-1)
    Image.fromarray(colours).save(path, compression="tiff_lzw")
    assert np.array_equal(read_stack(path, 0).pixels, stack[:1])
    for name in ("text.tif", "text.png"):
        (tmp_path / name).write_text("not an image")
        with pytest.raises(BadInput, match="cannot be read as"):
            read_stack(tmp_path / name)


def test_ome_images_of_their_own(tmp_path, stack, caplog, monkeypatch):
    """Single images are sections; stacks are refused before they are unpacked, and so are images of several sizes."""
    caplog.set_level("INFO", "unet_paper")

    def written(*images):
        with tifffile.TiffWriter(tmp_path / "images.ome.tif", ome=True) as file:
            for image in images:
                file.write(image, photometric="minisblack", metadata={"axes": "ZYX"[-image.ndim :]})
        return tmp_path / "images.ome.tif"

    assert np.array_equal(read_stack(written(*stack)).pixels, stack)
    assert "holds 5 images of one size; they are read as sections" in caplog.text
    monkeypatch.setattr("unet_paper.io.raw_image.Scratch.empty", None)  # would fail
    with pytest.raises(
        BadInput, match=r"holds 2 stacks of shape \(5, 30, 41\); give each of them in a file of its own"
    ):
        read_stack(written(stack, 255 - stack))
    with pytest.raises(BadInput, match="holds 2 images of different shapes"):
        read_stack(written(stack, stack[:3]))


def test_pages_that_run_in_a_circle(tmp_path, stack):
    """tifffile would follow them for minutes."""
    path = tmp_path / "circle.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1]
        place, entries = last.offset, len(last.tags)
    content = bytearray(path.read_bytes())
    end = place + 2 + 12 * entries
    assert content[end : end + 4] == bytes(4)
    content[end : end + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(BadInput, match="its pages run in a circle"):
        open_stack(path)
