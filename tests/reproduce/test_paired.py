"""A study of pairs: each run beside the control's of the same fold and seed, with errors whose outcome is known."""

from dataclasses import replace
from pathlib import Path

from reproduce.studies import archive, paired
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import runs_of
from reproduce.studies.definitions import GAP, NO_GAP, Run
from reproduce.studies.pages import write
from unet_paper.cli.settings import changed_config
from unet_paper.cli.values import sections
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold, Protocol
from unet_paper.metrics.registry import CHALLENGE_METRICS

(MADE, *_) = archive.read(Path(__file__).parents[2] / "results/isbi/registered-folds-adam")
RUNS = runs_of("gap", 2)
IN_FOLD = {"1/3": 0.1, "3/3": 0.3}  # the control's errors, and what the groups add
ADDED = {GAP: 0.0, NO_GAP: -0.02, "gap, no dropout": 0.01}


def with_error(run: Run, error: float, effect: tuple[float, ...] | None = None) -> StudyRun:
    """A run that has the settings and sections of this one, and `error` for every metric."""
    config = changed_config(PROFILES["quick"], [f"{name}={value}" for name, value in run.changes.items()])
    protocol = Protocol.of_fold(Fold.parse(run.fold), 30).without(sections(run.leave_out))
    record = replace(MADE.record, name=run.name, config=config, protocol=protocol, up_convolution_effect=effect)
    scores = replace(MADE.primary, **{metric.key: error for metric in CHALLENGE_METRICS})
    return StudyRun(run.name, record, dict.fromkeys(config.tta, scores), None, MADE.history)


def made(*groups: str, seeds: int = 1) -> list[StudyRun]:
    """The runs of these groups, both folds; the second seed adds a bit more to all but the control."""
    return [
        with_error(run, IN_FOLD[run.fold] + ADDED[run.group] + 0.001 * run.changes["seed"] * (run.group != GAP))
        for run in RUNS
        if run.group in groups and run.changes["seed"] < seeds
    ]


def test_folds_that_differ_by_more_than_what_is_tried_do_not_hide_it(tmp_path):
    archive.write(tmp_path, made(GAP, NO_GAP, "gap, no dropout", seeds=2))
    text = write(tmp_path, "gap", RUNS)
    assert "| gap of 5 sections | 4 | d4 | 0.200000 ± 0.115470 |" in text
    assert f"| {NO_GAP} | 4 | -0.019500 ± 0.000577 | -0.0195 ± 0.0006 | -0.0195 ± 0.0006 |" in text
    assert "| gap, no dropout | 4 | +0.010500 ± 0.000577 |" in text
    assert "`python -m reproduce.studies gap --seeds 2` from" in text and "(10 of 25, 5 more left out)" in text
    assert "12 of 40 so far" in text and (tmp_path / "plot.png").is_file()


def test_a_run_without_its_partner_is_in_no_pair(tmp_path):
    archive.write(tmp_path, [run for run in made(GAP, NO_GAP) if run.name != "gap-of-5-sections-fold-1-seed-0"])
    assert f"| {NO_GAP} | 1 | -0.020000 | -0.0200 | -0.0200 |" in write(tmp_path, "gap", runs_of("gap", 1))


def test_nor_is_one_whose_deep_levels_are_inactive():
    runs = [run for run in runs_of("gap", 1) if run.group in (GAP, NO_GAP)]
    finished = {run.name: with_error(run, 0.1, (0.0,) if run.fold == "3/3" else (0.1,)) for run in runs}
    assert [run.fold for run, _ in paired.pairs_of(runs, finished, GAP)[NO_GAP]] == ["1/3"]


def test_the_control_alone_has_a_page_without_pairs_and_no_plot(tmp_path):
    archive.write(tmp_path, made(GAP))
    text = write(tmp_path, "gap", runs_of("gap", 1))
    assert "Each run less" not in text and "2 of 20 so far" in text and not (tmp_path / "plot.png").exists()
