"""The tour of the paper: its notebook as it is committed, and, where the extra `tour` is installed, made anew."""

import ast
import importlib
import json

import matplotlib
import numpy as np
import pytest

from reproduce.execute_tour import NOTEBOOK, SOURCE, cells_of, execute, main

LARGEST = 1_500_000  # bytes
PICTURES = "tour_pictures"  # beside the notebook
LIBRARIES = {"dataclasses", "numpy", "torch"}


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def code_of(notebook) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_cells_of_a_script():
    source = "# about\n\n# %% [markdown]\n# # A title\n#\n# text: $x$\n\n# %%\nx = 1  # %% no mark\n\nx\n"
    assert cells_of(source) == [("markdown", "# A title\n\ntext: $x$"), ("code", "x = 1  # %% no mark\n\nx")]


def test_it_is_small_enough():
    assert NOTEBOOK.stat().st_size < LARGEST


def test_it_is_made_of_its_source(notebook):
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert found == cells_of(SOURCE.read_text(encoding="utf-8")), "python -m reproduce.execute_tour makes it anew"


def test_it_was_executed_in_order_and_without_errors(notebook):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 10


def test_it_names_no_machine(notebook):
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "language_info" not in notebook["metadata"]
    assert not any(word in text for word in ("/home/", "/tmp/", "/root/"))


def test_its_code_compiles_and_takes_public_names_only(notebook):
    for number, code in enumerate(code_of(notebook), start=1):
        for node in ast.walk(ast.parse(code, f"cell {number}")):
            if isinstance(node, ast.Import):
                assert {name.name for name in node.names} <= LIBRARIES | {PICTURES}
            elif isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                names = [name.name for name in node.names]
                assert node.module.split(".")[0] in LIBRARIES | {"unet_paper"}
                assert not any(name.startswith("_") for name in (*node.module.split("."), *names))
                assert all(hasattr(module, name) and getattr(module, name).__doc__ for name in names), names
                if node.module == "unet_paper":
                    assert set(names) <= set(module.__all__)
            elif isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), node.attr


def test_its_pictures_are_there(notebook):
    pictures = importlib.import_module(f"reproduce.{PICTURES}")
    drawn = {
        node.attr
        for code in code_of(notebook)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pictures"
    }
    assert drawn == set(pictures.__all__) - {"Picture"}


def test_its_look_is_not_that_of_every_picture():
    """Importing the pictures and drawing them leaves Matplotlib's settings as they are."""
    pictures = importlib.import_module(f"reproduce.{PICTURES}")
    panels = importlib.import_module(f"reproduce.{PICTURES}.panels")
    numbers = np.ones((2, 2))
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        before = {name: matplotlib.rcParams[name] for name in panels.STYLE}
        importlib.reload(panels)
        picture = pictures.up_convolution(numbers, numbers, np.ones((4, 4)))
        assert picture._repr_png_().startswith(b"\x89PNG")
        assert {name: matplotlib.rcParams[name] for name in panels.STYLE} == before
    assert {axis.xaxis.label.get_color() for axis in picture.figure.axes} == {panels.INK}


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--halp", 2)])
def test_options_are_no_notebooks(tmp_path, monkeypatch, option, code):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([option])
    assert stop.value.code == code and not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_it_runs_from_its_first_cell_to_its_last(tmp_path, notebook):
    pytest.importorskip("nbclient", reason="the extra `tour` is not installed: pip install -e '.[tour]'")
    pytest.importorskip("ipykernel", reason="the extra `tour` is not installed: pip install -e '.[tour]'")
    execute(out=tmp_path / "tour.ipynb")
    again = json.loads((tmp_path / "tour.ipynb").read_text(encoding="utf-8"))
    assert [cell["cell_type"] for cell in again["cells"]] == [cell["cell_type"] for cell in notebook["cells"]]
    assert (tmp_path / "tour.ipynb").stat().st_size < LARGEST
