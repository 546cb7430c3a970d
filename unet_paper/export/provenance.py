"""Which data a network was trained on and which errors it makes, as far as the files beside its weights tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_paper.checkpoint import Checkpoint
from unet_paper.datasets import cell_tracking
from unet_paper.metrics.registry import (
    ACCURACY,
    CELL_METRICS,
    MEAN_IOU,
    PIXEL_ERROR,
    RAND_ERROR,
    V_INFO,
    V_RAND,
    WARPING_ERROR,
    Metric,
)
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.own_scoring import fitting_metrics
from unet_paper.runs.record import RunRecord, record_beside
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json
from unet_paper.support.words import counted

DATASETS = {
    "isbi": "the training stack of the ISBI 2012 EM challenge (Drosophila first instar larva, ventral nerve cord)",
    "phantom": "a synthetic stack (the phantom), which is no real tissue",
    cell_tracking.PHANTOM: "a synthetic sequence of touching cells, which are no real cells",
    "own": "images of its maker's own",
}
OF_CLASSES = (ACCURACY, MEAN_IOU)
METRICS = (WARPING_ERROR, RAND_ERROR, PIXEL_ERROR, V_RAND, V_INFO, *CELL_METRICS, *OF_CLASSES)
TEST_SCORES = "test-scores*.json"  # of a network trained on all sections, on the official test sections


@dataclass(frozen=True)
class Errors:
    """The metrics of one test-time augmentation, of METRICS those that were taken."""

    scored_on: str
    tta: str
    values: Mapping[str, float]  # by key of metric


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from. `record` is None where no record of its run lies beside its weights."""

    record: RunRecord | None
    errors: tuple[Errors, ...]

    @property
    def dataset(self) -> str:
        """The training data, in words."""
        if self.record is None:
            return "not recorded beside the weights"
        name = self.record.dataset
        return DATASETS.get(name, f"sequences of {name}, of the cell tracking challenge")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that at least one of the errors has."""
        return tuple(metric for metric in METRICS if any(metric.key in row.values for row in self.errors))


def provenance(weights: Path | str, checkpoint: Checkpoint) -> Provenance:
    """What the run that the weights lie in tells of them. Raises BadInput for files of scores that hold none."""
    run, record = RunFolder(Path(weights).parent), record_beside(weights, checkpoint)
    if record is None:
        return Provenance(None, ())
    errors = []
    fitting: Sequence[Metric] = METRICS
    if record.config.classes > 2:
        fitting = OF_CLASSES
    elif record.dataset == "own":
        fitting = (*fitting_metrics(record), *CELL_METRICS)
    scored_on = f"{record.protocol}, {counted(len(record.protocol.scored_sections), 'section')}"
    for tta in record.config.tta:
        path = run.scores(tta, record.config.primary)
        if path.is_file():
            errors.append(Errors(scored_on, tta, _metrics(path, read_json(path), fitting)))
    for path in sorted(run.path.glob(TEST_SCORES)):
        content = read_json(path)
        if isinstance(content, dict) and "all_pixels" in content:
            tta = str(content.get("tta", content.get("average", "-")))
            errors.append(
                Errors("official test sections, labels recovered", tta, _metrics(path, content["all_pixels"], fitting))
            )
    return Provenance(record, tuple(errors))


def _metrics(path: Path, values: Any, fitting: Sequence[Metric]) -> dict[str, float]:
    """The fitting metrics in the content of a scores.json, which lies at `path`. Raises BadInput for other content."""
    try:
        return {metric.key: float(values[metric.key]) for metric in fitting if values.get(metric.key) is not None}
    except (AttributeError, TypeError, ValueError) as error:
        raise BadInput(f"{path} holds no scores ({error!r}); score the run again, or move it away") from None
