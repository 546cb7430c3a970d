"""What an error says, in one line."""

import pytest

from unet_paper.support.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n\n  one \ntwo"), "one"),
        (ValueError(), "ValueError"),
        (TimeoutError(" \n"), "TimeoutError"),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
    ],
)
def test_first_line(error, line):
    assert first_line(error) == line
