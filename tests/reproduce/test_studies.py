"""The studies carried out: that they stop and resume, and what they write."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce.studies import __main__ as studies
from reproduce.studies import archive, budgets, carrying_out, release, spread
from reproduce.studies.budgets import parts_of
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import Run
from reproduce.studies.runner import NOT_DONE, OutOfTime, make
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.cli.commands import main
from unet_paper.io.stack import read_stack
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import Trunk, read_record

ROOT = Path(__file__).parents[2]
TINY = ("base_channels=2", "steps=6", "tile_size=188", "checkpoint_every=2")
RESULTS = ROOT / "results"


def study(name, data, out, *options, changes=TINY):
    """Carry out a study on the phantom."""
    given = ("--data", data, "--out", out, "--profile", "smoke", *(f"--set={change}" for change in changes), *options)
    command = [sys.executable, "-m", "reproduce.studies", name, *map(str, given)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def carry_out(tmp_path, monkeypatch):
    """Carries out a study of which some runs are kept, and no other can be made; returns its exit code."""
    monkeypatch.setattr(carrying_out, "make", lambda *_: None)

    def carry_out(name, kept, *options):
        (tmp_path / "out" / name).mkdir(parents=True, exist_ok=True)
        archive.write(tmp_path / "out" / name, kept)
        given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out" / name), *options]
        monkeypatch.setattr(sys, "argv", ["studies", name, *given])
        return studies.main()

    return carry_out


def test_the_last_part_to_end_writes_the_tables(carry_out, tmp_path, capsys):
    kept, readme = archive.read(RESULTS / "isbi/folds"), tmp_path / "out/folds/README.md"
    assert carry_out("folds", kept[:-1], "--part", "1/2") == 0
    assert "the last part to end writes the tables" in capsys.readouterr().out and not readme.exists()
    assert carry_out("folds", kept[:2], "--part", "1/2", "--only", "fold-2") == 0
    assert "2 of 5 so far" in readme.read_text()
    assert carry_out("folds", kept, "--part", "1/2") == 0
    assert "so far" not in readme.read_text()


def test_a_trunk_that_diverged_is_not_tried_for_each_of_its_branches(tmp_path, monkeypatch):
    tried = []

    def diverges(run, folder, *_):
        tried.append(run.name)
        trunk = RunFolder(folder.path.with_name(run.trunk))
        trunk.path.mkdir(parents=True, exist_ok=True)
        replace(read_record(RESULTS / "isbi/final/run.json"), status="diverged").write(trunk.record)

    monkeypatch.setattr(carrying_out, "make", diverges)
    monkeypatch.setattr(spread, "make", diverges)
    given = ["--data", str(tmp_path / "nowhere"), "--only", "16-channels", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["studies", "budgets", *given, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="1"):  # nothing is left to compare
        studies.main()
    assert tried == ["16-channels-SGD-seed-0-300", "16-channels-Adam-seed-0-300"]
    task = spread.Task(runs_of("budgets", 1)[:3], tmp_path / "other", tmp_path, "quick", {})
    assert spread.carry_out(task, None) == 0 and len(tried) == 3


def test_a_branch_that_diverged_leaves_the_others_of_its_trunk(tmp_path, monkeypatch):
    tried = []

    def diverges(run, folder, *_):
        tried.append(run.name)
        for path, status in ((folder.path, "diverged"), (folder.path.with_name(run.trunk), "finished")):
            path.mkdir(parents=True, exist_ok=True)
            replace(read_record(RESULTS / "isbi/final/run.json"), status=status).write(RunFolder(path).record)

    monkeypatch.setattr(carrying_out, "make", diverges)
    monkeypatch.setattr(spread, "make", diverges)
    given = ["--data", str(tmp_path / "nowhere"), "--only", "16-channels-SGD", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["studies", "budgets", *given, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="1"):
        studies.main()
    assert len(tried) == 6
    task = spread.Task(runs_of("budgets", 1)[:3], tmp_path / "other", tmp_path, "quick", {})
    assert spread.carry_out(task, None) == 0 and len(tried) == 9


def test_what_is_kept_is_not_left_out(tmp_path, monkeypatch, capsys):
    """Though the trunk that was trained anew here diverged."""
    kept = [run for run in archive.read(RESULTS / "isbi/budgets") if run.name.startswith("16-channels-SGD-seed-0")]
    archive.write(tmp_path, kept)
    trunk = RunFolder(tmp_path / "16-channels-SGD-seed-0-trunk")
    trunk.path.mkdir()
    replace(read_record(RESULTS / "isbi/final/run.json"), status="diverged").write(trunk.record)
    monkeypatch.setattr(carrying_out, "make", lambda *_: None)
    given = ["--data", str(tmp_path / "nowhere"), "--only", "16-channels-SGD", "--seeds", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["studies", "budgets", *given])
    assert studies.main() == 0
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Diverged: "))
    assert not any(f"{run.name}," in f"{said}," for run in kept)


def test_what_goes_elsewhere_leaves_the_repositorys_tables(carry_out, monkeypatch):
    written = []
    monkeypatch.setattr(carrying_out.table_1, "write", lambda results: written.append(results) or "")
    monkeypatch.setattr(carrying_out.model_cards, "write", written.append)
    assert carry_out("folds", archive.read(RESULTS / "isbi/folds")) == 0 and not written


def test_releases_that_are_not_wanted_are_left_as_they_are(tmp_path, monkeypatch):
    finished = []
    monkeypatch.setattr(carrying_out, "make", lambda *_: None)
    monkeypatch.setattr(release, "finish", lambda run, *_: finished.append(run.name))
    for name in ("quarter-adam", "quarter-sgd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.pt").touch()
    given = ["--data", str(tmp_path), "--out", str(tmp_path), "--only", "quarter-sgd"]
    monkeypatch.setattr(sys, "argv", ["studies", "arms", *given])
    assert studies.main() == 0 and finished == ["quarter-sgd"]


def test_a_study_without_parts_writes_the_table_of_what_is_done(carry_out, tmp_path):
    assert carry_out("folds", archive.read(RESULTS / "isbi/folds")[:-1], "--only", "fold-1") == 0
    assert "4 of 5 so far" in (tmp_path / "out/folds/README.md").read_text()


@pytest.mark.parametrize(("ended", "code"), [(SystemExit(3), 3), (KeyboardInterrupt(), 130), (OutOfTime(), NOT_DONE)])
@pytest.mark.parametrize("options", [(), ("--part", "1/1")])
def test_a_study_that_ends_early_writes_the_table_of_what_is_done(
    carry_out, tmp_path, monkeypatch, ended, code, options
):
    """A part leaves it to the last one."""

    def make(*_):
        raise ended

    monkeypatch.setattr(carrying_out, "make", make)
    try:
        found = carry_out("folds", archive.read(RESULTS / "isbi/folds")[:-1], *options)
    except SystemExit as end:
        found = end.code
    readme = tmp_path / "out/folds/README.md"
    assert found == code and readme.exists() == (not options)
    assert options or "4 of 5 so far" in readme.read_text()


def test_a_study_that_fails_before_it_makes_a_run_leaves_the_page(carry_out, tmp_path, monkeypatch):
    def make(*_):
        raise SystemExit(2)

    monkeypatch.setattr(carrying_out, "make", make)
    readme = tmp_path / "out/folds/README.md"
    readme.parent.mkdir(parents=True)
    readme.write_text("of earlier")
    with pytest.raises(SystemExit):
        carry_out("folds", archive.read(RESULTS / "isbi/folds")[:-1])
    assert readme.read_text() == "of earlier"


@pytest.mark.parametrize(("first", "sections", "rows"), [(6, 7, 25), (25, 1, 1)])
def test_the_search_writes_what_is_done_wherever_it_is(carry_out, tmp_path, first, sections, rows):
    """From `base`, which six of its sections have, or a rate of the full network alone."""
    kept = archive.read(RESULTS / "isbi/hyper-parameter-search")[first:]
    assert carry_out("hyper-parameter-search", kept) == 0
    text = (tmp_path / "out/hyper-parameter-search/README.md").read_text()
    assert f"its runs, {26 - first} of 26 so far. Every run" in text and text.count("\n## ") == sections
    assert sum(line.startswith("|") for line in text.splitlines()) == rows + 2 * sections


@pytest.mark.parametrize(("options", "seconds"), [((), None), (("--minutes", "3"), 180)])
def test_minutes_are_a_deadline(carry_out, monkeypatch, options, seconds):
    deadlines = []
    monkeypatch.setattr(carrying_out, "make", lambda *given: deadlines.append(given[5]))
    started = time.monotonic()
    carry_out("folds", archive.read(RESULTS / "isbi/folds")[:-1], *options)
    (deadline,) = deadlines
    assert deadline == seconds or started + seconds <= deadline <= time.monotonic() + seconds


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        (["folds"], "folds/fold-1"),
        (["folds", "--optimiser", "adam"], "folds-adam/fold-1"),
        (["ablations", "--profile", "paper", "--optimiser", "adam"], "ablations-paper-adam/as-the-paper-seed-0"),
        (["ablations"], "ablations/as-the-paper-seed-0"),
        (["ablations", "--optimiser", "sgd"], "ablations/as-the-paper-seed-0"),
        (["ablations", "--profile", "smoke", "--optimiser", "sgd"], "ablations-smoke/as-the-paper-seed-0"),
        (["all", "--optimiser", "adam", "--only", "as-the-paper-seed-0"], "ablations-adam/as-the-paper-seed-0"),
        (["budgets"], "budgets/16-channels-SGD-seed-0-300"),
        (["seeds", "--profile", "paper"], "seeds-paper/seed-0"),
        (["release", "--profile", "paper"], "final"),
    ],
)
def test_where_results_go_unless_that_is_said(tmp_path, monkeypatch, options, folder):
    """No study into the folder of another recipe."""
    made = []
    monkeypatch.setattr(carrying_out, "ROOT", tmp_path)
    monkeypatch.setattr(carrying_out, "make", lambda run, run_folder, *_: made.append(run_folder.path))
    monkeypatch.setattr(sys, "argv", ["studies", *options, "--data", str(tmp_path / "nowhere")])
    (tmp_path / "results/isbi").mkdir(parents=True)
    assert studies.main() == 0 and made[0] == tmp_path / "results/isbi" / folder


CHANGES = ("base_channels=2", "tile_size=188", "tta=none", "primary=none")


@pytest.mark.long
def test_it_stops_in_time(small_phantom, tmp_path):
    changes = (*CHANGES, "steps=100000")
    stopped = study("seeds", small_phantom, tmp_path, "--seeds", 1, "--minutes", 0.08, changes=changes)
    assert stopped.returncode == NOT_DONE and "the same command resumes" in stopped.stdout
    assert not (tmp_path / "README.md").exists()


@pytest.mark.slow
def test_a_run_that_diverges_is_tried_once_more(small_phantom, tmp_path):
    wild = ("learning_rate=1e9", "gradient_clip=1e9", "steps=60")
    done = study("seeds", small_phantom, tmp_path, "--seeds", 1, changes=(*TINY, *wild))
    assert done.returncode == 1 and "Diverged: seed-0" in done.stdout
    assert done.stdout.count("is tried once more") == 1 and done.stderr.count("training stopped at step") == 2
    for record_file in ("run.json", "earlier/1/run.json"):  # there was no checkpoint to resume from
        record = json.loads((tmp_path / "seed-0" / record_file).read_text())
        assert record["status"] == "diverged" and [what.split()[0] for what in record["diverged"]] == ["step"]


@pytest.mark.slow
def test_it_resumes_and_writes_the_table(small_phantom, tmp_path):
    changes = (*CHANGES, "base_channels=4", "steps=3000", "learning_rate=0.0005")
    while (done := study("seeds", small_phantom, tmp_path, "--seeds", 1, "--minutes", 0.4, changes=changes)).returncode:
        assert done.returncode == NOT_DONE, done.stderr
    assert json.loads((tmp_path / "seed-0" / "run.json").read_text())["resumed"]
    scores = json.loads((tmp_path / "seed-0" / "scores.json").read_text())
    row = f"| fold 6/6 | 1 | none | {scores['warping_error']:.6f} | {scores['rand_error']:.4f} |"
    assert any(row in line for line in (tmp_path / "README.md").read_text().splitlines())
    assert (tmp_path / "plot.png").is_file()
    before = (tmp_path / "seed-0" / "weights.pt").stat().st_mtime_ns
    assert study("seeds", small_phantom, tmp_path, "--seeds", 1, changes=changes).returncode == 0
    assert (tmp_path / "seed-0" / "weights.pt").stat().st_mtime_ns == before


@pytest.mark.slow
def test_branches_of_one_trunk(small_phantom, tmp_path):
    """Each is what a training of its steps would be; the figure shows them by tiles and minutes."""
    changes = {"base_channels": 2, "tile_size": 188, "warmup": 2.0, "tta": "none", "primary": "none", "steps": 15}
    settings = changes | {"bfloat16": False}
    runs = [
        Run(f"{tiles}", f"{tiles} tiles", "2/2", settings, trunk="trunk", trunk_steps=tiles * 4 // 5)
        for tiles in (10, 15)
    ]
    for run in runs:
        make(run, RunFolder(tmp_path / run.name), small_phantom, "smoke", {}, None)
    found = [archive.from_folder(tmp_path / run.name) for run in runs]
    assert [run.record.config.steps for run in found] == [10, 15]
    assert [run.record.trunk for run in found] == [Trunk("trunk", step) for step in (8, 12)]
    planned = Run("planned", "planned", "2/2", settings | {"decay": "trapezoid"})
    make(planned, RunFolder(tmp_path / "planned"), small_phantom, "smoke", {}, None)
    scores = [(tmp_path / name / "scores.json").read_text() for name in ("15", "planned")]
    assert json.loads(scores[0])["pixel_error"] == json.loads(scores[1])["pixel_error"]
    budgets.draw(tmp_path / "plot.png", found)
    table = [line.split("|")[1:-1] for line in budgets.text(found).splitlines() if line.startswith("| 2 base")]
    assert [[cell.strip() for cell in row][1] for row in table] == ["10", "15"]
    assert list(budgets.series(found)[2, "sgd"]) == [10, 15] and (tmp_path / "plot.png").is_file()


def test_minutes_are_of_all_threads_where_every_record_tells_them():
    first, second = archive.read(RESULTS / "isbi/budgets")[:2]
    seconds = first.record.times.training_cpu_seconds
    unit = budgets.unit_of([first, second])
    assert unit == "CPU minutes" and budgets.minutes(first, unit) == seconds / 60
    times = replace(second.record.times, training_cpu_seconds=None)
    older = replace(second, record=replace(second.record, times=times))
    unit = budgets.unit_of([first, older])
    assert unit == "minutes" and budgets.minutes(older, unit) == times.training_seconds / 60
    assert budgets.minutes(first, unit) == first.record.times.training_seconds / 60  # of both the same


def test_a_line_of_budgets_joins_means_of_the_same_seeds(tmp_path, monkeypatch):
    """Of three seeds to 5,000 tiles one goes on; what it had there is said, and where its own line begins."""
    found = archive.read(RESULTS / "isbi/budgets")
    by_tiles = budgets.series(found)[16, "adam"]
    of_three, alone = ({tiles: budgets.seeds_of(runs) for tiles, runs in part.items()} for part in parts_of(by_tiles))
    assert of_three == dict.fromkeys((300, 600, 1200, 2500, 5000), [0, 1, 2])
    assert alone == dict.fromkeys((5000, 10000), [0])
    (said,) = (line for line in budgets.text(found).splitlines() if line.startswith("16 base channels, Adam, beyond"))
    assert (
        "beyond 5,000 tiles: seed 0 alone" in said and f"Rand error {by_tiles[5000][0].primary.rand_error:.4f}," in said
    )
    more_come = {300: by_tiles[10_000], 600: by_tiles[600]}
    assert [list(part) for part in parts_of(more_come)] == [[300], [600]] and len(parts_of({300: by_tiles[300]})) == 1
    assert not budgets.fewer_seeds([run for run in found if run.record.config.steps <= 5000])
    figures = []
    monkeypatch.setattr(budgets, "save_figure", lambda figure, _: figures.append(figure))
    budgets.draw(tmp_path / "plot.png", found)
    for axis in figures[0].axes[:3]:
        drawn = {line.get_label(): list(line.get_xdata()) for line in axis.get_lines()}
        assert drawn["16 base channels, Adam"] == list(of_three) and drawn["16 base channels, Adam, seed 0"] == list(
            alone
        )


@pytest.mark.long
def test_a_release(small_phantom, tmp_path):
    run = RunFolder(tmp_path / "final")
    changes = [part for change in TINY for part in ("--set", change)]
    assert main(["train", "--data", str(small_phantom), "--out", str(run.path), "--profile", "smoke", *changes]) == 0
    release.finish(run, small_phantom, lambda *words: main([str(word) for word in words]))
    files = {path.name for path in run.path.iterdir()}
    eight_bits = read_stack(run.path / "test-probability.tif").pixels
    exact = read_stack(run.path / "probability-none.tif").pixels
    assert eight_bits.dtype == np.uint8 and np.abs(eight_bits / 255 - exact).max() <= 0.5001 / 255
    command = ["score", str(small_phantom / "test-labels.tif"), str(run.path / "test-probability.tif")]
    assert main([*command, "--json", str(tmp_path / "scores.json")]) == 0  # as whoever has the official labels does it
    assert json.loads((tmp_path / "scores.json").read_text())["tta"] == "none"
    assert files >= {"weights.safetensors", "half-precision.json", "preview.png", "probability-none.tif"}
    assert (run.pictures / "components-001-0.5.png").is_file()
    compared = json.loads((run.path / "half-precision.json").read_text())
    assert compared["sections"] == 2 and 0 < compared["mean_difference"] < 0.01, compared
    assert compared["bytes"] == (run.path / "weights.safetensors").stat().st_size


@pytest.mark.long
def test_a_release_that_is_committed_is_not_made_again(small_phantom, tmp_path):
    for name in ("run.json", "test-scores.json"):
        (tmp_path / "final").mkdir(exist_ok=True)
        shutil.copy(RESULTS / "isbi/final" / name, tmp_path / "final" / name)
    done = study("release", small_phantom, tmp_path, changes=())
    assert done.returncode == 0 and "not made again; --out FOLDER makes yours" in done.stdout, done.stderr
    assert sorted(path.name for path in (tmp_path / "final").iterdir()) == ["run.json", "test-scores.json"]


def test_no_scheduler_is_given_a_release_that_is_committed(tmp_path, monkeypatch):
    (tmp_path / "quarter-adam").mkdir()
    shutil.copy(RESULTS / "isbi/quarter-adam/run.json", tmp_path / "quarter-adam/run.json")
    spread_over = []
    monkeypatch.setattr(carrying_out, "spread", lambda tasks, *_: spread_over.extend(map(str, tasks)))
    given = ["--data", str(tmp_path), "--out", str(tmp_path), "--only", "quarter", "--scheduler", "tcp://nowhere"]
    monkeypatch.setattr(sys, "argv", ["studies", "arms", *given])
    assert studies.main() == 0 and spread_over == ["quarter-sgd", "registered-quarter"]


def test_mean_and_deviation():
    assert mean_and_deviation([0.5], 2) == "0.50" and mean_and_deviation([1, 2, 3], 1) == "2.0 ± 1.0"
