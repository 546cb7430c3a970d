"""Which data a network was trained on and which errors it makes, as far as the files beside its weights tell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_paper.checkpoint import Checkpoint
from unet_paper.metrics.registry import PIXEL_ERROR, RAND_ERROR, V_INFO, V_RAND, WARPING_ERROR
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord, read_record, read_scores
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json

DATASETS = {
    "isbi": "the training stack of the ISBI 2012 EM challenge (Drosophila first instar larva, ventral nerve cord)",
    "phantom": "a synthetic stack (the phantom), which is no real tissue",
    "own": "a stack of its maker's own",
}
SHOWN = (WARPING_ERROR, RAND_ERROR, PIXEL_ERROR, V_RAND, V_INFO)
TEST_SCORES = "test-scores*.json"  # of a released network, on the official test sections


@dataclass(frozen=True)
class Errors:
    """The metrics of one test-time augmentation, as text in the order of SHOWN; "-" where one is not known."""

    scored_on: str
    tta: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from. `record` is None where no record of its run lies beside its weights."""

    record: RunRecord | None
    errors: tuple[Errors, ...]

    @property
    def dataset(self) -> str:
        """The training data, in words."""
        return "not recorded beside the weights" if self.record is None else DATASETS[self.record.dataset]


def provenance(weights: Path | str, checkpoint: Checkpoint) -> Provenance:
    """What the run that the weights lie in tells of them."""
    run = RunFolder(Path(weights).parent)
    try:
        record = read_record(run.record)
    except BadInput:
        return Provenance(None, ())
    if record.data_sha256 != checkpoint.data or record.config != checkpoint.config:
        return Provenance(None, ())  # of another network
    errors = []
    for tta in record.config.tta:
        path = run.scores(tta, record.config.primary)
        if path.is_file():
            scores = read_scores(path)
            errors.append(Errors(_scored_on(record), tta, _shown(vars(scores))))
    for path in sorted(run.path.glob(TEST_SCORES)):
        found = read_json(path)
        if "all_pixels" in found:
            tta = found.get("tta", found.get("average", "-"))
            errors.append(Errors("official test sections, labels recovered", tta, _shown(found["all_pixels"])))
    return Provenance(record, tuple(errors))


def _scored_on(record: RunRecord) -> str:
    """The scored sections, in words."""
    return f"{record.protocol}, {len(record.protocol.scored_sections)} sections"


def _shown(values: dict[str, Any]) -> tuple[str, ...]:
    """Metrics with their digits."""
    return tuple(
        "-" if values.get(metric.key) is None else metric.formatted(float(values[metric.key])) for metric in SHOWN
    )
