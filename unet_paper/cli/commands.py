"""The command line: unet-paper {data,phantom,weights,train,predict,segment,publish,score,report}."""

import io
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress

from unet_paper.cli.cell_commands import do_segment
from unet_paper.cli.data_commands import do_data, do_phantom
from unet_paper.cli.parser import parse
from unet_paper.cli.program import program_name
from unet_paper.cli.run_commands import do_predict, do_publish, do_report, do_train
from unet_paper.cli.score_command import do_score
from unet_paper.cli.weights_command import do_weights
from unet_paper.compute.allocator import use_large_pages
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.logs import configure
from unet_paper.support.out_of_memory import is_out_of_memory
from unet_paper.support.signals import ends_on_sigterm

COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "data": do_data,
    "phantom": do_phantom,
    "weights": do_weights,
    "train": do_train,
    "predict": do_predict,
    "segment": do_segment,
    "publish": do_publish,
    "score": do_score,
    "report": do_report,
}

RESUMED_BY = {
    "train": "the same command with --resume resumes from the last checkpoint, if there is one",
    "predict": "the same command resumes from the last tile",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 when training diverged, 2 for bad input, 130 or 143 when stopped
    by Ctrl-C or SIGTERM.
    """
    parsed = parse(arguments)
    return exit_code(parsed.command, lambda: COMMANDS[parsed.command](parsed))


def exit_code(command: str, work: Callable[[], None], again: str | None = None, caller: str | None = None) -> int:
    """Do the work of a command. Whatever ends badly is one sentence on stderr and an exit code, see `main`.

    again : what resumes it where it is stopped; None: as the command has it. caller : the program that the sentence
    names; None: this one with the command
    """
    use_large_pages()
    configure()
    for stream in (sys.stdout, sys.stderr):  # as names of files may not be of their encoding, nor an arrow
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    with ends_on_sigterm():
        prefix = caller or f"{program_name()} {command}"
        return _exit_code(prefix, command, work, RESUMED_BY.get(command) if again is None else again)


def _complain(sentence: str) -> None:
    """On stderr, if anybody reads it still: Ctrl-C may have stopped that program too."""
    with suppress(OSError):
        print(sentence, file=sys.stderr)


def _exit_code(prefix: str, command: str, work: Callable[[], None], again: str | None) -> int:
    try:
        work()
    except BadInput as error:
        _complain(f"{prefix}: {error}")
        return 2
    except Diverged as error:
        _complain(f"{prefix}: {error}")
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{prefix}: {where}{error.strerror or error}")
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        advice = {
            "predict": "predict with a smaller --tile or --memory",
            "train": "train with a smaller tile_size or base_channels",
        }.get(command, "give fewer or smaller sections")
        _complain(f"{prefix}: there is too little memory; {advice}")
        return 2
    except KeyboardInterrupt as stop:
        kept = f": {stop}" if str(stop) else ""
        _complain(f"\nstopped{kept}{f'; {again}' if again else ''}")
        return getattr(stop, "exit_code", 128 + signal.SIGINT)
    return 0
