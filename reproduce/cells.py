"""The whole experiment on cells, called by cells.sh: every stage is a command that can be typed by hand."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from reproduce import ROOT, script
from reproduce.cell_recipe import cell_changes
from reproduce.script import say
from unet_paper.cli.help_text import SMOKE
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.datasets.cell_phantom import is_whole, write_cell_phantom
from unet_paper.datasets.cell_tracking import (
    CHALLENGE_PAGE,
    DATASETS,
    SEQUENCES,
    SequenceFiles,
    is_cell_tracking_folder,
    unpack,
)
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.results import read_cell_run
from unet_paper.support.errors import BadInput

PHANTOM_FOLDER = "phantom-cells"
PHANTOM_NOTICE = script.framed(
    "THE CELL TRACKING CHALLENGE'S DATA COULD NOT BE HAD.  THIS RUN IS ON A PHANTOM.",
    "Its cells are drawn, and its numbers CANNOT be compared with the paper's table.",
    "For the real thing: data/README.md says how to get the training data by hand.",
)


def parse() -> argparse.Namespace:
    """The options of cells.sh."""
    parser = Parser(
        prog="reproduce/cells.sh",
        description="Train on one sequence of the cell tracking challenge, score the other, and the reverse.",
    )
    parser.add_argument(
        "--data",
        type=path,
        metavar="DIR",
        help=f"holds {' or '.join(DATASETS)} or their archives NAME.zip (else $CTC_DATA, or data/ctc)",
    )
    parser.add_argument("--dataset", choices=DATASETS, help="only this one")
    parser.add_argument("--train-on", choices=SEQUENCES, help="only this direction")
    parser.add_argument("--run", metavar="NAME", help="name of the folder of the runs (default: the profile)")
    script.add_options(parser, "Adam (the default), or sgd, the paper's")
    return parser.parse_args()


def find_data(options: argparse.Namespace) -> list[Path]:
    """The folders of the data sets; none when they cannot be had. Raises BadInput where the user named a wrong one."""
    folder = options.data or ROOT / "data" / "ctc"
    wanted = [options.dataset] if options.dataset else list(DATASETS)
    folders = []
    for name in wanted:
        where = folder / name
        if (folder / f"{name}.zip").is_file() and not is_cell_tracking_folder(where):
            unpack(folder / f"{name}.zip", ROOT / "data" / "ctc")
            where = ROOT / "data" / "ctc" / name
        if is_cell_tracking_folder(where):
            folders.append(where)
    if options.data and not folders:
        if not folder.is_dir():
            raise BadInput(f"{folder} is no folder; give the one that holds {' or '.join(wanted)}")
        if is_cell_tracking_folder(folder):
            raise BadInput(f"{folder} is a data set itself; give the folder that holds it: {folder.parent}")
        raise BadInput(
            f"{folder} holds neither {' nor '.join(wanted)}, nor an archive of it; get them from {CHALLENGE_PAGE}"
        )
    if folders and (missing := {*wanted} - {each.name for each in folders}):
        say("", f"{folder} holds no {' and no '.join(sorted(missing))}: the other is trained on alone")
    return folders


def phantom() -> Path:
    """Say so unmistakably, and make the phantom."""
    say("", *PHANTOM_NOTICE)

    def draw(folder: Path) -> None:
        say("", "drawing the phantom of cells")
        write_cell_phantom(folder)

    return script.drawn(ROOT / "data" / PHANTOM_FOLDER, is_whole, draw)


def make_runs(options: argparse.Namespace, folders: list[Path], out: Path, profile: str) -> list[RunFolder]:
    """All runs, one after the other."""
    changes = [*cell_changes(profile, options.optimiser, options.minutes), *options.set]
    runs = []
    for folder in folders:
        for trained in [options.train_on] if options.train_on else SEQUENCES:
            run = RunFolder(out / f"{folder.name}-trained-on-{trained}")
            train = ["train", "--data", folder, "--sequence", trained, "--out", run.path, "--profile", profile]
            train += ["--resume", *(word for change in changes for word in ("--set", change))]
            files = SequenceFiles(folder, trained)
            script.make_run(train, run, partial(script.request, files, run, profile, changes))
            runs.append(run)
    return runs


def with_finished_ones(out: Path, runs: list[RunFolder]) -> list[RunFolder]:
    """Runs just made, and those that other calls have finished in the same folder, in the order of the data sets."""
    made = {run.path: run for run in runs}
    names = (*DATASETS, PHANTOM_FOLDER)
    paths = [out / f"{name}-trained-on-{trained}" for name in names for trained in SEQUENCES]
    return [made.get(path, RunFolder(path)) for path in paths if path in made or _is_finished(path)]


def _is_finished(path: Path) -> bool:
    try:
        return bool(read_cell_run(RunFolder(path))[1])
    except BadInput:
        return False


def main() -> int:
    """The experiment's exit code."""
    options = parse()
    return script.whole_exit_code("cells", lambda: experiment(options))


def experiment(options: argparse.Namespace) -> None:
    """Data, trainings, predictions, scores, report. May raise BadInput."""
    started = time.monotonic()
    script.prepare(options, "CTC_DATA")
    folders = find_data(options)
    real = bool(folders)
    if not real and options.require_real:
        say("", "The challenge's data could not be had, and --require-real forbids the phantom: nothing was run.")
        sys.exit(2)
    profile = script.profile_of(options)
    out = options.results / ("cells" if real else "phantom/cells") / (options.run or profile)
    runs = make_runs(options, folders if real else [phantom()], out, profile)
    shown = with_finished_ones(out, runs)
    from unet_paper.report.cell_report import write_table_2

    table = write_table_2(out, shown)
    if len(shown) > 1:  # of one the report has just said the same
        say("", table)
    figures = [figure for run in runs for figure in sorted(run.figures.glob("figure-[34]*.png"))]
    say(f"The whole took {(time.monotonic() - started) / 60:.1f} minutes. Its results, in {ROOT}:")
    say(f"Page:     {out / 'index.html'}   <- look here first, in any browser", f"Table:    {out / 'table2.md'}")
    say(*(f"Picture:  {figure}" for figure in figures), *(f"Weights:  {run.weights}" for run in runs))
    if not real:
        say("", *PHANTOM_NOTICE)
    if profile == "smoke":
        say("", SMOKE)


if __name__ == "__main__":
    sys.exit(main())
