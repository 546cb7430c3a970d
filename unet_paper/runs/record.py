"""The record of a run: what it was, with which code and data, on which hardware, and how long it took."""

import hashlib
import json
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from unet_paper.metrics.scores import Scores
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

PACKAGE = Path(__file__).parents[1]
PICTURES = ("loss.png", "thresholds.png", "result.png", "splits-and-mergers.png", "weight-map.png", "deformations.png")
RUN_FILES = (
    *("run.json", "history.csv", "table1.md", "misses.md", "scores.json", "scores-*.json"),
    *("index.html", "page/*", "figures/*"),
    *("checkpoint.pt", "checkpoint-*.pt", "weights.pt"),
    *("weight-maps.tif", "evaluation-volume.tif", "evaluation-labels.tif", "probability-*.tif*"),
    *(folder + picture for folder in ("", "sections/") for picture in PICTURES),
)


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie."""

    path: Path

    record = property(lambda self: self.path / "run.json")
    history = property(lambda self: self.path / "history.csv")
    checkpoint = property(lambda self: self.path / "checkpoint.pt")
    earlier_checkpoint = property(lambda self: self.path / "checkpoint-before.pt")
    lock = property(lambda self: self.path / "being-trained.lock")
    weights = property(lambda self: self.path / "weights.pt")
    weight_maps = property(lambda self: self.path / "weight-maps.tif")
    volume = property(lambda self: self.path / "evaluation-volume.tif")
    labels = property(lambda self: self.path / "evaluation-labels.tif")
    table = property(lambda self: self.path / "table1.md")
    sections = property(lambda self: self.path / "sections")  # pictures that show raw sections
    page = property(lambda self: self.path / "index.html")
    pictures = property(lambda self: self.path / "page")  # the page's
    figures = property(lambda self: self.path / "figures")  # the paper's, in which raw sections show

    def probability(self, average):
        """The map of one averaging."""
        return self.path / f"probability-{average}.tif"

    def scores(self, average, headline):
        """The scores of one averaging; those of the headline are the run's own."""
        return self.path / ("scores.json" if average == headline else f"scores-{average}.json")

    def archive_previous_run(self):
        """Move what an earlier run wrote here into `earlier/N`, so that nothing stale stays and nothing is lost.

        Returns that folder, or None when there is nothing of an earlier run.
        """
        own = [path for name in RUN_FILES for path in self.path.glob(name)]
        if not own:
            return None
        taken = [int(path.name) for path in (self.path / "earlier").glob("*") if path.name.isdecimal()]
        aside = self.path / "earlier" / str(1 + max(taken, default=0))
        for path in own:
            moved = aside / path.relative_to(self.path)
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.replace(moved)
        return aside


def now():
    """The time in UTC, to the second, as text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_version():
    """The git commit that holds the package (None outside one), whether the code differs from it, and a SHA-256 over
    the package's source files.
    """
    sources = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        sources.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    changed = _git("status", "--porcelain", "--", ".")
    return {"commit": commit, "changed": bool(changed) if commit else None, "sources_sha256": sources.hexdigest()}


def _git(*arguments):
    try:
        done = subprocess.run(["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hardware(device):
    """The processor, its cores as PyTorch uses them, the GPU if `device` is one, and the libraries' versions."""
    device = torch.device(device)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no such file outside Linux
    return platform.processor() or platform.machine()


def unique_names(folders):
    """The folders' names, with as many of their parents as it takes to tell them apart."""
    paths = [Path(folder).absolute() for folder in folders]
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def write_json(path, values):
    """Write a JSON file whole or not at all, a list of numbers on one line."""
    text = json.dumps(values, indent=2, allow_nan=False)
    text = re.sub(r"\[[^][{}\"]*\]", lambda numbers: f"[{' '.join(numbers[0][1:-1].split())}]", text)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n")


def read_scores(path: str | Path) -> Scores:
    """The Scores of a scores.json. Raises BadInput for any other file."""
    content = read_json(path)
    try:
        return Scores.from_json(content)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def read_json(path):
    """Read a JSON file. Raises BadInput when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; give the folder of a run that `train` wrote") from None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as JSON ({error}); give the folder of a run that `train` wrote"
        ) from None
