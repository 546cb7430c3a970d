"""The numbers behind the paper's choices. Stops and goes on at any moment.

python -m reproduce.studies NAME --data DIR [--minutes M] [--profile P] [--set NAME=VALUE ...] [--seeds N]
                                     [--out FOLDER]

NAME is one of
  choices     what the paper leaves open, short runs scored on fold 1/6
  folds       contiguous 5-fold cross-validation of the training stack
  full-fold   fold 6/6 alone, for the full network on two CPU cores
  ablations   one thing changed at a time; and sections next to the scored ones left out
  remedies    against what the scores miss, by settings alone; scored on fold 1/6 as the choices are
  final       a network trained on all sections, its weights in half precision, and the test sections' probabilities
  all         folds, ablations, remedies and final, one after the other

DIR holds the challenge's stacks. Each run is trained, predicted, scored and reported in results/isbi/NAME/RUN (with the
profile `paper`: results/isbi/NAME-paper; with --out: in FOLDER); one that is done is not done again. After M minutes
the training in hand keeps its step and the programme ends with exit code 75: the same command goes on from there. A
training that diverges is tried once more from its last checkpoint, and then left out. The tables are written of the
runs that are done; when all are, results/isbi/table1.md is renewed.
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from reproduce.studies import plot as programme_plot
from reproduce.studies import release as final
from reproduce.studies import search as recipe
from reproduce.studies import table_1 as table1
from reproduce.studies import tables as programme_table
from reproduce.studies.definitions import runs_of
from unet_paper.config import PROFILES
from unet_paper.report.tables import write_comparison
from unet_paper.runs.folder import RunFolder
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json

ROOT = Path(__file__).resolve().parents[2]
GO_ON = 75  # exit code: not done yet, give the same command again
PROGRAMMES = ("choices", "folds", "full-fold", "ablations", "remedies", "final")
ALL = ("folds", "ablations", "remedies", "final")


class OutOfTime(Exception):
    """The minutes are over."""


def command(deadline, *arguments, may_fail=False):
    """Run one command of the package; asks it to stop at the deadline. If it fails, ends the programme with its exit
    code, or returns that where it `may_fail`.
    """
    process = subprocess.Popen([sys.executable, "-m", "unet_paper", *map(str, arguments)], cwd=ROOT)
    try:
        process.wait(None if deadline is None else max(deadline - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise OutOfTime from None
    if process.returncode and not may_fail:
        sys.exit(process.returncode)
    return process.returncode


def carry_out(run, folder, data, profile, changes, deadline):
    """Train, predict, score and report one run, as far as that is not done and unless it diverges."""
    place = RunFolder(folder / run.name)
    if place.table.is_file():
        print(f"{place.path} has its record already and is not made again")
        return
    settings = [f"{name}={value}" for name, value in (run.changes | changes).items()]
    train = (
        *("train", "--data", data, "--out", place.path, "--profile", run.profile or profile, "--resume"),
        *(("--fold", run.fold) if run.fold else ()),
        *(("--leave-out", run.leave_out) if run.leave_out else ()),
        *(part for setting in settings for part in ("--set", setting)),
    )
    # On a CPU a training repeats itself exactly. What does not happen again was the machine's fault.
    failed = command(deadline, *train, may_fail=True)
    if failed and has_diverged(place):
        print(f"{place.path} diverged and is tried once more from its last checkpoint", flush=True)
        failed = command(deadline, *train, may_fail=True)
    if failed:
        if has_diverged(place):
            return
        sys.exit(failed)
    if place.labels.is_file():
        configuration = read_json(place.record)["configuration"]
        headline = configuration["primary"]["value"]
        for average in configuration["tta"]["value"]:
            predict_and_score(place, average, average, place.scores(average, headline), deadline)
        for border in run.borders:
            scores = place.path / f"scores-border-{border}.json"
            predict_and_score(place, headline, f"border-{border}", scores, deadline, "--extrapolation", border)
    command(deadline, "report", place.path)


def has_diverged(place):
    """Whether a run's training ended before its time."""
    return place.record.is_file() and read_json(place.record).get("status") == "diverged"


def predict_and_score(place, average, name, scores, deadline, *options):
    """The probability stack `name` of a run's held-out sections, and its scores."""
    probability = place.probability(name)
    given = ("--weights", place.weights, place.volume, probability, "--tta", average, "--force")
    command(deadline, "predict", *given, *options)
    command(deadline, "score", place.labels, probability, "--json", scores, "--force")


def main():
    """Carry out a programme."""
    parser = argparse.ArgumentParser(
        prog="python -m reproduce.studies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programme", choices=(*PROGRAMMES, "all"), metavar="NAME")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, metavar="M", help="then stop; the same command goes on")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of each ablation and remedy (3)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/isbi/NAME")
    arguments = parser.parse_args()
    deadline = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    try:
        for name in ALL if arguments.programme == "all" else (arguments.programme,):
            carry_out_programme(name, arguments, deadline)
    except OutOfTime:
        print("The minutes are over; the same command goes on from here.")
        return GO_ON
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def carry_out_programme(name, arguments, deadline):
    """All runs of one programme, and its table."""
    profile = arguments.profile
    usual = name if profile == "quick" or name in ("choices", "full-fold", "final") else f"{name}-{profile}"
    results = ROOT / "results" / "isbi"
    if name == "final":
        folder = arguments.out or results  # its one run is the folder `final`
    elif arguments.programme == "all":
        folder = (arguments.out or results) / usual
    else:
        folder = arguments.out or results / usual
    folder = folder.absolute()
    changes = dict(change.split("=", 1) for change in arguments.changes)
    data = arguments.data.absolute()
    runs = runs_of(name, arguments.seeds, profile)
    try:
        for number, run in enumerate(runs, 1):
            print(f"\n{name} [{number} of {len(runs)}] {run.name}", flush=True)
            carry_out(run, folder, data, profile, changes, deadline)
    except OutOfTime:
        if name not in ("final", "choices"):
            write_tables(folder, name, runs)
        raise
    diverged = [run.name for run in runs if has_diverged(RunFolder(folder / run.name))]
    if diverged:
        print(f"Diverged: {', '.join(diverged)}")
        if name in ("final", "choices") or runs[0].name in diverged:
            sys.exit(1)  # nothing to go on with, or to compare with
    if name == "final":
        final.finish(RunFolder(folder / "final"), data, lambda *words: command(deadline, *words))
    elif name == "choices":
        recipe.write(folder, results)
    else:
        print(write_tables(folder, name, runs))
    if arguments.out is None:
        print(table1.write(results))


def write_tables(folder, name, runs):
    """README.md, the plot and the page of a programme, of those of its runs that are done. Returns the table's text;
    None, and nothing is written, where the first is not done, which others are compared with.
    """
    done = [run for run in runs if RunFolder(folder / run.name).table.is_file()]
    if runs[0] not in done:
        return None
    diverged = [run for run in runs if has_diverged(RunFolder(folder / run.name))]
    text = programme_table.table(folder, name, done, len(runs), diverged)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text)
    programme_plot.draw(folder / f"{name}.png", folder, done)
    write_comparison(folder / "index.html", [folder / run.name for run in done])
    return text


if __name__ == "__main__":
    sys.exit(main())
