"""What a run is trained on and scored on, as its record tells it."""

import json
import os
from dataclasses import replace

import pytest

from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.support.errors import BadInput

OF_FOLD = Protocol.of_fold(Fold(2, 3), 9)


@pytest.mark.parametrize(
    "protocol",
    [
        OF_FOLD.without((8, 0)),
        Protocol.of_test(6, 2).without((1,)),
        replace(Protocol.unscored(3), labels_are="instances", ignore=0, files=("a", "b", "c")),
        Protocol.of_sequences("02", (3, 10), "01", (7,)),
    ],
)
def test_a_record_tells_all_of_it(protocol):
    assert Protocol.from_json(json.loads(json.dumps(protocol.to_json()))) == protocol


@pytest.mark.parametrize(
    ("kind", "fold", "counts", "left_out", "protocol"),
    [
        ("fold", "2/3", (4, 3), [0, 8], OF_FOLD.without((0, 8))),
        ("test", None, (5, 2), [1], Protocol.of_test(6, 2).without((1,))),
        ("none", None, (5, 0), None, Protocol.unscored(5)),
    ],
)
def test_the_first_records_counted_the_sections(kind, fold, counts, left_out, protocol):
    values = {"kind": kind, "fold": fold, "training_sections": counts[0], "scored_sections": counts[1]}
    assert Protocol.from_json(values | {"left_out": left_out}) == protocol


def test_there_are_at_most_as_many_folds_as_sections():
    assert [part.tolist() for part in Fold(2, 3).split(3)] == [[0, 2], [1]]
    with pytest.raises(BadInput, match="2 sections cannot be cut into 3 folds, .*; take at most 2 folds"):
        Fold(2, 3).split(2)


def test_a_single_section_that_cannot_be_cut_is_told_the_ways_out():
    way_out = "1 section cannot be cut into 4 folds, each of which needs one; leave --fold out, or cut the image into"
    with pytest.raises(BadInput, match=way_out):
        Fold(1, 4).split(1)


def test_sections_that_are_left_out_are_in_order_and_named_once():
    protocol = OF_FOLD.without((7, 0, 7))
    assert (protocol.training_sections, protocol.left_out) == ((1, 2, 6, 8), (0, 7))
    assert protocol.scored_sections == OF_FOLD.scored_sections == (3, 4, 5)
    assert protocol.names((0, 7)) == ["section-000", "section-007"]
    assert replace(protocol, files=tuple("abcdefghi")).names((0, 7)) == ["a", "h"]


def test_names_of_files_that_are_no_utf_8_can_be_written():
    """As those of old drives."""
    name = os.fsdecode(b"Pr\xe4parat")
    protocol = replace(Protocol.of_fold(Fold(1, 2), 2), files=(name, "Präparat 2"))
    assert protocol.names([0, 1]) == ["Pr\ufffdparat", "Präparat 2"]
    assert Protocol.from_json(json.loads(json.dumps(protocol.to_json()))) == protocol
