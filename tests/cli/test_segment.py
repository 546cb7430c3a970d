"""`segment`: from a file of probabilities to numbered cells and their table."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_labels, write_stack
from unet_paper.runs import instances
from unet_paper.runs.cell_segmentation import segmentation_of
from unet_paper.runs.instances import segment_file
from unet_paper.runs.record import read_record
from unet_paper.segmentation import CellSegmentation, segment
from unet_paper.support.errors import BadInput

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def probability(random, tmp_path):
    """A file of three blobs on one section and one on the other, a pixel 10 nm wide and 20 nm high."""
    maps = 0.2 * random.random((2, 40, 50), np.float32)
    for section, top, left, side in ((0, 2, 3, 9), (0, 20, 30, 12), (0, 35, 2, 2), (1, 10, 10, 20)):
        maps[section, top : top + side, left : left + side] += 0.7
    write_stack(tmp_path / "probability.tif", maps, pixel_size=PixelSize(10.0, 20.0, 50.0))
    return tmp_path / "probability.tif"


def test_cells_and_their_table(probability, capsys):
    out = probability.with_name("cells.tif")
    assert main(["segment", str(probability), str(out)]) == 0
    found = read_labels(out)
    assert np.array_equal(found.pixels, segment(tifffile.imread(probability)))
    assert found.pixel_size == pytest.approx((10, 20, 50))
    with open(out.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["area_px"]) for row in rows] == [81, 144, 4, 400]
    assert rows[1] == {
        "cell": "2",
        "section": "0",
        "area_px": "144",
        "centroid_x": "35.5",
        "centroid_y": "25.5",
        "left": "30",
        "top": "20",
        "width": "12",
        "height": "12",
        "area_um2": "0.0288",
    }
    printed = capsys.readouterr().out
    assert "numbered 4 cells (probability above 0.5, 4-connected)" in printed
    assert str(out.with_suffix(".csv")) in printed


def test_cells_stand_only_where_their_table_does(probability):
    """So that the same command makes both where it was interrupted between them."""
    out = probability.with_name("cells.tif")
    out.with_suffix(".csv").mkdir()
    with pytest.raises(BadInput, match="cells.csv cannot be written"):
        segment_file(probability, out, CellSegmentation())
    assert not out.exists()


def test_the_table_of_cells_of_another_ending_is_not_replaced(probability, capsys):
    """Both have the same name but for it."""
    out = probability.with_name("cells.tif")
    assert main(["segment", str(probability), str(out)]) == 0
    before = out.with_suffix(".csv").read_bytes()
    words = ["segment", str(probability), str(out.with_suffix(".tiff")), "--min-size", "100"]
    assert main(words) == 2 and "cells.csv is there already" in capsys.readouterr().err
    assert out.with_suffix(".csv").read_bytes() == before
    upper = out.rename(out.with_suffix(".TIF"))
    assert main(words) == 2 and "cells.csv is there already" in capsys.readouterr().err
    upper.unlink()  # a table alone is what an interruption leaves, if it is the same
    assert main(words) == 2 and "cells.csv is there already, of other cells" in capsys.readouterr().err
    assert out.with_suffix(".csv").read_bytes() == before
    assert main(words[:3]) == 0 and out.with_suffix(".csv").read_bytes() == before


@pytest.mark.parametrize("last", ["write_table", "write_cells"])
def test_cells_and_table_are_replaced_together_or_not_at_all(probability, monkeypatch, last):
    out = probability.with_name("cells.tif")
    words = ["segment", str(probability), str(out)]
    assert main(words) == 0
    before = [path.read_bytes() for path in (out, out.with_suffix(".csv"))]

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instances, last, killed)
        assert main([*words, "--min-size", "100", "--force"]) != 0
    assert [path.read_bytes() for path in (out, out.with_suffix(".csv"))] == before
    assert main([*words, "--min-size", "100", "--force"]) == 0
    assert len(out.with_suffix(".csv").read_text().splitlines()) == 1 + 2


def test_sections_that_are_stored_as_colours_are_no_classes(tmp_path, random, capsys):
    for count in (3, 4):
        planes = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(tmp_path / "map.tif", random.random((count, 30, 40), np.float32), **planes)
        assert main(["segment", str(tmp_path / "map.tif"), str(tmp_path / "cells.tif")]) == 2
        said = f"if it is {count} sections, save it with photometric='minisblack'"
        assert said in capsys.readouterr().err and not (tmp_path / "cells.tif").exists()


@pytest.mark.parametrize("out", ["cells", "cells.tif"])
def test_a_folder_is_for_predict(probability, capsys, out):
    """Whatever the result is called."""
    assert main(["segment", str(probability.parent), str(probability.with_name(out))]) == 2
    said = f"{probability.parent} is a folder, and segment takes one file; predict --instances numbers the cells of a"
    assert said in capsys.readouterr().err


def test_settings(probability):
    out = probability.with_name("cells.tif")
    options = ["--threshold", "0.1", "--min-size", "60", "--watershed", "--connectivity", "8"]
    assert main(["segment", str(probability), str(out), *options]) == 0
    expected = segment(tifffile.imread(probability), 0.1, 60, watershed=True, connectivity=8)
    assert np.array_equal(tifffile.imread(out), expected)
    with tifffile.TiffFile(out) as file:
        assert "above 0.1, 8-connected, cut by watershed, of 60 px at least" in file.imagej_metadata["Info"]


def test_the_longest_name(probability):
    out = probability.with_name("l" * 251 + ".tif")
    assert main(["segment", str(probability), str(out)]) == 0
    assert {path.name for path in out.parent.iterdir()} == {probability.name, out.name, out.with_suffix(".csv").name}


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--threshold", "0.95"), "so give a lower --threshold"),
        (("--min-size", "401"), "is in smaller pieces, so give a lower --min-size"),
        (("--segmentation", "PhC-C2DH-U373", "--threshold", "0.5"), "or wholly in the outer frame"),
    ],
)
def test_no_cell_is_said_aloud(probability, capsys, options, advice):
    out = probability.with_name("cells.tif")
    assert main(["segment", str(probability), str(out), *options]) == 0
    printed = capsys.readouterr().out
    assert "no cell is left" in printed and advice in printed
    assert not read_labels(out).pixels.any() and len(out.with_suffix(".csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("result", "options", "message"),
    [
        ("cells.png", [], "must be a TIFF"),
        ("probability.tif", ["--force"], "is named twice"),
        ("cells.tif", ["--threshold", "nan"], "is not a number from 0 to 1"),
        ("cells.tif", ["--min-size", "-3"], "is not a whole number from 0 on"),
        ("there.tif", [], "there.tif is there already"),
        ("table.tif", [], "table.csv is there already"),
    ],
)
def test_what_is_refused(probability, capsys, result, options, message):
    for name in ("there.tif", "table.csv"):
        probability.with_name(name).write_text("mine")
    before = probability.read_bytes()
    try:
        code = main(["segment", str(probability), str(probability.with_name(result)), *options])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    printed = capsys.readouterr()
    assert message in printed.err and len(printed.err.splitlines()) == 1
    assert probability.read_bytes() == before and not probability.with_name("cells.tif").exists()


def test_a_link_that_goes_round(tmp_path, capsys):
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    assert main(["segment", str(tmp_path / "loop.tif"), str(tmp_path / "cells.tif")]) == 2
    printed = capsys.readouterr().err
    assert "loop.tif" in printed and len(printed.splitlines()) == 1


def test_probabilities_only(tmp_path, capsys):
    write_stack(tmp_path / "labels.tif", np.ones((1, 9, 9), np.uint8))
    assert main(["segment", str(tmp_path / "labels.tif"), str(tmp_path / "cells.tif")]) == 2
    assert "holds uint8 values; probabilities are 32-bit floats" in capsys.readouterr().err


def test_of_several_classes_the_most_probable_of_each_pixel_is_written(tmp_path, random, capsys):
    """And the options of cells are refused."""
    maps = random.dirichlet((1, 1, 1), (2, 40, 60)).astype(np.float32).transpose(0, 3, 1, 2)
    tifffile.imwrite(tmp_path / "maps.tif", maps, imagej=True, metadata={"axes": "ZCYX"})
    words = ["segment", str(tmp_path / "maps.tif"), str(tmp_path / "classes.tif")]
    assert main([*words, "--threshold", "0.4"]) == 2
    assert "are of cells, and " in capsys.readouterr().err and not (tmp_path / "classes.tif").exists()
    assert main(words) == 0
    assert np.array_equal(read_labels(tmp_path / "classes.tif").pixels, maps.argmax(axis=1))
    assert "wrote the most probable of 3 classes of each pixel" in capsys.readouterr().out
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["classes.tif", "maps.tif"]
    assert main(words) == 2 and main([*words, "--force"]) == 0
    assert main(["segment", words[1], str(tmp_path / "classes.png")]) == 2 and not (tmp_path / "classes.png").exists()
    sized = {"axes": "ZCYX", "spacing": 0.05, "unit": "um", "Info": "probabilities of 3 classes\nshape: (2, 3, 40, 60)"}
    tifffile.imwrite(words[1], maps, imagej=True, resolution=(100, 50), metadata=sized)
    assert main([*words, "--force"]) == 0 and read_labels(words[2]).pixel_size == pytest.approx((10, 20, 50))
    with tifffile.TiffFile(words[2]) as file:
        assert "shape" not in file.imagej_metadata["Info"]
    assert main(["segment", words[1], words[1], "--force"]) == 2


def test_no_option_of_another_command_is_named(tmp_path, capsys):
    """--channel is of images; a map in colour, by its samples or by a table, is refused without it."""
    indexed = Image.fromarray(np.eye(9, dtype=np.uint8))
    indexed.putpalette([0, 0, 0, 255, 0, 0])
    indexed.save(tmp_path / "table.tif")
    indexed.convert("RGB").save(tmp_path / "colour.tif")
    write_stack(tmp_path / "labels.tif", np.eye(9, dtype=np.uint8)[None])
    for name in ("table.tif", "colour.tif"):
        for command in (["segment", name, "cells.tif"], ["score", "labels.tif", name]):
            words = [str(tmp_path / word) if word.endswith(".tif") else word for word in command]
            assert main(words) == 2
            said = capsys.readouterr().err
            assert "in colour" in said and "--channel" not in said and said.count("\n") == 1


def test_weights_of_cells_are_numbered_as_their_run_was_scored(tmp_path, random, capsys):
    """But for cells at the border. With single parts changed by options; --segmentation is taken as it is; and other
    weights, or those of another run, tell nothing.
    """
    folder = RESULTS / "cells/quick/PhC-C2DH-U373-trained-on-01"
    usual = replace(segmentation_of(read_record(folder / "run.json")), outer=0)
    image = tmp_path / "image.tif"
    write_stack(image, random.integers(0, 255, (1, 188, 188), np.uint8))

    def info(*options, weights=folder / "weights.safetensors"):
        out = [str(tmp_path / name) for name in ("map.tif", "cells.tif")]
        command = ["predict", "--weights", str(weights), str(image), out[0], "--instances", out[1], "--tta", "none"]
        assert main([*command, "--force", *options]) == 0
        with tifffile.TiffFile(out[1]) as file:
            return file.imagej_metadata["Info"]

    said = info()
    assert f"probability {usual}" in said and "outer" not in said and "as the run beside" in capsys.readouterr().out
    assert f"probability {replace(usual, threshold=0.25)}" in info("--threshold", "0.25")
    assert "above 0.5, 8-connected, of 501 px at least" in info("--segmentation", "DIC-C2DH-HeLa")
    other = shutil.copy(RESULTS / "isbi/registered-quarter/weights.safetensors", tmp_path)
    assert "probability above 0.5, 4-connected" in info(weights=other)
    shutil.copy(folder / "run.json", tmp_path)
    assert "probability above 0.5, 4-connected" in info(weights=other)


def test_more_maps_than_there_may_be_classes_are_refused(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((1, 256, 8, 9), np.float32), metadata={"axes": "ZCYX"})
    assert main(["segment", str(tmp_path / "many.tif"), str(tmp_path / "out.tif")]) == 2
    assert "many.tif holds probabilities of 256 classes; there may be 255" in capsys.readouterr().err
