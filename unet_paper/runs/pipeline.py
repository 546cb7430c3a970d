"""One training run: from a folder of stacks to a folder with weights, weight maps and a complete record."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from unet_paper import checkpoint as checkpoints
from unet_paper.augmentation import draw_deformation
from unet_paper.compute.memory import require_memory
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.compute.torch_compile import should_compile
from unet_paper.config import AVERAGES, BORDERS, DECAYS
from unet_paper.datasets.training_stacks import load
from unet_paper.io.stack import write_stack
from unet_paper.network import output_size
from unet_paper.report.colours import WEIGHTS
from unet_paper.report.pictures import draw_deformations, draw_weight_map
from unet_paper.runs.diagnostics import RECORDED, contributions, remark
from unet_paper.runs.record import RunFolder, code_version, hardware, now, read_json, write_json
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.files import remove_leftovers
from unet_paper.support.locks import exclusive_lock
from unet_paper.support.logs import logger
from unet_paper.support.signals import Interrupted
from unet_paper.training import prepare_training_set, train

# Of a training step in bfloat16, measured with both profiles.
TRAINING_BYTES_PER_PIXEL_AND_CHANNEL = 60
BYTES_PER_PARAMETER = 24


def check_config(config):
    """Raise BadInput for a setting that no run can have."""
    output_size(config.tile_size)
    rules = (
        ("width", 1 <= config.width <= 4096, "from 1 to 4096"),
        ("form", config.form in ("paper", "release"), "'paper' or 'release'"),
        ("classes", config.classes >= 2, "at least 2"),
        ("padding", config.padding in ("valid", "zeros"), "'valid' or 'zeros'"),
        ("optimiser", config.optimiser in ("sgd", "adam"), "'sgd' or 'adam'"),
        ("border", config.border in BORDERS, f"one of {', '.join(BORDERS)}"),
        ("class_balance", 0 <= config.class_balance <= 2, "from 0 to 2"),
        ("drop_out", 0 <= config.drop_out < 1, "from 0 to below 1"),
        ("w_0", 0 <= config.w_0 <= 1e6, "from 0 to 1e6"),
        ("sigma", 0 < config.sigma <= 1e4, "above 0 and at most 1e4"),
        ("displacement_sigma", config.displacement_sigma >= 0, "0 or above"),
        ("grid_points", 2 <= config.grid_points <= 64, "from 2 to 64"),
        ("contrast", 0 <= config.contrast < 1, "from 0 to below 1"),
        ("brightness", config.brightness >= 0, "0 or above"),
        ("steps", config.steps >= 1, "at least 1"),
        ("momentum", 0 <= config.momentum < 1, "from 0 to below 1"),
        ("learning_rate", config.learning_rate > 0, "above 0"),
        ("weight_decay", config.weight_decay >= 0, "0 or above"),
        ("gradient_clip", config.gradient_clip > 0, "above 0"),
        ("warm_up", 0 <= config.warm_up <= 1, "from 0 to 1"),
        ("decay", config.decay in DECAYS, f"one of {', '.join(DECAYS)}"),
        ("seed", 0 <= config.seed < 2**63, "from 0 to below 2^63"),
        ("checkpoint_every", config.checkpoint_every >= 1, "at least 1"),
        ("averages", set(config.averages) <= set(AVERAGES), f"among {', '.join(AVERAGES)}"),
        ("headline", config.headline in config.averages, "one of the averages"),
    )
    for name, value in config.as_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"the setting {name} is {value}; it must be a finite number")
    for name, holds, rule in rules:
        if not holds:
            raise BadInput(f"the setting {name} is {getattr(config, name)!r}; it must be {rule}")


def run_training(
    source,
    out,
    config,
    fold=None,
    resume=False,
    device="cpu",
    compilation="auto",
    leave_out=(),
):
    """Train on a data folder or files of the user's own, and write a run's folder.

    Parameters
    ----------
    source, out : path, or OwnFiles, and a path
        See `training_data.load`; `out` gets run.json, history.csv, checkpoint.pt, weights.pt, weight-maps.tif, the
        stacks to be scored as evaluation-*.tif, and pictures of the weight map and the deformations.
    config : Config
    fold : protocol.Fold or None
    resume : bool
        Go on from `out`'s checkpoint, if there is one.
    device : str
    compilation : "auto", "on" or "off"
        See `compilation.py`.
    leave_out : sequence of int
        Sections of the stack, counted from 0, that are not trained on.

    Raises
    ------
    BadInput for bad data, a folder that holds another run's checkpoint, and a resumed run that differs from the first.
    Diverged and Interrupted, see `training.train`.
    """
    check_config(config)
    what = f"training on tiles of {config.tile_size} px"
    require_memory(training_memory(config, device), what, "take a smaller tile_size or width", device)
    stacks = load(source, fold, leave_out)
    if config.classes != stacks.classes:
        config = replace(config, classes=stacks.classes)
    run = RunFolder(Path(out))
    with exclusive_lock(run.lock, run.path):
        remove_leftovers(run.path)
        _run_training(run, stacks, config, resume, device, compilation)


def _run_training(run, stacks, config, resume, device, compilation):
    earlier = _earlier_checkpoint(run, config, stacks, resume)
    if earlier is not None and earlier.step == config.steps and run.weights.is_file() and _is_finished(run):
        logger.info(f"{run.path} is already trained ({config.steps} steps); nothing to do")
        record = read_json(run.record)
        if RECORDED not in record:  # an older version trained it
            write_json(run.record, record | _deep_levels(earlier, stacks, device))
        return
    if earlier is not None:
        logger.info(f"going on from step {earlier.step} of {config.steps}")
    training_set = prepare_training_set(stacks.volume, stacks.labels, config, device)
    origin = {
        "code": code_version(),
        "hardware": hardware(device),
        "arithmetic": "bfloat16" if config.bfloat16 and computes_in_bfloat16(device) else "float32",
        "compiled": should_compile(compilation, device, config.steps - (earlier.step if earlier else 0)),
        "time": now(),
    }
    if earlier is None:
        kept = run.archive_previous_run()
        if kept is not None:
            logger.info(f"{run.path} held an earlier run's results; they are kept in {kept}")
        record = {
            "name": run.path.name,
            "status": "training",
            "dataset": stacks.dataset,
            "profile": config.profile,
            "protocol": stacks.protocol,
            "seed": config.seed,
            "parameters": count_parameters(config),
            "configuration": config.described(),
            "standardisation": vars(training_set.standardisation),
            "class_weights": list(training_set.class_weights),
            "data_sha256": stacks.data,
            "pixel_size_nm": stacks.pixel_size and list(stacks.pixel_size),
            "code": origin["code"],
            "hardware": origin["hardware"],
            "arithmetic": origin["arithmetic"],
            "compiled": origin["compiled"],
            "resumed": [],
            "times": {"started": origin["time"]},
        }
    else:
        record = read_json(run.record) | {"status": "training"}
        record["resumed"] = [*record.get("resumed", []), {"step": earlier.step, **origin}]
    write_json(run.record, record)
    write_stack(run.weight_maps, training_set.weights.cpu().numpy(), "weight map w(x), equation 2", stacks.pixel_size)
    if stacks.evaluation_volume is not None:
        write_stack(run.volume, stacks.evaluation_volume, pixel_size=stacks.pixel_size)
        binary = (stacks.evaluation_labels > 0).astype(np.uint8) * 255
        shown = binary if stacks.classes == 2 else stacks.evaluation_labels.astype(np.uint16)
        write_stack(run.labels, shown, pixel_size=stacks.pixel_size)
    draw_training_pictures(run, stacks.volume[0], training_set.weights[0].cpu().numpy(), config)

    standardisation = training_set.standardisation
    logger.info(f"gray values: {standardisation.described()}; kept with the weights, prediction does the same")
    logger.info(
        f"training {config.profile} on {origin['hardware']['device']}: {len(stacks.volume)} sections, "
        f"{record['parameters']:,} parameters, {config.steps:,} steps"
    )
    try:
        final = train(config, training_set, run.path, stacks.data, earlier, compilation=compilation)
    except Diverged as error:
        record["diverged"] = [*record.get("diverged", []), error.what]
        write_json(run.record, record | {"status": "diverged"})
        raise
    except Interrupted:
        write_json(run.record, record | {"status": "interrupted"})
        raise
    record |= _deep_levels(final, stacks, device)
    record["status"] = "finished"
    record["times"] |= {"finished": now(), "training_seconds": round(final.seconds, 1)}
    if final.parts:
        record["times"]["training_parts_seconds"] = {name: round(spent, 1) for name, spent in final.parts.items()}
    write_json(run.record, record)


def _deep_levels(trained, stacks, device):
    """What the record says of a Checkpoint's deep levels; says so if they are cut off."""
    changes = contributions(trained.build_network().to(device), trained.standardisation, stacks.volume[0])
    if remark(changes):
        logger.warning(remark(changes))
    return {RECORDED: [round(change, 6) for change in changes]}


def training_memory(config, device):
    """Bytes that a step takes, roughly: maps kept for the backward pass, weights and all that goes with them."""
    wider = 1 if config.bfloat16 and computes_in_bfloat16(device) else 2
    maps = wider * TRAINING_BYTES_PER_PIXEL_AND_CHANNEL * config.tile_size**2 * config.width
    return maps + BYTES_PER_PARAMETER * count_parameters(config)


def count_parameters(config):
    """The network's trainable numbers."""
    with torch.device("meta"):
        return sum(values.numel() for values in checkpoints.new_network(config).parameters())


def _is_finished(run):
    return run.record.is_file() and read_json(run.record).get("status") == "finished"


def _earlier_checkpoint(run, config, stacks, resume):
    if not resume and (run.checkpoint.is_file() or run.earlier_checkpoint.is_file()):
        raise BadInput(f"{run.path} already holds a run; add --resume to go on with it, or give another --out")
    earlier = checkpoints.load_last(run.checkpoint, run.earlier_checkpoint)
    if earlier is None:
        return None
    if earlier.optimiser is None:
        raise BadInput(f"{run.checkpoint} cannot be resumed: it holds no optimiser; give another --out")
    changed = [
        f"{name} {value!r} -> {config.as_dict()[name]!r}"
        for name, value in earlier.config.as_dict().items()
        if config.as_dict()[name] != value
    ]
    changed += [f"{name}.tif" for name in stacks.data if earlier.data.get(name) != stacks.data[name]]
    recorded = read_json(run.record).get("protocol")
    if recorded != stacks.protocol:
        was = recorded or {}
        names = [name for name in {**was, **stacks.protocol} if was.get(name) != stacks.protocol.get(name)]
        changed += [f"{name} {was.get(name)!r} -> {stacks.protocol.get(name)!r}" for name in names]
    if changed:
        raise BadInput(f"{run.path} holds a run that differs ({'; '.join(changed)}); give another --out")
    return earlier


def draw_training_pictures(run, image, weights, config):
    """The weight map of the first training section and three deformations of it, with and without the raw section."""
    draw_weight_map(run.path / "weight-map.png", weights)
    draw_weight_map(run.sections / "weight-map.png", weights, image)
    generator = torch.Generator().manual_seed(config.seed)
    drawing = dict(displacement_sigma=config.displacement_sigma, grid_points=config.grid_points)
    elastic = draw_deformation(image.shape, generator, rotate=False, flip=False, **drawing)
    joined = [
        draw_deformation(image.shape, generator, rotate=config.rotate, flip=config.flip, **drawing) for _ in range(2)
    ]
    draw_deformations(run.path / "deformations.png", weights, [elastic, *joined], config.tile_size, WEIGHTS)
    draw_deformations(run.sections / "deformations.png", image, [elastic, *joined], config.tile_size)
