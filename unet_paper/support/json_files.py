"""JSON files, written whole or not at all."""

import json
import re
from pathlib import Path
from typing import Any

from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

STRING_OR_NUMBERS = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^][{}"]*\]')  # a string first: in one, brackets are text


def write_json(path: str | Path, values: Any) -> None:
    """Write a JSON file whole or not at all, a list of numbers on one line."""
    text = json.dumps(values, indent=2, allow_nan=False)
    text = STRING_OR_NUMBERS.sub(lambda match: _on_one_line(match[0]), text)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _on_one_line(text: str) -> str:
    return text if text.startswith('"') else f"[{' '.join(text[1:-1].split())}]"


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises BadInput when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; give the folder of a run that `train` wrote") from None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as JSON ({error}); give the folder of a run that `train` wrote"
        ) from None
