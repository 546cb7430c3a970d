"""The command line: python -m unet_paper {data,phantom,weights,train,predict,publish,score,report}."""

import os
import signal
import sys
from dataclasses import asdict, replace

from unet_paper.cli.parser import build_parser, changed_config
from unet_paper.compute.allocator import use_large_pages
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.logs import configure
from unet_paper.support.progress import progress_bar
from unet_paper.support.signals import ends_on_sigterm


def chosen_device(name):
    """The device of --device. Raises BadInput when a GPU is asked for and there is none."""
    import torch

    from unet_paper.compute.precision import default_device

    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: PyTorch finds no GPU here; use --device cpu")
    return name or default_device()


def must_be_writable(path, force=True):
    """Raise BadInput now rather than after long work when a file cannot be made at `path`, or, without `force`, is
    there.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give the name of a file to write")
    ancestor = next(parent for parent in path.absolute().parents if parent.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise BadInput(f"{path} cannot be written in {ancestor}; give a place where files may be made")
    if path.exists() and not force:
        raise BadInput(f"{path} is there already; give another name, or --force to replace it")


def do_data(arguments):
    """`data`"""
    from unet_paper.datasets import isbi2012

    if arguments.check:
        findings = isbi2012.check_folder(arguments.to)
    else:
        findings = isbi2012.fetch(arguments.to, arguments.source)
    for finding in findings:
        print(f"{finding.state:9} {finding.sentence}")
    states = {finding.name: finding.state for finding in findings}
    unverified = [name for name in isbi2012.REQUIRED if states[name] != "verified"]
    if unverified:
        raise BadInput(
            f"{arguments.to} lacks the official {', '.join(f'{name}.tif' for name in unverified)}; get the archive "
            f"from {isbi2012.CHALLENGE_PAGE} and give it with --from"
        )
    if states["test-labels"] == "wrong":
        raise BadInput(
            f"{arguments.to / 'test-labels.tif'} is not the official stack (many copies are some network's output); "
            "remove it, and runs are scored on a fold of the training stack"
        )
    if states["test-labels"] == "missing":
        print("Without the official test-labels.tif, runs are scored on a fold of the training stack.")


def do_phantom(arguments):
    """`phantom`"""
    from unet_paper.datasets.phantom import write_phantom

    must_be_writable(arguments.to / "phantom.json", arguments.force)
    write_phantom(arguments.to, arguments.train_sections, arguments.test_sections, arguments.size, arguments.seed)
    print(f"wrote a phantom of {arguments.train_sections} + {arguments.test_sections} sections to {arguments.to}")


def do_weights(arguments):
    """`weights`"""
    from unet_paper.datasets.labels import interpret_labels
    from unet_paper.io.image_files import TIFF_SUFFIXES
    from unet_paper.io.stack import read_labels, write_stack
    from unet_paper.report.pictures import draw_weight_map
    from unet_paper.weight_map import weight_maps

    if not (0 <= arguments.w0 <= 1e6 and 0 < arguments.sigma <= 1e4):
        raise BadInput(
            f"--w0 {arguments.w0} --sigma {arguments.sigma}: w0 must be from 0 to 1e6, sigma above 0 and at most 1e4 px"
        )
    truth = read_labels(arguments.labels)
    must_be_writable(arguments.out)
    if arguments.out.suffix.lower() not in TIFF_SUFFIXES:
        raise BadInput(f"{arguments.out} must be a TIFF, with a name that ends in .tif")
    if arguments.out.exists() and arguments.out.samefile(arguments.labels):
        raise BadInput(f"{arguments.out} holds the labels, which would be lost; give another name for the weights")
    must_be_writable(arguments.out, arguments.force)
    if arguments.png:
        for index in range(len(truth.pixels)):
            must_be_writable(arguments.png / f"weight-map-{index:03}.png", arguments.force)
    labels_are = arguments.labels_are or "instances"
    semantic = labels_are == "classes"
    labels = interpret_labels(truth.pixels, labels_are, arguments.labels)[0]
    weights = weight_maps(
        labels,
        arguments.w0,
        arguments.sigma,
        connectivity=arguments.connectivity,
        class_weights=arguments.class_weights,
        semantic=semantic,
    )
    info = f"weight map w(x), equation 2, w0 {arguments.w0}, sigma {arguments.sigma} px"
    write_stack(arguments.out, weights, info, truth.pixel_size)
    print(f"wrote {len(weights)} weight maps, {weights.min():.3f} to {weights.max():.3f}, to {arguments.out}")
    if arguments.png:
        for index, section in enumerate(progress_bar(weights, desc="draw", unit="section")):
            draw_weight_map(arguments.png / f"weight-map-{index:03}.png", section, largest=float(weights.max()))
        print(f"drew them in {arguments.png} (yellow = high, violet = low)")


def do_train(arguments):
    """`train`"""
    from unet_paper.compute.allocator import keep_freed_memory
    from unet_paper.datasets.training_stacks import OwnFiles
    from unet_paper.report.pictures import draw_training_pictures
    from unet_paper.runs.pipeline import run_training

    device = chosen_device(arguments.device)
    profile = arguments.profile or ("paper" if device == "cuda" else "quick")
    config = changed_config(PROFILES[profile], arguments.changes)
    fold = Fold.parse(arguments.fold) if arguments.fold else None
    must_be_writable(arguments.out / "run.json")
    source = arguments.data
    if source is None:
        if arguments.labels is None:
            raise BadInput("--images needs --labels, the labels of the same sections")
        source = OwnFiles(arguments.images, arguments.labels, arguments.labels_are, arguments.channel)
    elif arguments.labels or arguments.labels_are or arguments.channel is not None:
        raise BadInput("--labels, --labels-are and --channel belong to --images; a --data folder has its own labels")
    keep_freed_memory()
    options = {"compilation": arguments.compile, "leave_out": arguments.leave_out or (), "draw": draw_training_pictures}
    run_training(source, arguments.out, config, fold, arguments.resume, device, **options)
    print(f"trained weights: {arguments.out / 'weights.pt'}")
    print(f"look at {arguments.out / 'weight-map.png'} and {arguments.out / 'sections'}")
    print(f"next: predict and score what was held out, if anything was; then report {arguments.out}, for its page")


def do_predict(arguments):
    """`predict`"""
    from unet_paper import checkpoint
    from unet_paper.compute.allocator import keep_freed_memory
    from unet_paper.io.hashes import file_sha256
    from unet_paper.prediction import Predictor, predict_file

    loaded = checkpoint.load(arguments.weights)
    must_be_writable(arguments.out)
    if not (arguments.out.exists() and arguments.image.exists() and arguments.out.samefile(arguments.image)):
        must_be_writable(arguments.out, arguments.force)  # the image itself is refused in any case
    device = chosen_device(arguments.device)
    network = loaded.build_network().to(device)
    keep_freed_memory()
    bfloat16 = loaded.config.bfloat16 and not arguments.float32
    extrapolation = arguments.extrapolation or loaded.config.extrapolation
    predictor = Predictor(network, loaded.standardisation, arguments.tta, bfloat16, extrapolation)
    memory = None if arguments.memory is None else int(arguments.memory * 2**30)
    precision = "bfloat16" if predictor.bfloat16 else "float32"
    print(f"predicting in {precision} on {device}")
    made_with = {"weights": file_sha256(arguments.weights), "precision": precision, "extrapolation": extrapolation}
    shape = predict_file(
        predictor, arguments.image, arguments.out, made_with, arguments.channel, memory, arguments.tile
    )
    meaning = (
        "0 = membrane, 1 = cell"
        if predictor.out_channels == 1
        else f"probabilities of {predictor.out_channels} classes"
    )
    print(f"wrote {shape[0]} sections ({meaning}) to {arguments.out}")


def do_publish(arguments):
    """`publish`"""
    from unet_paper import checkpoint
    from unet_paper.checkpoint import SUFFIX, publish

    if arguments.out.suffix != SUFFIX:
        raise BadInput(f"{arguments.out} must have a name that ends in {SUFFIX}")
    must_be_writable(arguments.out, arguments.force)
    publish(arguments.out, checkpoint.load(arguments.weights))
    print(f"wrote {arguments.out.stat().st_size / 1e6:.1f} MB to {arguments.out}")


def do_score(arguments):
    """`score`"""
    from unet_paper.io.hashes import content_sha256, labels_sha256
    from unet_paper.io.stack import read_labels, read_probabilities
    from unet_paper.metrics import score
    from unet_paper.metrics.common import cells
    from unet_paper.metrics.registry import CHALLENGE_METRICS, WARPING_ERROR
    from unet_paper.runs.environment import code_version
    from unet_paper.support.json_files import write_json

    labels, probabilities = read_labels(arguments.labels).pixels, read_probabilities(arguments.probability).pixels
    if arguments.json:
        for given in (arguments.labels, arguments.probability):
            if arguments.json.exists() and arguments.json.samefile(given):
                raise BadInput(f"{arguments.json} is scored, and would be lost; give another name for the scores")
        must_be_writable(arguments.json, arguments.force)
    try:
        truth = cells(labels)
        if truth.all():
            print(f"note: {arguments.labels} holds no 0, so all of it is taken as one cell")
        elif labels.min() != 0:
            print(f"{arguments.labels} holds two values: {labels.max()} is taken as cell, {labels.min()} as membrane")
        scores = score(truth, probabilities)
    except BadInput as error:
        raise BadInput(f"{arguments.labels} and {arguments.probability}: {error}") from None
    for metric in CHALLENGE_METRICS:
        details = f"threshold {scores.best_threshold[metric.key]:.1f}"
        if metric is WARPING_ERROR:
            counts = scores.warping_counts_at_best
            details += f", {counts.split} split and {counts.merge} merger pixels"
        print(f"{metric.title:17} {scores.value(metric):.6f}  ({details})")
    if arguments.json:
        made_of = {"labels_sha256": labels_sha256(truth), "probability_sha256": content_sha256(probabilities)}
        write_json(arguments.json, replace(scores, **made_of, code=asdict(code_version())).to_json())


def do_report(arguments):
    """`report`"""
    from unet_paper.report.comparison import write_comparison
    from unet_paper.report.run_report import write_report

    if arguments.compare:
        if arguments.compare.suffix not in (".md", ".html"):
            raise BadInput(f"{arguments.compare} must be Markdown or a page, with a name that ends in .md or .html")
        must_be_writable(arguments.compare, arguments.force)
    print("\n".join(write_report(run, arguments.figures) for run in arguments.runs))
    for run in arguments.runs:
        print(f"page: {run / 'index.html'}")
    if arguments.compare:
        write_comparison(arguments.compare, arguments.runs)


COMMANDS = {
    "data": do_data,
    "phantom": do_phantom,
    "weights": do_weights,
    "train": do_train,
    "predict": do_predict,
    "publish": do_publish,
    "score": do_score,
    "report": do_report,
}


def main(arguments=None):
    """Run one command and return its exit code: 0, 1 when training diverged, 2 for bad input, 130 or 143 when stopped
    by Ctrl-C or SIGTERM.
    """
    arguments = build_parser().parse_args(arguments)
    use_large_pages()
    configure()
    with ends_on_sigterm():
        return _carried_out(arguments)


def _carried_out(arguments):
    try:
        COMMANDS[arguments.command](arguments)
    except BadInput as error:
        print(f"python -m unet_paper {arguments.command}: {error}", file=sys.stderr)
        return 2
    except Diverged as error:
        print(f"python -m unet_paper {arguments.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"python -m unet_paper {arguments.command}: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "alloc" not in str(error) and "out of memory" not in str(error):
            raise
        advice = {
            "predict": "predict with a smaller --tile or --memory",
            "train": "train with a smaller tile_size or base_channels",
        }.get(arguments.command, "give fewer or smaller sections")
        print(f"python -m unet_paper {arguments.command}: there is too little memory; {advice}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        kept = f": {stop}" if str(stop) else ""
        again = {
            "train": "; the same command with --resume goes on from the last checkpoint",
            "predict": "; the same command goes on from the last tile",
        }.get(arguments.command, "")
        print(f"\nstopped{kept}{again}", file=sys.stderr)
        return getattr(stop, "exit_code", 128 + signal.SIGINT)
    return 0
