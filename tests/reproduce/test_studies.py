"""The studies: what they run, that they stop and resume, and the tables they write."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from reproduce.studies import __main__ as studies
from reproduce.studies import archive, budgets, cells, release, table_1
from reproduce.studies.__main__ import NOT_DONE, of_part
from reproduce.studies.budgets import parts_of
from reproduce.studies.definitions import ABLATIONS, FIRST_SGD, STUDIES, Run, require_own_settings, runs_of
from reproduce.studies.kept import require_as_planned, require_same_data
from reproduce.studies.runner import OutOfTime, make
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.cli.commands import main
from unet_paper.cli.values import changed_config
from unet_paper.config import OPTIMISERS, PROFILES, Config, optimiser_settings
from unet_paper.datasets.cell_tracking import HELA, U373
from unet_paper.io.stack import read_stack
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part

ROOT = Path(__file__).parents[2]
TINY = ("base_channels=2", "steps=6", "tile_size=188", "checkpoint_every=2")
RESULTS = ROOT / "results"
RECORDS, HISTORIES = ((RESULTS / "isbi/folds" / name).read_bytes() for name in ("records.jsonl", "histories.csv"))


def study(name, data, out, *options, changes=TINY):
    """Carry out a study on the phantom."""
    given = ("--data", data, "--out", out, "--profile", "smoke", *(f"--set={change}" for change in changes), *options)
    command = [sys.executable, "-m", "reproduce.studies", name, *map(str, given)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", STUDIES)
def test_every_run_has_a_folder_of_its_own_and_settings_that_exist(name, profile):
    runs = runs_of(name, 3, profile)
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        changes = [f"{setting}={value}" for setting, value in run.changes.items()]
        changed_config(PROFILES[run.profile or profile], changes).check()
        assert (run.fold == "1/6") == (name in ("hyper-parameter-search", "adam-rate", "interventions"))


def settings_of(run: Run, profile: str) -> Config:
    """What a run trains with."""
    return changed_config(PROFILES[profile], [f"{name}={value}" for name, value in run.changes.items()])


def test_an_ablation_changes_one_thing():
    """But for those that are several by their name. Adam brings its own rate."""
    several = {"as the paper": 0, "no augmentation": 6, "padded, batch norm": 2, "Adam": 0}
    changed = {name: len(changes.items() - FIRST_SGD.items()) for name, changes in ABLATIONS.items()}
    assert {name: count for name, count in changed.items() if count != 1} == several


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("optimiser", [None, *OPTIMISERS])
def test_no_two_ablations_are_the_same(profile, optimiser):
    trained = {
        run.group: (settings_of(run, profile), run.leave_out) for run in runs_of("ablations", 1, profile, optimiser)
    }
    alike = [(one, other) for one, other in combinations(trained, 2) if trained[one] == trained[other]]
    assert not alike and next(iter(trained)) == "as the paper"


def test_the_optimiser_is_asked_for_where_a_study_began_with_another_recipe():
    for study in ("seeds", "ablations", "interventions"):
        first, today = (runs_of(study, 1, optimiser=by)[0].changes for by in (None, "sgd"))
        assert first.items() >= FIRST_SGD.items() and today["learning_rate"] == first["learning_rate"] == 0.016
        by_sgd = replace(PROFILES["quick"], **optimiser_settings("sgd", "quick"))
        assert changed_config(by_sgd, [f"{name}={value}" for name, value in today.items()]) == by_sgd
    assert runs_of("folds", 1, optimiser="sgd") == runs_of("folds", 1)
    assert runs_of("ablations", 1, "smoke", "sgd") == runs_of("ablations", 1, "smoke")


@pytest.mark.parametrize("name", STUDIES)
def test_parts_make_each_run_once_and_keep_branches_together(name):
    runs = runs_of(name, 3)
    parts = [of_part(runs, Part(number, 4)) for number in range(1, 5)]
    assert sorted(run.name for part in parts for run in part) == sorted(run.name for run in runs)
    trunks = [{run.trunk for run in part if run.trunk} for part in parts]
    assert sum(map(len, trunks)) == len(set().union(*trunks))


def test_runs_of_another_recipe_are_not_taken_for_the_studys(tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds-first-sgd")}
    first = {"up_convolution_fan_in": "input", "momentum_warmup": "0", "decay": "cosine"}
    require_as_planned(tmp_path, found, runs_of("folds", 1), first)
    require_as_planned(tmp_path, {}, runs_of("folds", 1), {})
    with pytest.raises(BadInput, match="fold-1 with momentum_warmup=0.0, and 500.0 is planned; give another --out"):
        require_as_planned(tmp_path, found, runs_of("folds", 1), {})


def test_of_adam_the_momentum_is_not_compared(tmp_path):
    """That of its first runs did not rise, which had no effect."""
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds-first-adam")}
    first = {"up_convolution_fan_in": "input", "decay": "cosine", "learning_rate": "0.001"}
    require_as_planned(tmp_path, found, runs_of("folds", 1, optimiser="adam"), first)
    with pytest.raises(BadInput, match="fold-1 with decay=cosine, and trapezoid is planned; give another --out"):
        require_as_planned(tmp_path, found, runs_of("folds", 1, optimiser="adam"), first | {"decay": "trapezoid"})


def test_settings_that_the_kept_runs_do_not_have_are_refused(tmp_path):
    runs, found = runs_of("folds", 1), {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    same = {"steps": "2500", "tta": "none,rot7,d4", "rotate": "TRUE", "class_balance": "1", "minutes": "0"}
    require_as_planned(tmp_path, found, runs, same)
    other = {"steps": "10", "base_channels": "4", "class_balance": "0", "rotate": "false", "tta": "none"}
    began = "--set steps=2500 --set base_channels=16 --set class_balance=1.0 --set rotate=True --set tta=none,rot7,d4"
    with pytest.raises(BadInput, match=f"fold-1 with steps=2500, and 10 is planned; give another --out, or {began}$"):
        require_as_planned(tmp_path, found, runs, other)


def test_steps_of_branches_and_of_runs_by_minutes_are_their_own(tmp_path):
    runs = runs_of("budgets", 2)
    found = {run.name: run for run in archive.read(RESULTS / "isbi/budgets")}
    require_as_planned(tmp_path, found, runs, {"steps": "10", "decay": "constant", "warmup": "125"})
    with pytest.raises(BadInput, match=r"with warmup=125.0, and 100.0 is planned; .* --set warmup=125.0$"):
        require_as_planned(tmp_path, found, runs, {"steps": "10", "warmup": "100"})
    kept = archive.read(RESULTS / "isbi/folds")[0]
    by_minutes = replace(kept.record, config=replace(kept.record.config, minutes=5.0))
    found = {kept.name: replace(kept, record=by_minutes)}
    require_as_planned(tmp_path, found, runs_of("folds", 1), {"minutes": "5", "steps": "10"})
    with pytest.raises(BadInput, match=r"with minutes=5.0, and 0.0 is planned"):
        require_as_planned(tmp_path, found, runs_of("folds", 1), {"minutes": "0"})


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("records.jsonl", RECORDS[:5000], "records.jsonl, line 1 is no run as a study keeps it (Unterminated string"),
        ("records.jsonl", RECORDS + b"{}\n", "records.jsonl, line 6 is no run as a study keeps it (it lacks 'scores')"),
        ("records.jsonl", b"\xff\n", "records.jsonl, line 1 is no run as a study keeps it ('utf-8' codec"),
        ("histories.csv", HISTORIES + b"fold-5,2", "histories.csv is damaged after 1250 rows (a row has"),
        ("histories.csv", b"run,loss\nfold-1,2\n", "histories.csv is damaged after 0 rows (it lacks 'step')"),
    ],
)
def test_archives_that_were_cut_off(tmp_path, monkeypatch, capsys, file, content, message):
    """What is left of them is not taken for all that there was, and not written over."""
    for name in ("records.jsonl", "histories.csv"):
        shutil.copy(RESULTS / "isbi/folds" / name, tmp_path)
    (tmp_path / file).write_bytes(content)
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["studies", "full-fold", *given])
    assert studies.main() == 2 and message in capsys.readouterr().err
    assert (tmp_path / file).read_bytes() == content


def test_a_damaged_archive_is_no_missing_row(tmp_path):
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds/records.jsonl").write_bytes(RECORDS[:5000])
    with pytest.raises(BadInput, match="records.jsonl, line 1"):
        table_1.write(tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "setting"),
    [
        ("seeds", [], "seed=5"),
        ("interventions", ["--seeds", "1"], "steps=9"),
        ("interventions", ["--only", "twice-the-channels"], "base_channels=2"),
        ("ablations", [], "w_0=3"),
        ("adam-rate", [], "learning_rate=0.1"),
        ("all", [], "class_balance=1"),
        (cells.STUDY, [], "rotate=true"),
    ],
)
def test_what_tells_runs_apart_is_not_set(tmp_path, monkeypatch, capsys, name, options, setting):
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "new"), "--set", setting, *options]
    monkeypatch.setattr(sys, "argv", ["studies", name, *given])
    assert studies.main() == 2 and not (tmp_path / "new").exists()
    assert re.search(rf"^--set {setting}: \S+ is told from \S+ by its own \w+; leave", capsys.readouterr().err)


def test_what_runs_have_in_common_may_be_set():
    for name, setting in (("folds", "momentum_warmup"), ("seeds", "steps"), ("ablations", "tile_size")):
        require_own_settings(runs_of(name, 3), runs_of(name, 3), {setting: "1"})
    runs = runs_of("ablations", 1)
    require_own_settings(runs, runs[:1], {"learning_rate": "0.1"})


def test_runs_of_other_data_are_not_taken_for_the_studys(small_phantom, tmp_path):
    found = {run.name: run for run in archive.read(RESULTS / "isbi/folds")}
    require_same_data(tmp_path, {}, small_phantom)
    require_same_data(tmp_path, found, tmp_path / "nowhere")
    message = f"holds fold-1, which was trained on other data than {small_phantom} (train-labels, train-volume); "
    with pytest.raises(BadInput, match=re.escape(message)):
        require_same_data(tmp_path, found, small_phantom)
    untold = {name: replace(run, record=replace(run.record, data_sha256={})) for name, run in found.items()}
    with pytest.raises(BadInput, match=re.escape(message)):
        require_same_data(tmp_path, untold, small_phantom)
    if os.environ.get("ISBI_DATA"):
        require_same_data(tmp_path, found, Path(os.environ["ISBI_DATA"]))


@pytest.mark.skipif(not os.environ.get("CTC_DATA"), reason="CTC_DATA names no folder of the cell tracking challenge")
def test_frames_of_another_data_set_are_not_taken_for_the_studys(tmp_path):
    kept = cells.read(RESULTS / "cells/cells-ablations-quick" / U373)
    found = {run.name: run for run in kept}
    require_same_data(tmp_path, found, Path(os.environ["CTC_DATA"]) / U373)
    with pytest.raises(BadInput, match=rf"holds {kept[0].name}, which was .*{HELA} \(01-images, 01-masks"):
        require_same_data(tmp_path, found, Path(os.environ["CTC_DATA"]) / HELA)
    with pytest.raises(BadInput, match="holds no masks of sequence 01; the challenge's layout"):
        require_same_data(tmp_path, found, Path(os.environ["CTC_DATA"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["folds", "--set", "steps"], "--set steps: '' is not a whole number"),
        (["cells-ablations", "--set", "step=3"], "there is no setting 'step'"),
        (["folds", "--only", "typo"], "--only typo: no run of the study has that in its name; there is fold-1"),
        (["cells-ablations", "--only", "typo"], "--only typo: no run"),
        (["budgets", "--optimiser", "adam"], "--optimiser adam: budgets trains by its own; leave the option out"),
        (["release", "--profile", "paper", "--optimiser", "sgd"], "--optimiser sgd: release trains by its own;"),
        (["cells-ablations", "--optimiser", "sgd"], "--optimiser sgd: cells-ablations trains by its own;"),
        (["arms", "--optimiser", "adam"], "to one of folds, full-fold, seeds, ablations, interventions\n"),
        (["cells-ablations", "--set", "steps=7"], "with steps=1500, and 7 is planned; give another --out"),
    ],
)
def test_what_a_study_refuses(tmp_path, monkeypatch, capsys, options, message):
    shutil.copy(RESULTS / "cells/cells-ablations-quick/PhC-C2DH-U373/records.jsonl", tmp_path)
    out = tmp_path if message.startswith("with") else tmp_path / "new"
    monkeypatch.setattr(sys, "argv", ["studies", *options, "--data", str(tmp_path / "nowhere"), "--out", str(out)])
    assert studies.main() == 2 and message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


@pytest.mark.parametrize("name", ["ablations", cells.STUDY])
@pytest.mark.parametrize(
    "option, value", [("--seeds", "0"), ("--seeds", "-1"), ("--minutes", "nan"), ("--minutes", "0")]
)
def test_numbers_that_no_study_can_have(tmp_path, monkeypatch, capsys, name, option, value):
    given = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "new"), f"{option}={value}"]
    monkeypatch.setattr(sys, "argv", ["studies", name, *given])
    with pytest.raises(SystemExit) as stop:
        studies.main()
    assert stop.value.code == 2 and f"argument {option}: {value!r} is not a" in capsys.readouterr().err


@pytest.fixture
def carry_out(tmp_path, monkeypatch):
    """Carries out a study of which some runs are kept, and no other can be made; returns its exit code."""
    monkeypatch.setattr(studies, "make", lambda *_: None)

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
    assert carry_out("folds", kept, "--part", "1/2") == 0
    assert "so far" not in readme.read_text()


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

    monkeypatch.setattr(studies, "make", make)
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

    monkeypatch.setattr(studies, "make", make)
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
    choices, seeds = text.split("## Does it train every time?")
    assert f"its runs, {26 - first} of 26 so far. Every run" in text and seeds.count("| 2,500 |") == 5
    assert choices.count("\n## ") == sections
    assert sum(line.startswith("|") for line in choices.splitlines()) == rows + 2 * sections


@pytest.mark.parametrize(("options", "seconds"), [((), None), (("--minutes", "3"), 180)])
def test_minutes_are_a_deadline(carry_out, monkeypatch, options, seconds):
    deadlines = []
    monkeypatch.setattr(studies, "make", lambda *given: deadlines.append(given[5]))
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
        (["ablations", "--optimiser", "sgd"], "ablations-sgd/as-the-paper-seed-0"),
        (["ablations", "--profile", "smoke", "--optimiser", "sgd"], "ablations-smoke/as-the-paper-seed-0"),
        (["all", "--optimiser", "adam", "--only", "as-the-paper-seed-0"], "ablations-adam/as-the-paper-seed-0"),
        (["budgets"], "budgets/16-channels-SGD-seed-0-300"),
        (["full-fold", "--profile", "paper"], "full-fold/fold-6"),
        (["release", "--profile", "paper"], "final"),
    ],
)
def test_where_results_go_unless_that_is_said(tmp_path, monkeypatch, options, folder):
    """No study into the folder of another recipe."""
    made = []
    monkeypatch.setattr(studies, "ROOT", tmp_path)
    monkeypatch.setattr(studies, "make", lambda run, run_folder, *_: made.append(run_folder.path))
    monkeypatch.setattr(sys, "argv", ["studies", *options, "--data", str(tmp_path / "nowhere")])
    (tmp_path / "results/isbi").mkdir(parents=True)
    assert studies.main() == 0 and made[0] == tmp_path / "results/isbi" / folder


CHANGES = ("base_channels=2", "tile_size=188", "tta=none", "primary=none")


def test_it_stops_in_time(small_phantom, tmp_path):
    stopped = study("full-fold", small_phantom, tmp_path, "--minutes", 0.08, changes=(*CHANGES, "steps=100000"))
    assert stopped.returncode == NOT_DONE and "the same command resumes" in stopped.stdout
    assert not (tmp_path / "README.md").exists()


@pytest.mark.slow
def test_a_run_that_diverges_is_tried_once_more(small_phantom, tmp_path):
    wild = ("learning_rate=1e9", "gradient_clip=1e9", "steps=60")
    done = study("full-fold", small_phantom, tmp_path, changes=(*TINY, *wild))
    assert done.returncode == 1 and "Diverged: fold-6" in done.stdout
    assert done.stdout.count("is tried once more") == 1 and done.stderr.count("training stopped at step") == 2
    for record_file in ("run.json", "earlier/1/run.json"):  # there was no checkpoint to resume from
        record = json.loads((tmp_path / "fold-6" / record_file).read_text())
        assert record["status"] == "diverged" and [what.split()[0] for what in record["diverged"]] == ["step"]


@pytest.mark.slow
def test_it_resumes_and_writes_the_table(small_phantom, tmp_path):
    changes = (*CHANGES, "base_channels=4", "steps=3000", "learning_rate=0.0005")
    while (done := study("full-fold", small_phantom, tmp_path, "--minutes", 0.4, changes=changes)).returncode:
        assert done.returncode == NOT_DONE, done.stderr
    assert json.loads((tmp_path / "fold-6" / "run.json").read_text())["resumed"]
    scores = json.loads((tmp_path / "fold-6" / "scores.json").read_text())
    row = f"| fold 6/6 | 1 | none | {scores['warping_error']:.6f} | {scores['rand_error']:.4f} |"
    assert any(row in line for line in (tmp_path / "README.md").read_text().splitlines())
    assert (tmp_path / "plot.png").is_file()
    before = (tmp_path / "fold-6" / "weights.pt").stat().st_mtime_ns
    assert study("full-fold", small_phantom, tmp_path, changes=changes).returncode == 0
    assert (tmp_path / "fold-6" / "weights.pt").stat().st_mtime_ns == before


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
    assert [run.record.trunk for run in found] == [{"name": "trunk", "step": step} for step in (8, 12)]
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
    assert budgets.unit([first, second]) == "CPU minutes" and budgets.minutes(first) == seconds / 60
    times = replace(second.record.times, training_cpu_seconds=None)
    older = replace(second, record=replace(second.record, times=times))
    assert budgets.unit([first, older]) == "minutes"
    assert budgets.minutes(older) == times.training_seconds / 60


def test_a_line_of_budgets_joins_means_of_the_same_seeds(tmp_path, monkeypatch):
    """Of three seeds to 2,500 tiles one goes on; what it had there is said, and where its own line begins."""
    found = archive.read(RESULTS / "isbi/budgets")
    by_tiles = budgets.series(found)[16, "adam"]
    of_three, alone = ({tiles: budgets.seeds_of(runs) for tiles, runs in part.items()} for part in parts_of(by_tiles))
    assert of_three == dict.fromkeys((300, 600, 1200, 2500), [0, 1, 2])
    assert alone == dict.fromkeys((2500, 5000, 10000), [0])
    (said,) = (line for line in budgets.text(found).splitlines() if line.startswith("16 base channels, Adam, beyond"))
    assert (
        "beyond 2,500 tiles: seed 0 alone" in said and f"Rand error {by_tiles[2500][0].primary.rand_error:.4f}," in said
    )
    more_come = {300: by_tiles[5000], 600: by_tiles[600]}
    assert [list(part) for part in parts_of(more_come)] == [[300], [600]] and len(parts_of({300: by_tiles[300]})) == 1
    assert not budgets.fewer_seeds([run for run in found if run.record.config.steps <= 2500])
    figures = []
    monkeypatch.setattr(budgets, "save_figure", lambda figure, _: figures.append(figure))
    budgets.draw(tmp_path / "plot.png", found)
    for axis in figures[0].axes[:3]:
        drawn = {line.get_label(): list(line.get_xdata()) for line in axis.get_lines()}
        assert drawn["16 base channels, Adam"] == list(of_three) and drawn["16 base channels, Adam, seed 0"] == list(
            alone
        )


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


def test_a_release_that_is_committed_is_not_made_again(small_phantom, tmp_path):
    for name in ("run.json", "table1.md"):
        (tmp_path / "final").mkdir(exist_ok=True)
        shutil.copy(RESULTS / "isbi/final" / name, tmp_path / "final" / name)
    done = study("release", small_phantom, tmp_path, changes=())
    assert done.returncode == 0 and "--out FOLDER makes yours" in done.stdout, done.stderr
    assert sorted(path.name for path in (tmp_path / "final").iterdir()) == ["run.json", "table1.md"]


def test_mean_and_deviation():
    assert mean_and_deviation([0.5], 2) == "0.50" and mean_and_deviation([1, 2, 3], 1) == "2.0 ± 1.0"
