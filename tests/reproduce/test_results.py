"""The numbers that are committed: each table is what its records say, and the README quotes the tables.

Only what git holds is looked at, so that a reader's own runs do not matter here.
"""

import itertools
import json
import subprocess
from pathlib import Path

import pytest

from reproduce.benchmarks import scaling
from reproduce.benchmarks import table as bench
from reproduce.benchmarks.metrics import tables
from reproduce.studies import search as recipe
from reproduce.studies import table_1 as table1
from reproduce.studies import tables as programme_table
from reproduce.studies.__main__ import PROGRAMMES
from reproduce.studies.definitions import runs_of
from unet_paper.report.tables import comparison, read_run, table_1
from unet_paper.runs.folder import PICTURES, RunFolder

ROOT = Path(__file__).parents[2]


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    return done.stdout if done.returncode == 0 else b""


COMMITTED = git("ls-tree", "-r", "--name-only", "HEAD", "results", "README.md").decode().split()
RUNS = [Path(name).parent for name in COMMITTED if name.endswith("/run.json")]

pytestmark = pytest.mark.skipif(not COMMITTED, reason="without git there is no telling which results are committed")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A folder with the README and the results as git holds them."""
    folder = tmp_path_factory.mktemp("committed")
    for name in COMMITTED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(git("show", f"HEAD:{name}"))
    return folder


@pytest.mark.parametrize("name", RUNS, ids=str)
def test_each_table_is_what_its_record_says(committed, name):
    run = RunFolder(committed / name)
    assert run.table.read_text() == table_1(*read_run(run))


def test_the_choices_table_is_what_its_records_say(committed):
    folders = sorted(committed / name for name in RUNS if name.parent.name == "choices")
    assert folders and (committed / "results/isbi/choices/README.md").read_text() == comparison(folders)


def test_the_seeds_table_is_what_its_records_say(committed):
    folders = [committed / "results/isbi/quick", *sorted((committed / "results/isbi/seeds").glob("seed-*"))]
    table = comparison(folders)
    assert len(folders) == 5 and (committed / "results/isbi/seeds/README.md").read_text() == table
    readme = (committed / "README.md").read_text().splitlines()
    assert all(row in readme for row in table.splitlines() if "| d4 |" in row)


def test_the_tables_of_the_programmes_are_what_their_records_say(committed):
    for name, profile in itertools.product(("folds", "full-fold", "ablations", "remedies"), ("quick", "paper")):
        folder = committed / "results/isbi" / (name if profile == "quick" else f"{name}-paper")
        if (folder / "README.md").is_file():  # those that were carried out
            done = {path.name for path in folder.iterdir() if path.is_dir()}
            seeds = 1 + max([int(run.rpartition("-seed-")[2]) for run in done if "-seed-" in run], default=0)
            planned = runs_of(name, seeds, profile)
            runs = [run for run in planned if run.name in done]
            assert len(runs) == len(done) and runs[0] == planned[0]
            assert (folder / "README.md").read_text() == programme_table.table(folder, name, runs, len(planned))


def test_the_recipe_and_table_1_are_what_the_records_say(committed):
    folder = committed / "results/isbi"
    for path, written in (
        (folder / "recipe.md", lambda: recipe.text(folder / "choices", folder)),
        (folder / "table1.md", lambda: table1.table(folder)),
    ):
        assert path.read_text() == written()


def test_choices_were_made_on_another_fold_than_the_reported_runs(committed):
    for name in RUNS:
        fold = json.loads((committed / name / "run.json").read_text())["protocol"].get("fold")
        assert (fold == "1/6") == (name.parent.name in ("choices", "remedies", "remedies-paper"))


def test_the_readme_quotes_the_tables_whole(committed):
    readme = (committed / "README.md").read_text().splitlines()
    for table in ("results/isbi/table1.md", "results/isbi/recipe.md", "results/bench/README.md"):
        text = (committed / table).read_text().partition("by stages")[0]
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len(rows) > 5 and all(row in readme for row in rows)


def test_the_readme_has_the_ablations_headline(committed):
    readme = (committed / "README.md").read_text().splitlines()
    rows = [row for row in (committed / "results/isbi/ablations/README.md").read_text().splitlines() if "| d4 |" in row]
    assert len(rows) > 10 and all(row in readme for row in rows)


def test_the_readme_has_the_errors_of_every_choice(committed):
    readme = (committed / "README.md").read_text().replace("**", "")
    rows = (committed / "results/isbi/choices/README.md").read_text().splitlines()[2:]
    assert rows and all("|".join(row.split("|")[-4:-1]) in readme for row in rows)


def test_the_metrics_table_is_what_its_record_says(committed):
    folder = committed / "results/metrics"
    record = json.loads((folder / "metrics.json").read_text())
    assert (folder / "README.md").read_text() == tables(record)
    assert all(row["warping_counts_that_differ"] == 0 for row in record["agreement"].values())


def test_the_tables_of_speed_and_growth_are_what_their_records_say(committed):
    folder = committed / "results/scaling"
    assert (folder / "README.md").read_text() == scaling.tables(json.loads((folder / "scaling.json").read_text()))
    folder = committed / "results/bench"
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    quick_run = json.loads((committed / "results/isbi/quick/run.json").read_text())
    assert (folder / "README.md").read_text() == bench.tables(records, quick_run)


def test_no_picture_is_larger_than_a_megabyte(committed):
    for name in COMMITTED:
        if Path(name).suffix in (".png", ".svg"):
            assert (committed / name).stat().st_size <= 1_000_000, name


def test_no_raw_section_is_committed():
    for name in COMMITTED:
        path = Path(name)
        assert path.suffix not in (".tif", ".pt")
        if path.suffix == ".png" and "phantom" not in path.parts:
            computed = {*PICTURES, "preview.png", *(f"{programme}.png" for programme in PROGRAMMES)}
            assert path.name in computed and path.parent.name != "sections"


def test_ablations_are_compared_with_runs_that_differ_in_the_seed_alone(committed, tmp_path):
    first_runs = ("ablations/as-the-paper-seed-0", "remedies/as-it-is-seed-0")
    places = ("quick", *(f"seeds/seed-{seed}" for seed in range(1, 5)), *first_runs)
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        for name in ("run.json", "table1.md"):
            (tmp_path / place / name).write_bytes((committed / "results/isbi" / place / name).read_bytes())

    def found(name="ablations"):
        first = runs_of(name, 1)[0]
        return [run.name for run in programme_table.seeds_elsewhere(tmp_path / name, first)]

    assert found() == ["../quick", *(f"../seeds/seed-{seed}" for seed in range(1, 5))]
    record = json.loads((tmp_path / "quick/run.json").read_text())
    record["configuration"]["steps"]["value"] = 5000
    (tmp_path / "quick/run.json").write_text(json.dumps(record))
    assert found() == [f"../seeds/seed-{seed}" for seed in range(1, 5)]
    assert found("remedies") == found() and found("folds") == []  # remedies are of another fold
    record["configuration"]["steps"]["value"] = 2500
    record["protocol"]["fold"] = "5/6"
    for name in places[1:3]:
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    assert found() == [] and len(found("remedies")) == 4  # two runs of the same fold are too few


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("quick", "quick"),
        ("quick with seed=0", "quick"),
        ("quick with steps=500, seed=1", "quick with steps=500"),
        ("paper with optimiser=adam, learning_rate=0.001, seed=0", "paper with optimiser=adam, learning_rate=0.001"),
    ],
)
def test_a_profile_is_named_without_the_seed(recorded, shown):
    assert programme_table.profile_of({"profile": recorded}) == shown
