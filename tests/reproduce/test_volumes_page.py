"""The page of the benchmark of volumes says what its record holds, and what was not measured."""

import shutil
from pathlib import Path

import pytest
import torch

from reproduce import ROOT
from reproduce.benchmarks import volumes_on_paper
from reproduce.benchmarks.volumes_page import figure, page, write_page
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.lazy_stack import LazyStack
from unet_paper.network import UNet
from unet_paper.normalisation import Standardisation
from unet_paper.prediction import Predictor
from unet_paper.runs.predicting import PredictionRequest
from unet_paper.support.json_files import read_json
from unet_paper.volumes.prediction import layout_of


def described():
    hardware = {"device": "cpu", "processor": "X", "cores": 2}
    return {"time": "2026-01-01T00:00:00", "code": {"commit": "a" * 40}, "hardware": hardware, "load": 3.0}


VOLUME = {"base_channels": 4, "is_trained": False, "shape": [2, 300, 300], "shard": [2, 160, 304], "blocks": 4}


def test_memory_of_other_sides_stays_if_all_else_is_the_same():
    pytest.importorskip("zarr")
    pytest.importorskip("psutil")
    from reproduce.benchmarks.volumes import with_other_sides

    first = described() | {"base_channels": 16, "depth": 16, "runs": [{"side": 512, "MiB": 1}, {"side": 64, "MiB": 2}]}
    second = first | {"time": "2026-01-02T00:00:00", "runs": [{"side": 512, "MiB": 3}]}
    both = with_other_sides(second, first)
    assert [(run["side"], run["MiB"]) for run in both["runs"]] == [(64, 2), (512, 3)] and both["time"] == second["time"]
    for changed in ({"depth": 1}, {"base_channels": 4}, {"code": {"commit": "b" * 40}}):
        assert with_other_sides(second, first | changed) == second
    assert with_other_sides(second, {}) == second


def test_the_page_is_written_of_what_is_kept_without_measuring(tmp_path, capsys):
    pytest.importorskip("zarr")
    pytest.importorskip("psutil")
    from reproduce.benchmarks.volumes import main

    assert main(["page", "--results", str(tmp_path)]) == 2
    assert f"{tmp_path / 'benchmarks' / 'cpu.json'} holds nothing of volumes" in capsys.readouterr().err
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(ROOT / "results" / "benchmarks" / "cpu.json", tmp_path / "benchmarks")
    assert main(["page", "--results", str(tmp_path)]) == 0
    written, committed = (folder / "scaling" / "README.md" for folder in (tmp_path, ROOT / "results"))
    assert written.read_bytes() == committed.read_bytes() and (tmp_path / "scaling" / "scaling.png").is_file()


class OnPaper(LazyStack):
    """A volume of which nothing but its shape is asked."""

    chunk_depth = volumes_on_paper.CHUNK[0]

    def read(self, sections, rows, columns):
        raise AssertionError("it has no pixels")


@pytest.mark.parametrize("channels", volumes_on_paper.NETWORKS)
def test_on_paper_the_blocks_are_those_that_the_program_cuts(channels):
    with torch.device("meta"):
        network = UNet(base_channels=channels)
    predictor = Predictor(network, Standardisation(0.5, 0.1, "uint8"), "none")
    stack = ImageStack(OnPaper(volumes_on_paper.SHAPE, "uint8"), None, Path("image.zarr"))
    request = PredictionRequest(Path("weights.pt"), stack.source, Path("out.zarr"))
    assert volumes_on_paper._grid(channels)[0] == layout_of(predictor, stack, request, "0.5").grid


def test_the_page_is_what_its_record_gives():
    part = read_json(ROOT / "results" / "benchmarks" / "cpu.json")["volumes"]
    assert (ROOT / "results" / "scaling" / "README.md").read_text(encoding="utf-8") == page(part)


def test_what_is_measured_is_said_and_the_rest_too(tmp_path):
    proof = described() | VOLUME | {"is_equal": True, "levels": [[2, 300, 300]], "single": {"MiB": 400.0}}
    proof["shared"] = {"MiB": 500.0, "killed_after_blocks": [1, 2]}
    text = page({"proof": proof})
    assert "of which 2 were killed (SIGKILL), after 1 and 2 blocks. **The results are the same bits.**" in text
    assert "of noise (0.02% of the 64 x 4,096 x 4,096 px that the command takes by itself) in 4 blocks" in text
    assert "`scheduler` has not been measured." in text and "10^12 px" in text
    assert "**The results DIFFER.**" in page({"proof": proof | {"is_equal": False}})
    runs = [
        {"workers": workers, "blocks_per_second": rate, "cpu_seconds_per_block": 2.0, "MiB": 300.0}
        for workers, rate in ((None, 2.0), (1, 1.8), (2, 3.0))
    ]
    part = {"proof": proof, "workers": described() | VOLUME | {"runs": runs}}
    dry = [{"blocks": count, "first_share": 0.1, "cpu_seconds_per_block": 0.001, "MiB": 20.0} for count in (10, 100)]
    part["scheduler"] = described() | {"runs": dry}
    part["memory"] = described() | {"base_channels": 16, "depth": 2}
    part["memory"]["runs"] = [{"side": side, "pixels": 2 * side**2, "blocks": 1, "MiB": 600.0} for side in (512, 1024)]
    lines = figure(part).axes[1].lines
    assert [list(line.get_ydata()) for line in lines[:2]] == [[2 / 1.8, 2 / 3], [1, 0.5]]  # measured, ideal
    write_page(tmp_path, part)
    text = (tmp_path / "README.md").read_text()
    assert "| 2 by dask | 1.50 | 1.00 | 300 |" in text and "hands out 2,000 blocks" in text
    assert "not been measured" not in text.replace("No GPU has been measured", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "scaling.png"]
