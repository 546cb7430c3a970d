"""`score --metrics seg`: probabilities, masks and numbered cells of people's own against a truth of any meaning."""

import json

import numpy as np
import pytest
import tifffile

from unet_paper.cli.commands import main
from unet_paper.io.stack import read_labels, write_stack
from unet_paper.metrics.seg import score_instances
from unet_paper.segmentation import segment


@pytest.fixture
def nuclei(tmp_path):
    """Files of two touching squares and a lone one, smaller than the challenge's cells: numbered, and as probabilities
    of which the touching two are one.
    """
    numbers = np.zeros((1, 40, 60), np.uint16)
    numbers[0, 5:15, 5:15], numbers[0, 5:15, 15:23], numbers[0, 25:35, 40:50] = 3, 7, 12
    probability = np.where(numbers > 0, 0.8, 0.1).astype(np.float32)
    probability[0, 25, 40:50] = 0.4  # one row of the lone cell is less sure
    write_stack(tmp_path / "numbers.tif", numbers)
    write_stack(tmp_path / "mask.tif", (numbers > 0).astype(np.uint8) * 255)
    write_stack(tmp_path / "membranes.tif", (numbers == 0).astype(np.uint8) * 255)
    write_stack(tmp_path / "probability.tif", probability)
    return tmp_path


def seg_of(folder, truth, result, *options):
    """The scores that the command writes."""
    out = folder / "scores.json"
    files = [str(folder / name) for name in (truth, result)]
    assert main(["score", *files, "--metrics", "seg", "--json", str(out), "--force", *options]) == 0
    return json.loads(out.read_text())


def test_probabilities_of_small_cells(nuclei, capsys):
    """None is dropped unless it is said: the pair is one segment, of which the larger cell is 100 of 180 px."""
    scores = seg_of(nuclei, "numbers.tif", "probability.tif")
    assert scores["seg"] == pytest.approx((100 / 180 + 80 / 180 + 90 / 100) / 3)
    assert (scores["found"], scores["missed"], scores["split"], scores["merged"]) == (3, 0, 0, 1)
    assert scores["f1"] == pytest.approx(2 * 2 / (3 + 2))
    printed = capsys.readouterr().out
    assert "3 cells found, 0 missed, 0 split; 1 segment merged, 0 of no cell" in printed


def test_settings(nuclei):
    lower = seg_of(nuclei, "numbers.tif", "probability.tif", "--threshold", "0.3")
    assert lower["seg"] == pytest.approx((100 / 180 + 80 / 180 + 1) / 3)
    assert lower["segmentation"]["threshold"]["value"] == 0.3
    large = seg_of(nuclei, "numbers.tif", "probability.tif", "--min-size", "100")
    assert (large["found"], large["missed"]) == (2, 1)
    as_u373 = seg_of(nuclei, "numbers.tif", "probability.tif", "--segmentation", "PhC-C2DH-U373")
    assert as_u373["seg"] == 0
    assert seg_of(nuclei, "numbers.tif", "probability.tif", "--segmentation", "PhC-C2DH-U373", "--min-size", "0")


def test_numbered_cells_and_what_segment_writes(nuclei):
    assert seg_of(nuclei, "numbers.tif", "numbers.tif")["seg"] == 1
    assert main(["segment", str(nuclei / "probability.tif"), str(nuclei / "cells.tif")]) == 0
    scores = seg_of(nuclei, "numbers.tif", "cells.tif")
    assert scores["seg"] == seg_of(nuclei, "numbers.tif", "probability.tif")["seg"]
    assert scores["segmentation"] is None


def test_masks_are_taken_apart(nuclei, capsys):
    """Two values are no numbers of cells: each connected part is one, in the truth as in the result."""
    assert seg_of(nuclei, "mask.tif", "mask.tif")["found"] == 2
    assert "mask.tif holds two values; each connected part of 255 is taken as a cell" in capsys.readouterr().out
    assert seg_of(nuclei, "numbers.tif", "mask.tif")["seg"] == pytest.approx((100 / 180 + 80 / 180 + 1) / 3)
    assert seg_of(nuclei, "mask.tif", "mask.tif", "--labels-are", "cells")["found"] == 2
    assert seg_of(nuclei, "membranes.tif", "mask.tif", "--labels-are", "membranes")["seg"] == 1
    assert seg_of(nuclei, "mask.tif", "mask.tif", "--labels-are", "instances")["found"] == 2  # as train takes it


def test_two_numbers_without_a_background_are_two_cells(nuclei, capsys):
    """Where the labels are said to be instances; else the larger is cell."""
    numbers = np.ones((1, 10, 20), np.uint8)
    numbers[..., 8:] = 2
    write_stack(nuclei / "two.tif", numbers)
    said = seg_of(nuclei, "two.tif", "two.tif", "--labels-are", "instances")
    assert (said["found"], said["missed"]) == (1, 1)  # RESULT is not said to be
    write_stack(nuclei / "three.tif", np.where(np.arange(20) == 0, 0, numbers))
    assert seg_of(nuclei, "two.tif", "three.tif", "--labels-are", "instances")["found"] == 2
    assert seg_of(nuclei, "two.tif", "three.tif")["found"] == 1


@pytest.mark.parametrize("labels_are", [(), ("--labels-are", "cells"), ("--labels-are", "instances")])
def test_what_is_ignored_is_no_third_value(nuclei, labels_are):
    """Of a mask whose background is no 0, too: a third value would make two numbered cells of it."""
    mask = read_labels(nuclei / "mask.tif").pixels // 255
    mask[..., 50:] = 9
    for background in (0, 1):
        partly, ignored = f"partly-{background}.tif", str(9 + background)
        write_stack(nuclei / partly, mask + np.uint8(background))
        scores = seg_of(nuclei, partly, "mask.tif", "--ignore", ignored, *labels_are)
        if background and "instances" in labels_are:  # two numbers without a background are two cells
            assert scores["seg"] < 1
        else:
            assert (scores["seg"], scores["found"], scores["missed"]) == (1, 2, 0)


def test_equals_the_function(random, drawn_cells, tmp_path):
    truth = drawn_cells().astype(np.uint16)
    while len(np.unique(truth)) < 4:
        truth = drawn_cells().astype(np.uint16)
    probability = np.clip((truth > 0) * 0.6 + random.random(truth.shape) * 0.4, 0, 1).astype(np.float32)
    write_stack(tmp_path / "truth.tif", truth[None])
    write_stack(tmp_path / "probability.tif", probability[None])
    scores = seg_of(tmp_path, "truth.tif", "probability.tif")
    assert scores["seg"] == score_instances(truth, segment(probability)).seg


@pytest.mark.parametrize(
    ("truth", "result", "options", "message"),
    [
        ("numbers.tif", "probability.tif", ["--metrics", "seg", "--labels-are", "classes"], "SEG is of cells"),
        ("numbers.tif", "probability.tif", ["--metrics", "seg", "--labels-are", "cells"], "holds 4 values"),
        ("numbers.tif", "probability.tif", ["--min-size", "5"], "belong to --metrics seg"),
        ("numbers.tif", "other.tif", ["--metrics", "seg"], "(1, 9, 9); both must be the same"),
        ("empty.tif", "mask.tif", ["--metrics", "seg"], "holds no object"),
    ],
)
def test_what_is_refused(nuclei, capsys, truth, result, options, message):
    write_stack(nuclei / "other.tif", np.eye(9, dtype=np.uint8)[None])
    write_stack(nuclei / "empty.tif", np.zeros((1, 40, 60), np.uint8))
    assert main(["score", str(nuclei / truth), str(nuclei / result), *options]) == 2
    printed = capsys.readouterr().err
    assert message in printed and len(printed.splitlines()) == 1


def test_folders_of_frames_that_differ_in_size(nuclei, tmp_path):
    """They are paired by name and scored together, also with what is not known."""
    numbers, probability = tifffile.imread(nuclei / "numbers.tif"), tifffile.imread(nuclei / "probability.tif")
    for name, rows in (("a", slice(None)), ("b", slice(20, None))):
        write_stack(tmp_path / "truth" / f"{name}.tif", numbers[rows][None])
        write_stack(tmp_path / "maps" / f"{name}.tif", probability[rows][None])
        write_stack(tmp_path / "unknown" / f"{name}.tif", np.zeros((1, *numbers[rows].shape), np.uint8))
    scores = seg_of(tmp_path, "truth", "maps", "--unknown", str(tmp_path / "unknown"))
    assert scores["seg"] == pytest.approx((100 / 180 + 80 / 180 + 90 / 100 + 90 / 100) / 4)
    assert scores["frames"] == 2 and scores["found"] == 4
    out = tmp_path / "all.json"
    files = [str(tmp_path / "truth"), str(tmp_path / "maps")]
    assert main(["score", *files, "--metrics", "all", "--json", str(out)]) == 0
    both = json.loads(out.read_text())
    assert both["seg"] == scores["seg"] and both["pixel_error"] < 0.2


@pytest.mark.parametrize("result", ["numbers", "probability"])
def test_the_segments_of_a_folder_are_one_file(nuclei, result):
    """Of frames of one size, also where they are stored in several types."""
    frames = tifffile.imread(nuclei / "numbers.tif"), tifffile.imread(nuclei / f"{result}.tif")
    for name, kind in (("a", np.uint16), ("b", np.uint8)):
        write_stack(nuclei / "truth" / f"{name}.tif", frames[0][None].astype(kind))
        write_stack(nuclei / "found" / f"{name}.tif", frames[1][None].astype(kind if result == "numbers" else "f4"))
    out = nuclei / "segments.tif"
    scores = seg_of(nuclei, "truth", "found", "--labels-are", "instances", "--segments", str(out))
    assert scores["frames"] == 2 and scores["found"] == 6
    alone = nuclei / "alone.tif"
    seg_of(nuclei, "numbers.tif", f"{result}.tif", "--segments", str(alone))
    assert np.array_equal(tifffile.imread(out), [tifffile.imread(alone)] * 2)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("numbers.tif", "as given"),
        ("mask.tif", "each connected part of what is given"),
        ("probability.tif", "above 0.5, 4-connected"),
    ],
)
def test_the_file_of_segments_tells_how_they_were_made(nuclei, result, said):
    seg_of(nuclei, "numbers.tif", result, "--segments", str(nuclei / "segments.tif"))
    with tifffile.TiffFile(nuclei / "segments.tif") as file:
        assert file.imagej_metadata["Info"].startswith(f"segments: {said}")


def test_the_file_of_segments_holds_those_that_are_ignored_too(nuclei):
    segments = nuclei / "segments.tif"
    scores = seg_of(nuclei, "numbers.tif", "probability.tif", "--ignore", "12", "--segments", str(segments))
    assert scores["found"] == 2 and read_labels(segments).pixels[0, 30, 45] == 2


def test_segments_beyond_32_bits_keep_apart(nuclei):
    numbers = tifffile.imread(nuclei / "numbers.tif")[None]
    large = np.select([numbers == 3, numbers == 7, numbers == 12], [1, 2**32 + 1, 2**32], 0).astype(np.uint64)
    tifffile.imwrite(nuclei / "large.tif", large)
    assert seg_of(nuclei, "numbers.tif", "large.tif", "--segments", str(nuclei / "segments.tif"))["seg"] == 1
    assert np.array_equal(read_labels(nuclei / "segments.tif").pixels, np.searchsorted([0, 1, 2**32, 2**32 + 1], large))


@pytest.mark.parametrize(
    ("scores", "segments", "message"),
    [
        ("s.tif", "s.tif", "s.tif is named twice"),
        ("s.tif", "truth/../s.tif", "s.tif is named twice"),
        ("s.json", "s.txt", "s.txt must be a TIFF"),
    ],
)
def test_where_segments_cannot_go(nuclei, capsys, scores, segments, message):
    (nuclei / "truth").mkdir()
    files = [str(nuclei / name) for name in ("numbers.tif", "probability.tif")]
    out = ["--json", str(nuclei / scores), "--segments", str(nuclei / segments)]
    assert main(["score", *files, "--metrics", "seg", *out]) == 2
    assert message in capsys.readouterr().err and not (nuclei / scores).exists()


@pytest.fixture
def partly_known(tmp_path):
    """Two cells, the first of which the result extends by 100 px into what is not known: `labels` hold 9 there, and
    `marks` go with `known`. Another segment lies there but for 10 px.
    """
    labels, result = np.zeros((1, 40, 60), np.uint8), np.zeros((1, 40, 60), np.uint8)
    labels[0, 5:15, 5:15], labels[0, 5:15, 15:25], labels[0, 25:35, 40:50] = 1, 9, 2
    result[0, 5:15, 5:25], result[0, 13:17, 27:37], result[0, 25:35, 40:50] = 1, 3, 2
    labels[0, 13:16, 27:37] = 9
    for name, pixels in (
        ("labels", labels),
        ("known", np.where(labels == 9, 0, labels)),
        ("marks", labels == 9),
        ("numbers", result),
        ("probability", (result > 0).astype(np.float32)),
    ):
        write_stack(tmp_path / f"{name}.tif", pixels)
    return tmp_path


@pytest.mark.parametrize(
    ("truth", "result", "metrics", "options"),
    [
        ("labels.tif", "numbers.tif", "seg", ["--ignore", "9"]),
        ("labels.tif", "probability.tif", "seg", ["--ignore", "9"]),
        ("labels.tif", "probability.tif", "all", ["--ignore", "9"]),
        ("known.tif", "probability.tif", "all", ["--unknown", "marks.tif"]),
    ],
)
def test_what_is_ignored_counts_in_no_metric(partly_known, capsys, truth, result, metrics, options):
    """Neither in SEG nor in F1 or another count, at no threshold, and it is said once."""
    labels, numbers = (read_labels(partly_known / f"{name}.tif").pixels for name in ("labels", "numbers"))
    wanted = score_instances(np.where(labels == 9, 0, labels), numbers, labels == 9)
    assert (wanted.seg, wanted.unmatched, wanted.f1) == (1, 1, 4 / 5)
    options = [str(partly_known / word) if word.endswith(".tif") else word for word in options]
    scores = seg_of(partly_known, truth, result, "--metrics", metrics, *options)
    assert all(scores[name] == getattr(wanted, name) for name in ("seg", "f1", "found", "unmatched"))
    assert scores["size_ratio"] == 1
    assert all((row["seg"], row["f1"], row["size_ratio"]) == (1, 4 / 5, 1) for row in scores["per_threshold"])
    assert capsys.readouterr().out.count("ignored\n") == 1


def test_what_is_ignored_counts_in_none_of_the_challenges_metrics(partly_known, capsys):
    def printed(truth, *options):
        assert main(["score", str(partly_known / truth), str(partly_known / "probability.tif"), *options]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if "(threshold" in line]

    marked = printed("known.tif", "--unknown", str(partly_known / "marks.tif"))
    assert len(marked) == 6 and marked == printed("labels.tif", "--ignore", "9") != printed("known.tif")


def test_unknown_alone_is_where_cells_may_be_that_have_no_mask(partly_known):
    """As the challenge takes it, whose SEG is of the reference cells as they are segmented."""
    scores = seg_of(partly_known, "known.tif", "numbers.tif", "--unknown", str(partly_known / "marks.tif"))
    assert scores["seg"] == (1 / 2 + 1) / 2 and scores["unmatched"] == 0


def test_probabilities_of_many_classes_have_no_cells_and_are_called_what_they_are(nuclei, capsys):
    """And not an image in colour, for which the command has no option."""
    maps = np.full((2, 3, 40, 60), 1 / 3, np.float32)
    tifffile.imwrite(nuclei / "k3.tif", maps, imagej=True, metadata={"axes": "ZCYX"})
    write_stack(nuclei / "labels.tif", np.tile(np.arange(3, dtype=np.uint8), (2, 40, 20)))
    assert main(["score", str(nuclei / "labels.tif"), str(nuclei / "k3.tif"), "--metrics", "seg"]) == 2
    said = capsys.readouterr().err
    assert "k3.tif holds probabilities of 3 classes; give labels, or those of two" in said and "channel" not in said


def test_gray_values_that_are_given_as_numbered_cells_are_doubted(nuclei, random, capsys):
    """Such as probabilities times 255 that do not say so."""
    write_stack(nuclei / "gray.tif", random.integers(0, 256, (1, 40, 60), dtype=np.uint8))
    seg_of(nuclei, "numbers.tif", "gray.tif")
    assert "gray.tif have at most" in capsys.readouterr().out
    seg_of(nuclei, "numbers.tif", "numbers.tif")
    assert "at most" not in capsys.readouterr().out


def test_no_advice_is_given_that_would_be_refused(tmp_path, capsys):
    """Classes are not scored, a result's values not ignored, and SEG takes the pieces of a number for one cell."""
    nuclei = np.zeros((1, 60, 60), np.uint8)
    for top in range(0, 60, 12):
        for left in range(0, 60, 12):
            nuclei[0, top : top + 8, left : left + 8] = 2
            nuclei[0, top + 1 : top + 7, left + 1 : left + 7] = 1
    pieces = np.zeros((1, 60, 60), np.int16)
    pieces[0, 2:9, 2:9] = pieces[0, 20:29, 2:9] = 1
    pieces[0, 40:50, 40:50], pieces[0, 2:9, 40:50] = 2, 3
    for name, labels in (("classes", nuclei), ("pieces", pieces), ("result", np.where(pieces == 3, -1, pieces))):
        write_stack(tmp_path / f"{name}.tif", labels)
    for truth in ("classes", "pieces"):
        assert main(["score", str(tmp_path / f"{truth}.tif"), str(tmp_path / "pieces.tif"), "--metrics", "seg"]) == 0
        told = "".join(capsys.readouterr())
        assert ("a cell is one piece" in told) == (truth == "classes")
        assert "--labels-are classes" not in told and "border weight" not in told
    assert main(["score", str(tmp_path / "pieces.tif"), str(tmp_path / "result.tif"), "--metrics", "seg"]) == 2
    told = capsys.readouterr().err
    assert "result.tif holds negative labels" in told and "--ignore" not in told


def test_scoring_does_not_speak_of_weights(tmp_path, capsys):
    """Cells in pieces get a border term in training alone."""
    pieces = np.zeros((1, 60, 60), np.uint8)
    pieces[0, 2:9, 2:9] = pieces[0, 20:29, 2:9] = 1
    pieces[0, 40:50, 40:50], pieces[0, 2:9, 40:50] = 2, 3
    write_stack(tmp_path / "pieces.tif", pieces)
    write_stack(tmp_path / "map.tif", (pieces > 0).astype(np.float32))
    assert main(["score", str(tmp_path / "pieces.tif"), str(tmp_path / "map.tif")]) == 0
    assert "border weight" not in "".join(capsys.readouterr())
