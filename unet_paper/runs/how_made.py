"""How a result was made, its test-time augmentation and where its map lies: what its file tells, held against where the
file lies and what it is called.
"""

import re
from pathlib import Path

from unet_paper.config import TTA
from unet_paper.io.image_files import TIFF_SUFFIXES, open_stack
from unet_paper.io.image_folder import image_files, is_folder
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import RunRecord
from unet_paper.support.errors import BadInput

REGISTRATION = "registration"  # of the weights' labels, in a map's file; a map of weights without it tells none
NAMED = re.compile(rf"probability-({'|'.join(TTA)})")  # without its ending


def recorded_tta(result: Path) -> str | None:
    """The test-time augmentation that a result's file tells, or those of a folder; None where it is not told.

    Raises BadInput where the files of a folder differ, and for a file that is called after another one.
    """
    several, ttas = is_folder(result), _told(result, "tta")
    if len(ttas) > 1:
        raise BadInput(
            f"{result} holds files of different test-time augmentations ({', '.join(sorted(map(str, ttas)))}); "
            "predict them again with one"
        )
    tta = next(iter(ttas), None)
    named = NAMED.fullmatch(result.name if several else result.stem)
    if named is not None and tta is not None and tta != named[1]:
        raise BadInput(f"{result} was made with --tta {tta}, and is called {named[1]}; predict it again, or rename it")
    return tta


def _told(result: Path, name: str) -> set[str | None]:
    """What a result's file, or those of a folder, tell of one name."""
    several = is_folder(result)
    files = [file for file in image_files([result]) if file.suffix.lower() in TIFF_SUFFIXES] if several else [result]
    return {open_stack(path, 0, kind="labels").made_with.get(name) for path in files}


def registration_as_told(registration: tuple[float, float]) -> str:
    """A registration as a map's file tells it."""
    return "{:g}, {:g} px".format(*registration)


def require_recorded(run: RunFolder, record: RunRecord, scored: dict[str, str | None]) -> None:
    """Raise BadInput where a run's probabilities or metrics were made with another test-time augmentation than is said,
    and where its map lies on the image though its labels, registered, lie beside.

    scored : the one that each file of metrics tells, by the one that it is for.
    """
    for tta in record.config.tta:
        if run.probability(tta).exists():
            recorded_tta(run.probability(tta))
            require_registration(run.probability(tta), record)
    for tta, told in scored.items():
        if told not in (None, tta):
            raise BadInput(
                f"{run.scores(tta, record.config.primary)} holds metrics of --tta {told}, where those of {tta} belong; "
                f"score {run.probability(tta)} into it"
            )


def require_registration(probability: Path, record: RunRecord) -> None:
    """Raise BadInput where a run's map does not lie where its registered labels do; a file that tells nothing does."""
    if any(record.config.registration) and not _told(probability, REGISTRATION) <= {
        None,
        registration_as_told(record.config.registration),
    }:
        raise BadInput(
            f"{probability} lies on the image, and the run's labels were registered: they lie beside; predict it again "
            "with --registered"
        )
