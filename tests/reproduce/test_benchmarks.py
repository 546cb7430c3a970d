"""The benchmarks: every row can be measured, and a record keeps its other parts."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from reproduce import ROOT
from reproduce.benchmarks import (
    network_rows,
    record,
    runtimes,
    runtimes_tables,
    scaling,
    speed_tables,
    steps,
    steps_tables,
)
from reproduce.benchmarks.__main__ import main, parse
from reproduce.benchmarks.measuring import all_in_turn, in_turn, median_seconds
from reproduce.benchmarks.metrics import METRICS, agreement, of_baseline, ours
from reproduce.benchmarks.speed import augmentation_rows, seconds_of_row
from unet_paper import checkpoint as checkpoints
from unet_paper.config import PAPER
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.datasets.phantom import make_phantom
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json, write_json

ORACLE = Path(__file__).parents[1] / "data"
RELEASED = Path(__file__).parents[2] / "results" / "isbi" / "registered-quarter" / "weights.safetensors"


@pytest.fixture(scope="module")
def stacks():
    """Volume and labels of two small sections."""
    return make_phantom(2, 256, seed=1)


@pytest.fixture(scope="module")
def training_set(stacks):
    return prepare_training_set(*stacks, PAPER, "cpu")


def test_ours_and_the_baseline_take_turns():
    called = []

    def baseline() -> float:
        called.append("baseline")
        return 2.0

    seconds = in_turn(partial(called.append, "ours"), baseline, 2)
    assert called == ["ours", "baseline"] * 2 and seconds[1] == [2.0, 2.0] and len(seconds[0]) == 2
    assert median_seconds(lambda: None) >= 0


def test_rows_with_a_network_are_measured(stacks, training_set):
    """Narrow ones, on one core of whatever machine this is."""
    found = [next(network_rows.training("tiny", 2, training_set))]
    found += [row for row in network_rows.predictions("tiny", 2, stacks[0][0], "cpu") if "none" in row.name]
    for row in found:
        row.ours()
    assert network_rows.precision(False, "cpu") == "float32"


def test_all_programs_have_their_turn_in_every_round():
    called = []

    def program(name: str) -> float:
        called.append(name)
        return float(len(called))

    found = all_in_turn({name: partial(program, name) for name in "abc"}, 2)
    assert called == list("abcbca") and found == {"a": [1, 6], "b": [2, 4], "c": [3, 5]}


def test_other_programs_run_the_same_network(stacks):
    """Each that is installed, on a narrow network."""
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    found = runtimes.seconds(2, stacks[0][0, :128, :144], rounds=1)
    assert "ours, float32" in found and "ONNX Runtime, float32" in found
    assert all(len(seconds) == 1 and seconds[0] > 0 for seconds in found.values())


def test_without_other_programs_there_is_a_sentence(stacks, monkeypatch):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install"):
        runtimes.measure(*stacks, quick_only=True, weights=None)


def test_errors_are_of_held_out_sections_only(stacks, make_record, tmp_path):
    with pytest.raises(BadInput, match="train one with --fold"):
        runtimes.errors(RELEASED, *stacks)
    shutil.copy(RELEASED, tmp_path)
    protocol = Protocol("fold", (0,), (1,), (), Fold.parse("2/2"))
    make_record(checkpoints.load(RELEASED).config, protocol=protocol).write(tmp_path / "run.json")
    with pytest.raises(BadInput, match=r"on other sections; give its own stacks with --data DIR"):
        runtimes.errors(tmp_path / RELEASED.name, *stacks)
    assert runtimes.seeds()["pixel_error"] == pytest.approx(0.000348, abs=5e-7)  # of nine
    kept = read_json(ROOT / "results" / "benchmarks" / "cpu.json")["runtimes"]
    assert kept["errors"]["seeds"] == pytest.approx(runtimes.seeds())


def test_the_table_of_other_programs():
    seconds = {"ours, bfloat16": [1.0, 1.0], "ours, float32": [2.0, 2.0], "X, int8": [4.0, 2.0]}
    values = {"warping_error": 0.001, "rand_error": 0.1, "pixel_error": 0.05}
    moved = {"mean_difference": 0.0, "largest_difference": 0.01}
    network = {"base_channels": 2, "steps": 3, "sha256": ""}
    part = record.described("cpu") | {"data": "the phantom", "versions": {"X": "1.0"}, "bfloat16": True, "load": 2.0}
    errors = {"scored_on": "fold 1/5", "network": network, "precisions": {"int8": values | moved}, "seeds": values}
    text = "\n".join(runtimes_tables.lines(part | {"seconds": {"tiny": seconds}, "errors": errors}))
    assert "| tiny network, ours, float32 | 0.50 (0.50 to 0.50) |  |" in text
    assert "| tiny network, X, int8 | 0.38 (0.25 to 0.50) | 0.75 (0.50 to 1.00) |" in text
    assert "| int8 | 0.001000 | 0.1000 | 0.0500 |" in text and "pixel error 0.005" in text


def test_the_table_of_a_gpu_tells_milliseconds_and_the_part_of_the_peak():
    part = record.described("cpu") | {"data": "the phantom", "peak": {"float32": 1e12}, "training": {"parts": {}}}
    part["hardware"]["device"] = "NVIDIA X"
    seconds = {"ours": [0.002, 0.001, 0.004], "baseline": [0.004, 0.004, 0.005]}
    part["rows"] = [
        {"name": "a", "multiply_adds": 1e9, "precision": "float32"} | seconds,
        {"name": "b", "multiply_adds": None, "precision": None} | seconds,
    ]
    text = speed_tables.lines(part)
    assert "## Speed on NVIDIA X" in text and record.slug(part) == "nvidia-x"
    assert text[-1].splitlines()[2:] == [
        "| a | 2.00 | 0.500 | 0.200 | 1.000 | float32 | 0.50 |",
        "| b | 2.00 | 0.500 | 0.200 | 1.000 |  |  |",
    ]


def test_a_training_step_is_measured_in_each_precision(training_set):
    found = steps.seconds(training_set, 1, rounds=1, with_baseline=False)
    assert "float32" in found and all(len(seconds) == 1 for seconds in found.values())
    part = record.described("cpu") | {"data": "the phantom", "load": 0.0, "bfloat16": True}
    part["seconds"] = {"tiny": {"a": [1.0], "b": [2.0]}}
    assert "| tiny network, a | b | 0.50 (0.50 to 0.50) |" in "\n".join(steps_tables.lines(part))


def test_steps_without_bfloat16_are_kept_beside_those_with_it(tmp_path):
    part = record.described("cpu") | {"data": "the phantom", "load": 0.0, "instructions": "AVX2"}
    for bfloat16, seconds in ((True, 1.0), (False, 3.0)):
        programs = {"tiny": {"ours": [seconds], "b": [2.0]}}
        record.keep(tmp_path, "steps", part | {"bfloat16": bfloat16, "seconds": programs})
    lines = record.readme(tmp_path, tmp_path / "no-study").splitlines()
    titles = [line for line in lines if line.startswith("## ")]
    title = "## A training step, by precision and kernels"
    assert titles == [title, f"{title}, on a processor with AVX2 alone"]
    assert [line[-21:-2] for line in lines if "tiny" in line] == ["0.50 (0.50 to 0.50)", "1.50 (1.50 to 1.50)"]


def test_an_augmented_sample_is_measured(training_set):
    ours_seconds, baseline_seconds = seconds_of_row(next(augmentation_rows(training_set)))
    assert min(ours_seconds) > 0 and min(baseline_seconds) > 0


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_is_computed_by_both(random, metric):
    truth = random.random((24, 24)) > 0.3
    proposal = random.random((24, 24))
    assert ours(metric)(truth, proposal) is not None and of_baseline(metric)(truth, proposal)


def test_agreement_on_the_cases_of_the_tests():
    found = agreement(ORACLE)
    assert found and all(row["warping_counts_that_differ"] == 0 and row["rand_error"] < 1e-12 for row in found.values())


def test_a_threshold_that_one_scorer_alone_drops_is_as_wrong_as_can_be(tmp_path):
    case = read_json(ORACLE / "reference.json")["fuzz_mid"]
    curve = case["v_info_per_threshold"]
    curve[next(number for number, value in enumerate(curve) if value is not None)] = None
    write_json(tmp_path / "reference.json", {"fuzz_mid": case})
    shutil.copy(ORACLE / "fuzz_mid.npz", tmp_path)
    assert agreement(tmp_path)["fuzz_mid"]["v_info_per_threshold"] == 1


def test_weight_maps_are_those_of_the_baseline(stacks):
    measured = scaling.weight_maps_beside_the_baseline(stacks[1])
    assert measured["sections"] == 2 and measured["largest_difference"] < 1e-5


def test_a_part_replaces_itself_and_no_other(tmp_path):
    part = record.described("cpu")
    record.keep(tmp_path, "metrics", part | {"agreement": {}, "speed": []})
    record.keep(tmp_path, "scaling", part | {"first": True})
    record.keep(tmp_path, "volumes", part)
    record.keep(tmp_path, "scaling", part | {"second": True})
    kept = read_json(tmp_path / "cpu.json")
    assert list(kept) == ["metrics", "scaling", "volumes"] and kept["metrics"]["agreement"] == {}
    assert "second" in kept["scaling"] and "first" not in kept["scaling"]
    assert kept["metrics"]["hardware"]["torch"] == torch.__version__


def test_parts(capsys, tmp_path):
    assert parse([]).parts == ["speed", "metrics"]
    assert parse(["--weights", "weights.pt"]).parts == ["speed", "metrics", "scaling"]
    for wrong, said in ((["sped"], "there is no part sped"), (["scaling"], "needs --weights")):
        with pytest.raises(SystemExit) as ended:
            parse(wrong)
        assert ended.value.code == 2 and said in capsys.readouterr().err
    assert main(["metrics", "--oracle", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "reference.json" in capsys.readouterr().err


def test_tables_are_written_of_what_is_kept_without_measuring(tmp_path):
    kept = ROOT / "results" / "benchmarks"
    shutil.copy(kept / "cpu.json", tmp_path)
    assert main(["tables", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_bytes() == (kept / "README.md").read_bytes()
    assert (tmp_path / "cpu.json").read_bytes() == (kept / "cpu.json").read_bytes()
