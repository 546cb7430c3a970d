"""What the experiments' scripts share: every stage of a run is shown as the command that does it by hand."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unet_paper.cli.commands import exit_code
from unet_paper.cli.commands import main as unet_paper
from unet_paper.cli.program import typed
from unet_paper.runs.folder import RunFolder

if TYPE_CHECKING:  # it takes seconds to load, which bad input and --help need not wait for
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


def make_run(train: Sequence[str | Path], run: RunFolder, request: "Callable[[], TrainingRequest]") -> None:
    """All stages of a run. Ends the script with their exit code if one fails.

    train : the words of the command that does the training by hand; request : makes what the pipeline takes, may raise
    BadInput.
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
        run_pipeline(request(), report, draw_training_pictures, announce)

    code = exit_code("train", stages, AGAIN)
    if code:
        sys.exit(code)


def whole_exit_code(name: str, work: Callable[[], None]) -> int:
    """Do all that the script of this name does. Whatever ends badly between the stages is one sentence on stderr too.
    Returns the script's exit code; ends it with that of a stage that fails.
    """
    return exit_code(name, work, AGAIN, f"reproduce/{name}.sh")
