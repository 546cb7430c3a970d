"""Make `tour.ipynb` of `tour.py`, executed from its first cell to its last; needs the extra `tour` of pyproject.toml.

python -m reproduce.execute_tour [OUT.ipynb]
"""

import json
import os
from pathlib import Path

from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.support.files import atomic_write

HERE = Path(__file__).parent
SOURCE, NOTEBOOK = HERE / "tour.py", HERE / "tour.ipynb"
MARK, MARKDOWN = "# %%", " [markdown]"
SECONDS = 3600  # for one cell, at most: on a busy machine


def cells_of(source: str) -> list[tuple[str, str]]:
    """The cells of a script whose cells begin with a line of `# %%`: [("code" or "markdown", text)]."""
    cells = []
    for part in ("\n" + source).split("\n" + MARK)[1:]:
        kind, _, text = part.partition("\n")
        lines = text.strip("\n").split("\n")
        if kind == MARKDOWN:
            cells.append(("markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)))
        else:
            cells.append(("code", "\n".join(lines)))
    return cells


def execute(out: Path = NOTEBOOK) -> None:
    """Run the tour in its folder and write the notebook. An error in a cell is raised, nothing is written."""
    import nbformat  # of the extra
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, (kind, text) in enumerate(cells_of(SOURCE.read_text(encoding="utf-8")), start=1):
        notebook.cells.append(getattr(nbformat.v4, f"new_{kind}_cell")(text, id=f"cell-{number}"))
    resources = {"metadata": {"path": str(SOURCE.parent)}}
    paths = os.pathsep.join(filter(None, (str(SOURCE.parents[1]), os.environ.get("PYTHONPATH"))))
    options = {"timeout": SECONDS, "record_timing": False, "coalesce_streams": True, "resources": resources}
    client = NotebookClient(notebook, **options)
    client.execute(env=os.environ | {"PYTHONPATH": paths})
    notebook.metadata.pop("language_info", None)  # has the version of Python
    with atomic_write(out) as temporary:
        temporary.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(given: list[str] | None = None) -> None:
    """Execute the tour."""
    parser = Parser(
        prog="python -m reproduce.execute_tour",
        description=__doc__,
    )
    parser.add_argument("out", type=path, nargs="?", default=NOTEBOOK, metavar="OUT.ipynb")
    execute(out=parser.parse_args(given).out)


if __name__ == "__main__":
    main()
