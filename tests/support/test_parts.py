"""Parts of a list of work."""

import pytest

from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 23])
def test_all_parts_have_each_item_once_and_are_alike(count):
    items = range(10)
    parts = [Part(number, count).of(items) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == list(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_is_no_part_is_refused():
    assert str(Part.parse("3/8")) == "3/8" and Part.parse("1/1") == Part(1, 1)
    for text in ("0/3", "4/3", "1", "1/0", "-1/2", "a/b", "1/2/3"):
        with pytest.raises(BadInput, match="is not K/N"):
            Part.parse(text)
