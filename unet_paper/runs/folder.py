"""One run on disk: which file is where."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unet_paper.config import TTA
from unet_paper.support.errors import BadInput

PICTURES = (
    "loss.png",
    "thresholds.png",
    "result.png",
    "cells.png",
    "splits-and-mergers.png",
    "weight-map.png",
    "deformations.png",
)
STACKS = ("weight-maps", "evaluation-volume", "evaluation-labels", "evaluation-unknown")
DRAWN_BEFORE_TRAINING = ("weight-map.png", "deformations.png")
RESULTS = (  # what is made with the trained weights
    *("table1.md", "table2.md", "metrics.md", "error-analysis.md", "scores.json", "scores-*.json"),
    *("index.html", "page/*", "figures/*"),
    *(f"probability-{tta}" for tta in TTA),
    *("probability-*.tif*", "segments-*.tif"),
    *(folder + picture for folder in ("", "sections/") for picture in PICTURES if picture not in DRAWN_BEFORE_TRAINING),
)
PUBLISHED = (  # what is given away of a run: a run's only where there is one
    *("weights.safetensors", "half-precision.json", "preview.png"),
    *("test-probability.tif", "test-scores*.json"),
)
RUN = (
    "weights.pt",
    "checkpoint.pt",
    "checkpoint-before.pt",
    "run.json",
)  # of a run one of them is there, but before its first checkpoint from Python
RUN_FILES = (
    *("history.csv", "preview/*", "checkpoint-*.pt"),
    *(name + ending for name in STACKS for ending in ("", ".tif")),
    *(folder + picture for folder in ("", "sections/") for picture in DRAWN_BEFORE_TRAINING),
    *RESULTS,
    *RUN,  # last: of a run that is half moved away, what is left is still known as a run's
)


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name, also where `path` is `.` or ends in `..`."""
        return os.path.basename(os.path.abspath(self.path))

    @property
    def record(self) -> Path:
        """What was run: the RunRecord."""
        return self.path / "run.json"

    @property
    def history(self) -> Path:
        """Loss and error over the steps."""
        return self.path / "history.csv"

    @property
    def checkpoint(self) -> Path:
        """What an interrupted training resumes from."""
        return self.path / "checkpoint.pt"

    @property
    def earlier_checkpoint(self) -> Path:
        """The checkpoint before that."""
        return self.path / "checkpoint-before.pt"

    @property
    def lock(self) -> Path:
        """Held by the process that trains."""
        return self.path / "being-trained.lock"

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.path / "weights.pt"

    @property
    def weight_maps(self) -> Path:
        """Equation 2 of the training stack."""
        return self._stack("weight-maps")

    @property
    def volume(self) -> Path:
        """The sections that are scored."""
        return self._stack("evaluation-volume")

    @property
    def labels(self) -> Path:
        """Their truth."""
        return self._stack("evaluation-labels")

    @property
    def unknown(self) -> Path:
        """Where that truth is not known: it is partly annotated."""
        return self._stack("evaluation-unknown")

    @property
    def cell_table(self) -> Path:
        """The paper's table 2 and this run, which is of cells."""
        return self.path / "table2.md"

    @property
    def table(self) -> Path:
        """The paper's table 1 and this run."""
        return self.path / "table1.md"

    @property
    def own_table(self) -> Path:
        """The metrics of this run, of people's own data."""
        return self.path / "metrics.md"

    @property
    def tables(self) -> tuple[Path, ...]:
        """The tables that a run may have, each of one kind of data."""
        return self.table, self.own_table, self.cell_table

    @property
    def sections(self) -> Path:
        """Pictures that show raw sections."""
        return self.path / "sections"

    @property
    def page(self) -> Path:
        """The page of the run."""
        return self.path / "index.html"

    @property
    def pictures(self) -> Path:
        """The page's pictures."""
        return self.path / "page"

    @property
    def previews(self) -> Path:
        """The probability of one section while the training ran."""
        return self.path / "preview"

    @property
    def figures(self) -> Path:
        """The paper's figures, in which raw sections show."""
        return self.path / "figures"

    def probability(self, tta: str) -> Path:
        """The probability stack of one test-time augmentation."""
        name = f"probability-{tta}"
        return self.path / (name if self.volume.is_dir() else f"{name}.tif")

    def _stack(self, name: str) -> Path:
        """A TIFF stack, or the folder of its sections where these differ in size."""
        folder = self.path / name
        return folder if folder.is_dir() else self.path / f"{name}.tif"

    def segments(self, tta: str) -> Path:
        """The numbered segments of one test-time augmentation, of a run on cells."""
        return self.path / f"segments-{tta}.tif"

    def scores(self, tta: str, primary: str) -> Path:
        """The metrics of one test-time augmentation; those of the primary one are the run's own."""
        return self.path / ("scores.json" if tta == primary else f"scores-{tta}.json")

    def require_own_files(self) -> None:
        """Raise BadInput where files have the names of a run's and there is no run: they are somebody's."""
        path = next(iter(self._matching(RUN_FILES)), None)
        if path is not None and not self._matching(RUN):
            raise BadInput(
                f"{path} has the name of a file of a run, and {self.path} holds no run; move it away, or take "
                "another folder"
            )

    def archive_previous_run(self) -> Path | None:
        """Move what a previous run wrote here into `earlier/N`, so that nothing stale stays and nothing is lost.

        Returns that folder, or None when there is nothing of a previous run. Raises BadInput as `require_own_files`.
        """
        self.require_own_files()
        return self._archive((*PUBLISHED, *RUN_FILES) if self._matching(RUN) else ())

    def archive_results(self) -> Path | None:
        """The same of what was published, predicted, scored and reported, of a run that is trained on."""
        return self._archive((*PUBLISHED, *RESULTS))

    def _matching(self, names: Iterable[str]) -> list[Path]:
        return list(dict.fromkeys(path for name in names for path in self.path.glob(name)))

    def _archive(self, names: Iterable[str]) -> Path | None:
        own = self._matching(names)
        if not own:
            return None
        taken = [int(path.name) for path in (self.path / "earlier").glob("*") if path.name.isdecimal()]
        archive = self.path / "earlier" / str(1 + max(taken, default=0))
        for path in own:
            moved = archive / path.relative_to(self.path)
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.replace(moved)
        return archive


def unique_names(folders: Iterable[str | Path]) -> list[str]:
    """The folders' names, with as many of their parents as it takes to tell them apart."""
    paths = [Path(os.path.abspath(folder)) for folder in folders]
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]
