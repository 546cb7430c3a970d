"""What a package says of its data and errors comes from the run's own records."""

from dataclasses import replace
from pathlib import Path

import pytest

from unet_paper.checkpoint import Checkpoint
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.export.description import description, package_name
from unet_paper.export.documentation import documentation
from unet_paper.export.provenance import METRICS, provenance
from unet_paper.export.terms import Terms
from unet_paper.io.pixel_size import PixelSize
from unet_paper.metrics.registry import F1, PIXEL_ERROR, SEG, TABLE_1_METRICS
from unet_paper.runs.record import read_record
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import write_json

RESULTS = Path(__file__).parents[2] / "results" / "isbi"


def checkpoint_of(run: str) -> Checkpoint:
    """As `load` reads it, without the weights."""
    record = read_record(RESULTS / run / "run.json")
    return Checkpoint(
        record.config.steps, record.config, record.standardisation, {}, None, [], dict(record.data_sha256), 1.0
    )


@pytest.mark.parametrize(
    ("run", "data", "said"),
    [
        ("../phantom/demo", "synthetic", "| d4 | 0.000696 | 0.0640 | 0.0487 |"),
        ("final", "ISBI 2012 EM challenge", "official test sections, labels recovered | none"),
    ],
)
def test_errors_are_those_of_the_record(run, data, said):
    checkpoint = checkpoint_of(run)
    source = provenance(RESULTS / run / "weights.pt", checkpoint)
    text = documentation(package_name(checkpoint, source), checkpoint, source)
    assert data in text and "## Validation" in text
    assert source.record is not None and ("4 x 4 nm" in text) == (source.record.pixel_size is not None)
    assert said in text and checkpoint.data["train-volume"] in text


def test_scores_of_cells_are_told_too(make_record, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint()
    record = replace(make_record(checkpoint.config, "DIC-C2DH-HeLa"), data_sha256=checkpoint.data)
    record.write(tmp_path / "run.json")
    write_json(tmp_path / "scores.json", {"seg": 0.7756, "f1": 0.9, "found": 7})
    source = provenance(tmp_path / "weights.pt", checkpoint)
    text = documentation(package_name(checkpoint, source), checkpoint, source)
    assert "0.7756 | 0.9000 |" in text and "DIC-C2DH-HeLa, of the cell tracking challenge" in text
    assert "warping" not in text and "challenge's metrics each at" not in text
    assert "SEG and F1 at one threshold, which was not chosen on what is scored" in text


def test_of_two_sequences_the_one_trained_on_is_listed(make_record, make_checkpoint, tmp_path):
    checkpoint = replace(make_checkpoint(), data={"01-images": "a1", "01-masks": "a2", "02-images": "b1"})
    protocol = Protocol.of_sequences("01", (0,), "02", (0, 3))
    replace(make_record(checkpoint.config, "DIC-C2DH-HeLa", protocol), data_sha256=checkpoint.data).write(
        tmp_path / "run.json"
    )
    source = provenance(tmp_path / "weights.pt", checkpoint)
    text = documentation(package_name(checkpoint, source), checkpoint, source)
    assert "01-images: SHA-256 of the decoded pixels a1" in text and "02-images" not in text


def test_own_data_have_the_metrics_that_fit_them(make_record, make_checkpoint, tmp_path):
    checkpoint, values = make_checkpoint(), {metric.key: 0.5 for metric in METRICS}
    for labels_are, fitting in (("instances", (PIXEL_ERROR, SEG, F1)), ("membranes", (*TABLE_1_METRICS, SEG, F1))):
        protocol = replace(Protocol.of_test(6, 2), labels_are=labels_are)
        replace(make_record(checkpoint.config, "own", protocol), data_sha256=checkpoint.data).write(
            tmp_path / "run.json"
        )
        write_json(tmp_path / "scores.json", values)
        assert set(provenance(tmp_path / "weights.pt", checkpoint).metrics) == set(fitting)


@pytest.mark.parametrize(
    "name, content",
    [
        ("scores.json", [1, 2]),
        ("scores.json", {"seg": "x"}),
        ("scores.json", {"seg": [0.5]}),
        ("test-scores.json", {"all_pixels": 5}),
    ],
)
def test_scores_that_are_none_are_named(make_record, make_checkpoint, tmp_path, name, content):
    checkpoint = make_checkpoint()
    replace(make_record(checkpoint.config), data_sha256=checkpoint.data).write(tmp_path / "run.json")
    write_json(tmp_path / name, content)
    with pytest.raises(BadInput, match=f"{name} holds no scores"):
        provenance(tmp_path / "weights.pt", checkpoint)


def test_what_is_called_test_scores_and_is_another_file_tells_nothing(make_record, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint()
    replace(make_record(checkpoint.config), data_sha256=checkpoint.data).write(tmp_path / "run.json")
    write_json(tmp_path / "test-scores.json", 5)
    assert not provenance(tmp_path / "weights.pt", checkpoint).errors


def test_a_record_of_another_network_tells_nothing(make_checkpoint):
    source = provenance(RESULTS / "../phantom/demo" / "weights.pt", make_checkpoint())
    assert source.record is None and not source.errors
    assert "No errors on other sections" in documentation("a name", make_checkpoint(), source)


def test_a_record_of_other_settings_tells_nothing(make_record, make_checkpoint, tmp_path):
    """As of a run in the same folder, on the same data."""
    checkpoint = make_checkpoint()
    for seed, is_told in ((0, True), (1, False)):
        record = make_record(replace(checkpoint.config, seed=seed))
        replace(record, data_sha256=checkpoint.data).write(tmp_path / "run.json")
        assert (provenance(tmp_path / "weights.pt", checkpoint).record is not None) == is_told


def test_each_row_has_the_errors_of_its_augmentation(make_record, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(tta=("none", "d4"), primary="d4")
    replace(make_record(checkpoint.config), data_sha256=checkpoint.data).write(tmp_path / "run.json")
    write_json(tmp_path / "scores.json", {"rand_error": 0.1})
    write_json(tmp_path / "scores-none.json", {"rand_error": 0.2})
    of_pixels = {"all_pixels": {"rand_error": 0.3}, "exact_rows": {"rand_error": 0.4}}
    write_json(tmp_path / "test-scores.json", {"tta": "d4"} | of_pixels)
    rows = provenance(tmp_path / "weights.pt", checkpoint).errors
    assert [(row.tta, row.values["rand_error"]) for row in rows] == [("none", 0.2), ("d4", 0.1), ("d4", 0.3)]


def test_sections_and_pixels_are_those_that_were_trained_on(make_record, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint()
    record = make_record(checkpoint.config, "own", Protocol.of_fold(Fold(1, 3), 9))
    record = replace(record, data_sha256=checkpoint.data, pixel_size=PixelSize(650.0, 640.0))
    record.write(tmp_path / "run.json")
    text = documentation("a name", checkpoint, provenance(tmp_path / "weights.pt", checkpoint))
    assert "6 of its sections were trained on. A pixel is 650 x 640 nm." in text


@pytest.mark.parametrize("author, licence", [(["A. Nonymous", " "], None), (None, "")])
def test_empty_names_are_refused(author, licence):
    with pytest.raises(BadInput, match="must not be empty"):
        Terms.of(author, licence)


class AnyHash(dict):
    def __missing__(self, name):
        return "0" * 64


def test_the_description(make_checkpoint):
    checkpoint = make_checkpoint("uint16", classes=3)
    source = provenance("nowhere/weights.pt", checkpoint)
    terms = Terms.of(["A. Nonymous"], "CC-BY-4.0")
    found = description(checkpoint, source, terms, AnyHash(), 7)
    assert found["authors"] == [{"name": "A. Nonymous"}] and found["license"] == "CC-BY-4.0"
    assert Terms.of(None, None).licence == "MIT"
    told = found["config"]["unet_paper"]
    assert (told["steps"], told["parameters"], told["data_sha256"]) == (7, 7, {"train-volume": "ab"})
    assert found["outputs"][0]["axes"][1]["channel_names"] == ["class_0", "class_1", "class_2"]
    assert found["inputs"][0]["axes"][2]["size"] == {"min": 256, "step": 16}
    assert found["weights"]["pytorch_state_dict"]["architecture"]["kwargs"]["largest"] == 65535


def test_the_description_is_what_readers_in_java_can_read(make_checkpoint):
    """JDLL (deepImageJ) casts documentation and covers to names, and fails without an id and with `ensure_dtype`."""
    checkpoint = make_checkpoint()
    found = description(checkpoint, provenance("nowhere/weights.pt", checkpoint), Terms(), AnyHash(), 7)
    assert found["documentation"] == "README.md" and found["covers"] == ["cover.png"]
    assert found["id"] == "u-net-2015-for-2d-images-4-base-channels"
    assert "preprocessing" not in found["inputs"][0] and found["inputs"][0]["data"] == {"type": "float32"}


def test_that_its_labels_lay_beside_is_told(make_checkpoint):
    for settings in ({}, {"registration_x": 0.15, "registration_y": 0.6}):
        checkpoint = make_checkpoint(**settings)
        text = documentation("a name", checkpoint, provenance(RESULTS / "none" / "weights.pt", checkpoint))
        assert ("0.15 px to its right and 0.6 px below" in text) == bool(settings)


def test_a_network_of_classes_has_accuracy_and_iou(make_record, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint()
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, classes=3))
    replace(make_record(checkpoint.config, "own"), data_sha256=checkpoint.data).write(tmp_path / "run.json")
    write_json(tmp_path / "scores.json", {"accuracy": 0.75, "mean_iou": 0.5, "iou": [0.5, 0.5, None]})
    source = provenance(tmp_path / "weights.pt", checkpoint)
    text = documentation(package_name(checkpoint, source), checkpoint, source)
    assert "| accuracy | mean IoU |" in text and "0.7500 | 0.5000 |" in text
    assert "Accuracy and mean IoU of the most probable class" in text and "challenge's metrics each at" not in text
