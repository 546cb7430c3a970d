"""Whatever is bad ends in one sentence on stderr, what is wrong and what would be right, and in exit code 2."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_paper.cli.commands import main
from unet_paper.io.stack import write_stack

ROOT = Path(__file__).parents[2]
SETTINGS = ("base_channels=2", "steps=2", "tile_size=188", "checkpoint_every=2", "tta=none", "primary=none")
SMOKE = ("--profile", "smoke", "--device", "cpu")
TINY_RUN = (*SMOKE, *(part for setting in SETTINGS for part in ("--set", setting)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_phantom):
    """Good and bad files. What the commands are called with lies here, and nothing of it may change."""
    folder = tmp_path_factory.mktemp("bad")
    stack = np.arange(2 * 10 * 10, dtype=np.uint8).reshape(2, 10, 10)
    cells = stack // 128 * 255
    write_stack(folder / "gray.tif", stack)
    write_stack(folder / "labels.tif", cells)
    write_stack(folder / "floats.tif", stack.astype(np.float32))
    write_stack(folder / "small.tif", np.zeros((2, 4, 4), np.float32))
    write_stack(folder / "three.tif", np.where(stack > 150, 255, cells // 2).astype(np.uint8))
    write_stack(folder / "one-section.tif", stack[:1])
    write_stack(folder / "probability.tif", (stack / 255).astype(np.float32))
    write_stack(folder / "constant.tif", np.full_like(stack, 7))
    not_numbers = (stack / 255).astype(np.float32)
    not_numbers[1, 5, 5] = np.nan
    write_stack(folder / "nan.tif", not_numbers)
    write_stack(folder / "no-cell.tif", np.zeros_like(stack))
    write_stack(folder / "all-cell.tif", np.full_like(stack, 255))
    tifffile.imwrite(folder / "negative.tif", stack.astype(np.int16) - 3)
    tifffile.imwrite(folder / "complex.tif", stack.astype(np.complex64))
    tifffile.imwrite(folder / "rgb.tif", np.arange(300, dtype=np.uint8).reshape(10, 10, 3), photometric="rgb")
    tifffile.imwrite(folder / "many-axes.tif", np.zeros((2, 2, 2, 10, 10), np.uint8))
    (folder / "text.tif").write_text("not a TIFF")
    (folder / "empty.tif").touch()
    (folder / "cut.tif").write_bytes((folder / "labels.tif").read_bytes()[:120])
    (folder / "text.pt").write_text("not a checkpoint")
    (folder / "there.md").write_text("a text")
    (folder / "text.safetensors").write_text("not weights")
    (folder / "empty.pt").touch()
    (folder / "text.json").write_text("not JSON")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:800])
    huge = tifffile.memmap(folder / "huge.tif", shape=(1, 300_000, 300_000), dtype=np.uint8)  # a sparse file
    huge.flush()
    del huge

    def pair(name, volume, labels):
        write_stack(folder / name / "train-volume.tif", volume)
        write_stack(folder / name / "train-labels.tif", labels)

    pair("good", stack, stack // 128)
    write_stack(folder / "two" / "gray.tif", stack)
    write_stack(folder / "two" / "three.tif", stack[:1])
    for name, sections in (("gray", 2), ("three", 1)):
        write_stack(folder / "two-labels" / f"{name}.tif", stack[:sections] // 128)
    pair("unequal", stack, stack[:, :9, :9] // 128)
    pair("other-count", stack, stack[:1] // 128)
    pair("no-cell", stack, stack * 0)
    pair("all-cell", stack, stack * 0 + 255)
    pair("three-valued", stack, np.where(stack > 150, 255, cells // 2).astype(np.uint8))
    pair("constant", stack * 0 + 7, stack // 128)
    pair("float-labels", stack, (stack // 128).astype(np.float32))
    pair("colour", stack, stack // 128)
    colours = np.arange(600).reshape(2, 10, 10, 3) % 256
    tifffile.imwrite(folder / "colour" / "train-volume.tif", colours.astype(np.uint8), photometric="rgb")
    pair("not-numbers", not_numbers, stack // 128)
    pair("without-labels", stack, stack // 128)
    (folder / "without-labels" / "train-labels.tif").unlink()
    pair("two-types", stack, stack // 128)
    write_stack(folder / "two-types" / "test-volume.tif", stack.astype(np.uint16))
    write_stack(folder / "two-types" / "test-labels.tif", stack // 128)

    with zipfile.ZipFile(folder / "dots.zip", "w") as archive:
        archive.write(folder / "gray.tif", "../../train-volume.tif")
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.write(folder / "gray.tif", "train-volume.tif")
    (folder / "cut.zip").write_bytes((folder / "other.zip").read_bytes()[:200])

    out = folder / "run"
    assert main(["train", "--data", str(small_phantom), "--out", str(out), "--fold", "1/3", *map(str, TINY_RUN)]) == 0
    shutil.copy(out / "weights.pt", folder / "weights.tif")
    (folder / "half-run").mkdir()
    (folder / "half-run" / "run.json").write_text(
        (out / "run.json").read_text().replace('"status": "finished"', '"status": "training"')
    )
    (folder / "own-files" / "figures").mkdir(parents=True)
    (folder / "own-files" / "figures" / "mine.txt").write_text("of no run")
    (folder / "foreign-run").mkdir()
    (folder / "foreign-run" / "run.json").write_text('{"status": "finished"}')
    for name, history in (("history-of-words", "step,loss,learning_rate\nx,1,1"), ("other-history", "a,b\n1,2")):
        (folder / name).mkdir()
        shutil.copy(out / "run.json", folder / name)
        (folder / name / "history.csv").write_text(history)
    (folder / "broken-run").mkdir()
    shutil.copy(out / "run.json", folder / "broken-run")
    (folder / "broken-run" / "checkpoint.pt").write_bytes((out / "checkpoint.pt").read_bytes()[:-500])
    return folder


LONG = "l" * 251  # with .tif a name of 255 bytes, the longest that there is

# Command line, and what the sentence must name. Words with a dot or ending in "/" are in the folder of bad files.
CALLS = [
    ("", "COMMAND"),
    ("teach", "invalid choice"),
    # weights
    ("weights none.tif out.tif", "none.tif is not a file"),
    ("weights text.tif out.tif", "text.tif cannot be read as TIFF"),
    ("weights empty.tif out.tif", "empty.tif cannot be read as TIFF"),
    ("weights cut.tif out.tif", "cut.tif cannot be read as TIFF"),
    ("weights cut.png out.tif", "cut.png cannot be read as PNG"),
    ("weights good/ out.tif", "out.tif is one file, and there are"),
    ("weights floats.tif out.tif", "floats.tif holds float32"),
    ("weights negative.tif out.tif", "negative.tif holds negative"),
    ("weights rgb.tif out.tif", "rgb.tif is in colour"),
    ("weights many-axes.tif out.tif", "many-axes.tif has axes"),
    ("weights huge.tif out.tif", "huge.tif of 1 x 300000 x 300000 px takes some 2,011.7 GiB of memory"),
    ("weights all-cell.tif out.tif --labels-are cells", "all-cell.tif holds 255 only"),
    ("weights no-cell.tif out.tif --labels-are instances", "no-cell.tif holds 0 only"),
    ("weights three.tif out.tif --labels-are membranes", "three.tif holds 3 values"),
    ("weights labels.tif good/", "good is a folder"),
    ("weights labels.tif out.png", "out.png must be a TIFF"),
    ("weights labels.tif labels.tif", "labels.tif holds the labels, which would be lost"),
    ("weights labels.tif gray.tif", "gray.tif is there already; give another name, or --force"),
    ("weights labels.tif labels.tif/out.tif", "cannot be written"),
    ("weights labels.tif out.tif --png gray.tif", "cannot be written"),
    (f"weights labels.tif {LONG}12.tif", "a name in it is 2 bytes too long; give a shorter one"),
    (f"weights labels.tif {LONG}12345/out.tif", "a name in it is 1 byte too long; give a shorter one"),
    ("weights labels.tif out.tif --png out.tif", "out.tif cannot be a file of weight maps and hold pictures"),
    ("weights labels.tif out.tif --png out.tif/png/", "out.tif cannot be a file of weight maps and hold pictures"),
    ("weights labels.tif gray.tif --image gray.tif --png new/ --force", "gray.tif is read too, and would be lost"),
    ("weights labels.tif out.tif --sigma 0", "sigma above 0 and at most 10000 px"),
    ("weights labels.tif out.tif --w0 nan", "w0 must be at least 0 and at most 1e+06"),
    ("weights labels.tif out.tif --class-weights 1,x", "not a list of numbers"),
    ("weights labels.tif out.tif --connectivity 6", "invalid choice: 6"),
    ("weights labels.tif out.tif --channel 7", "--channel belongs to --image; leave it out, or give the image too"),
    # train
    ("train --data nowhere/ --out new/", "nowhere is not a folder"),
    ("train --data gray.tif --out new/", "gray.tif is not a folder"),
    ("train --data foreign-run/ --out new/", "train-volume.tif is not a file"),
    ("train --data without-labels/ --out new/", "train-labels.tif is not a file"),
    ("train --data unequal/ --out new/", "(2, 9, 9)"),
    ("train --data other-count/ --out new/", "(1, 10, 10)"),
    ("train --data no-cell/ --out new/", "one class only"),
    ("train --data all-cell/ --out new/", "one class only"),
    ("train --data three-valued/ --out new/", "train-labels.tif holds 0, 127, 255"),
    ("weights three-valued/train-labels.tif new.tif", "train-labels.tif holds 0, 127, 255"),
    ("train --data constant/ --out new/", "train-volume.tif holds one gray value only, 7"),
    ("train --data not-numbers/ --out new/", "not finite in section 1"),
    ("train --data float-labels/ --out new/", "train-labels.tif holds float32"),
    ("train --data colour/ --out new/", "in colour"),
    ("train --data good/ --out new/ --fold 3/2", "K/N"),
    ("train --data good/ --out new/ --fold 1/3", "2 sections"),
    ("train --data good/ --out new/ --fold 1/2", "fold 1/2 holds out section-000, without a cell"),
    ("train --data two-types/ --out new/", "uint8 values in train-volume.tif and uint16 ones in test-volume.tif"),
    ("train --data good/ --out new/ --set lr=1", "there is no setting 'lr'"),
    ("train --data good/ --out new/ --optimiser sgd --set optimiser=adam", "name two optimisers; give one of them"),
    ("train --data good/ --out new/ --set steps=x", "'x' is not a whole number"),
    ("train --data good/ --out new/ --set sigma=inf", "finite"),
    (
        "train --data good/ --out new/ --set displacement_sigma=1e30",
        "displacement_sigma is 1e+30; it must be at least 0",
    ),
    ("train --data good/ --out new/ --set momentum=1", "momentum is 1.0"),
    ("train --data good/ --out new/ --set tile_size=500", "492 and 508"),
    ("train --data good/ --out new/ --set tile_size=40012", "training on tiles of 40012 px takes some"),
    ("train --data good/ --out gray.tif", "gray.tif"),
    ("train --data good/ --out new/ --labels labels.tif", "belong to --images"),
    ("train --data good/ --images gray.tif --out new/", "not allowed with"),
    ("train --data good/ --sequence 01 --out new/ --labels labels.tif", "belong to --images"),
    ("train --data good/ --sequence 01 --out new/ --labels-are cells", "belong to --images"),
    ("train --data good/ --sequence 01 --out new/ --ignore 9", "belong to --images"),
    ("train --data good/ --sequence 01 --out new/ --channel 1", "belong to --images"),
    (
        "train --images gray.tif --labels labels.tif --labels-are cells --sequence 02 --out new/",
        "--sequence belongs to",
    ),
    ("train --images gray.tif --out new/", "--images needs --labels"),
    ("train --images gray.tif --labels labels.tif --out new/", "say with --labels-are"),
    ("train --images gray.tif --labels three.tif --labels-are cells --out new/", "three.tif holds 3 values"),
    ("train --images gray.tif --labels gray.tif --labels-are membranes --out new/", "the images and for the labels"),
    ("train --images gray.tif --labels two/gray.tif --labels-are membranes --out new/", "gray.tif holds 200 values"),
    ("train --images gray.tif --labels three.tif --labels-are classes --out new/", "without gaps"),
    ("train --images gray.tif --labels all-cell.tif --labels-are cells --out new/", "all-cell.tif holds 255 only"),
    ("train --images one-section.tif --labels labels.tif --labels-are cells --out new/", "both must be the same"),
    (
        "train --images constant.tif --labels labels.tif --labels-are cells --out new/",
        "constant.tif holds one gray value",
    ),
    ("train --images complex.tif --labels labels.tif --labels-are cells --out new/", "complex64"),
    ("train --images rgb.tif --labels labels.tif --labels-are cells --out new/ --channel 3", "there is no channel 3"),
    ("train --data good/ --out new/ --leave-out 2-1", "not a list of sections such as 3,10-12"),
    ("train --data good/ --out new/ --leave-out 7", "--leave-out names section 7"),
    ("train --data good/ --out new/ --leave-out 1", "no section that is left to train on has a cell"),
    ("train --data good/ --out new/ --leave-out 0,1", "leaves no section to train on"),
    ("train --data good/ --out new/ --fold 1/2 --leave-out 0", "--leave-out names section 0"),
    ("train --data good/ --out run/", "already holds a run"),
    ("train --data good/ --out own-files/", "figures/mine.txt has the name of a file of a run"),
    ("train --data good/ --out run/ --resume", "holds a run that differs"),
    ("train --data good/ --out broken-run/ --resume", "checkpoint.pt cannot be read as a checkpoint"),
    # predict
    ("predict --weights none.pt gray.tif out.tif", "none.pt is not a file"),
    ("predict --weights text.pt gray.tif out.tif", "text.pt cannot be read as a checkpoint"),
    ("predict --weights empty.pt gray.tif out.tif", "empty.pt cannot be read as a checkpoint"),
    ("predict --weights gray.tif gray.tif out.tif", "gray.tif cannot be read as a checkpoint"),
    ("predict --weights broken-run/checkpoint.pt gray.tif out.tif", "checkpoint.pt cannot be read as a checkpoint"),
    ("predict --weights run/weights.pt none.tif out.tif", "none.tif is not a file"),
    ("predict --weights run/weights.pt cut.tif out.tif", "cut.tif cannot be read as TIFF"),
    ("predict --weights run/weights.pt rgb.tif out.tif", "rgb.tif is in colour"),
    (
        "predict --weights run/weights.pt floats.tif out.tif",
        "float32 values but the network was trained on uint8; scale its values to those trained on, 0 to 255 for uint8",
    ),
    ("predict --weights run/weights.pt constant.tif out.tif", "constant.tif holds one gray value only"),
    ("predict --weights run/weights.pt gray.tif out.png", "out.png must be a TIFF"),
    ("predict --weights run/weights.pt gray.tif gray.tif", "gray.tif is the image itself"),
    ("predict --weights run/weights.pt gray.tif labels.tif", "labels.tif is there already"),
    ("predict --weights run/weights.pt gray.tif out.tif --tile 100", "at least 204"),
    ("predict --weights run/weights.pt gray.tif out.tif --memory 0.00001", "memory allows tiles"),
    ("predict --weights run/weights.pt gray.tif out.tif --memory 1e300", "not a number above 0 and at most 1e+09"),
    ("predict --weights run/weights.pt gray.tif out.tif --tta rot9", "rot9"),
    ("predict --weights run/weights.pt gray.tif out.tif --channel 2", "there is no channel 2"),
    ("predict --weights run/weights.pt gray.tif out.tif --extrapolation ones", "invalid choice"),
    ("predict --weights text.safetensors gray.tif out.tif", "text.safetensors cannot be read as published weights"),
    ("predict --weights run/weights.pt gray.tif labels.tif new/ --instances new/", "gray.tif is named twice"),
    ("predict --weights run/weights.pt gray.tif labels.tif new/ --instances ./ --force", "gray.tif is named twice"),
    ("predict --weights run/weights.pt two/ new/ --instances two/ --force", "two is read, and results in it would"),
    ("weights two-labels/ two-labels/ --force", "two-labels is read, and results in it would be taken for images"),
    ("predict --weights run/weights.pt two/ two/", "two is read, and results in it would be taken for images"),
    ("predict --weights weights.tif gray.tif weights.tif --force", "weights.tif is read too, and would be lost"),
    ("predict --weights weights.tif gray.tif new.tif --instances weights.tif --force", "weights.tif is read too"),
    ("train --images two/ --labels two-labels/ --labels-are cells --out two/", "two is read, and a run's pictures in"),
    ("train --images two/ --labels two-labels/ --labels-are cells --out two-labels/", "two-labels is read, and a run"),
    (
        f"predict --weights run/weights.pt gray.tif {LONG[9:]}1.tif",
        "the ending of a file beside it) is 1 byte too long",
    ),
    # publish
    (f"publish run/weights.pt {LONG}.safetensors", "a name in it is 8 bytes too long"),
    ("publish none.pt out.safetensors", "none.pt is not a file"),
    ("publish text.pt out.safetensors", "text.pt cannot be read as a checkpoint"),
    ("publish run/weights.pt out.pt", "out.pt must have a name that ends in .safetensors, .zip or .onnx"),
    ("publish run/weights.pt out.zip --same-size", "--same-size belongs to a name that ends in .onnx"),
    ("publish run/weights.pt out.onnx --licence MIT", "--author and --licence belong to a package"),
    ("publish run/weights.pt text.safetensors", "text.safetensors is there already"),
    ("publish text.safetensors text.safetensors --force", "text.safetensors is read too"),
    # score
    ("score labels.tif none.tif --json out.json", "none.tif is not a file"),
    ("score labels.tif floats.tif --json out.json", "floats.tif holds values outside 0 to 1"),
    ("score labels.tif nan.tif --json out.json", "nan.tif holds values outside 0 to 1"),
    ("score labels.tif small.tif --json out.json", "shape"),
    ("score labels.tif gray.tif --json out.json", "gray.tif holds uint8"),
    ("score probability.tif probability.tif --json out.json", "probability.tif"),
    ("score no-cell.tif probability.tif --json out.json", "no-cell.tif"),
    ("score labels.tif probability.tif --json text.json", "text.json is there already"),
    ("score labels.tif probability.tif --json labels.tif --force", "labels.tif is read too, and would be lost"),
    (
        "score labels.tif probability.tif --metrics seg --segments probability.tif --force",
        "probability.tif is read too",
    ),
    ("score labels.tif probability.tif --metrics seg --segments labels.tif --force", "labels.tif is read too"),
    ("score two/ two/ --metrics seg --segments two/gray.tif --force", "gray.tif is read too"),
    (
        "score labels.tif probability.tif --metrics seg --unknown gray.tif --segments gray.tif --force",
        "gray.tif is read too",
    ),
    (f"score labels.tif probability.tif --json {LONG}1.json", "a name in it is 2 bytes too long"),
    (f"score labels.tif probability.tif --metrics seg --segments {LONG}1.tif", "a name in it is 1 byte too long"),
    ("score huge.tif probability.tif", "huge.tif of 1 x 300000 x 300000 px"),
    # report
    ("report nowhere/", "run.json is missing"),
    ("report half-run/", "has not finished"),
    ("report foreign-run/", "is not a run's record"),
    ("report run/ --compare there.md", "there.md is there already"),
    ("report run/ --compare run/table1.md", "table1.md is the page or table of"),
    ("report run/ --compare run/index.html", "index.html is the page or table of"),
    ("report history-of-words/", "history.csv is no history of a training"),
    ("report other-history/", "history.csv is no history of a training"),
    ("report run/ --compare gray.tif", "gray.tif must be Markdown or a page"),
    ("report run/ --compare text.json", "text.json must be Markdown or a page"),
    # data
    ("data --to new/ --from text.tif", "neither a folder nor a zip"),
    ("data --to new/ --from none.zip", "neither a folder nor a zip"),
    ("data --to new/ --from cut.zip", "neither a folder nor a zip"),
    ("data --to good/ --check", "train-volume.tif"),
    ("data --to good/ --check --from nowhere/", "give --from without it"),
    ("data --to good/ --from unequal/", "move it away"),
    # phantom
    ("phantom --to new/ --size 0", "above 0"),
    ("phantom --to new/ --size 20", "64 px"),
    ("phantom --to new/ --size 1000000", "a phantom of 20,000,000,000,000 voxels takes some"),
    ("phantom --to new/ --seed -1", "seed"),
    ("phantom --to good/", "no phantom"),
]


def contents(folder):
    """{path: what it is and when it was last written} of everything in a folder."""
    found = {path: (path.stat().st_size, path.stat().st_mtime_ns, path.is_dir()) for path in folder.rglob("*")}
    return {
        path: (size if not is_dir else 0, when if not is_dir else 0) for path, (size, when, is_dir) in found.items()
    }


SUFFIXES = ("tif", "png", "pt", "safetensors", "json", "md", "zip")


def called(line, folder):
    """The arguments of a line, those that name files in the folder of bad files."""
    command, *rest = line.split() or [""]
    words = [command] if command else []
    for word in rest:
        is_file = word.endswith("/") or word.rpartition(".")[2] in (
            "tif",
            "png",
            "pt",
            "safetensors",
            "json",
            "md",
            "html",
            "zip",
        )
        words.append(str(folder / word) if is_file else word)
    return [*words, *SMOKE] if command == "train" else words


@pytest.mark.parametrize(("line", "named"), CALLS, ids=[line or "nothing" for line, _ in CALLS])
def test_one_sentence_and_nothing_changed(line, named, folder, capsys, ends_well):
    before = contents(folder)
    try:
        code = main(called(line, folder))
    except SystemExit as stop:
        code = stop.code
    after = contents(folder)
    for new in sorted(set(after) - set(before), reverse=True):  # so that the other calls do not suffer
        new.rmdir() if new.is_dir() else new.unlink()
    ends_well(code, capsys.readouterr().err, named)
    assert after == before


def test_there_are_at_least_forty_kinds_over_every_command():
    assert len(CALLS) >= 40
    assert {line.split()[0] for line, _ in CALLS if line} >= {"data", "phantom", "weights", "train", "predict", "score"}


def test_what_is_wrong_in_an_archive_never_leaves_it(folder, tmp_path, capsys):
    """Members named with `..`, and stacks that are not the challenge's."""
    for name in ("dots.zip", "other.zip"):
        assert main(["data", "--to", str(tmp_path / "a" / "b"), "--from", str(folder / name)]) == 2
        printed = capsys.readouterr()
        assert "lacks the official train-volume.tif" in printed.err and "not the official stack" in printed.out
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
