"""`train`, `predict`, `publish` and `report`: the stages of a run."""

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from unet_paper.cli.cell_commands import cells_must_be_writable
from unet_paper.cli.checks import must_be_writable, must_fit, must_lie_apart, must_spare
from unet_paper.cli.help_text import SMOKE
from unet_paper.cli.segmentation_options import NAMES, given_segmentation
from unet_paper.cli.settings import changed_config, chosen_optimiser, note_idle_settings, recipe
from unet_paper.config import PROFILES
from unet_paper.datasets.folds import Fold
from unet_paper.io.image_files import TIFF_SUFFIXES
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.parts import Part

if TYPE_CHECKING:
    from unet_paper.datasets.cell_tracking import SequenceFiles
    from unet_paper.datasets.training_stacks import OwnFiles
    from unet_paper.segmentation import CellSegmentation

PUBLISHED = (".safetensors", ".zip", ".onnx")


def do_train(arguments: Namespace) -> None:
    """`train`"""
    from unet_paper.cli.typed_commands import next_commands
    from unet_paper.compute.allocator import keep_freed_memory
    from unet_paper.compute.precision import usable_device
    from unet_paper.report.pictures import draw_training_pictures
    from unet_paper.runs.branching import Branch
    from unet_paper.runs.folder import RunFolder
    from unet_paper.runs.starting_weights import StartingWeights
    from unet_paper.runs.training_run import TrainingRequest, train_run

    device = usable_device(arguments.device)
    profile = arguments.profile or ("paper" if device == "cuda" else "quick")
    optimiser = chosen_optimiser(arguments.optimiser, arguments.changes)
    changes = [*recipe(profile, optimiser, arguments.minutes), *arguments.changes]
    fold = Fold.parse(arguments.fold) if arguments.fold else None
    run = RunFolder(arguments.out)
    must_be_writable(run.record)
    if arguments.branch_of and (arguments.profile or changes):
        raise BadInput("--branch-of takes no settings; they are those of the run that it names")
    if arguments.branch_of and arguments.start is not None:
        raise BadInput("--from and --branch-of are two ways to begin; give one of them")
    source = _training_source(arguments)
    branch = Branch.plan(RunFolder(arguments.branch_of), run) if arguments.branch_of else None
    config = changed_config(PROFILES[profile], changes) if branch is None else branch.config
    start = None
    if arguments.start is not None:
        start = StartingWeights.read(arguments.start)
        config = start.config(config, {change.partition("=")[0] for change in changes})
    note_idle_settings(config, changes)
    keep_freed_memory()
    request = TrainingRequest(
        source,
        arguments.out,
        config,
        fold,
        leave_out=arguments.leave_out or (),
        resume=arguments.resume or branch is not None,
        device=device,
        torch_compile=arguments.compile,
        preview_every=arguments.preview,
        start=start,
        branch=branch,
    )
    record = train_run(request, draw_training_pictures)
    print(f"trained weights: {run.weights}")
    print(f"look at {run.path / 'weight-map.png'} and {run.sections}")
    print("next:", *next_commands(run, record), sep="\n  ")
    if config.profile == "smoke":
        print(SMOKE)


def _training_source(arguments: Namespace) -> "Path | OwnFiles | SequenceFiles":
    """What `train` is to train on. Raises BadInput for options that belong to another kind of data."""
    from unet_paper.datasets.cell_tracking import SequenceFiles, is_cell_tracking_folder
    from unet_paper.datasets.training_stacks import OwnFiles

    of_images = (arguments.labels, arguments.labels_are, arguments.channel, arguments.ignore)
    if arguments.data is None:
        if arguments.labels is None:
            raise BadInput("--images needs --labels, the labels of the same sections")
        if arguments.sequence is not None:
            raise BadInput("--sequence belongs to a --data folder of the cell tracking challenge; leave it out")
        for folder in (*arguments.images, *arguments.labels):
            must_lie_apart((folder,), arguments.out, "a run's pictures")
        return OwnFiles(arguments.images, arguments.labels, arguments.labels_are, arguments.channel, arguments.ignore)
    if any(value is not None for value in of_images):
        raise BadInput(
            "--labels, --labels-are, --channel and --ignore belong to --images; a --data folder has its own labels"
        )
    if arguments.sequence is not None:
        if arguments.fold or arguments.leave_out:
            raise BadInput(
                "--fold and --leave-out are of stacks; --sequence says what is trained on and what is scored"
            )
        return SequenceFiles(arguments.data, arguments.sequence)
    if is_cell_tracking_folder(arguments.data):
        raise BadInput(f"{arguments.data} holds sequences of cells; say with --sequence which to train on, 01 or 02")
    return Path(arguments.data)


def published_weights() -> Path:
    """The committed network of a quarter of the width. Raises BadInput where the package is not in its repository."""
    path = Path(__file__).parents[2] / "results/isbi/registered-quarter/weights.safetensors"
    if not path.is_file():
        raise BadInput("--weights FILE is missing; give a run's weights.pt, or published weights")
    logger.info(f"weights: {path}, for membranes in electron microscopy; --weights FILE takes others")
    return path


def do_predict(arguments: Namespace) -> None:
    """`predict`"""
    from unet_paper.compute.allocator import keep_freed_memory
    from unet_paper.compute.precision import usable_device
    from unet_paper.io.image_folder import image_files, results_of, several_files
    from unet_paper.io.ome_zarr import SUFFIX
    from unet_paper.io.resumable_tiff import JOURNAL
    from unet_paper.runs.predicting import PredictionRequest, predict, predict_files
    from unet_paper.segmentation import CellSegmentation

    segmentation = given_segmentation(arguments)
    if arguments.instances is None and segmentation is not None:
        raise BadInput(f"{NAMES} belong to --instances CELLS.tif")
    into_zarr = arguments.out.suffix.lower() == SUFFIX
    several = several_files(arguments.images) and not into_zarr
    image = arguments.images[0]
    if into_zarr and (len(arguments.images) > 1 or arguments.instances is not None):
        raise BadInput(
            f"{arguments.out} is an OME-Zarr, of one image or folder and without --instances; give OUT another name"
        )
    if not into_zarr:
        _require_no_distribution(arguments)
        if any(not path.exists() or (path.is_dir() and not any(path.iterdir())) for path in arguments.images):
            image_files(arguments.images)  # says so before all else
    if several:
        _require_folders(arguments)
        for folder in filter(None, (arguments.out, arguments.instances)):
            must_lie_apart(arguments.images, folder, "results")
            for _, out in results_of(arguments.images, folder):
                must_fit(out, JOURNAL)
                must_spare((arguments.weights,), out, "the results")
    elif not into_zarr:
        must_be_writable(arguments.out, beside=JOURNAL)
        must_spare((arguments.weights,), arguments.out, "the result")
        if arguments.instances is not None:
            must_spare((arguments.weights,), arguments.instances, "the cells")
            cells_must_be_writable(arguments.instances, (image, arguments.out), arguments.force)
    keep_freed_memory()
    weights = arguments.weights or published_weights()
    if arguments.instances is not None:
        segmentation = _numbering(arguments, weights)
    request = PredictionRequest(
        weights=weights,
        image=image,
        out=arguments.out,
        tta=arguments.tta,
        extrapolation=arguments.extrapolation,
        float32=arguments.float32,
        registered=arguments.registered,
        device=usable_device(arguments.device),
        channel=arguments.channel,
        memory=None if arguments.memory is None else int(arguments.memory * 2**30),
        largest_tile=arguments.tile,
        instances=arguments.instances,
        segmentation=segmentation or CellSegmentation(),
    )
    if several:
        predict_files(request, arguments.images, arguments.force)
        return
    if not into_zarr:
        anew = arguments.force and arguments.instances is None  # else it may be the cells that are to be replaced
        predict(request, arguments.force, anew)
        return
    from unet_paper.volumes.prediction import Distribution, predict_volume

    distribution = Distribution(
        arguments.workers, arguments.scheduler, Part.parse(arguments.part) if arguments.part else None
    )
    predict_volume(request, distribution, arguments.ome_zarr, arguments.force)


def _numbering(arguments: Namespace, weights: Path) -> "CellSegmentation | None":
    """How cells are numbered: as the options say, else as the run of the weights was scored."""
    from unet_paper.runs.cell_segmentation import segmentation_of_weights

    usual = segmentation_of_weights(weights)
    if usual is not None and arguments.segmentation is None:
        logger.info(f"cells are numbered as the run beside {weights} was scored, unless options say otherwise")
    return given_segmentation(arguments, usual) or usual


def _require_folders(arguments: Namespace) -> None:
    """Raise BadInput where results of several images are to go into one file."""
    for out in (arguments.out, arguments.instances):
        if out is not None and (out.is_file() or out.suffix.lower() in TIFF_SUFFIXES):
            raise BadInput(
                f"{out} is one file, and the images are a folder or several; give the name of a folder for the results"
            )


def _require_no_distribution(arguments: Namespace) -> None:
    """Raise BadInput for options that only a result in OME-Zarr can have."""
    for name in ("workers", "scheduler", "part", "ome_zarr"):
        if getattr(arguments, name) is not None:
            option = name.replace("_", "-")
            raise BadInput(f"--{option} is for a result in OME-Zarr; give it a name that ends in .zarr")


def do_publish(arguments: Namespace) -> None:
    """`publish`"""
    from unet_paper import checkpoint
    from unet_paper.export.onnx_file import publish_onnx
    from unet_paper.export.package import publish_package
    from unet_paper.export.provenance import provenance
    from unet_paper.export.terms import Terms

    suffix = arguments.out.suffix.lower()
    if suffix not in PUBLISHED:
        raise BadInput(f"{arguments.out} must have a name that ends in {', '.join(PUBLISHED[:-1])} or {PUBLISHED[-1]}")
    if arguments.same_size and suffix != ".onnx":
        raise BadInput(
            "--same-size belongs to a name that ends in .onnx; leave it out (a package holds that network anyway)"
        )
    terms = Terms.of(arguments.author, arguments.licence)
    if not (arguments.author is None and arguments.licence is None) and suffix != ".zip":
        raise BadInput("--author and --licence belong to a package; give a name that ends in .zip")
    must_fit(arguments.out)
    must_spare((arguments.weights,), arguments.out, "what is published")
    must_be_writable(arguments.out, arguments.force)
    loaded = checkpoint.load(arguments.weights)
    if suffix == ".onnx":
        publish_onnx(arguments.out, loaded, arguments.same_size)
    elif suffix == ".zip":
        publish_package(arguments.out, loaded, provenance(arguments.weights, loaded), terms)
    else:
        checkpoint.publish(arguments.out, loaded)
    print(f"wrote {arguments.out.stat().st_size / 1e6:.1f} MB to {arguments.out}")


def do_report(arguments: Namespace) -> None:
    """`report`"""
    from unet_paper.report.comparison import require_comparable, write_comparison
    from unet_paper.report.run_report import write_report
    from unet_paper.runs.folder import RunFolder
    from unet_paper.runs.record import read_record

    by_place: dict[str, Path] = {}
    for run in arguments.runs:
        by_place.setdefault(os.path.realpath(run), run)  # one that is named twice counts once
    arguments.runs = list(by_place.values())
    if arguments.compare:
        if arguments.compare.suffix not in (".md", ".html"):
            raise BadInput(f"{arguments.compare} must be Markdown or a page, with a name that ends in .md or .html")
        for run in map(RunFolder, arguments.runs):
            if os.path.realpath(arguments.compare) in map(os.path.realpath, (run.page, *run.tables)):
                raise BadInput(f"{arguments.compare} is the page or table of {run.path} itself; give another name")
        must_be_writable(arguments.compare, arguments.force)
        require_comparable(arguments.runs)
    print("\n".join(write_report(run, arguments.figures) for run in arguments.runs))
    for run in arguments.runs:
        print(f"page: {run / 'index.html'}")
    if arguments.compare:
        write_comparison(arguments.compare, arguments.runs)
    if any(read_record(RunFolder(run).record).config.profile == "smoke" for run in arguments.runs):
        print(SMOKE)
