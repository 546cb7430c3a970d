"""Training (section 3): stochastic gradient descent with momentum 0.99, one large tile a step."""

import csv
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unet_paper import checkpoint as checkpoints
from unet_paper.arithmetic import autocast
from unet_paper.augmentation import augmented_tile, draw_deformation, draw_gray_variation
from unet_paper.checkpoint import Checkpoint, Standardisation
from unet_paper.compilation import compiled, pays
from unet_paper.errors import BadInput, Diverged
from unet_paper.loss import weighted_cross_entropy
from unet_paper.network import BORDER
from unet_paper.progress import progress_bar
from unet_paper.stack import gray_values, written_whole
from unet_paper.stopwatch import Stopwatch
from unet_paper.weight_map import separate_touching_cells, weight_maps

HISTORY_EVERY = 10  # steps per row of history.csv, at most; the loss is only then brought to the CPU and checked


@dataclass(frozen=True)
class TrainingSet:
    """Standardised images, class numbers and weight maps, each a (Z, H, W) float32 tensor on the training device."""

    images: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    standardisation: Standardisation


def prepare_training_set(volume, labels, config, device):
    """Weight maps (equation 2) and standardised gray values of a (Z, H, W) stack and its truth, on `device`.

    Labels above 0 are cell; with more than two classes they are class numbers.
    """
    if volume.shape != labels.shape:
        raise BadInput(f"images of shape {volume.shape} with labels of shape {labels.shape}; both must be the same")
    gray = gray_values(volume, "the training stack")
    standardisation = Standardisation(float(gray.mean()), float(gray.std()) or 1.0, volume.dtype.name)
    semantic = config.classes > 2
    weights = weight_maps(labels, config.w_0, config.sigma, semantic=semantic)
    classes = labels if semantic else separate_touching_cells(labels) > 0
    return TrainingSet(
        images=torch.from_numpy(standardisation(gray)).to(device),
        labels=torch.from_numpy(classes.astype(np.float32)).to(device),
        weights=torch.from_numpy(weights).to(device),
        standardisation=standardisation,
    )


def learning_rate_at(step, config):
    """Learning rate of step 0 ... steps - 1: a linear rise over `warm_up`, then half a cosine down to 0 (ours)."""
    rising = config.warm_up * config.steps
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    if config.decay == "constant":
        return config.learning_rate
    progress = (step - rising) / max(config.steps - rising, 1)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def draw_tile(training_set, config, generator):
    """One augmented tile as a batch of one: (1, 1, S, S) image, (1, s, s) labels, (1, s, s) weights."""
    count, height, width = training_set.images.shape
    section = int(torch.randint(count, (1,), generator=generator))
    deformation = draw_deformation(
        (height, width), generator, config.displacement_sigma, config.grid_points, config.rotate, config.flip
    )
    gray = draw_gray_variation(generator, config.contrast, config.brightness)
    tile, labels, weights = augmented_tile(
        training_set.images[section],
        training_set.labels[section],
        training_set.weights[section],
        deformation,
        gray,
        config.tile_size,
        BORDER,
    )
    return tile[None], labels[None], weights[None]


def new_optimiser(network, config):
    """Gradient descent with momentum; one fused kernel over all weights."""
    return torch.optim.SGD(
        network.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )


def descend(network, optimiser, config, tile, labels, weights, stopwatch=None):
    """One step of gradient descent on one tile, a batch as `draw_tile` gives it. Returns the loss, a scalar tensor."""
    stopwatch = stopwatch or Stopwatch()
    optimiser.zero_grad(set_to_none=True)
    with stopwatch.part("forward"):
        with autocast(tile.device, config.bfloat16):
            scores = network(tile.contiguous(memory_format=torch.channels_last))
        loss = weighted_cross_entropy(scores, labels, weights)
    with stopwatch.part("backward"):
        loss.backward()
    with stopwatch.part("optimiser"):
        # Not in the paper: the first steps' gradients are far larger than those that follow, and the momentum of 0.99
        # would keep them for a hundred steps.
        nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimiser.step()
    return loss.detach()


def train(
    config, training_set, folder, data, resume=None, progress=True, after_step=None, compilation="off", say=print
):
    """Train a network and keep its history and checkpoints in `folder`.

    Parameters
    ----------
    config : Config
    training_set : TrainingSet
        Training happens on its device.
    folder : path
        Gets `history.csv` and `checkpoint.pt` while training and `weights.pt` at the end.
    data : dict
        Name -> SHA-256 of the stacks, kept in the checkpoints.
    resume : Checkpoint or None
        Where to go on. Every step seeds its own random numbers, so a resumed run equals one that was never stopped.
    progress : bool
        Show loss, rate and time left on stderr.
    after_step : callable or None
        Called with the number of steps done, after each.
    compilation : "auto", "on" or "off"
        Whether to compile the network; see `compilation.py`.
    say : callable
        Gets what a user should know, a line at a time.

    Returns
    -------
    Checkpoint of the last step.

    Raises
    ------
    Diverged when the loss or a weight stops being finite; `checkpoint.pt` then is the last good one.
    """
    folder = Path(folder)
    device = training_set.images.device
    torch.manual_seed(config.seed)
    network = checkpoints.new_network(config)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimiser = new_optimiser(network, config)
    history, first_step, seconds_before, stopwatch = [], 0, 0.0, Stopwatch()
    if resume is not None:
        network.load_state_dict(resume.network)
        optimiser.load_state_dict(resume.optimiser)
        history, first_step, seconds_before = list(resume.history), resume.step, resume.seconds
        stopwatch = Stopwatch(resume.parts)

    def state(step, with_optimiser=True):
        return Checkpoint(
            step=step,
            config=config,
            standardisation=training_set.standardisation,
            network={name: value.detach().cpu().clone() for name, value in network.state_dict().items()},
            optimiser=optimiser.state_dict() if with_optimiser else None,
            history=history,
            data=data,
            seconds=seconds_before + time.monotonic() - started,
            parts={} if device.type == "cuda" else stopwatch.seconds,  # a GPU works on after its part has returned
        )

    forward = network
    if pays(compilation, device, config.steps - first_step):
        forward = compiled(network, draw_tile(training_set, config, torch.Generator())[0], config.bfloat16, say)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all tiles have the same size

    generator = torch.Generator()
    started = time.monotonic()
    loss_sum, losses = torch.zeros((), device=device), 0
    with progress_bar(total=config.steps, initial=first_step, unit="tile", desc="train", disable=not progress) as bar:
        for step in range(first_step, config.steps):
            tile_seed, drop_out_seed = np.random.SeedSequence([config.seed, step]).generate_state(2, np.uint64)
            generator.manual_seed(int(tile_seed >> 1))
            torch.manual_seed(int(drop_out_seed >> 1))
            rate = learning_rate_at(step, config)
            for group in optimiser.param_groups:
                group["lr"] = rate

            with stopwatch.part("tiles"):
                batch = draw_tile(training_set, config, generator)
            loss = descend(forward, optimiser, config, *batch, stopwatch)
            loss_sum, losses = loss_sum + loss, losses + 1

            keep = (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps
            if (step + 1) % HISTORY_EVERY == 0 or keep:
                mean_loss = float(loss_sum) / losses
                if not math.isfinite(mean_loss):
                    raise Diverged(_diverged_message(f"the loss is {mean_loss}", step + 1, folder))
                history.append(
                    {
                        "step": step + 1,
                        "loss": mean_loss,
                        "learning_rate": rate,
                        "seconds": round(seconds_before + time.monotonic() - started, 3),
                    }
                )
                bar.set_postfix(loss=f"{mean_loss:.3f}", refresh=False)
                loss_sum, losses = torch.zeros((), device=device), 0
            if keep:
                if not all(bool(torch.isfinite(value).all()) for value in network.parameters()):
                    raise Diverged(_diverged_message("a weight is not finite", step + 1, folder))
                with stopwatch.part("checkpoints"):
                    checkpoints.save(folder / "checkpoint.pt", state(step + 1))
                    write_history(folder / "history.csv", history)
            bar.update()
            if after_step is not None:
                after_step(step + 1)

    final = state(config.steps, with_optimiser=False)
    checkpoints.save(folder / "weights.pt", final)
    return final


def _diverged_message(what, step, folder):
    kept = folder / "checkpoint.pt"
    last_good = f"the last good checkpoint is {kept}" if kept.exists() else "there was no checkpoint yet"
    return (
        f"training stopped at step {step}: {what}; {last_good}; train in another folder with a lower learning_rate or "
        "gradient_clip"
    )


def write_history(path, history):
    """history.csv: step, loss (mean since the row before), learning_rate, seconds (of training so far)."""
    with written_whole(path) as temporary:
        with open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, ["step", "loss", "learning_rate", "seconds"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(history)
