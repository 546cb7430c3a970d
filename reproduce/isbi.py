"""The whole EM experiment, called by isbi.sh: every stage is a command that can be typed by hand."""

import argparse
import sys
import time
from pathlib import Path

from reproduce import ROOT, script
from reproduce.script import command, say
from reproduce.studies.definitions import SCORED_FOLD
from unet_paper.cli.commands import main as unet_paper
from unet_paper.cli.help_text import SMOKE
from unet_paper.cli.parser import Parser
from unet_paper.cli.program import typed
from unet_paper.cli.settings import recipe
from unet_paper.cli.values import path
from unet_paper.datasets import isbi2012
from unet_paper.datasets.folds import Fold
from unet_paper.runs.folder import RunFolder

STOPPED_BY_A_SIGNAL = 128  # exit codes above this


def parse() -> argparse.Namespace:
    """The options of isbi.sh."""
    parser = Parser(
        prog="reproduce/isbi.sh",
        description="Train on the ISBI 2012 stack, predict, score, and compare with the paper.",
    )
    parser.add_argument(
        "--data", type=path, metavar="DIR", help="the stacks (else $ISBI_DATA, data/isbi2012, or the download)"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="name of the run's folder in results/<dataset>/ (default: the profile)"
    )
    parser.add_argument(
        "--fold",
        metavar="K/N",
        help=f"hold out block K of N and score that (default without test-labels.tif: {SCORED_FOLD})",
    )
    script.add_options(parser, "the paper's, sgd, or Adam; default: the profile's")
    return parser.parse_args()


def find_data(options: argparse.Namespace) -> Path | None:
    """The folder of the official stacks, or None when they cannot be had. A folder the user named must be right."""
    if options.data:
        command("data", "--check", "--to", options.data)
        return options.data
    folder = Path("data/isbi2012")
    if not isbi2012.is_official(folder):
        say("", f"$ {typed(['data', '--to', folder])}")
        code = unet_paper(["data", "--to", str(folder)])
        if code > STOPPED_BY_A_SIGNAL:
            sys.exit(code)
        if code:
            return None
    return folder


def phantom(options: argparse.Namespace) -> Path:
    """Say so unmistakably, and make the phantom."""
    if options.require_real:
        say("", "The real ISBI 2012 stacks could not be had, and --require-real forbids the phantom: nothing was run.")
        sys.exit(2)
    say("", *PHANTOM_NOTICE)
    return script.drawn(Path("data/phantom"), is_whole, lambda folder: command("phantom", "--to", folder, "--force"))


def is_whole(phantom: Path) -> bool:
    """Whether all of its files are there."""
    return all((phantom / name).is_file() for name in PHANTOM_FILES)


PHANTOM_FILES = ("phantom.json", *(f"{name}.tif" for name in isbi2012.STACKS))
PHANTOM_NOTICE = script.framed(
    "THE REAL ISBI 2012 DATA COULD NOT BE HAD.  THIS RUN IS ON THE BUILT-IN PHANTOM.",
    "Its images are synthetic, and its numbers CANNOT be compared with the paper's table.",
    "For the real thing: data/README.md says how to get the stacks by hand.",
)


def make_run(options: argparse.Namespace, run: RunFolder, data: Path, profile: str, fold: str | None) -> None:
    """All stages of the run, each shown as the command that does it by hand."""
    changes = [*recipe(profile, options.optimiser, options.minutes), *options.set]
    train: list[str | Path] = ["train", "--data", data, "--out", run.path, "--profile", profile, "--resume"]
    train += [word for change in changes for word in ("--set", change)]
    train += ["--fold", fold] if fold else []
    script.make_run(train, run, lambda: script.request(data, run, profile, changes, Fold.parse(fold) if fold else None))


def main() -> int:
    """The experiment's exit code."""
    options = parse()
    return script.whole_exit_code("isbi", lambda: experiment(options))


def experiment(options: argparse.Namespace) -> None:
    """Data, training, prediction, scores, report. May raise BadInput."""
    started = time.monotonic()
    script.prepare(options, "ISBI_DATA")
    official = find_data(options)
    real = official is not None
    data = official or phantom(options)
    profile, fold = script.profile_of(options), options.fold
    if fold is None and real and not (data / "test-labels.tif").is_file():
        fold = SCORED_FOLD
        say(
            "",
            f"No official test labels here: the score is of a validation fold ({SCORED_FOLD}), not the paper's test.",
        )

    run = RunFolder(options.results / ("isbi" if real else "phantom") / (options.run or profile))
    make_run(options, run, data, profile, fold)
    pictures = sorted([*run.path.glob("*.png"), *run.sections.glob("*.png")])
    minutes = (time.monotonic() - started) / 60
    say(f"The whole pipeline took {minutes:.1f} minutes. Its results, in {ROOT}:")
    say(f"Page:     {run.page}   <- look here first, in any browser", f"Table:    {run.table}")
    say(
        *(f"Picture:  {picture}" for picture in pictures),
        f"Figures:  {run.figures}" if run.volume.is_file() else "Figures:  none, as no section was held out",
        f"Weights:  {run.weights}",
        f"Weight maps (for Fiji): {run.weight_maps}",
    )
    if not real:
        say("", *PHANTOM_NOTICE)
    if profile == "smoke":
        say("", SMOKE)


if __name__ == "__main__":
    sys.exit(main())
