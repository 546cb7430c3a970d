"""Folders of images and of labels, paired by name."""

import re
import shutil
import unicodedata
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.datasets.file_pairs import paired, without_words
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.own_pairs import read_pairs
from unet_paper.datasets.training_stacks import OwnFiles, load_files
from unet_paper.io import image_folder
from unet_paper.io.image_files import open_stack
from unet_paper.io.image_folder import image_files
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_stack, write_sections, write_stack
from unet_paper.support.errors import BadInput


@pytest.fixture
def folders(nuclei_folders, tmp_path):
    """A copy to change."""
    shutil.copytree(nuclei_folders, tmp_path / "own")
    return tmp_path / "own"


def load(folder, **options):
    return load_files(OwnFiles((folder / "images",), (folder / "masks",), "instances", **options), Fold(3, 3))


def test_a_folder_of_several_formats_and_sizes(nuclei_folders):
    stacks = load(nuclei_folders)
    assert [section.shape for section in stacks.volume] == [(70, 90), (64, 64)]  # t1, t2: t10 comes last
    assert [section.shape for section in stacks.evaluation_volume] == [(50, 120)]
    assert stacks.protocol.files == ("t1", "t2", "t10")
    assert stacks.protocol.names(stacks.protocol.scored_sections) == ["t10"]
    assert type(stacks.protocol).from_json(stacks.protocol.to_json()) == stacks.protocol
    assert np.array_equal(stacks.volume[1], imageio.imread(nuclei_folders / "images/t2.tif"))
    numbers = imageio.imread(nuclei_folders / "masks/t1.tif")
    assert ((stacks.labels[0] == 0) | (stacks.labels[0] == numbers)).all() and (stacks.labels[0] > 0).mean() > 0.1


def test_files_that_the_shell_lists_are_a_folder_of_them(nuclei_folders):
    lists = [sorted((nuclei_folders / name).glob("t*")) for name in ("images", "masks")]
    mixed = load_files(OwnFiles(lists[0], lists[1][::-1], "instances"), None)
    assert mixed.protocol.files == ("t1", "t2", "t10")  # whatever the order in which they are given
    whole = load_files(OwnFiles((nuclei_folders / "images",), lists[1], "instances"), None)
    for name, of_folder in zip(whole.protocol.files, whole.volume, strict=True):
        assert np.array_equal(of_folder, mixed.volume[mixed.protocol.files.index(name)])


def test_files_of_one_size_are_a_stack(tmp_path, random):
    for number in range(3):
        for name, pixels in (("images", random.integers(0, 255, (20, 30))), ("masks", random.integers(0, 2, (20, 30)))):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    stacks = load(tmp_path)
    assert isinstance(stacks.volume, np.ndarray) and stacks.volume.shape == (2, 20, 30)


def test_the_content_of_every_file_counts(folders):
    """A run is not resumed where one of many files is another now."""
    before = load(folders).data
    for name, path in (("train-labels", folders / "masks/t10.tif"), ("train-volume", folders / "images/t2.tif")):
        pixels = np.array(imageio.imread(path))
        pixels[0, 0] += 1
        imageio.imwrite(path, pixels)
        now = load(folders).data
        assert [stack for stack in before if now[stack] != before[stack]] == [name]
        before = now


def test_the_size_of_a_pixel_is_known_where_all_files_tell_the_same(tmp_path, random):
    files = OwnFiles((tmp_path / "images",), (tmp_path / "masks",), "cells")
    for names, size, known in (("ab", PixelSize(4.0, 5.0, 50.0), True), ("b", PixelSize(5.0, 5.0, 50.0), False)):
        for name in names:
            write_stack(tmp_path / f"images/{name}.tif", random.integers(0, 255, (1, 9, 9), np.uint8), pixel_size=size)
            write_stack(tmp_path / f"masks/{name}.tif", np.tri(9, dtype=bool)[None])
        assert load_files(files).pixel_size == (pytest.approx(size) if known else None)


def test_one_file_each_needs_no_common_name(nuclei_folders):
    files = OwnFiles(nuclei_folders / "images/t1.png", nuclei_folders / "masks/t1.tif", "instances")
    assert load_files(files).protocol.files == ()


def test_files_with_several_sections(folders, random):
    stack = random.integers(0, 255, (2, 20, 30)).astype(np.uint8)
    imageio.imwrite(folders / "images/stack.tif", stack)
    imageio.imwrite(folders / "masks/stack.tif", (stack > 100).astype(np.uint8))
    assert load(folders).protocol.files == ("stack-000", "stack-001", "t1", "t2", "t10")


@pytest.mark.parametrize(
    "pages",
    [
        {"t": 1, "t (2)": 1},
        {"a": 1, "a1": 1},
        {"a1": 1, "a01": 1},
        {"a": 2, "a b": 1},
        {"a": 2, "a-000b": 1, "A": 1, "a10": 1, "a9": 1},
    ],
)
def test_sections_are_in_the_order_of_the_folder_that_a_run_writes_them_into(tmp_path, random, pages):
    for folder in ("images", "masks", "out"):
        (tmp_path / folder).mkdir()
    for width, (name, count) in enumerate(pages.items(), 20):
        pixels = random.integers(0, 255, (count, 20, width)).astype(np.uint8)
        write_stack(tmp_path / "images" / f"{name}.tif", pixels)
        write_stack(tmp_path / "masks" / f"{name}.tif", pixels // 128)
    files = [sorted((tmp_path / folder).iterdir(), reverse=True) for folder in ("images", "masks")]
    pairs = read_pairs(*files)
    write_sections(tmp_path / "out.tif", pairs.images, pairs.names)
    written = image_files([tmp_path / "out"])
    assert [path.stem for path in written] == list(pairs.names) and len(written) == sum(pages.values())
    assert all(
        np.array_equal(read_stack(path).pixels[0], image) for path, image in zip(written, pairs.images, strict=True)
    )
    assert read_pairs(tmp_path / "images", tmp_path / "masks").data == pairs.data


@pytest.mark.parametrize("signed", [np.int16, np.int64])
def test_labels_of_types_that_have_none_in_common(folders, signed):
    """NumPy's common type of these is a float, which does not hold all of their values."""
    imageio.imwrite(folders / "masks/t1.tif", np.full((70, 90), 2**60 + 1, np.uint64))
    imageio.imwrite(folders / "masks/t10.tif", np.eye(50, 120, dtype=signed))
    with pytest.raises(BadInput, match=f"t1.tif holds uint64 values and .*t10.tif {np.dtype(signed)}; .* convert one"):
        read_pairs(folders / "images", folders / "masks")


def test_sections_of_one_name(folders, tmp_path, capsys):
    for folder in ("images", "masks"):
        for name, count in (("a", 2), ("a-001", 1)):
            pixels = np.arange(600 * count, dtype=np.uint16).reshape(count, 20, 30) % 199
            write_stack(folders / folder / f"{name}.tif", pixels.astype(np.uint8))
    message = r"a.tif and .*a-001.tif both have a section that is called a-001; rename one of them"
    with pytest.raises(BadInput, match=message):
        load(folders)
    command = ["weights", str(folders / "masks"), str(tmp_path / "out"), "--png", str(tmp_path / "png")]
    assert main(command) == 2 and re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("cell_01.png", "cell_01_mask.png"),
        ("img_01.png", "mask_01.tif"),
        ("im01.png", "label01.png"),
        ("A01_image.ome.tif", "A01-label.tif"),
        ("01.png", "01_cp_masks.png"),
        ("IMG_7.PNG", "img_7.png"),
        ("a.b.png", "a.b.tif"),
    ],
)
def test_words_that_people_add(image, labels):
    assert without_words(Path(image)) == without_words(Path(labels)) != ""


def test_words_that_are_the_name_stay():
    assert without_words(Path("image.png")) == "image" and without_words(Path("imagine_1.png")) == "imagine_1"


def test_masks_that_are_called_so(folders, caplog):
    for path in sorted((folders / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask{path.suffix}"))
    caplog.set_level("INFO")
    assert load(folders).protocol.files == ("t1", "t2", "t10")
    assert "without words such as mask: t1.png, t1_mask.tif" in caplog.text


def test_masks_that_are_called_so_and_one_lacks(folders):
    for path in sorted((folders / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask{path.suffix}"))
    (folders / "masks/t10_mask.tif").unlink()
    with pytest.raises(BadInput, match="images without labels of the same name: t10.png; .*holds t1_mask.tif, t2_mask"):
        load(folders)


def test_a_folder_of_images_is_none_of_labels(nuclei_folders):
    images = nuclei_folders / "images"
    with pytest.raises(BadInput, match="t1.png is given for the images and for the labels; these are two files"):
        load_files(OwnFiles(images, images, "instances"))


def damage(folder, what):
    images, masks = folder / "images", folder / "masks"
    if what == "no labels":
        (masks / "t10.tif").unlink()
    elif what == "no image":
        (images / "t10.png").unlink()
    elif what == "twice":
        shutil.copy(images / "t1.png", images / "t1.bmp")
    elif what == "size":
        imageio.imwrite(masks / "t1.tif", np.eye(40, dtype=np.uint8))
    elif what == "colour":
        Image.new("RGB", (90, 70), (9, 200, 30)).save(images / "t1.png")
    elif what == "type":
        imageio.imwrite(images / "t2.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    elif what == "empty":
        shutil.rmtree(images), images.mkdir()
    elif what == "hidden only":
        for path in images.iterdir():
            path.rename(images / f".{path.name}")
    elif what == "subfolders":
        shutil.copytree(images, images / "train")
        for path in images.glob("t*.*"):
            path.unlink()
    elif what == "broken":
        (images / "t2.tif").write_bytes((images / "t2.tif").read_bytes()[:900])
    elif what == "a text":
        (images / "t2.tif").write_text("no image")
    elif what == "case":
        shutil.copy(masks / "t1.tif", masks / "T1_mask.tif")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            "no labels",
            r"images without labels of the same name: t10.png; .*masks holds t1.tif, t2.png; move what has no partner",
        ),
        ("no image", r"labels without images of the same name: t10.tif"),
        ("twice", r"t1.bmp and .*t1.png have one name but for the ending"),
        ("size", r"t1.png has shape \(1, 70, 90\) and .*t1.tif \(1, 40, 40\)"),
        ("colour", r"t1.png is in colour.*--channel"),
        ("type", r"t1.png holds uint8 values and .*t2.tif uint16"),
        ("empty", r"images is a folder without images \(it is empty\)"),
        ("hidden only", r"folder without images \(it is empty\)"),
        ("subfolders", r"folder without images \(it holds train/\)"),
        ("broken", r"t2.tif cannot be read"),
        ("a text", r"t2.tif cannot be read as TIFF"),
        ("case", r"labels without images of the same name: T1_mask.tif"),
    ],
)
def test_what_is_refused(folders, what, message):
    damage(folders, what)
    with pytest.raises(BadInput, match=message) as refused:
        load(folders)
    assert "\n" not in str(refused.value)


def test_what_is_not_read_is_said(folders, caplog):
    caplog.set_level("INFO")
    (folders / "images" / "notes.txt").write_text("stained on Monday")
    (folders / "images" / "old").mkdir()
    assert len(load(folders).volume) == 2
    assert (
        "notes.txt, old/ are not read" in caplog.text and "DS_Store" not in caplog.text and "Thumbs" not in caplog.text
    )
    load(folders)
    assert caplog.text.count("are not read") == 1


def test_colour_images_by_their_gray_values(folders):
    image = Image.open(folders / "images/t1.png")
    Image.merge("RGB", [image] * 3).save(folders / "images/t1.png")
    stacks = load(folders, channel="gray")
    assert np.abs(stacks.volume[0].astype(int) - np.asarray(image)).max() <= 1


def test_a_pattern_that_no_file_fits(tmp_path):
    with pytest.raises(BadInput, match=r"no file is called like this pattern"):
        image_files([tmp_path / "*.png"])
    (tmp_path / "a[1]").mkdir()
    with pytest.raises(BadInput, match=r"a\[1\] is not a file; give the path"):
        open_stack(tmp_path / "a[1]")
    assert paired([tmp_path / "a.tif"], [tmp_path / "b.tif"]) == [(tmp_path / "a.tif", tmp_path / "b.tif")]


def test_a_pattern_that_the_shell_has_not_expanded(nuclei_folders, tmp_path, capsys):
    """As one in quotes; it is read as a name."""
    images, masks = (nuclei_folders / name / "*" for name in ("images", "masks"))
    own = ["--labels-are", "instances", "--out", str(tmp_path / "run")]
    for pattern, command in (
        (masks, ["weights", str(masks), str(tmp_path / "out")]),
        (images, ["train", "--images", str(images), "--labels", str(masks), *own]),
    ):
        assert main(command) == 2
        said = f"{pattern} is a pattern, which the shell has not expanded; name its files, or the folder "
        assert capsys.readouterr().err.endswith(f"{said}{pattern.parent}\n")


def test_weight_maps_of_a_folder(nuclei_folders, tmp_path, capsys):
    masks, out = nuclei_folders / "masks", tmp_path / "weights"
    assert main(["weights", str(masks), str(out), "--png", str(tmp_path / "png")]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["t1.tif", "t10.tif", "t2.tif"]
    assert read_stack(out / "t10.tif").pixels.shape == (1, 50, 120)
    assert sorted(path.name for path in (tmp_path / "png").iterdir())[0] == "weight-map-t1.png"
    assert main(["weights", str(masks), str(out)]) == 2 and "there already" in capsys.readouterr().err
    (tmp_path / "link.tif").symlink_to(tmp_path / "nowhere.tif")
    one = ["weights", str(masks / "t1.tif"), str(tmp_path / "link.tif")]
    assert main(one) == 2 and "link.tif is there already" in capsys.readouterr().err and not main([*one, "--force"])
    assert main(["weights", str(masks), str(tmp_path / "one.tif")]) == 2
    assert "is one file, and there are 3 of labels; give the name of a folder" in capsys.readouterr().err


def test_only_what_the_command_can_do_is_advised(folders, capsys):
    """`score` takes a path of each, `train` takes lists of files too."""
    (folders / "masks/t1.tif").unlink()
    images, masks = str(folders / "images"), str(folders / "masks")
    for metrics in ("challenge", "seg", "all"):
        assert main(["score", masks, images, "--metrics", metrics]) == 2
        assert capsys.readouterr().err.endswith("; move what has no partner elsewhere\n")
    with pytest.raises(BadInput, match="elsewhere, or name only the files that have one$"):
        load(folders)


def test_names_that_not_every_system_tells_apart(tmp_path, monkeypatch):
    (tmp_path / "more").mkdir()
    files = [tmp_path / "A.png", tmp_path / "more" / "a.png"]
    for file in files:
        imageio.imwrite(file, np.eye(9, dtype=np.uint8))
    for ignores_case in (False, True):
        monkeypatch.setattr(image_folder, "IGNORES_CASE", ignores_case)
        if ignores_case:
            with pytest.raises(BadInput, match="A.png and .*a.png have one name but for the ending or the folder"):
                image_files(files)
        else:
            assert image_files(files) == files


def test_letters_with_accents_are_the_same_however_they_are_written(tmp_path):
    """macOS writes them as two characters."""
    for folder, form in (("images", "NFC"), ("labels", "NFD")):
        (tmp_path / folder).mkdir()
        for name in ("é", "ü"):
            imageio.imwrite(tmp_path / folder / f"{unicodedata.normalize(form, name)}.png", np.eye(9, dtype=np.uint8))
    pairs = paired([tmp_path / "images"], [tmp_path / "labels"])
    assert [unicodedata.normalize("NFC", labels.stem) for _, labels in pairs] == [image.stem for image, _ in pairs]
    assert len(pairs) == 2
