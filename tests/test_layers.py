"""Imports go one way: a module imports from its own layer and from those below, and nothing runs in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "unet_paper"
LAYERS = (  # from the top down; below unet_paper/
    ("cli", "__main__"),
    ("report", "volumes"),
    ("export",),
    ("runs",),
    ("training", "prediction", "segmentation"),
    ("checkpoint", "schedule", "test_time_augmentation"),
    ("overlap_tile", "datasets"),
    ("network", "separation_border", "weight_map", "augmentation", "loss", "normalisation", "metrics", "config"),
    ("io",),
    ("compute",),
    ("support",),
)
LEVEL = {name: -depth for depth, names in enumerate(LAYERS) for name in names}
API = "__init__"  # of the package itself: offers what lies anywhere
SECTIONS = ("Parameters", "Returns")  # of a docstring, as numpydoc writes them


def modules() -> dict[str, Path]:
    """{dotted name below the package: file}"""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """The package's modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unet_paper"):
            base = (node.module or "").removeprefix("unet_paper").lstrip(".")
            names |= {".".join(filter(None, (base, alias.name))) for alias in node.names} | {base}
        elif isinstance(node, ast.Import):
            names |= {alias.name.removeprefix("unet_paper.") for alias in node.names}
    return names & set(known)


MODULES = modules()


@pytest.mark.parametrize("name", [name for name in MODULES if name != API])
def test_no_module_imports_from_a_layer_above(name):
    own = LEVEL[name.split(".")[0]]
    above = {other for other in imported(MODULES[name], MODULES) - {API} if LEVEL[other.split(".")[0]] > own}
    assert not above


@pytest.mark.parametrize("name", [name for name in MODULES if name != API])
def test_no_module_takes_what_the_package_offers_from_there(name):
    """That may lie in a layer above."""
    tree = ast.parse(MODULES[name].read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "unet_paper"]
    taken = {alias.name for node in imports for alias in node.names}
    assert taken <= {"__version__", *MODULES}


def test_nothing_runs_in_a_circle():
    graph = {name: imported(path, MODULES) - {name} for name, path in MODULES.items() if name != API}
    for name, others in graph.items():  # a package is not a circle with what it offers
        graph[name] = {other for other in others if not name.startswith(f"{other}.")}
    assert list(TopologicalSorter(graph).static_order())


def test_the_root_is_the_papers_table_of_contents():
    found = {name for name in MODULES if "." not in name and (PACKAGE / f"{name}.py").is_file()}
    assert found - {API, "__main__"} <= {name for names in LAYERS for name in names}
    assert not {"utils", "helpers", "misc"} & {part for name in MODULES for part in name.split(".")}


def test_every_public_function_of_the_root_says_what_it_takes_or_gives():
    lacking = [
        f"{path.name}: {node.name}"
        for path in sorted(PACKAGE.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if not any(f"\n{name}\n{'-' * len(name)}\n" in (ast.get_docstring(node) or "") for name in SECTIONS)
    ]
    assert not lacking
