"""What a record tells in words."""

import json
from dataclasses import replace

import pytest

from unet_paper.config import PAPER
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.runs.record import RunRecord, read_record
from unet_paper.support.errors import BadInput


def test_what_has_no_effect_on_adam_is_not_told_of_it(make_record):
    """Its first runs have a momentum that does not rise."""
    by_sgd = replace(PAPER, momentum_warmup=0.0)
    assert make_record(by_sgd).profile_title == "paper with momentum_warmup=0"
    assert make_record(replace(by_sgd, optimiser="adam")).profile_title == "paper with optimiser=adam"


def test_a_training_of_no_time_at_all_is_told(make_record):
    """As one of a few steps is on a fast machine, in tenths of a second."""
    record = make_record(PAPER).with_times(training_seconds=0.0)
    assert record.to_json()["times"]["training_seconds"] == 0.0 and RunRecord.from_json(record.to_json()) == record


def test_what_a_record_lacks_or_is_not_known_here_is_named(make_record, tmp_path):
    """A record of a later version has settings that this one does not know."""
    values = make_record(PAPER).to_json()
    later = values | {"configuration": values["configuration"] | {"colour": {"value": "red"}}}
    for content, named in ((later, "colour"), ({name: values[name] for name in values if name != "code"}, "code")):
        (tmp_path / "run.json").write_text(json.dumps(content))
        with pytest.raises(BadInput, match=f"run.json: it is not a run's record .*{named}"):
            read_record(tmp_path / "run.json")


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"dataset": 7},
        {"protocol": {"kind": "bogus"}},
        {"protocol": {"scored_sections": []}},
        {"configuration": {"steps": {"value": "x"}}},
        {"configuration": {"classes": {"value": None}}},
        {"configuration": {"base_channels": {"value": [1, 2, 3]}}},
    ],
)
def test_values_that_no_record_has_are_refused(make_record, change):
    values = make_record(PAPER).to_json()
    values |= {"protocol": Protocol.of_fold(Fold(1, 5), 30).to_json()}
    assert RunRecord.from_json(values).protocol.kind == "fold"
    ((name, new),) = change.items()
    with pytest.raises(BadInput):
        RunRecord.from_json(values | {name: values[name] | new if isinstance(new, dict) else new})
