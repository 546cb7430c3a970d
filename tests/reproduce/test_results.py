"""The numbers that are committed: each table is what its records say, and the README's headline is the results'.

Only what git holds is looked at, so that a reader's own runs do not matter here.
"""

import csv
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from reproduce.benchmarks.record import WHOLE_RUN, readme
from reproduce.studies import archive, budgets, cells, dynamics_summary, model_cards, search, table_1, tables
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import SEARCH_FOLD
from reproduce.studies.pages import gather
from reproduce.studies.release import PUBLISHED
from reproduce.studies.statistics import mean_and_deviation
from reproduce.studies.training_dynamics import read_rows
from unet_paper.cli.run_commands import published_weights
from unet_paper.cli.settings import changed_config
from unet_paper.config import OF_SGD, OPTIMISERS, PROFILES, without_effect
from unet_paper.datasets.cell_tracking import DATASETS, SEQUENCES
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.report import table_2
from unet_paper.report.table_1 import run_document
from unet_paper.runs.folder import PICTURES, RunFolder
from unet_paper.runs.record import NOT_RECORDED, read_record
from unet_paper.runs.results import read_cell_run, read_run
from unet_paper.schedule import in_steps
from unet_paper.support.json_files import read_json

ROOT = Path(__file__).parents[2]
MOST_FILES = 150
STUDIES = (
    *("adam-rate", "folds", "folds-adam", "folds-adam-5000-tiles"),
    *("registered-folds-adam", "registered-folds-adam-5000-tiles", "registered-folds-adam-10000-tiles"),
    "registered-folds-paper-adam",
    *("seeds-adam", "ablations", "ablations-adam"),
)
OF_OPTIMISER = ("optimiser", "learning_rate", "warmup", "momentum_warmup", "up_convolution_fan_in", "decay", "seed")


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    return done.stdout if done.returncode == 0 else b""


COMMITTED = git("ls-tree", "-r", "--name-only", "HEAD", "results", "README.md").decode().split()
RUNS = [Path(name).parent for name in COMMITTED if name.endswith("/run.json")]
CELL_TABLES = [Path(name).parent for name in COMMITTED if re.fullmatch(r"results/cells/[^/]*/table2\.md", name)]
CELL_STUDIES = [Path(name).parent for name in COMMITTED if re.fullmatch(r"results/cells/.*/records\.jsonl", name)]

pytestmark = pytest.mark.skipif(not COMMITTED, reason="without git there is no telling which results are committed")


def of_folder(folder: str) -> str:
    """The study whose runs a folder holds."""
    return re.sub(r"(-paper)?(-(adam|sgd))?(-\d+-tiles)?$", "", folder)


def profile_of_folder(folder: str) -> str:
    """The profile that its runs have, unless a run says another."""
    return "paper" if "-paper" in folder else "quick"


def optimiser_of_folder(folder: str) -> str | None:
    """What such runs are asked for with."""
    asked_for = re.sub(r"-\d+-tiles$", "", folder).rpartition("-")[2]
    return asked_for if asked_for in OPTIMISERS else None


@pytest.mark.parametrize("name", [name for name in RUNS if f"{name}/table1.md" in COMMITTED], ids=str)
def test_each_table_is_what_its_record_says(committed, name):
    run = RunFolder(committed / name)
    assert run.table.read_text() == run_document(*read_run(run)).to_markdown()


def test_what_the_first_records_do_not_tell_is_not_made_up(committed):
    kept = archive.read(committed / "results/isbi/hyper-parameter-search")
    told = {run.name: run.record.first.precision for run in kept}
    assert {*told.values()} == {NOT_RECORDED, "bfloat16"} and told["learning-rate-0.001"] == NOT_RECORDED


@pytest.mark.parametrize("name", CELL_TABLES, ids=str)
def test_each_table_2_is_what_the_records_of_its_runs_say(committed, name):
    folders = [committed / run for run in RUNS if run.parent == name]
    runs = [read_cell_run(RunFolder(folder)) for folder in sorted(folders, key=in_order)]
    assert (committed / name / "table2.md").read_text() == table_2.table_2_document(runs).to_markdown()


def in_order(folder: Path) -> tuple[int, str]:
    """The order of cells.sh: that of the paper's table, then of the sequences."""
    dataset, _, sequence = folder.name.partition("-trained-on-")
    return DATASETS.index(dataset), sequence


@pytest.mark.parametrize("name", CELL_STUDIES, ids=str)
def test_the_table_of_a_study_on_cells_is_what_its_records_say(committed, name):
    found = cells.read(committed / name)
    planned = runs_of(cells.STUDY, 1 + max(run.record.config.seed for run in found))
    assert (committed / name / "README.md").read_text() == cells.table(found, len(planned))


def number_of_seeds(runs: list[StudyRun]) -> int:
    """What `--seeds` said."""
    return 1 + max(run.record.config.seed for run in runs)


@pytest.mark.parametrize("study", STUDIES)
def test_the_table_of_a_study_is_what_its_records_say(committed, study):
    folder = committed / "results/isbi" / study
    kept, name, by = archive.read(folder), of_folder(study), optimiser_of_folder(study)
    planned = runs_of(name, number_of_seeds(kept), profile_of_folder(study), by)
    found = gather(folder, planned)
    assert len(found) == len(kept)
    done = [run for run in planned if run.name in found]
    assert (folder / "README.md").read_text() == tables.table(name, done, found, len(planned), (), by)


@pytest.mark.parametrize("study", [*STUDIES, "hyper-parameter-search", "budgets"])
def test_a_study_would_go_on_as_its_records_began(committed, study):
    usual = profile_of_folder(study)
    kept = archive.read(committed / "results/isbi" / study)
    runs = runs_of(of_folder(study), number_of_seeds(kept), usual, optimiser_of_folder(study))
    planned = {run.name: run for run in runs}
    for run in kept:
        plan, trained = planned[run.name], run.record.config
        wanted = PROFILES[plan.profile or usual].as_dict() | plan.changes
        wanted |= {"warmup": 125.0} if study.endswith("000-tiles") else {}  # as many steps as of 2,500
        told = [name for name in OF_OPTIMISER if trained.optimiser == "sgd" or name not in OF_SGD]
        assert {setting: getattr(trained, setting) for setting in told} == {
            setting: wanted[setting] for setting in told
        }
        planned_changes = [f"{name}={value}" for name, value in plan.changes.items() if name not in OF_OPTIMISER]
        assert changed_config(trained, planned_changes) == trained
        assert str(plan.fold) == str(run.record.protocol.fold)
        assert plan.trunk_steps == (run.record.trunk.step if run.record.trunk else 0)
        assert run.record.protocol.left_out == ()


def test_the_table_of_the_search_is_what_its_records_say(committed):
    folder = committed / "results/isbi/hyper-parameter-search"
    found = gather(folder, runs_of("hyper-parameter-search", 1))
    assert (folder / "README.md").read_text() == search.text(found, folder.parent)


def test_the_table_of_budgets_is_what_its_records_say(committed):
    folder = committed / "results/isbi/budgets"
    found = archive.read(folder)
    assert (folder / "README.md").read_text() == budgets.text(found)
    assert {run.record.config.decay for run in found} == {"trapezoid"}
    by_adam = budgets.series(found)[16, "adam"]
    text = " ".join((committed / "results/README.md").read_text().split())
    told = [
        f"{np.mean([run.primary.pixel_error for run in runs]):.4f} after {tiles:,}" for tiles, runs in by_adam.items()
    ]
    assert f"{told[0]} tiles with Adam, {told[1]}, {told[2]}, {told[3]} and {told[4]}, over three seeds" in text
    fell, last = [], []
    for metric in TABLE_1_METRICS:
        of_seeds = [
            {run.record.config.seed: run.primary.value(metric) for run in by_adam[tiles]}
            for tiles in (2500, 5000, 10_000)
        ]
        assert list(map(len, of_seeds)) == [3, 3, 1]
        assert all(of_seeds[1][seed] < value for seed, value in of_seeds[0].items())
        means = [mean_and_deviation(list(values.values()), metric.digits) for values in of_seeds]
        fell.append(f"the {metric.title} {'falls ' * (not fell)}from {means[0]} to {means[1]}")
        (seed,) = of_seeds[2]
        last.append([metric.formatted(of_seeds[which][seed]) for which in (2, 1)])
    assert f"from 2,500 to 5,000 {', '.join(fell)}, each with every seed." in text
    longest, shorter = ("{}, {} and {}".format(*values) for values in zip(*last, strict=True))
    assert f"With 10,000 seed {seed} has {longest}, where with 5,000 it has {shorter}." in text


@pytest.mark.parametrize("folder", ["recipe", "recipe-600-steps"])
def test_the_table_of_the_first_steps_is_what_their_rows_say(committed, folder):
    rows = [read_rows(committed / "results/isbi" / folder / name) for name in ("steps.csv", "levels.csv")]
    assert (committed / "results/isbi" / folder / "README.md").read_text() == dynamics_summary.text(*rows)


@pytest.mark.parametrize("study", [*STUDIES, "hyper-parameter-search", "budgets"])
def test_runs_and_histories_are_those_of_the_records(committed, study, tmp_path):
    folder = committed / "results/isbi" / study
    kept = archive.read(folder)
    archive.write(tmp_path, kept)
    assert repr(archive.read(tmp_path)) == repr(kept)  # settings that came later have their defaults; NaN is no NaN
    for name in (archive.RUNS, archive.HISTORIES):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    with open(folder / archive.RUNS, newline="") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {run.name for run in archive.read(folder)}


def test_table_1_and_the_headline_are_what_the_records_say(committed):
    folder = committed / "results/isbi"
    found = table_1.read_entries(folder)
    assert (folder / "table1.md").read_text() == table_1.table(folder, found)
    assert (folder / "headline.md").read_text() == table_1.headline(folder, found)


@pytest.mark.parametrize("name", model_cards.ALIKE)
def test_released_weights_have_a_card_of_what_their_records_say(committed, name):
    folder = committed / "results/isbi" / name
    found = table_1.read_entries(folder.parent)
    text = (folder / "README.md").read_text()
    assert text == model_cards.card(folder, found)
    assert model_cards.ALIKE[name] == tuple(entry.title for entry in found if entry.title in model_cards.ALIKE[name])
    config = read_record(folder / "run.json").config
    released, steps = config.as_dict(), []
    for entry, runs in found.items():
        if entry.title in model_cards.ALIKE[name]:
            for of_run in (run.record.config for run in runs):
                differing = {setting for setting in released if released[setting] != of_run.as_dict()[setting]}
                differing -= {*without_effect(config, released)}
                assert differing <= {"seed", "profile", "checkpoint_every", "tta", "steps", "warmup"}
                assert in_steps(of_run.warmup, of_run.steps) == in_steps(config.warmup, config.steps)
                assert f"| {of_run.steps:,} |" in text  # the card tells how many tiles each has seen
                steps.append(of_run.steps)
    assert steps[0] == config.steps == max(steps)
    assert published_weights() == ROOT / "results/isbi" / model_cards.DEFAULT / PUBLISHED


def test_the_readme_quotes_the_headline(committed):
    readme = (committed / "README.md").read_text().splitlines()
    rows = [line for line in (committed / "results/isbi/headline.md").read_text().splitlines() if line[:1] == "|"]
    assert len(rows) >= 6 and all(row in readme for row in rows)


def test_choices_were_made_on_another_fold_than_the_reported_runs(committed):
    for study in (*STUDIES, "hyper-parameter-search"):
        for run in archive.read(committed / "results/isbi" / study):
            chosen = study in ("hyper-parameter-search", "adam-rate")
            assert (str(run.record.protocol.fold) == SEARCH_FOLD) == chosen
    for name in RUNS:
        assert str(read_record(committed / name / "run.json").protocol.fold) != SEARCH_FOLD


def test_the_tables_of_the_benchmarks_are_what_their_records_say(committed):
    folder = committed / "results/benchmarks"
    assert (folder / "README.md").read_text() == readme(folder, committed / "results/isbi" / WHOLE_RUN[0])
    cases = read_json(folder / "cpu.json")["metrics"]["agreement"]
    assert len(cases) == 15 and all(row["warping_counts_that_differ"] == 0 for row in cases.values())


def test_there_are_few_files():
    assert len([name for name in COMMITTED if name.startswith("results/")]) <= MOST_FILES


def test_no_picture_is_larger_than_a_megabyte(committed):
    for name in COMMITTED:
        if Path(name).suffix in (".png", ".svg"):
            assert (committed / name).stat().st_size <= 1_000_000, name


def test_no_raw_section_is_committed():
    for name in COMMITTED:
        path = Path(name)
        assert path.suffix != ".pt" and (path.suffix != ".tif" or path.name == table_1.TEST_PROBABILITY)
        if path.suffix == ".png" and "phantom" not in path.parts:
            assert path.name in {*PICTURES, "preview.png", "plot.png", "scaling.png"} and path.parent.name != "sections"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_folders_that_the_scripts_train_in_hold_no_files_of_a_run_without_one(committed, profile):
    """Which `train` refuses."""
    folders = [f"isbi/{profile}", f"phantom/{profile}"]
    for sequence in SEQUENCES:
        folders += [f"cells/{profile}/{dataset}-trained-on-{sequence}" for dataset in DATASETS]
        folders.append(f"phantom/cells/{profile}/phantom-cells-trained-on-{sequence}")
    for folder in folders:
        RunFolder(committed / "results" / folder).require_own_files()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "as-first-tried-seed-0",
            "quick with up_convolution_fan_in=input, learning_rate=0.001, decay=cosine",
        ),
        ("padded-seed-0", "quick with padding=zeros"),
    ],
)
def test_a_profile_is_named_without_the_seed(committed, name, shown):
    runs = {run.name: run for run in archive.read(committed / "results/isbi/ablations-adam")}
    assert runs[name].record.title_without("seed") == shown


def test_an_error_analysis_names_the_recipe_of_its_run_as_it_is_called_now(committed):
    pages = sorted((committed / "results/isbi").glob("*/error-analysis*.md"))
    assert [page.parent.name for page in pages] == ["final-fold", "folds-adam", "registered-folds-paper-adam"]
    for page in pages:
        title, _, source, *_ = page.read_text().splitlines()
        kept = archive.read(page.parent) or [archive.from_folder(page.parent)]
        record = next(run.record for run in kept if f"`{run.record.name}`" in title)
        assert f". {record.dataset}, {record.profile_title}, {record.protocol}: " in source, page
