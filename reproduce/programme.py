"""The numbers behind the paper's choices: folds, and one thing changed at a time. Stops and goes on at any moment.

python -m reproduce.programme folds|full-fold|ablations --data DIR [--minutes M] [--profile P] [--set NAME=VALUE ...]

DIR holds the challenge's stacks. Each run is trained, predicted, scored and reported in results/isbi/<programme>/<run>;
one that is done is not done again. After M minutes the training in hand keeps its step and the programme ends: the same
command goes on from there. When all runs are done the table is written: README.md and <programme>.png in that folder.
"""

import argparse
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reproduce.programme_table import write_table
from unet_paper.config import PROFILES
from unet_paper.record import RunFolder, read_json

ROOT = Path(__file__).resolve().parent.parent
GO_ON = 75  # exit code: not done yet, give the same command again

# One thing changed at a time: what it is called, and the settings.
ABLATIONS = {
    "as the paper": {},
    "no border term": {"w_0": 0.0},
    "classes not balanced": {"balance_classes": False},
    "no elastic deformation": {"displacement_sigma": 0.0},
    "no augmentation": {
        **{"displacement_sigma": 0.0, "rotate": False, "flip": False, "shift": False},
        **{"contrast": 0.0, "brightness": 0.0},
    },
    "no drop-out": {"drop_out": 0.0},
    "padded": {"padding": "zeros"},
    "padded, batch norm": {"padding": "zeros", "batch_norm": True},
    "Adam": {"optimiser": "adam", "learning_rate": 0.001},
    "the release's form": {"form": "release"},
}


@dataclass(frozen=True)
class Run:
    """One run of a programme."""

    name: str  # of its folder
    group: str  # of runs that differ in fold or seed only
    fold: str
    changes: dict


def runs_of(programme, seeds):
    """The runs of a programme."""
    if programme == "folds":
        return [Run(f"fold-{k}", "5 folds", f"{k}/5", {}) for k in range(1, 6)]
    if programme == "full-fold":
        return [Run("fold-6", "fold 6/6", "6/6", {})]
    return [
        Run(f"{'-'.join(name.replace(',', '').split())}-seed-{seed}", name, "6/6", {**changes, "seed": seed})
        for seed in range(seeds)
        for name, changes in ABLATIONS.items()
    ]


class OutOfTime(Exception):
    """The minutes are over."""


def command(deadline, *arguments):
    """Run one command of the package; asks it to stop at the deadline."""
    process = subprocess.Popen([sys.executable, "-m", "unet_paper", *map(str, arguments)], cwd=ROOT)
    try:
        process.wait(None if deadline is None else max(deadline - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise OutOfTime from None
    if process.returncode:
        sys.exit(process.returncode)


def carry_out(run, folder, data, profile, changes, deadline):
    """Train, predict, score and report one run, as far as that is not done."""
    place = RunFolder(folder / run.name)
    settings = [f"{name}={value}" for name, value in (run.changes | changes).items()]
    if not place.table.is_file():
        command(
            deadline,
            *("train", "--data", data, "--out", place.path, "--profile", profile, "--fold", run.fold, "--resume"),
            *(part for setting in settings for part in ("--set", setting)),
        )
        configuration = read_json(place.record)["configuration"]
        for average in configuration["averages"]["value"]:
            probability = place.probability(average)
            scores = place.scores(average, configuration["headline"]["value"])
            given = (place.volume, probability, "--average", average, "--force")
            command(deadline, "predict", "--weights", place.weights, *given)
            command(deadline, "score", place.labels, probability, "--json", scores, "--force")
        command(deadline, "report", place.path)


def main():
    """Carry out a programme."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.programme", description=__doc__.splitlines()[0])
    parser.add_argument("programme", choices=("folds", "full-fold", "ablations"))
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, metavar="M", help="then stop; the same command goes on")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3, help="of the ablations")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/isbi/<programme>")
    arguments = parser.parse_args()
    folder = (arguments.out or ROOT / "results" / "isbi" / arguments.programme).absolute()
    deadline = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    changes = dict(change.split("=", 1) for change in arguments.changes)
    runs = runs_of(arguments.programme, arguments.seeds)
    for number, run in enumerate(runs, 1):
        print(f"\n[{number} of {len(runs)}] {run.name}", flush=True)
        try:
            carry_out(run, folder, arguments.data.absolute(), arguments.profile, changes, deadline)
        except OutOfTime:
            print("The minutes are over; the same command goes on from here.")
            return GO_ON
    print(write_table(folder, arguments.programme, [(run.name, run.group) for run in runs]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
