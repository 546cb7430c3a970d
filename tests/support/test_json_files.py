"""JSON files: what is written is read, and lists of numbers are on one line."""

import pytest

from unet_paper.support.json_files import read_json, write_json


@pytest.mark.parametrize("text", ["a [ 1 ].tif", "[1,  2]", '[ "quoted [ 2 ]" ]', "[ \\", "] [ \n ]", "µ [ 3 ]"])
def test_text_with_brackets_is_kept(tmp_path, text):
    values = {"files": [text, "b", text], text: [[1, 2.5], []], "numbers": [1, 2, 3]}
    write_json(tmp_path / "values.json", values)
    assert read_json(tmp_path / "values.json") == values
    assert '"numbers": [1, 2, 3]' in (tmp_path / "values.json").read_text()
