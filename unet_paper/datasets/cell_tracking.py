"""The cell tracking challenge's sequences (section 4, Table 2): frames, masks of cells, and what is not annotated.

A data set is a folder with `01`, `01_GT/SEG`, `01_GT/TRA` and so on: frames `t*.tif`, masks `man_seg*.tif` in which a
cell is a number, and markers `man_track*.tif` in which every tracked cell has a mark. Few frames have masks, and in
some of these not every tracked cell has one: they are "partially annotated".
"""

import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy  # its parts are loaded when they are first used

from unet_paper.datasets.folds import Protocol
from unet_paper.datasets.labels import renumbered
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.io.hashes import content_sha256
from unet_paper.io.stack import read_gray, read_labels
from unet_paper.support.errors import BadInput
from unet_paper.support.files import why_not

CHALLENGE_PAGE = "https://celltrackingchallenge.net/2d-datasets/"
U373, HELA = "PhC-C2DH-U373", "DIC-C2DH-HeLa"
DATASETS = (U373, HELA)  # of the paper's Table 2, in its order
PHANTOM = "phantom-cells"
SEQUENCES = ("01", "02")
CONTENT = ("images", "masks", "unknown")  # of a CellSequence, what a run depends on
LAYOUT = "t*.tif in 01 and 02, man_seg*.tif in 01_GT/SEG and 02_GT/SEG, man_track*.tif in 01_GT/TRA and 02_GT/TRA"


@dataclass(frozen=True)
class CellSequence:
    """The frames of one sequence that have masks; arrays are (Z, H, W)."""

    name: str  # of its folder: "01" or "02"
    numbers: tuple[int, ...]  # of the frames, as in their files' names
    images: np.ndarray  # gray values
    masks: np.ndarray  # uint16: 0 is background or unknown, every annotated cell has a number
    unknown: np.ndarray  # bool: where cells may be that have no mask, see `unknown_pixels`


@dataclass(frozen=True)
class SequenceFiles:
    """What a run is made of: a data set's folder, and the sequence that is trained on. The other one is scored."""

    folder: Path
    trained: str  # one of SEQUENCES

    @property
    def scored(self) -> str:
        """The other sequence."""
        return SEQUENCES[1 - SEQUENCES.index(self.trained)]


def is_cell_tracking_folder(folder: Path | str) -> bool:
    """Whether a folder has the challenge's layout."""
    return any((Path(folder) / f"{name}_GT").is_dir() for name in SEQUENCES)


def load_sequences(files: SequenceFiles) -> Stacks:
    """The Stacks of a run that is trained on one sequence and scored on the other.

    Raises BadInput for a folder without the challenge's layout, for files that do not belong together, and for a
    sequence without a cell.
    """
    trained, scored = (read_sequence(files.folder, name) for name in (files.trained, files.scored))
    for sequence, use in ((trained, "trained on"), (scored, "scored")):
        if not sequence.masks.any():
            raise BadInput(
                f"{files.folder}: the masks of sequence {sequence.name} hold no cell, so it cannot be {use}; number "
                f"the cells in {sequence.name}_GT/SEG"
            )
    if trained.images.dtype != scored.images.dtype:
        raise BadInput(
            f"{files.folder} holds {trained.images.dtype} frames in {trained.name} and {scored.images.dtype} ones in "
            f"{scored.name}; both must be of one type"
        )
    data = {
        f"{sequence.name}-{what}": content_sha256(getattr(sequence, what))
        for sequence in (trained, scored)
        for what in CONTENT
    }
    return Stacks(
        volume=trained.images,
        labels=trained.masks,
        evaluation_volume=scored.images,
        evaluation_labels=scored.masks,
        protocol=Protocol.of_sequences(trained.name, trained.numbers, scored.name, scored.numbers),
        data=data,
        dataset=cell_dataset_name(files.folder),
        ignored=trained.unknown,
        evaluation_ignored=scored.unknown,
    )


def cell_dataset_name(folder: Path | str) -> str:
    """Name the data: one of DATASETS by its folder's name, PHANTOM where it says that it is one, else "own"."""
    if (Path(folder) / "phantom.json").is_file():
        return PHANTOM
    names = [os.path.basename(path) for path in (os.path.abspath(folder), os.path.realpath(folder))]
    return next((name for name in names if name in DATASETS), "own")


def read_sequence(folder: Path | str, name: str) -> CellSequence:
    """The annotated frames of a sequence. Raises BadInput where files are missing, or differ in shape or type."""
    folder = Path(folder)
    masks = _numbered(folder / f"{name}_GT" / "SEG", "man_seg")
    if not masks:
        raise BadInput(f"{folder} holds no masks of sequence {name}; the challenge's layout is {LAYOUT}")
    _require_numbers(folder / f"{name}_GT" / "SEG", "man_seg", masks)
    images = _numbered(folder / name, "t")
    markers = _numbered(folder / f"{name}_GT" / "TRA", "man_track")
    for number in masks:
        for files, where in ((images, f"{name}/t"), (markers, f"{name}_GT/TRA/man_track")):
            if number not in files:
                raise BadInput(f"{folder} holds a mask of frame {number:03} but lacks {where}{number:03}.tif")
    frames, truths, tracked = [], [], []
    for number, path in masks.items():
        frames.append(_one_frame(read_gray(images[number]).pixels, images[number]))
        truths.append(_one_frame(read_labels(path, may_be_ignored=False).pixels, path))
        tracked.append(_one_frame(read_labels(markers[number], may_be_ignored=False).pixels, markers[number]))
        for other, of in ((frames[-1], images[number]), (truths[-1], path), (tracked[-1], markers[number])):
            if other.shape != frames[0].shape:
                raise BadInput(f"{of} is of shape {other.shape}, and the first frame of {frames[0].shape}")
        if frames[-1].dtype != frames[0].dtype:
            raise BadInput(
                f"{images[number]} holds {frames[-1].dtype} values, and the first frame {frames[0].dtype}; save all "
                "frames in one type"
            )
    is_partial = any(cells_without_mask(*pair).size for pair in zip(truths, tracked, strict=True))
    reach = largest_reach(truths, tracked) if is_partial else 0.0
    return CellSequence(
        name=name,
        numbers=tuple(masks),
        images=np.stack(frames),
        masks=np.stack([_in_16_bits(truth) for truth in truths]),
        unknown=np.stack([unknown_pixels(*pair, reach) for pair in zip(truths, tracked, strict=True)]),
    )


def cells_without_mask(masks: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """The numbers of the markers in an (H, W) frame that lie in no mask."""
    inside = np.unique(markers[masks > 0])
    return np.setdiff1d(np.unique(markers), np.append(inside, 0))


def largest_reach(masks: Sequence[np.ndarray], markers: Sequence[np.ndarray]) -> float:
    """How far a cell of (H, W) frames reaches from its own marker at most, px; 0 where no cell has both."""
    largest = 0.0
    for of_frame, marked in zip(masks, markers, strict=True):
        place, marker = _places(of_frame), _places(marked)
        for pixels in place.values():
            numbers = marked[tuple(pixels.T)]
            if numbers.any():
                own = marker[int(np.bincount(numbers[numbers > 0]).argmax())]
                largest = max(largest, float(scipy.spatial.cKDTree(own).query(pixels)[0].max()))
    return largest


def _places(frame: np.ndarray) -> dict[int, np.ndarray]:
    """{number: its (n, 2) pixels} of an (H, W) frame, but of 0."""
    pixels = np.argwhere(frame)
    numbers = frame[tuple(pixels.T)]
    order = np.argsort(numbers, kind="stable")
    each, first = np.unique(numbers[order], return_index=True)
    return dict(zip(each.tolist(), np.split(pixels[order], first)[1:], strict=True))


def unknown_pixels(masks: np.ndarray, markers: np.ndarray, reach: float) -> np.ndarray:
    """Where an (H, W) frame is not annotated: bool.

    A tracked cell without a mask is somewhere around its marker. Unknown is all that lies within `reach` px of such a
    marker and in no mask, as no annotated cell reaches further from its own (ours: the paper says "partially
    annotated" and no more).
    """
    without = cells_without_mask(masks, markers)
    if not without.size:
        return np.zeros(masks.shape, bool)
    near = scipy.ndimage.distance_transform_edt(~np.isin(markers, without)) <= reach
    return near & (masks == 0)


def _numbered(folder: Path, start: str) -> dict[int, Path]:
    """The TIFFs of a folder whose names are `start` and a number, in order of that. Raises BadInput for two of one."""
    paths: dict[int, Path] = {}
    for path in sorted(folder.glob(f"{start}*.tif*")):
        match = re.fullmatch(rf"{start}(\d+)\.tiff?", path.name)
        if match:
            other = paths.setdefault(int(match[1]), path)
            if other != path:
                raise BadInput(f"{other} and {path.name} are both of number {int(match[1])}; keep one of them")
    return dict(sorted(paths.items()))


def _require_numbers(folder: Path, start: str, numbered: Mapping[int, Path]) -> None:
    """Raise BadInput for a TIFF of a folder whose name begins so and is of no frame: it would be left out silently."""
    others = {*folder.glob(f"{start}*.tif"), *folder.glob(f"{start}*.tiff")} - {*numbered.values()}
    if others:
        raise BadInput(f"{min(others)} is of no frame; name it {start}NNN.tif, by the frame's number, or move it away")


def _one_frame(pixels: np.ndarray, path: Path) -> np.ndarray:
    if len(pixels) != 1:
        raise BadInput(f"{path} holds {len(pixels)} pages; a frame of a sequence is a file of one")
    return pixels[0]


def _in_16_bits(masks: np.ndarray) -> np.ndarray:
    """Masks as uint16, whose numbers are others only where they do not fit."""
    return (masks if masks.max() < 2**16 else renumbered(masks)).astype(np.uint16)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a data set's archive, as the challenge offers it, into `folder`, unless that was done before.

    Raises BadInput for a damaged one, where its place holds something else, and where it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            _unpack_through(Path(temporary), archive, folder / archive.stem)
    except OSError as error:
        raise BadInput(
            f"{archive} cannot be unpacked into {folder}: {why_not(error)}; unpack it elsewhere, and give that folder"
        ) from None


def _unpack_through(temporary: Path, archive: Path, dataset: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            if dataset.exists():
                _require_unpacked(packed, dataset)
                return
            packed.extractall(temporary)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BadInput(f"{archive} cannot be unpacked ({error}); fetch it again from {CHALLENGE_PAGE}") from None
    unpacked = temporary / archive.stem
    if not is_cell_tracking_folder(unpacked):
        raise BadInput(f"{archive} holds no {archive.stem} in the challenge's layout: {LAYOUT}")
    try:
        unpacked.replace(dataset)
    except OSError:
        if not dataset.exists():
            raise
        _require_unpacked(packed, dataset)  # another process has put it there meanwhile


def _require_unpacked(packed: zipfile.ZipFile, dataset: Path) -> None:
    for entry in packed.infolist():
        file = dataset.parent / entry.filename
        if not entry.filename.startswith(f"{dataset.name}/"):  # such as __MACOSX; not unpacked either
            continue
        if not entry.is_dir() and not (file.is_file() and file.stat().st_size == entry.file_size):
            raise BadInput(
                f"{dataset} is not what {packed.filename} holds ({entry.filename} differs); move one of them away"
            )
