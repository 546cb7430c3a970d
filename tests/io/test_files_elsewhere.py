"""What runs leave opens in what people have: TIFFs in ImageJ with their values and nm, JSON by a schema."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tifffile
from PIL import Image

import unet_paper
from unet_paper.cli.commands import main
from unet_paper.io.image_files import open_stack
from unet_paper.io.pixel_size import PixelSize
from unet_paper.io.stack import read_stack, write_stack

SCHEMAS = Path(unet_paper.__file__).parent / "runs/schemas"
RESULTS = Path(__file__).parents[2] / "results"
SETTINGS = ("base_channels=2", "steps=4", "tile_size=188", "checkpoint_every=4", "tta=none", "primary=none")
IMAGEJ = Path("/usr/share/java/ij.jar")  # where Debian's package has it
MACRO = """
open(getArgument());
getDimensions(width, height, channels, slices, frames);
getVoxelSize(x, y, z, unit);
print(width, height, channels, slices, frames, bitDepth(), x, y, z, unit);
for (slice = 1; slice <= nSlices; slice++) {
    setSlice(slice);
    print(d2s(getPixel(0, 0), 9), d2s(getPixel(width - 1, 0), 9), d2s(getPixel(3, height - 1), 9));
}
"""


@pytest.fixture(scope="module")
def run(small_phantom, tmp_path_factory):
    """A trained, predicted and scored run on a phantom."""
    out = tmp_path_factory.mktemp("runs") / "run"
    changes = [part for change in SETTINGS for part in ("--set", change)]
    volume, probability, labels = (
        str(out / f"{name}.tif") for name in ("evaluation-volume", "probability-none", "evaluation-labels")
    )
    weights = str(out / "weights.pt")
    for command in (
        ["train", "--data", str(small_phantom), "--out", str(out), "--profile", "smoke", *changes],
        ["predict", "--weights", weights, volume, probability, "--tta", "none"],
        ["score", labels, probability, "--json", str(out / "scores.json")],
        ["weights", labels, str(out / "maps.tif")],
    ):
        assert main(command) == 0
    return out


def in_imagej(path, tmp_path):
    """What ImageJ says of a TIFF: (first line, an array of three values a section)."""
    if not IMAGEJ.is_file() or not shutil.which("xvfb-run"):
        pytest.skip("no ImageJ: Debian's packages imagej and xvfb are not installed")
    macro = tmp_path / "look.ijm"
    macro.write_text(MACRO)
    command = ["xvfb-run", "-a", "java", "-jar", str(IMAGEJ), "-batch", str(macro), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    first, *lines = done.stdout.strip().splitlines()
    return first.split(), np.array([line.split() for line in lines], dtype=float)


@pytest.mark.parametrize(
    "name, bits", [("probability-none", 32), ("weight-maps", 32), ("maps", 32), ("evaluation-volume", 8)]
)
def test_imagej_shows_the_stack(run, tmp_path, name, bits):
    path = run / f"{name}.tif"
    described, values = in_imagej(path, tmp_path)
    stack = read_stack(path).pixels
    depth, height, width = stack.shape
    assert described == [*map(str, (width, height, 1, depth, 1, bits)), "4", "4", "50", "nm"]
    np.testing.assert_allclose(values, stack[:, [0, 0, -1], [0, -1, 3]], rtol=1e-6, atol=1e-8)


def test_the_pixel_size_of_a_file_goes_on_to_what_is_made_of_it(run, tmp_path):
    write_stack(
        tmp_path / "in.tif", read_stack(run / "evaluation-volume.tif").pixels[:1], pixel_size=PixelSize(5.5, 6.5, 30)
    )
    weights = str(run / "weights.pt")
    for name in ("in", "evaluation-volume"):
        source = tmp_path / "in.tif" if name == "in" else run / "evaluation-volume.tif"
        out = tmp_path / f"{name}-out.tif"
        assert main(["predict", "--weights", weights, str(source), str(out), "--tta", "none"]) == 0
        assert open_stack(out).pixel_size == pytest.approx(open_stack(source).pixel_size)


@pytest.mark.parametrize(
    "options, expected",
    [
        (dict(imagej=True, resolution=(1 / 0.25, 1 / 0.5), metadata={"unit": "um", "spacing": 2.0}), (250, 500, 2000)),
        (dict(imagej=True, resolution=(1 / 0.25, 1 / 0.5), metadata={"unit": "\\u00B5m"}), (250, 500, 0)),
        *(
            (dict(imagej=True, resolution=(4, 2), metadata={"unit": unit}), (250, 500, 0))
            for unit in ("micron", "microns", "micrometer", "Micrometers", "micrometre", "micrometres")
        ),
        (dict(imagej=True, resolution=(0.25, 0.2), metadata={"unit": "nanometers"}), (4, 5, 0)),
        (dict(imagej=True, resolution=(0.25, 0.2), metadata={"unit": "nm", "spacing": -30.0}), (4, 5, 30)),
        (dict(imagej=True, resolution=(0.25, 0.2), metadata={"unit": "nm", "spacing": 1e-9}), (4, 5, 0)),
        (dict(imagej=True, resolution=(1000, 1000), metadata={"unit": "nm"}), None),  # smaller than an atom
        (dict(imagej=True, resolution=(250, 500), metadata={"unit": "mm", "spacing": 0.5}), (4000, 2000, 500_000)),
        (dict(imagej=True, resolution=(0.002, 0.001), metadata={"unit": "pm"}), (0.5, 1, 0)),
        (dict(resolution=(1e5, 2e5), resolutionunit="CENTIMETER"), (100, 50, 0)),
        (dict(resolution=(72, 72), resolutionunit="INCH"), None),  # what programs write that know nothing
        (dict(), None),
        (dict(imagej=True, resolution=(2, 2), metadata={"unit": "pixel"}), None),
        (
            dict(
                ome=True,
                metadata={"PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 100.0}
                | {"PhysicalSizeYUnit": "nm", "axes": "ZYX"},
            ),
            (200, 100, 0),
        ),
        (  # as XML is written without a declaration of its encoding
            dict(
                description='<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
                '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="30" SizeY="20" SizeZ="3" '
                'SizeC="1" SizeT="1" '
                'PhysicalSizeX="0.2" PhysicalSizeXUnit="&#181;m" PhysicalSizeY="0.1" PhysicalSizeYUnit="&#181;m">'
                "<TiffData/></Pixels></Image></OME>",
                metadata=None,
            ),
            (200, 100, 0),
        ),
    ],
)
def test_pixel_sizes_that_people_have(tmp_path, options, expected):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8), photometric="minisblack", **options)
    found = open_stack(tmp_path / "a.tif").pixel_size
    assert found == (expected if expected is None else pytest.approx(expected, rel=1e-4))


def test_no_pixel_size_of_what_is_no_tiff(tmp_path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "a.png")
    assert open_stack(tmp_path / "a.png").pixel_size is None


def schema(name):
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / name).read_text()))


def test_the_records_of_a_run_fit_their_schemas(run):
    schema("run.json").validate(json.loads((run / "run.json").read_text()))
    schema("scores.json").validate(json.loads((run / "scores.json").read_text()))


def test_all_committed_records_fit_their_schemas():
    found = [*RESULTS.rglob("run.json"), *RESULTS.rglob("scores*.json")]
    for path in found:
        content = json.loads(path.read_text())
        name = "run.json" if path.name == "run.json" else "cell-scores.json" if "seg" in content else "scores.json"
        schema(name).validate(content)


def test_a_schema_sees_what_is_wrong(run):
    record = json.loads((run / "run.json").read_text())
    memory = {"times": record["times"] | {"training_peak_mib": "much"}}
    for change in ({"status": "done"}, {"seed": -1}, {"times": {"started": "today"}}, {"dataset": "mine"}, memory):
        with pytest.raises(jsonschema.ValidationError):
            schema("run.json").validate(record | change)
    with pytest.raises(jsonschema.ValidationError):
        schema("scores.json").validate(json.loads((run / "scores.json").read_text()) | {"rand_error": 1.5})
