"""Text is read and written as UTF-8 whatever the machine: Windows' own encoding has neither "→" nor all of "µm ± σ"."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("unet_paper", "reproduce") for path in sorted((ROOT / folder).rglob("*.py"))]
OF_TEXT = ("open", "fdopen", "read_text", "write_text")
OF_OTHERS = ("Image", "archive", "os")  # whose `open` knows no encoding


def mode_of(call: ast.Call) -> str:
    """Of a file that is opened, "r" unless it is given."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] + call.args[1:2]
    return str(ast.literal_eval(given[0])) if given else "r"


def without_encoding(source: str) -> list[int]:
    """Lines of the calls that leave the encoding to the machine."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or any(keyword.arg == "encoding" for keyword in call.keywords):
            continue
        function = call.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        owner = getattr(function, "value", None)
        if name not in OF_TEXT or (isinstance(owner, ast.Name) and owner.id in OF_OTHERS):
            continue
        if name in ("read_text", "write_text") or "b" not in mode_of(call):
            found.append(call.lineno)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_has_its_encoding(path):
    assert not without_encoding(path.read_text(encoding="utf-8"))


def test_calls_that_leave_it_to_the_machine_are_found():
    lines = ("open(a)", 'open(a, "rb")', "a.write_text(b)", 'open(a, "w", encoding="utf-8")', "a.read_text()")
    assert without_encoding("\n".join([*lines, 'open(a, mode="w")'])) == [1, 3, 5, 6]
