"""Paths that are typed: ~ is the home folder also where the shell leaves it, as in --results=~/x."""

import ast
import sys
from pathlib import Path

import pytest

from reproduce import cells, isbi
from reproduce.benchmarks import __main__ as benchmarks

ROOT = Path(__file__).parents[2]
PARSERS = [
    (isbi.parse, "--results"),
    (isbi.parse, "--data"),
    (cells.parse, "--results"),
    (cells.parse, "--data"),
    (benchmarks.parse, "--out"),
]


@pytest.mark.parametrize("parse, option", PARSERS)
def test_home_is_found(parse, option, monkeypatch):
    monkeypatch.setenv("HOME", "/the/home")
    monkeypatch.setenv("USERPROFILE", "/the/home")  # of Windows
    monkeypatch.setattr(sys, "argv", ["command", f"{option}=~/x"])
    assert getattr(parse(), option.removeprefix("--")) == Path("/the/home/x")


@pytest.mark.parametrize("folder", ["reproduce", "unet_paper"])
def test_no_parser_reads_a_path_in_another_way(folder):
    for file in sorted((ROOT / folder).rglob("*.py")):
        types = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.keyword)]
        assert not [value.lineno for value in types if isinstance(value, ast.Name) and value.id == "Path"], file
