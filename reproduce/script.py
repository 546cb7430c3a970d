"""What the experiments' scripts share: every stage of a run is shown as the command that does it by hand."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reproduce import ROOT
from unet_paper.cli.commands import exit_code
from unet_paper.cli.commands import main as unet_paper
from unet_paper.cli.program import typed
from unet_paper.cli.settings import changed_config, chosen_optimiser, note_idle_settings
from unet_paper.cli.values import above_zero, path
from unet_paper.compute.allocator import keep_freed_memory
from unet_paper.config import OPTIMISERS, PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.runs.folder import RunFolder
from unet_paper.support.locks import exclusive_lock

if TYPE_CHECKING:  # it takes seconds to load, which bad input and --help need not wait for
    from unet_paper.datasets.cell_tracking import SequenceFiles
    from unet_paper.runs.pipeline import Stage
    from unet_paper.runs.training_run import TrainingRequest

AGAIN = "the same command resumes"


def say(*lines: str) -> None:
    """Print lines that belong to the script itself."""
    print(*lines, sep="\n", flush=True)


def command(*arguments: str | Path) -> None:
    """Show one command and run it. Ends the script with its exit code if it fails."""
    words = [str(argument) for argument in arguments]
    say("", f"$ {typed(words)}")
    code = unet_paper(words)
    sys.stdout.flush()
    if code:
        sys.exit(code)


def add_options(parser: argparse.ArgumentParser, optimisers: str) -> None:
    """The options that say how and where any experiment is made. optimisers : which are there, and the default."""
    parser.add_argument("--profile", choices=PROFILES, help="default: paper with a GPU, quick without one")
    parser.add_argument("--require-real", action="store_true", help="fail rather than run on the phantom")
    parser.add_argument("--results", type=path, metavar="DIR", help="where results go (default: results)")
    parser.add_argument("--optimiser", choices=OPTIMISERS, help=optimisers)
    parser.add_argument("--minutes", type=above_zero, metavar="M", help="train each run for so long instead of steps")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, as in train"
    )


def prepare(options: argparse.Namespace, variable: str) -> None:
    """Fill in paths, and go to the repository's root. variable : of the environment; names the data unless given."""
    options.optimiser = chosen_optimiser(options.optimiser, options.set)
    keep_freed_memory()
    options.data = options.data or os.environ.get(variable)
    if options.data:
        options.data = Path(options.data).absolute()
    options.results = options.results.absolute() if options.results else Path("results")
    os.chdir(ROOT)


def profile_of(options: argparse.Namespace) -> str:
    """The profile that was asked for, else the one for this machine."""
    from unet_paper.compute.precision import usable_device

    return options.profile or ("paper" if usable_device(None) == "cuda" else "quick")


def framed(*lines: str) -> tuple[str, ...]:
    """A notice that nobody overlooks."""
    width = max(map(len, lines))
    return "*" * (width + 6), *(f"*  {line:{width}}  *" for line in lines), "*" * (width + 6)


def drawn(folder: Path, is_whole: Callable[[Path], bool], draw: Callable[[Path], None]) -> Path:
    """A phantom's folder, in which it is drawn unless all of it is there."""
    if not is_whole(folder):
        with exclusive_lock(folder.with_suffix(".lock"), folder):  # two at once would take each other's files away
            if not is_whole(folder):  # else another process has drawn it meanwhile, and may read it
                draw(folder)
    return folder


def request(
    data: "Path | SequenceFiles", run: RunFolder, profile: str, changes: Sequence[str], held_out: Fold | None = None
) -> "TrainingRequest":
    """What the pipeline takes for a run of a profile with some settings changed. May raise BadInput."""
    from unet_paper.compute.precision import usable_device
    from unet_paper.runs.training_run import TrainingRequest

    config = changed_config(PROFILES[profile], changes)
    note_idle_settings(config, changes)
    return TrainingRequest(data, run.path, config, held_out, resume=True, device=usable_device(None))


def make_run(train: Sequence[str | Path], run: RunFolder, requested: "Callable[[], TrainingRequest]") -> None:
    """All stages of a run. Ends the script with their exit code if one fails.

    train : the words of the command that does the training by hand; requested : makes what the pipeline takes, may
    raise BadInput.
    """
    from unet_paper.cli.typed_commands import stage_command
    from unet_paper.report.pictures import draw_training_pictures
    from unet_paper.report.run_report import write_report
    from unet_paper.runs.pipeline import run_pipeline
    from unet_paper.runs.record import read_record

    def announce(stage: "Stage") -> None:
        if stage.kind == "train":
            say("", f"$ {typed(train)}")
        else:
            say("", f"$ {stage_command(stage, run, read_record(run.record))}")

    def report(folder: Path) -> None:
        print(write_report(folder, figures=run.volume.is_file()))

    def stages() -> None:
        run_pipeline(requested(), report, draw_training_pictures, announce)

    code = exit_code("train", stages, AGAIN)
    if code:
        sys.exit(code)


def whole_exit_code(name: str, work: Callable[[], None]) -> int:
    """Do all that the script of this name does. Whatever ends badly between the stages is one sentence on stderr too.
    Returns the script's exit code; ends it with that of a stage that fails.
    """
    return exit_code(name, work, AGAIN, f"reproduce/{name}.sh")
