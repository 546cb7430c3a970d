"""The ISBI 2012 EM challenge's stacks (section 4): download, verification by content, and where they lie.

30 training and 30 test sections, 512 x 512, 4 x 4 x 50 nm, of the Drosophila first instar larva's ventral nerve cord.
"""

import hashlib
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unet_paper.io.hashes import labels_sha256
from unet_paper.io.stack import read_stack
from unet_paper.support.errors import BadInput, first_line
from unet_paper.support.files import atomic_write
from unet_paper.support.interpreter import python_as_typed
from unet_paper.support.progress import progress_bar
from unet_paper.support.system_errors import raise_if_of_system

ARCHIVE_URL = "https://downloads.imagej.net/ISBI-2012-challenge.zip"
CHALLENGE_PAGE = "https://imagej.net/events/isbi-2012-segmentation-challenge"

# SHA-256 of the decoded pixels, (30, 512, 512) uint8 in C order, labels as 0 / 255.
CONTENT = {
    "train-volume": "200da3d452d726e6c9ca1ce04b869d4edb727320d23b516d01cce707dc8c4760",
    "train-labels": "a7cb64000a1a7e542682927e19c91339f58f9f178e0bcce4e207371116f0ca36",
    "test-volume": "1b58fa7ec1d0ff9d39a855622db3ff66a97863036339b0d04be51b2f5a99b0e9",
}
# The test labels' pixels have no published hash, but the official file has a git blob id.
TEST_LABELS_BLOB = "0d6427fdfe7bacaa91bdc3d930aab31331b62d43"
REQUIRED = tuple(CONTENT)
# A damaged archive, and an encrypted or unusually packed one, which the official archive is not.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
STACKS = (*REQUIRED, "test-labels")


@dataclass(frozen=True)
class Finding:
    """What a folder holds of one stack: its name, "verified", "missing" or "wrong", and a sentence about it."""

    name: str
    state: str
    sentence: str


def check_stack(name: str, path: Path | str) -> Finding:
    """Compare one file with the official stack of that name ("train-volume", ...). Returns a Finding."""
    path = Path(path)
    if not path.is_file():
        return Finding(name, "missing", f"{path} is missing")
    if name == "test-labels":
        digest, expected = git_blob_id(path), TEST_LABELS_BLOB
        what = "git blob id"
    else:
        try:
            stack = read_stack(path, kind="labels" if name.endswith("labels") else "image")
        except BadInput as error:
            return Finding(name, "wrong", str(error))
        digest = labels_sha256(stack.pixels) if name.endswith("labels") else stack.content_sha256
        expected, what = CONTENT[name], "content SHA-256"
    if digest != expected:
        return Finding(name, "wrong", f"{path} is not the official stack: its {what} is {digest}, not {expected}")
    return Finding(name, "verified", f"{path} is the official stack ({what} {expected[:12]}...)")


def check_folder(folder: Path | str) -> list[Finding]:
    """A Finding for each of the four stacks in a folder, in the order of STACKS."""
    return [check_stack(name, Path(folder) / f"{name}.tif") for name in STACKS]


def is_official(folder: Path | str) -> bool:
    """Whether the folder holds the three official stacks that the challenge published, and no other test labels."""
    findings = {finding.name: finding.state for finding in check_folder(folder)}
    return all(findings[name] == "verified" for name in REQUIRED) and findings["test-labels"] != "wrong"


def git_blob_id(path: Path | str) -> str:
    """The id git gives a file's content: SHA-1 of "blob <size>\\0" and its bytes."""
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch(folder: Path | str, source: Path | str | None = None, url: str = ARCHIVE_URL) -> list[Finding]:
    """Put the official stacks into `folder`, each only after it was verified.

    Parameters
    ----------
    folder : path
        Where `train-volume.tif`, `train-labels.tif`, `test-volume.tif` and, if there, `test-labels.tif` go.
    source : path or None
        A local archive or folder to take them from, wherever they lie in it; None downloads the official archive.
    url : str
        The archive to download.

    Returns
    -------
    list of Finding, for what the folder holds afterwards. A stack that is already there and verified stays. The
    Finding of a missing one says which file of the source was rejected, and why. When only the test labels are missing
    and cannot be downloaded, their Finding says that.

    Raises
    ------
    BadInput when the folder holds other stacks of these names, the source is no archive or folder, or the download
    fails.
    """
    folder = Path(folder)
    findings = check_folder(folder)
    for finding in findings:
        if finding.state == "wrong":
            raise BadInput(f"{finding.sentence}; move it away, or name another folder for the official stacks")
    wanted = [finding.name for finding in findings if finding.state == "missing"]
    if not wanted:
        return findings
    if source is None:
        try:
            source = download(url, folder / PurePosixPath(url).name)
        except BadInput as error:
            if any(name in REQUIRED for name in wanted):
                raise
            return [*findings[:-1], Finding("test-labels", "missing", str(error))]
    source = Path(source)
    rejected: dict[str, Finding] = {}
    for name in wanted:
        with _candidates(source, name) as candidates:
            for candidate, called in candidates:
                finding = check_stack(name, candidate)
                if finding.state == "verified":
                    with atomic_write(folder / f"{name}.tif") as temporary:
                        shutil.copyfile(candidate, temporary)
                    rejected.pop(name, None)
                    break
                why = finding.sentence.replace(str(candidate), called)
                rejected[name] = Finding(name, "missing", f"{folder / f'{name}.tif'} is missing, as {why}")
    return [
        rejected.get(finding.name, finding) if finding.state == "missing" else finding
        for finding in check_folder(folder)
    ]


@contextmanager
def _candidates(source: Path, name: str) -> Iterator[list[tuple[Path, str]]]:
    """The files called `name`.tif or .tiff, wherever they lie in a folder or zip archive: where each can be read, and
    what to call it.
    """
    names = {f"{name}.tif", f"{name}.tiff"}
    if source.is_dir():
        yield [(path, str(path)) for path in sorted(source.rglob("*")) if path.name.lower() in names]
        return
    if not zipfile.is_zipfile(source):
        raise BadInput(f"{source} is neither a folder nor a zip archive; give the challenge's archive or its folder")
    with tempfile.TemporaryDirectory() as temporary:
        found: list[tuple[Path, str]] = []
        try:
            with zipfile.ZipFile(source) as archive:
                for number, member in enumerate(archive.infolist()):
                    if PurePosixPath(member.filename).name.lower() in names:
                        path = Path(temporary) / f"{number}-{name}.tif"
                        with archive.open(member) as packed, open(path, "wb") as unpacked:
                            shutil.copyfileobj(packed, unpacked)
                        found.append((path, f"{member.filename} in {source}"))
        except ZIP_ERRORS as error:
            raise_if_of_system(error, source)
            raise BadInput(f"{source} cannot be unpacked ({error}); delete it and fetch it again") from None
        yield found


def download(url: str, path: Path) -> Path:
    """Download a zip archive to `path`, unless a whole one is there. Returns the path, which never names half a file.

    Raises BadInput when it cannot be had.
    """
    from pooch import HTTPDownloader  # not on import: in a notebook its progress bars warn of what they lack

    if _is_whole_archive(path):
        return path
    with atomic_write(path) as temporary, progress_bar(total=1, unit="B", unit_scale=True, desc=path.name) as bar:
        try:
            HTTPDownloader(progressbar=bar, chunk_size=2**18, timeout=30)(url, temporary, None)
        except (OSError, ValueError) as error:  # what requests raises is of these
            raise BadInput(f"{url} could not be downloaded ({_reason(error)}); {_by_hand(path.parent)}") from None
        if not _is_whole_archive(temporary):
            raise BadInput(f"{url} did not give a whole zip archive; {_by_hand(path.parent)}")
    return path


def _reason(error: Exception) -> str:
    """The innermost cause, which says what the layers around it only quote."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    return first_line(reason if isinstance(reason, Exception) else error)


def _is_whole_archive(path: Path) -> bool:
    """Whether the file is a zip archive whose members all have the checksums it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except ZIP_ERRORS:
        return False


def _by_hand(folder: Path) -> str:
    command = f"{python_as_typed()} -m unet_paper data --from ARCHIVE --to {folder}"
    return f"fetch the archive by hand from {CHALLENGE_PAGE} and run: {command}"
