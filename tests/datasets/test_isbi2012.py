"""The data: found wherever it lies in an archive, verified by content, never half used."""

import http.server
import os
import signal
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests
import urllib3

from unet_paper.cli.commands import main
from unet_paper.datasets import isbi2012
from unet_paper.datasets.folds import Fold
from unet_paper.datasets.training_stacks import load
from unet_paper.io.hashes import content_sha256, labels_sha256
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_stack, write_stack
from unet_paper.support.errors import BadInput

NAMES = ("train-volume", "train-labels", "test-volume", "test-labels")


@pytest.fixture
def official(tmp_path, random, monkeypatch):
    """A folder with four small stacks that the module is told are the official ones."""
    folder = tmp_path / "official"
    for name in NAMES:
        stack = random.integers(0, 2, (2, 16, 16), dtype=np.uint8) * 255
        write_stack(folder / f"{name}.tif", stack)
        if name in isbi2012.CONTENT:
            monkeypatch.setitem(isbi2012.CONTENT, name, content_sha256(stack))
    monkeypatch.setattr(isbi2012, "TEST_LABELS_BLOB", isbi2012.git_blob_id(folder / "test-labels.tif"))
    return folder


def pack(official, path, names=NAMES):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ISBI/readme.txt", "x")
        for number, name in enumerate(names):
            archive.write(official / f"{name}.tif", f"ISBI/deep/{number}/{name.upper() if number else name}.tif")
    return path


def states(findings):
    return {finding.name: finding.state for finding in findings}


def test_found_wherever_they_lie_in_an_archive(official, tmp_path):
    findings = isbi2012.fetch(tmp_path / "to", pack(official, tmp_path / "a.zip"))
    assert states(findings) == dict.fromkeys(NAMES, "verified")
    assert isbi2012.is_official(tmp_path / "to")


def test_a_folder_works_too_and_what_is_missing_is_named(official, tmp_path):
    (official / "test-labels.tif").unlink()
    findings = isbi2012.fetch(tmp_path / "to", official)
    assert states(findings) == {**dict.fromkeys(NAMES[:3], "verified"), "test-labels": "missing"}
    assert "test-labels.tif is missing" in findings[3].sentence
    assert isbi2012.is_official(tmp_path / "to")


def test_the_right_one_of_two_with_the_same_name(official, tmp_path):
    write_stack(official / "0-old" / "train-volume.tif", np.zeros((2, 16, 16), np.uint8))
    assert states(isbi2012.fetch(tmp_path / "to", official))["train-volume"] == "verified"


@pytest.mark.parametrize("name", NAMES)
def test_wrong_content_is_never_put_in_place(official, tmp_path, name):
    stack = read_stack(official / f"{name}.tif").pixels.copy()
    stack[0, 0, 0] ^= 255
    write_stack(official / f"{name}.tif", stack)
    findings = {finding.name: finding for finding in isbi2012.fetch(tmp_path / "to", official)}
    rejected, place = official / f"{name}.tif", tmp_path / "to" / f"{name}.tif"
    assert findings[name].state == "missing" and not place.exists()
    assert findings[name].sentence.startswith(f"{place} is missing, as {rejected} is not the official stack: its ")
    archive = pack(official, tmp_path / "a.zip")
    findings = {finding.name: finding for finding in isbi2012.fetch(tmp_path / "other", archive)}
    assert f".tif in {archive} is not the official stack: its " in findings[name].sentence


def test_other_test_labels_are_rejected_and_the_three_stacks_are_not(official, tmp_path, capsys):
    """The command does what it was asked, and names no file that is not there; one that is there fails it."""
    labels = read_stack(official / "test-labels.tif").pixels.copy()
    labels[0, 0, 0] ^= 255
    write_stack(official / "test-labels.tif", labels)
    assert main(["data", "--from", str(official), "--to", str(tmp_path / "to")]) == 0
    assert sorted(path.stem for path in (tmp_path / "to").iterdir()) == sorted(isbi2012.REQUIRED)
    said = capsys.readouterr()
    assert f"as {official / 'test-labels.tif'} is not the official stack" in said.out and not said.err
    assert "Without the official test-labels.tif, runs are scored on a fold" in said.out
    assert main(["data", "--check", "--to", str(official)]) == 2
    assert f"{official / 'test-labels.tif'} is not the official stack (many copies" in capsys.readouterr().err


def test_labels_are_compared_by_their_foreground(official):
    labels = read_stack(official / "train-labels.tif").pixels
    assert labels_sha256(labels // 255) == labels_sha256(labels)


def test_sections_that_are_left_out_beside_the_test_stack_are_not_trained_on(official):
    volume, labels = (read_stack(official / f"train-{name}.tif").pixels for name in ("volume", "labels"))
    stacks = load(official, leave_out=(0,))
    assert np.array_equal(stacks.volume, volume[1:]) and np.array_equal(stacks.labels > 0, labels[1:] > 0)
    assert stacks.protocol.training_sections == (1,) and len(stacks.evaluation_volume) == 2


def test_a_run_is_of_the_challenge_where_all_of_its_stacks_are(official):
    """Else its scores stand beside the paper's, though its labels are others."""
    of_challenge = load(official), load(official, Fold(1, 2))
    assert [(stacks.dataset, stacks.pixel_size) for stacks in of_challenge] == [("isbi", EM)] * 2
    labels = read_stack(official / "train-labels.tif").pixels.copy()
    labels[0, 0, 0] ^= 255
    write_stack(official / "train-labels.tif", labels)
    others = load(official), load(official, Fold(1, 2))
    assert [(stacks.dataset, stacks.pixel_size) for stacks in others] == [("own", None)] * 2


def test_other_labels_than_the_challenges_are_not_scored_against(official):
    """Many copies are some network's output."""
    labels = read_stack(official / "test-labels.tif").pixels.copy()
    labels[0, 0, 0] ^= 255
    write_stack(official / "test-labels.tif", labels)
    with pytest.raises(BadInput, match="test-labels.tif is not the official stack"):
        load(official)
    assert len(load(official, Fold(1, 2)).evaluation_labels) == 1


def test_git_blob_id(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert isbi2012.git_blob_id(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18])
def test_bad_source(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    if content.endswith(b"\xff"):
        with pytest.raises(BadInput, match="cannot be unpacked|neither a folder"):
            isbi2012.fetch(tmp_path / "to", tmp_path / "a.zip")
    elif content.startswith(b"PK"):
        assert states(isbi2012.fetch(tmp_path / "to", tmp_path / "a.zip"))["train-volume"] == "missing"
    else:
        with pytest.raises(BadInput, match="neither a folder nor a zip archive"):
            isbi2012.fetch(tmp_path / "to", tmp_path / "a.zip")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the size of a file")
def test_a_whole_archive_is_not_to_be_deleted_where_a_disk_is_full(official, tmp_path):
    import resource

    archive, limit = pack(official, tmp_path / "a.zip"), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(BadInput, match="a.zip cannot be read: File too large; fix that and try again"):
            isbi2012.fetch(tmp_path / "to", archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, and can break off after so many bytes."""

    content, break_after, tells_length = b"", None, True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.content
        self.send_response(200)
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.break_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_address[1]}/ISBI.zip"
        yield server
        server.shutdown()


def test_download(official, tmp_path, server):
    server.content = pack(official, tmp_path / "a.zip").read_bytes()
    findings = isbi2012.fetch(tmp_path / "to", url=server.url)
    assert states(findings) == dict.fromkeys(NAMES, "verified")
    assert isbi2012.fetch(tmp_path / "to", url="http://127.0.0.1:9/none")[0].state == "verified"


def test_a_broken_download_leaves_nothing_and_the_next_is_whole(official, tmp_path, server):
    server.content = pack(official, tmp_path / "a.zip").read_bytes()
    for length in (0, 700, len(server.content) - 1):
        server.break_after = length
        with pytest.raises(BadInput, match="ISBI.zip could not be downloaded") as error:
            isbi2012.fetch(tmp_path / "to", url=server.url)
        assert str(error.value).count("\n") == 0 and not any((tmp_path / "to").iterdir())
    server.break_after = None
    assert states(isbi2012.fetch(tmp_path / "to", url=server.url))["train-volume"] == "verified"


def test_a_broken_download_without_a_length_is_discarded(official, tmp_path, server):
    server.content = pack(official, tmp_path / "a.zip").read_bytes()
    server.break_after, server.tells_length = 700, False
    with pytest.raises(BadInput, match="did not give a whole zip archive"):
        isbi2012.fetch(tmp_path / "to", url=server.url)
    assert not any((tmp_path / "to").iterdir())


def test_a_damaged_archive_is_downloaded_anew(official, tmp_path, server):
    server.content = pack(official, tmp_path / "a.zip").read_bytes()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "ISBI.zip").write_bytes(server.content[:700])
    assert states(isbi2012.fetch(tmp_path / "to", url=server.url))["train-volume"] == "verified"


def test_a_download_that_is_no_archive_is_discarded(tmp_path, server):
    server.content = b"<html>moved</html>"
    with pytest.raises(BadInput, match="did not give a whole zip archive"):
        isbi2012.fetch(tmp_path / "to", url=server.url)
    assert not any((tmp_path / "to").iterdir())


def test_other_stacks_of_the_same_names_are_never_replaced(official, tmp_path):
    mine = np.zeros((2, 9, 9), np.uint8)
    write_stack(tmp_path / "mine" / "train-volume.tif", mine)
    with pytest.raises(BadInput, match="move it away"):
        isbi2012.fetch(tmp_path / "mine", official)
    assert np.array_equal(read_stack(tmp_path / "mine" / "train-volume.tif").pixels, mine)


def test_missing_test_labels_alone_do_not_fail(official, tmp_path):
    (official / "test-labels.tif").unlink()
    findings = isbi2012.fetch(official, url="http://127.0.0.1:9/ISBI.zip")
    assert states(findings)["train-volume"] == "verified" and "could not be downloaded" in findings[3].sentence


def test_no_network(tmp_path):
    with pytest.raises(BadInput, match="could not be downloaded.*by hand from https://imagej.net"):
        isbi2012.fetch(tmp_path / "to", url="http://127.0.0.1:9/ISBI.zip")


@pytest.mark.parametrize("innermost, said", [(TimeoutError(), "TimeoutError"), (OSError("one\ntwo"), "one")])
def test_of_a_failed_download_the_innermost_error_is_told(innermost, said):
    """Also where it has no text."""
    layers = requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection broken", innermost))
    assert isbi2012._reason(layers) == said
    pool = urllib3.HTTPConnectionPool("127.0.0.1")
    layers = requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", innermost))
    assert isbi2012._reason(layers) == said


@pytest.mark.skipif("ISBI_DATA" not in os.environ, reason="needs the real stacks, which are not in the repository")
def test_the_real_stacks():
    findings = states(isbi2012.check_folder(Path(os.environ["ISBI_DATA"])))
    assert all(findings[name] == "verified" for name in isbi2012.REQUIRED) and findings["test-labels"] != "wrong"


def test_folds_are_contiguous_blocks_that_share_nothing():
    seen = []
    for number in range(1, 7):
        kept, held_out = Fold(number, 6).split(30)
        assert np.array_equal(held_out, np.arange(held_out[0], held_out[0] + 5))
        assert sorted([*kept, *held_out]) == list(range(30))
        seen += held_out.tolist()
    assert seen == list(range(30))
    assert Fold.parse("2/4") == Fold(2, 4)


@pytest.mark.parametrize("text", ["0/6", "7/6", "1/1", "six", "1-6", "1/6/2", "-1/6", "١/٣"])
def test_bad_folds(text):
    with pytest.raises(BadInput, match="K/N"):
        Fold.parse(text)
