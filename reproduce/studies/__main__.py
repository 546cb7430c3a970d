"""Studies: several runs each, their table and plot. Stops and resumes at any moment.

python -m reproduce.studies NAME --data DIR [--minutes M] [--profile P] [--optimiser O] [--set NAME=VALUE ...]
                            [--seeds N] [--only WORD] [--part K/N | --scheduler ADDRESS] [--out FOLDER]

NAME is one of
{studies}

DIR holds the challenge's stacks. Each run is trained, predicted, scored and reported in results/isbi/NAME/RUN (with the
profile `paper`: results/isbi/NAME-paper, with --optimiser adam: NAME-adam; with --out: in FOLDER), and kept in the
study's records.jsonl, runs.csv and histories.csv; one that is kept is not made again, and other settings or data than
its own are refused. After M minutes the training in hand keeps its step and the study ends with exit code 75: the same
command resumes it. A training that diverges is tried once more from its last checkpoint, and then left out. With
--part K/N only part K of the runs is made; N such commands, on machines that share FOLDER, make the study in the time
of one part, and the last one to end writes the tables. With --scheduler the workers of a cluster of dask.distributed
make the runs, each a task that resumes from its own checkpoint (extra `volumes`). The tables are written of the runs
that are done; when all are, results/isbi/table1.md is renewed.
"""

import argparse
import signal
import sys
import textwrap
import time

from reproduce.studies.carrying_out import Request, carry_out, planned
from reproduce.studies.catalogue import SEEDS, STUDIES, usual_seeds
from reproduce.studies.runner import NOT_DONE, OutOfTime
from unet_paper.cli.parser import Parser
from unet_paper.cli.settings import changed_config, chosen_optimiser
from unet_paper.cli.values import above_zero, path, positive
from unet_paper.config import OPTIMISERS, PROFILES
from unet_paper.support.errors import BadInput
from unet_paper.support.parts import Part

ALL = [study for study in STUDIES.values() if study.in_all]
BY_EITHER = [study.name for study in STUDIES.values() if study.takes_optimiser]


def require_optimiser_taken(arguments: argparse.Namespace) -> None:
    """Raise BadInput where --optimiser is given for a study that says itself by which it trains, and where --set names
    another one than the study's.
    """
    if arguments.optimiser and arguments.study not in (*BY_EITHER, "all"):
        raise BadInput(
            f"--optimiser {arguments.optimiser}: {arguments.study} trains by its own; leave the option out, or give it "
            f"to one of {', '.join(BY_EITHER)}"
        )
    usual = arguments.optimiser or "sgd"
    named = chosen_optimiser(arguments.optimiser, arguments.changes) or usual
    has_rate = any(change.partition("=")[0] == "learning_rate" for change in arguments.changes)
    if named != usual and not has_rate and arguments.study in (*BY_EITHER, "all"):
        raise BadInput(
            f"--set optimiser={named}: {arguments.study} would train at {usual}'s rate; leave that setting out, or "
            "give --optimiser"
        )


def request_of(arguments: argparse.Namespace) -> Request:
    """What the options ask for. Raises BadInput for what is no setting of the profile, and no part."""
    started = time.monotonic()
    changed_config(PROFILES[arguments.profile], arguments.changes)
    return Request(
        data=arguments.data.absolute(),
        profile=arguments.profile,
        optimiser=arguments.optimiser,
        changes=dict(change.split("=", 1) for change in arguments.changes),
        seeds=arguments.seeds,
        only=arguments.only,
        part=Part.parse(arguments.part) if arguments.part else None,
        scheduler=arguments.scheduler,
        out=arguments.out,
        is_of_all=arguments.study == "all",
        deadline=None if arguments.minutes is None else started + 60 * arguments.minutes,
    )


def summaries() -> str:
    """A line or more for each NAME."""
    *first, last = (study.name for study in ALL)
    told = {study.name: study.summary for study in STUDIES.values()}
    told["all"] = f"{', '.join(first)} and {last}, one after the other"
    width = max(map(len, told)) + 4
    return "\n".join(
        textwrap.fill(summary, 120, initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width)
        for name, summary in told.items()
    )


def main() -> int:
    """Carry out a study."""
    parser = Parser(
        prog="python -m reproduce.studies",
        description=(__doc__ or "").format(studies=summaries()),
    )
    parser.add_argument("study", choices=(*STUDIES, "all"), metavar="NAME", help="one of the list above")
    parser.add_argument("--data", type=path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=above_zero, metavar="M", help="then stop; the same command resumes")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help=f"of {', '.join(BY_EITHER)}; SGD unless given",
    )
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help=f"of each ablation, rate and budget ({SEEDS}), and of the study `seeds` ({usual_seeds('seeds')})",
    )
    parser.add_argument("--only", default="", metavar="WORD", help="runs whose names have it")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--part", metavar="K/N", help="make part K of N of the runs")
    who.add_argument("--scheduler", metavar="ADDRESS", help="of a cluster of dask.distributed, whose workers make them")
    parser.add_argument("--out", type=path, metavar="DIR", help="default: results/isbi/NAME")
    arguments = parser.parse_args()
    try:
        require_optimiser_taken(arguments)
        request = request_of(arguments)
        chosen = ALL if request.is_of_all else [STUDIES[arguments.study]]
        wanted = [run for study in chosen for run in planned(study, request)[1]]  # before the first is carried out
        if not wanted and request.part is None:
            raise BadInput(f"--only {request.only}: no run of these studies has that in its name")
        for study in chosen:
            carry_out(study, request)
    except OutOfTime:
        print("The minutes are over; the same command resumes the study.")
        return NOT_DONE
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("Stopped; the same command resumes the study.", file=sys.stderr)
        return getattr(stop, "exit_code", 128 + signal.SIGINT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
