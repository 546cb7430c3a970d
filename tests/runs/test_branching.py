"""A branch of a training of constant rate equals one that was planned for its steps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unet_paper import checkpoint
from unet_paper.cli.commands import main
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.runs.branching import Branch, branch_config
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import Trunk, read_record
from unet_paper.runs.training_run import TrainingRequest, train_run
from unet_paper.schedule import learning_rate_at, momentum_at
from unet_paper.support.errors import BadInput
from unet_paper.support.locks import exclusive_lock

TINY = replace(PROFILES["smoke"], base_channels=2, tile_size=204, checkpoint_every=10, warmup=3.0, momentum_warmup=4.0)
TRUNK = replace(TINY, steps=20, decay="constant")


@pytest.fixture(scope="module")
def trunk(small_phantom, tmp_path_factory):
    path = tmp_path_factory.mktemp("branching") / "trunk"
    train_run(TrainingRequest(small_phantom, path, TRUNK, Fold(1, 2)))
    return RunFolder(path)


def branch(trunk, out):
    """Make of a folder a branch that is to be trained. Returns its Config."""
    planned = Branch.plan(trunk, out)
    planned.begin(out)
    return planned.config


def test_a_branch_equals_a_training_that_was_planned_so(trunk, small_phantom, tmp_path):
    config = branch(trunk, RunFolder(tmp_path / "branch"))
    assert config.steps == 25 and config.decay == "trapezoid"
    for path, wanted in (tmp_path / "branch", config), (tmp_path / "planned", config):
        record = train_run(TrainingRequest(small_phantom, path, wanted, Fold(1, 2), resume=True))
        assert record.status == "finished"
    branched, planned = (checkpoint.load(tmp_path / name / "weights.pt") for name in ("branch", "planned"))
    assert all(torch.equal(planned.network[name], values) for name, values in branched.network.items())
    assert [row["loss"] for row in branched.history] == [row["loss"] for row in planned.history]

    record = read_record(tmp_path / "branch" / "run.json")
    assert record.trunk == Trunk("trunk", 20) and [session.step for session in record.sessions] == [0, 20]
    assert read_record(tmp_path / "planned" / "run.json").trunk is None
    assert branch(trunk, RunFolder(tmp_path / "branch")) == config  # the same command once more


def test_the_trunk_is_not_touched(trunk, tmp_path):
    before = {path.name: path.read_bytes() for path in trunk.path.iterdir() if path.is_file()}
    branch(trunk, RunFolder(tmp_path / "branch"))
    assert before == {path.name: path.read_bytes() for path in trunk.path.iterdir() if path.is_file()}


def test_a_trunk_goes_on_and_is_branched_again(small_phantom, tmp_path):
    trunk = RunFolder(tmp_path / "trunk")
    train_run(TrainingRequest(small_phantom, trunk.path, replace(TRUNK, steps=8), Fold(1, 2)))
    assert branch(trunk, RunFolder(tmp_path / "first")).steps == 10
    record = train_run(TrainingRequest(small_phantom, trunk.path, replace(TRUNK, steps=12), Fold(1, 2), resume=True))
    assert record.config.steps == 12 and record.status == "finished"
    assert not (trunk.path / "earlier").exists()  # nothing had been made with its weights
    assert branch(trunk, RunFolder(tmp_path / "second")).steps == 15
    for refused in replace(TRUNK, steps=11), replace(TRUNK, steps=15, decay="cosine"):
        with pytest.raises(BadInput, match="differs .*continue it with --set (steps=12|decay=constant)"):
            train_run(TrainingRequest(small_phantom, trunk.path, refused, Fold(1, 2), resume=True))


def test_what_was_made_of_fewer_steps_is_put_away(small_phantom, tmp_path):
    run = RunFolder(tmp_path / "run")
    request = TrainingRequest(small_phantom, run.path, replace(TRUNK, steps=1), Fold(1, 2), resume=True)
    train_run(request)
    made = ["probability-none.tif", "scores.json", "table1.md", "index.html", "page/000.png", "result.png"]
    for name in made:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("of 1 step")
    train_run(request)  # once more: it is done
    assert all((run.path / name).exists() for name in made)
    train_run(replace(request, config=replace(TRUNK, steps=2)))
    assert not [name for name in made if (run.path / name).exists()]
    assert all((run.path / "earlier" / "1" / name).read_text() == "of 1 step" for name in made)


def test_a_trunk_whose_warmup_is_a_part_of_its_steps_does_not_go_on(small_phantom, tmp_path):
    """With more steps it would have been another one from the first."""
    request = TrainingRequest(small_phantom, tmp_path, replace(TRUNK, steps=1, warmup=0.1), Fold(1, 2), resume=True)
    train_run(request)
    with pytest.raises(BadInput, match="differs .steps 1 -> 2.; give another --out"):
        train_run(replace(request, config=replace(request.config, steps=2)))


@pytest.mark.parametrize("step", [20, 21, 22, 23, 1000])
@pytest.mark.parametrize("warmup", [3.0, 0.1])
def test_a_branch_begins_as_its_trunk(step, warmup):
    constant = replace(TRUNK, steps=30, warmup=warmup)
    config = branch_config(constant, step)
    for at in (learning_rate_at, momentum_at):
        assert [at(past, config) for past in range(step)] == pytest.approx([at(past, constant) for past in range(step)])
    assert learning_rate_at(config.steps - 1, config) <= 0.21 * config.learning_rate


@pytest.mark.parametrize(
    "change, step, words",
    [
        ({"decay": "cosine"}, 20, "constant"),
        ({"minutes": 3.0}, 20, "it was trained for 3 minutes; only a run of `--set decay=constant`, for steps"),
        ({}, 2, "branch after step 3"),
    ],
)
def test_what_cannot_be_branched(change, step, words):
    with pytest.raises(BadInput, match=words):
        branch_config(replace(TRUNK, **change), step)
    assert branch_config(TRUNK, 3).steps == 4


def test_a_folder_of_another_run_is_left_alone(trunk, small_phantom, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert train_run(TrainingRequest(small_phantom, Path("."), replace(TINY, steps=1))).name == "other"
    with pytest.raises(BadInput, match="no branch of"):
        branch(trunk, RunFolder(tmp_path / "other"))
    with pytest.raises(BadInput, match="no checkpoint to branch from"):
        branch(RunFolder(tmp_path / "nothing"), RunFolder(tmp_path / "new"))


def test_a_trunk_of_the_same_name_is_told_apart(trunk, tmp_path):
    branch(trunk, RunFolder(tmp_path / "branch"))
    other = RunFolder(tmp_path / "elsewhere" / "trunk")
    record = read_record(trunk.record)
    replace(record, sessions=(replace(record.first, time="2015-05-18T12:00:00+00:00"),)).write(other.record)
    with pytest.raises(BadInput, match="no branch of"):
        branch(other, RunFolder(tmp_path / "branch"))


def test_a_branch_and_its_trunk_have_names_from_within_their_folders(trunk, tmp_path, monkeypatch):
    monkeypatch.chdir(trunk.path)
    branch(RunFolder(Path(".")), RunFolder(tmp_path / "branch"))
    monkeypatch.chdir(tmp_path / "branch")
    branch(trunk, RunFolder(Path(".")))
    record = read_record(tmp_path / "branch" / "run.json")
    assert record.name == "branch" and record.trunk == Trunk("trunk", 20)
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    branch(trunk, RunFolder(Path(".")))
    assert read_record(tmp_path / "new" / "run.json").name == "new"


def test_a_folder_that_is_trained_in_is_left_alone(trunk, small_phantom, tmp_path):
    out = RunFolder(tmp_path / "branch")
    with exclusive_lock(out.lock, out.path):
        read_record(trunk.record).write(out.record)
        planned = Branch.plan(trunk, out)
        with pytest.raises(BadInput, match="is being written by another process"):
            train_run(TrainingRequest(small_phantom, out.path, planned.config, Fold(1, 2), branch=planned))
        assert sorted(path.name for path in out.path.iterdir()) == ["being-trained.lock", "run.json"]


@pytest.mark.parametrize(
    ("fold", "options", "message"),
    [
        ("2/2", [], "trunk was trained otherwise (training_sections (3, 4, 5) -> (0, 1, 2); "),
        ("1/2", ["--from", "weights.pt"], "are two ways to begin"),
        ("1/2", ["--sequence", "01"], "--fold and --leave-out are of stacks"),
    ],
)
def test_options_that_do_not_fit_leave_the_folder_as_it_is(
    trunk, small_phantom, tmp_path, capsys, fold, options, message
):
    (tmp_path / "run.json").write_text("of a run without a checkpoint")
    given = ["--data", str(small_phantom), "--fold", fold, "--out", str(tmp_path), "--branch-of", str(trunk.path)]
    assert main(["train", *given, "--device", "cpu", *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_branch_that_has_not_been_trained_is_recorded_as_what_it_is(trunk, tmp_path):
    out = RunFolder(tmp_path / "branch")
    Branch.plan(trunk, out).begin(out)
    record = read_record(out.record)
    assert record.status == "interrupted" and record.changes == record.config.changes()


def test_a_step_that_is_advised_is_not_refused():
    with pytest.raises(BadInput, match="branch after step 3"):
        branch_config(replace(TRUNK, warmup=2.5), 2)
    branch_config(replace(TRUNK, warmup=2.5), 3)
