"""The scripts, as a new user runs them."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from argparse import Namespace
from contextlib import contextmanager
from pathlib import Path

import pytest

from reproduce import cells, isbi, script
from unet_paper.cli.parser import parse
from unet_paper.cli.settings import changed_config
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.phantom import write_phantom
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock

TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188", "tta=none", "primary=none")]


@pytest.mark.long
def test_without_data_and_network_it_ends_on_the_phantom_and_says_so(clone, run_script):
    write_phantom(clone / "data" / "phantom", train_sections=2, test_sections=1, size=96)
    done = run_script("isbi.sh", "--profile", "smoke", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("THIS RUN IS ON THE BUILT-IN PHANTOM") == 2
    run = clone / "results" / "phantom" / "smoke"
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"] == "phantom" and set(record["times"]["pipeline_seconds"]) >= {"train", "score none", "all"}
    assert "NOT the ISBI stack" in (run / "table1.md").read_text() and not (clone / "results" / "isbi").exists()
    assert (run / "sections" / "result.png").is_file()


def test_one_draws_the_phantom_at_a_time(tmp_path, monkeypatch, capsys):
    """Who comes meanwhile is told to wait; what the other has drawn until the lock is had is taken."""
    monkeypatch.chdir(tmp_path)
    options = Namespace(require_real=False)
    with exclusive_lock(tmp_path / "data/phantom.lock", "it"), pytest.raises(BadInput, match="data/phantom is being"):
        isbi.phantom(options)

    @contextmanager
    def drawn_meanwhile(_path, what):
        write_phantom(what, train_sections=2, test_sections=1, size=96)
        yield

    monkeypatch.setattr(script, "exclusive_lock", drawn_meanwhile)
    monkeypatch.setattr(isbi, "command", pytest.fail)
    assert isbi.phantom(options) == isbi.phantom(options) == Path("data/phantom")


def test_require_real(clone, run_script):
    done = run_script("isbi.sh", "--profile", "smoke", "--require-real")
    assert done.returncode == 2 and "nothing was run" in done.stdout and not (clone / "results").exists()


def test_a_named_folder_must_hold_the_official_stacks(clone, run_script, small_phantom):
    done = run_script("isbi.sh", "--data", str(small_phantom))
    assert done.returncode == 2 and "lacks the official train-volume.tif" in done.stderr
    assert not (clone / "results").exists()


def test_relative_paths_and_a_search_path_of_cd(clone):
    """The scripts go to other folders, and CDPATH makes cd print."""
    (clone / "my python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (clone / "my python").chmod(0o755)
    given = os.environ | {"CDPATH": ".", "UNET_PAPER_PYTHON": "./my python"}

    def run(*command, **more):
        return subprocess.run(["bash", *command], cwd=clone, env=given | more, capture_output=True, text=True)

    elsewhere = run("-c", 'source reproduce/environment.sh; cd /; "$python" -c "print(1)"')
    assert elsewhere.stdout == "1\n", elsewhere.stderr
    no_data = run("reproduce/test.sh", ISBI_DATA="nowhere")
    assert no_data.returncode != 0 and "nowhere" in no_data.stderr.splitlines()[-1] and not no_data.stdout


def write_wheel(folder):
    """A package of nothing, which is installed without a network."""
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return Path(wheel.filename)


@pytest.fixture
def started(clone):
    """Starts a script that has the environment made, whose only requirement is a package of nothing."""
    (clone / "requirements.txt").write_text(f"{write_wheel(clone)}\n")
    script = 'source reproduce/environment.sh; "$python" -c "import sys; print(sys.prefix)"'
    given = os.environ | {"UNET_PAPER_PYTHON": sys.executable}

    def started():
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(["bash", "-euc", script], cwd=clone, env=given, text=True, **pipes)

    return started


@pytest.mark.long
def test_an_environment_whose_python_is_gone_is_made_anew(clone, started):
    """As after an upgrade of the system's Python."""
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(clone / "gone")
    said, errors = started().communicate()
    assert said.strip() == str(clone / ".venv"), errors


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("flock"), reason="there is no flock here")
def test_two_scripts_make_one_environment(clone, started):
    both = [started() for _ in range(2)]
    said, errors = zip(*(each.communicate() for each in both), strict=True)
    assert said == (f"{clone / '.venv'}\n",) * 2, errors
    assert "".join(errors).count("Making the environment") == "".join(errors).count("Waiting for another") == 1
    said, errors = started().communicate()
    assert said == f"{clone / '.venv'}\n" and not errors


@pytest.mark.parametrize("given", [(), ("data",)])
def test_clean_days_says_what_it_is_given(run_script, given):
    done = run_script("clean_days.sh", *given)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "usage: bash reproduce/clean_days.sh DATA PLACE [SEED ...]\n"


@pytest.mark.parametrize("experiment", [isbi, cells])
def test_bad_options_end_in_one_sentence(monkeypatch, capsys, experiment):
    monkeypatch.setattr(sys, "argv", ["script", "--nonsense"])
    with pytest.raises(SystemExit, match="2"):
        experiment.parse()
    said = capsys.readouterr().err
    name = experiment.__name__.rpartition(".")[2]
    assert said == f"reproduce/{name}.sh: unrecognized arguments: --nonsense; see reproduce/{name}.sh --help\n"


def test_two_optimisers_are_refused_before_all_else(monkeypatch):
    monkeypatch.setattr(isbi, "find_data", None)
    monkeypatch.setattr(sys, "argv", ["isbi", "--optimiser", "sgd", "--set", "optimiser=adam"])
    with pytest.raises(BadInput, match="--optimiser sgd and --set optimiser=adam name two optimisers"):
        isbi.experiment(isbi.parse())


@pytest.mark.parametrize("fold", [None, "5/6"])
def test_the_training_that_is_shown_is_the_one_that_is_made(tmp_path, monkeypatch, fold):
    """Settings of --set win over those of other options."""
    made = []
    monkeypatch.setattr(script, "make_run", lambda *given: made.append(given))
    options = Namespace(optimiser="sgd", minutes=5.0, set=["minutes=0", "steps=7"])
    isbi.make_run(options, RunFolder(tmp_path), Path("data"), "quick", fold)
    ((words, run, request),) = made
    shown, config = parse([*map(str, words)]), request().config
    assert config == changed_config(PROFILES[shown.profile], shown.changes)
    assert (config.optimiser, config.minutes, config.steps) == ("sgd", 0.0, 7)
    assert request().fold == (Fold.parse(fold) if fold else None) and shown.fold == fold
    assert (shown.data, shown.out) == (request().source, request().out) == (Path("data"), run.path)
    assert shown.resume and request().resume


@pytest.mark.slow
def test_the_whole_smoke_profile(clone, run_script):
    done = run_script("isbi.sh", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert (clone / "results" / "phantom" / "smoke" / "scores.json").is_file()


def test_the_scripts_load_what_trains_and_draws_only_where_it_is_needed():
    """Bad input, --help and Ctrl-C at the start need not wait for it."""
    code = "import sys, reproduce.isbi, reproduce.cells; assert not {'torch', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
