"""The command `weights`: weight maps of labels, and pictures of them."""

import re

import numpy as np
import pytest
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.report.figures import section_figures
from unet_paper.weight_map import weight_maps


def test_weights_command(sections, tmp_path):
    write_stack(tmp_path / "labels.tif", sections[1][:2], pixel_size=PixelSize(4.0, 5.0, 50.0))
    out, drawings = tmp_path / "maps.tif", tmp_path / "png"
    assert main(["weights", str(tmp_path / "labels.tif"), str(out), "--png", str(drawings)]) == 0
    maps = read_stack(out).pixels
    assert read_stack(out).pixel_size == pytest.approx((4, 5, 50))
    assert maps.shape == (2, 512, 512) and maps.dtype == np.float32 and maps.max() > 5 * maps.min()
    assert sorted(path.name for path in drawings.iterdir()) == ["weight-map-000.png", "weight-map-001.png"]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_weights_of_numbered_cells_are_those_of_the_function(tmp_path, connectivity):
    """The line between cells that touch is drawn once, by that connectivity."""
    labels = np.where(np.tri(40, dtype=bool), 1, 2).astype(np.uint8)[None]
    labels[:, :2] = 0
    write_stack(tmp_path / "labels.tif", labels)
    command = ["weights", str(tmp_path / "labels.tif"), str(tmp_path / "maps.tif"), "--labels-are", "instances"]
    assert main([*command, "--connectivity", str(connectivity)]) == 0
    wanted = weight_maps(labels, connectivity=connectivity)
    assert np.array_equal(read_stack(tmp_path / "maps.tif").pixels, wanted)
    assert not np.array_equal(wanted, weight_maps(labels, connectivity=12 - connectivity))


def test_weights_are_as_high_and_as_wide_as_is_said(tmp_path):
    labels = np.zeros((1, 20, 30), np.uint8)
    labels[:, 5:15, 3:12], labels[:, 5:15, 15:27] = 1, 2
    write_stack(tmp_path / "labels.tif", labels)
    command = ["weights", str(tmp_path / "labels.tif"), str(tmp_path / "maps.tif"), "--labels-are", "instances"]
    assert main([*command, "--w0", "4", "--sigma", "2.5"]) == 0
    assert np.array_equal(read_stack(tmp_path / "maps.tif").pixels, weight_maps(labels, w_0=4, sigma=2.5))


def test_weights_of_sections_with_unlike_classes(tmp_path, capsys):
    labels = np.array([[[0, 1, 2], [0, 1, 2]], [[0, 1, 1], [0, 0, 1]]], np.uint8)
    write_stack(tmp_path / "labels.tif", labels)
    command = ["weights", str(tmp_path / "labels.tif"), str(tmp_path / "maps.tif"), "--labels-are", "classes"]
    assert main(command) == 0
    assert np.array_equal(read_stack(tmp_path / "maps.tif").pixels, weight_maps(labels, semantic=True))
    assert main([*command, "--force", "--class-weights", "1,2,3"]) == 0
    assert np.array_equal(read_stack(tmp_path / "maps.tif").pixels[1], labels[1] + 1)
    assert main([*command, "--force", "--class-weights", "1,2,3,4"]) == 2
    assert "--class-weights gives 4 numbers, but the labels have 3 classes" in capsys.readouterr().err


def test_help_on_class_weights_tells_of_classes(capsys):
    with pytest.raises(SystemExit):
        main(["weights", "--help"])
    assert "where --labels-are classes, one for each class" in " ".join(capsys.readouterr().out.split())


def test_weights_to_look_at(tmp_path, capsys):
    """Figure 3 of own labels: the image where it is given, and in words where the weights are largest."""
    labels = np.zeros((1, 60, 90), np.uint8)
    labels[0, 20:40, 10:40], labels[0, 20:40, 43:70], labels[0, 50:58, 10:20] = 7, 9, 4
    write_stack(tmp_path / "labels.tif", labels)
    write_stack(tmp_path / "image.tif", labels * 20)
    arguments = ["weights", str(tmp_path / "labels.tif"), str(tmp_path / "maps.tif"), "--force"]
    sizes = []
    for options in ([], ["--image", str(tmp_path / "image.tif")]):
        assert main([*arguments, "--png", str(tmp_path / "png"), *options]) == 0
        sizes.append(Image.open(tmp_path / "png" / "weight-map-000.png").size)
        printed = capsys.readouterr().out
        largest = printed.partition("largest weights:\n")[2].split("\n")[0]
        weights = read_stack(tmp_path / "maps.tif").pixels
        assert f"{weights.min():.3f} to {weights.max():.3f}" in printed
        assert re.fullmatch(rf"  {weights.max():.2f} at x 4[0-2], y \d+ between cells 7 and 9, section 0", largest)
    assert sizes[1][0] > 1.3 * sizes[0][0]
    assert main([*arguments, "--image", str(tmp_path / "image.tif")]) == 2
    write_stack(tmp_path / "image.tif", labels[:, 1:])
    assert main([*arguments, "--png", str(tmp_path / "png"), "--image", str(tmp_path / "image.tif")]) == 2
    errors = capsys.readouterr().err
    assert "give --png DIR" in errors and "(1, 59, 90), but the labels (1, 60, 90)" in errors


def test_a_section_of_one_cell_keeps_its_number(tmp_path, capsys):
    """As the other sections say that cells have numbers."""
    labels = np.zeros((2, 60, 90), np.uint8)
    labels[0, 20:40, 10:40], labels[0, 20:40, 43:70], labels[1, 20:40, 10:40], labels[1, 20:40, 43:70] = 3, 9, 7, 7
    write_stack(tmp_path / "labels.tif", labels)
    places = [str(tmp_path / name) for name in ("labels.tif", "maps.tif", "png")]
    assert main(["weights", *places[:2], "--png", places[2]]) == 0
    said = capsys.readouterr().out
    assert "between two parts of cell 7, section 1" in said and "between cells 3 and 9, section 0" in said


def test_each_files_pictures_have_its_own_scale_bar(tmp_path, monkeypatch):
    cells = np.zeros((1, 60, 90), np.uint16)
    cells[0, 20:40, 10:40], cells[0, 20:40, 43:70] = 1, 2
    for name, size in (("a", 4.0), ("b", 40.0)):
        write_stack(tmp_path / "labels" / f"{name}.tif", np.repeat(cells, 2, axis=0), pixel_size=PixelSize(size, size))
    drawn, draw = [], section_figures.draw_weight_figure
    monkeypatch.setattr(
        section_figures,
        "draw_weight_figure",
        lambda *args, **how: drawn.append(how["pixel_size"]) or draw(*args, **how),
    )
    places = [str(tmp_path / name) for name in ("labels", "maps", "png")]
    assert main(["weights", *places[:2], "--png", places[2]]) == 0
    assert [size.x for size in drawn] == pytest.approx([4, 4, 40, 40])


def test_weights_of_a_lone_cell_are_not_said_to_part_cells(tmp_path, capsys):
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, 10:20, 10:20] = 255
    write_stack(tmp_path / "labels.tif", labels)
    places = [str(tmp_path / name) for name in ("labels.tif", "maps.tif", "png")]
    assert main(["weights", *places[:2], "--png", places[2]]) == 0
    assert capsys.readouterr().out.endswith(
        "\nthe border term counts nowhere: no two cells are near, or w_0 is small\n"
    )


def test_weights_of_a_folder_beside_their_images(tmp_path, capsys):
    """Numbered PNGs of two sizes, and their images in another folder, under names with a word more."""
    for number, width in enumerate((60, 70), 1):
        cells = np.zeros((50, width), np.uint16)
        cells[10:40, 5:25], cells[10:40, 25 : width - 10] = 1, 2
        for folder, name, pixels in (("labels", "", cells), ("images", "_raw", 99 * cells.astype(np.uint8))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"nuclei_{number}{name}.png")
    command = ["weights", str(tmp_path / "labels"), str(tmp_path / "maps"), "--png", str(tmp_path / "png")]
    assert main([*command, "--image", str(tmp_path / "images")]) == 0
    drawn = [Image.open(tmp_path / "png" / f"weight-map-nuclei_{number}.png") for number in (1, 2)]
    assert drawn[0].width > 2.5 * drawn[0].height  # three panels in a row
    assert "between cells 1 and 2, nuclei_2" in capsys.readouterr().out
    (tmp_path / "images" / "nuclei_2_raw.png").unlink()
    assert main([*command, "--force", "--image", str(tmp_path / "images")]) == 2
    assert "nuclei_2.png" in capsys.readouterr().err
