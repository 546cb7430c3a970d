"""The whole road of the EM experiment, called by isbi.sh: every step is a command that can be typed by hand."""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

import torch

from unet_paper.cli.commands import main as unet_paper
from unet_paper.config import PROFILES
from unet_paper.datasets import isbi2012
from unet_paper.runs.folder import RunFolder
from unet_paper.support.json_files import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
STOPPED_BY_A_SIGNAL = 128  # exit codes above this
FOLD = "6/6"  # the last five of the thirty training sections


def say(*lines):
    """Print lines that belong to the road itself."""
    print(*lines, sep="\n", flush=True)


def step(*arguments):
    """Show one command and run it. Returns its seconds; stops the road with its exit code if it fails."""
    arguments = [str(argument) for argument in arguments]
    say("", f"$ python -m unet_paper {shlex.join(arguments)}")
    started = time.monotonic()
    code = unet_paper(arguments)
    sys.stdout.flush()
    if code:
        sys.exit(code)
    return round(time.monotonic() - started, 1)


def parse():
    """The options of isbi.sh."""
    parser = argparse.ArgumentParser(
        prog="reproduce/isbi.sh",
        description="Train on the ISBI 2012 stack, predict, score, and compare with the paper.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the stacks (else $ISBI_DATA, data/isbi2012, or the download)"
    )
    parser.add_argument("--profile", choices=PROFILES, help="default: paper with a GPU, quick without one")
    parser.add_argument(
        "--run", metavar="NAME", help="name of the run's folder in results/<dataset>/ (default: the profile)"
    )
    parser.add_argument(
        "--fold", metavar="K/N", help=f"hold out block K of N and score that (default without test-labels.tif: {FOLD})"
    )
    parser.add_argument("--require-real", action="store_true", help="fail rather than run on the phantom")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where results go (default: results)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, as in train"
    )
    return parser.parse_args()


def find_data(options):
    """The folder of the official stacks, or None when they cannot be had. A folder the user named must be right."""
    if options.data:
        step("data", "--check", "--to", options.data)
        return options.data
    folder = Path("data/isbi2012")
    if not isbi2012.is_official(folder):
        say("", f"$ python -m unet_paper data --to {folder}")
        code = unet_paper(["data", "--to", str(folder)])
        if code > STOPPED_BY_A_SIGNAL:
            sys.exit(code)
        if code:
            return None
    return folder


def phantom(options):
    """Say so unmistakably, and make the phantom."""
    if options.require_real:
        say("", "The real ISBI 2012 stacks could not be had, and --require-real forbids the phantom: nothing was run.")
        sys.exit(2)
    say("", *PHANTOM_NOTICE)
    folder = Path("data/phantom")
    if not all((folder / name).is_file() for name in PHANTOM_FILES):
        step("phantom", "--to", folder, "--force")
    return folder


PHANTOM_FILES = ("phantom.json", *(f"{name}.tif" for name in isbi2012.STACKS))
PHANTOM_NOTICE = (
    "*" * 88,
    "*  THE REAL ISBI 2012 DATA COULD NOT BE HAD.  THIS RUN IS ON THE BUILT-IN PHANTOM.       *",
    "*  Its images are synthetic, and its numbers CANNOT be compared with the paper's table.  *",
    "*  For the real thing: data/README.md says how to get the stacks by hand.                *",
    "*" * 88,
)


def main():
    """Data, training, prediction, scores, report."""
    started = time.monotonic()
    options = parse()
    options.data = options.data or os.environ.get("ISBI_DATA")
    if options.data:
        options.data = Path(options.data).absolute()
    options.results = options.results.absolute() if options.results else Path("results")
    os.chdir(ROOT)
    data = find_data(options)
    real = data is not None
    data = data if real else phantom(options)
    profile = options.profile or ("paper" if torch.cuda.is_available() else "quick")
    fold = options.fold
    if fold is None and real and not (data / "test-labels.tif").is_file():
        fold = FOLD
        say("", f"No official test labels here: the score is of a validation fold ({FOLD}), not the paper's test.")

    run = RunFolder(options.results / ("isbi" if real else "phantom") / (options.run or profile))
    changes = [part for change in options.set for part in ("--set", change)]
    folded = ["--fold", fold] if fold else []
    seconds = {}
    training = ("--data", data, "--out", run.path, "--profile", profile, *folded, *changes, "--resume")
    seconds["train"] = step("train", *training)
    if run.labels.is_file():
        settings = read_json(run.record)["configuration"]
        for average in settings["tta"]["value"]:
            probability = run.probability(average)
            seconds[f"predict {average}"] = step(
                "predict", "--weights", run.weights, run.volume, probability, "--tta", average, "--force"
            )
            seconds[f"score {average}"] = step(
                "score",
                run.labels,
                probability,
                "--json",
                run.scores(average, settings["primary"]["value"]),
                "--force",
            )
    figures = ["--figures"] if run.volume.is_file() else []
    seconds["report"] = step("report", run.path, *figures)
    seconds["all"] = round(time.monotonic() - started, 1)
    record = read_json(run.record)
    # A road that found its training done, or half done, does not say how long the whole takes.
    if seconds["train"] >= record["times"]["training_seconds"]:
        record["times"]["steps_seconds"] = seconds
        write_json(run.record, record)

    pictures = sorted([*run.path.glob("*.png"), *run.sections.glob("*.png")])
    say(f"The whole road took {seconds['all'] / 60:.1f} minutes. Its results, in {ROOT}:")
    say(f"Page:     {run.page}   <- look here first, in any browser", f"Table:    {run.table}")
    say(
        *(f"Picture:  {picture}" for picture in pictures),
        f"Figures:  {run.figures}" if figures else "Figures:  none, as no section was held out",
        f"Weights:  {run.weights}",
        f"Weight maps (for Fiji): {run.weight_maps}",
    )
    if not real:
        say("", *PHANTOM_NOTICE)


if __name__ == "__main__":
    main()
