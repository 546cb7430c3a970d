"""The study of ablations on cells: what it runs, and its table from records."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce.cell_recipe import cell_changes
from reproduce.studies import carrying_out, cells
from reproduce.studies.catalogue import STUDIES, runs_of
from unet_paper.cli.settings import changed_config
from unet_paper.config import OPTIMISERS, PROFILES, optimiser_settings
from unet_paper.datasets.cell_tracking import HELA, PHANTOM, SEQUENCES
from unet_paper.datasets.folds import Protocol
from unet_paper.metrics.seg import score_instances
from unet_paper.runs.cell_scoring import AtThreshold, CellScores
from unet_paper.segmentation import RELEASED

ROOT = Path(__file__).parents[2]
TINY = [f"--set={change}" for change in ("base_channels=2", "steps=4", "tile_size=188")]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_run_changes_one_thing_and_has_settings_that_exist(profile):
    runs = runs_of(cells.STUDY, 3)
    assert len({run.name for run in runs}) == len(runs) == 3 * len(cells.ABLATIONS) * 2
    for run in runs:
        changes = [*cell_changes(profile), *(f"{name}={value}" for name, value in run.changes.items())]
        changed_config(PROFILES[profile], changes).check()
        number = {cells.CONTROL: 0, "neither turned nor mirrored": 2}.get(run.group, 1)
        assert len(run.changes) == 1 + number and run.trained_on in SEQUENCES


@pytest.fixture
def found(make_record):
    """Runs of two seeds, of which the SEG is known."""
    runs = []
    for run in runs_of(cells.STUDY, 2):
        trained = run.trained_on
        protocol = Protocol.of_sequences(trained, (3,), "02" if trained == "01" else "01", (7,))
        config = replace(changed_config(PROFILES["quick"], cell_changes("quick")), **run.changes)
        tenths = 9 - (trained == "02") - (run.group == "no border term") - run.changes["seed"]
        segment = np.where(np.arange(10) < tenths, 1, 0)[None]
        scores = CellScores(score_instances(np.ones((1, 10), int), segment), RELEASED, 1, tenths / 10)
        runs.append(cells.CellStudyRun(run.name, run.group, make_record(config, HELA, protocol), {"d4": scores}))
    return runs


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("optimiser", [None, *OPTIMISERS])
def test_cells_are_trained_by_the_recipe_of_em(profile, optimiser):
    changes = cell_changes(profile, optimiser)
    assert len({change.partition("=")[0] for change in changes}) == len(changes)
    by = optimiser_settings(optimiser or "adam", profile)
    expected = replace(PROFILES[profile], **by, tta=("none",) if profile == "smoke" else ("none", "d4"))
    assert changed_config(PROFILES[profile], changes) == replace(
        expected, steps=1500 if profile == "quick" else expected.steps
    )


def test_the_table(found, tmp_path):
    text = cells.table(found, len(found))
    assert "| as the paper | 2 | 0.8000 ± 0.0707 | 0.8000 ± 0.0707 | 0.0 ± 0.0 |" in text  # RELEASED is the argmax
    assert "| no border term | 2 | 0.7000 ± 0.0707 |" in text
    assert "| no border term | 01 → 02 | 1 | d4 | 0.7000 |" in text  # each run says what was trained
    assert "SEG beside" not in text and "so far" not in text  # all differences are alike
    cells.write(tmp_path, found, len(found))
    assert cells.read(tmp_path) == found and (tmp_path / "README.md").read_text() == text


def test_the_page_names_the_settings_that_are_not_the_studys_own(found):
    record = next(run.record for run in found if run.group == cells.CONTROL)
    usual = changed_config(PROFILES["quick"], cell_changes("quick"))
    command = "python -m reproduce.studies cells-ablations"
    assert cells.command(replace(record, config=usual)) == command
    longer = replace(usual, steps=7, checkpoint_every=3, seed=2)
    assert cells.command(replace(record, config=longer)) == f"{command} --set steps=7"
    assert cells.command(replace(record, config=replace(longer, minutes=2.0))) == f"{command} --set minutes=2"


def test_a_probability_is_never_shown_as_zero():
    control, arm = {0: 0.8, 1: 0.81, 2: 0.79}, {2: 0.09, 1: 0.111, 0: 0.099, 3: 0.9}
    (_, line) = cells.compared({cells.CONTROL: control, "no border term": arm})
    assert line.endswith("no border term -0.7000 (-0.702 to -0.698, p < 0.001).")


def test_single_seeds_are_compared_with_nothing():
    assert cells.compared({cells.CONTROL: {0: 0.8, 1: 0.81}, "no border term": {0: 0.1}}) == []
    assert cells.compared({cells.CONTROL: {0: 0.8}, "no border term": {0: 0.1, 1: 0.11}}) == []


def test_runs_that_are_kept_of_more_seeds_come_last(found, tmp_path):
    cells.write(tmp_path, found, len(found))
    planned = [run for run in runs_of(cells.STUDY, 2) if run.changes["seed"] == 1]
    names = [run.name for run in cells.gather(tmp_path, planned)]
    assert names[: len(planned)] == [run.name for run in planned]
    assert sorted(names) == sorted(run.name for run in found)


def carry_out(folder, changes=None, **asked):
    """Carry out the study in a folder, with data that is not there."""
    usual = dict.fromkeys(("optimiser", "seeds", "part", "scheduler", "deadline"))
    request = {**usual, "data": folder / "nowhere", "profile": "quick", "only": "", "is_of_all": False, **asked}
    carrying_out.carry_out(STUDIES[cells.STUDY], carrying_out.Request(out=folder, changes=changes or {}, **request))


def test_fewer_seeds_than_are_kept_are_counted_by_themselves(found, tmp_path, monkeypatch, capsys):
    """Of the first seed one run is missing. None that is kept is lost."""
    monkeypatch.setattr(carrying_out, "make", lambda *_: None)
    kept = [run for run in found if run.name != "no-border-term-seed-0-trained-on-02"]
    cells.write(tmp_path, kept, len(found))
    carry_out(tmp_path, seeds=1)
    text = (tmp_path / "README.md").read_text()
    assert "its runs, 9 of 10 so far." in text and text in capsys.readouterr().out
    assert "| as the paper | 1 | 0.8500 |" in text
    assert sorted(run.name for run in cells.read(tmp_path)) == sorted(run.name for run in kept)


def test_a_study_gives_its_recipe_and_what_is_set_to_the_runs_that_are_not_done(found, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(carrying_out, "make", lambda *given: made.append(given))
    of_seven = [replace(run, record=replace(run.record, config=replace(run.record.config, steps=7))) for run in found]
    cells.write(tmp_path, of_seven, len(found))
    carry_out(tmp_path, {"steps": "7"}, seeds=3, only="as-the-paper", deadline=99.0)
    assert [(run.name, run.trained_on) for run, *_ in made] == [
        (f"as-the-paper-seed-2-trained-on-{sequence}", sequence) for sequence in SEQUENCES
    ]
    _, folder, data, profile, settings, deadline = made[0]
    assert (folder.path, data, profile, deadline) == (tmp_path / made[0][0].name, tmp_path / "nowhere", "quick", 99.0)
    wanted = changed_config(PROFILES["quick"], [*cell_changes("quick"), "steps=7"])
    assert changed_config(PROFILES["quick"], [f"{name}={value}" for name, value in settings.items()]) == wanted


def test_the_table_of_what_is_done_so_far(found):
    """Of the first seed one direction of one group is missing; there is nothing to compare with yet."""
    text = cells.table(found[:3], len(found))
    assert f"3 of {len(found)} so far" in text and "| as the paper | 1 | 0.8500 |" in text
    assert "| no border term | 1" not in text and "Dunnett" not in text


def test_seg_at_the_argmax_stands_beside_it(found):
    at_half = (AtThreshold(0.5, 0.25, 1, 0, None), AtThreshold(0.7, 0.9, 0, 0, None))
    with_curve = [
        replace(
            run,
            scores={"d4": replace(run.primary, segmentation=replace(RELEASED, threshold=0.7), per_threshold=at_half)},
        )
        for run in found
    ]
    assert "| as the paper | 2 | 0.8000 ± 0.0707 | 0.2500 ± 0.0000 |" in cells.table(with_curve, len(found))
    without = [replace(run, scores={"d4": replace(run.primary, per_threshold=())}) for run in with_curve]
    assert "| as the paper | 2 | 0.8000 ± 0.0707 | - |" in cells.table(without, len(found))


def test_a_phantom_is_named(found):
    phantom = [replace(run, record=replace(run.record, dataset=PHANTOM)) for run in found]
    assert "the built-in phantom of drawn cells" in cells.table(phantom, 12)


@pytest.mark.slow
def test_it_stops_and_resumes(cell_phantom, tmp_path):
    def study(*options):
        given = ("--data", cell_phantom, "--out", tmp_path, "--profile", "smoke", "--seeds", 1, *TINY, *options)
        command = [sys.executable, "-m", "reproduce.studies", cells.STUDY, *map(str, given)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert study("--minutes", 0.05).returncode == 75
    done = study("--only", "border")
    assert done.returncode == 0, done.stderr
    assert "2 of 10 so far" in done.stdout and len(cells.read(tmp_path)) == 2
    again = study("--only", "border")
    assert again.returncode == 0 and "train:" not in again.stderr
