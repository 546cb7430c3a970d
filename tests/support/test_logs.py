"""Messages: a library is silent, a command prints them plain on stdout, and progress follows."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from unet_paper.support.logs import configure, logger
from unet_paper.support.progress import progress_bar

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def as_before():
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_library_is_silent(capsys):
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.info("a message")
    assert list(progress_bar(range(3), desc="work")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_command_prints_plain_lines_once(capsys):
    logger.handlers.clear()
    configure(), configure()
    logger.info("a message")
    logger.warning("note: another")
    assert capsys.readouterr().out == "a message\nnote: another\n"
    assert list(progress_bar(range(3), desc="work")) == [0, 1, 2]
    assert "work: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO])
def test_without_a_stderr_nothing_is_shown(monkeypatch, level):
    """As under pythonw, and in programs with windows alone."""
    logger.setLevel(level)
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3), desc="work")) == [0, 1, 2]
    with progress_bar(total=3, initial=1, unit="tile") as bar:
        bar.total = 4
        bar.set_postfix(loss="0.1", refresh=False)
        bar.update()


def test_other_libraries_stay_as_they_are():
    lines = (
        "import logging; from unet_paper.support.logs import configure; configure()",
        "logging.getLogger('other').info('not shown')",
        "assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
