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
from unet_paper.augmentation import augmented_tile, draw_deformation, draw_gray_variation
from unet_paper.checkpoint import Checkpoint
from unet_paper.compute.precision import autocast, fastest_algorithms
from unet_paper.compute.torch_compile import compiled_network, should_compile
from unet_paper.loss import weighted_cross_entropy
from unet_paper.network import CONTEXT
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.support.errors import BadInput, Diverged
from unet_paper.support.files import atomic_write
from unet_paper.support.progress import progress_bar
from unet_paper.support.signals import Interrupted, stop_requests
from unet_paper.support.stopwatch import Stopwatch
from unet_paper.weight_map import balancing_class_weights, separate_touching_cells, weight_maps

HISTORY_EVERY = 10  # steps per row of history.csv, at most; the loss is only then brought to the CPU and checked
FIRST_MOMENTUM = 0.9  # where the momentum starts that rises
FLAT = 1e-3  # no score further than this from its map's mean: the output says nothing about the image
FLAT_STEPS = 100  # of such output before the training is taken as dead


@dataclass(frozen=True)
class TrainingSet:
    """Standardised images, class numbers and weight maps, each a (Z, H, W) float32 tensor on the training device."""

    images: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    standardisation: Standardisation
    class_weights: tuple[float, ...]  # w_c of each class


def prepare_training_set(volume, labels, config, device):
    """Weight maps (equation 2) and standardised gray values of a (Z, H, W) stack and its truth, on `device`.

    Labels above 0 are cell; with more than two classes they are class numbers.
    """
    if volume.shape != labels.shape:
        raise BadInput(f"images of shape {volume.shape} with labels of shape {labels.shape}; both must be the same")
    gray = gray_values(volume, "the training stack")
    standardisation = Standardisation.of(gray, volume.dtype)
    semantic = config.classes > 2
    classes = labels if semantic else separate_touching_cells(labels) > 0
    class_weights = balancing_class_weights(classes, semantic, config.class_balance)
    weights = weight_maps(labels, config.w_0, config.sigma, class_weights=class_weights, semantic=semantic)
    return TrainingSet(
        images=torch.from_numpy(standardisation(gray)).to(device),
        labels=torch.from_numpy(classes.astype(np.float32)).to(device),
        weights=torch.from_numpy(weights).to(device),
        standardisation=standardisation,
        class_weights=class_weights,
    )


def learning_rate_at(step, config):
    """Learning rate of step 0 ... steps - 1: a linear rise over `warmup`, then half a cosine down to 0 (ours)."""
    rising = config.warmup * config.steps
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    if config.decay == "constant":
        return config.learning_rate
    if config.decay == "trapezoid":
        falling = max(config.steps / 5, 1)
        return config.learning_rate * min(1.0, (config.steps - step) / falling)
    progress = (step - rising) / max(config.steps - rising, 1)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def momentum_at(step, config):
    """Momentum of step 0 ... steps - 1: a linear rise from 0.9 over `momentum_warmup` (ours), then the paper's."""
    rising = config.momentum_warmup * config.steps
    if step >= rising:
        return config.momentum
    first = min(FIRST_MOMENTUM, config.momentum)
    return first + (config.momentum - first) * step / rising


def draw_tile(training_set, config, generator):
    """One augmented tile as a batch of one: (1, 1, S, S) image, (1, s, s) labels, (1, s, s) weights."""
    count, height, width = training_set.images.shape
    section = int(torch.randint(count, (1,), generator=generator))
    deformation = draw_deformation(
        (height, width),
        generator,
        config.displacement_sigma,
        config.grid_points,
        config.rotate,
        config.flip,
        config.shift,
    )
    gray = draw_gray_variation(generator, config.contrast, config.brightness)
    tile, labels, weights = augmented_tile(
        training_set.images[section],
        training_set.labels[section],
        training_set.weights[section],
        deformation,
        gray,
        config.tile_size,
        CONTEXT,
    )
    return tile[None], labels[None], weights[None]


def new_optimiser(network, config):
    """Gradient descent with momentum, or Adam; one fused kernel over all weights."""
    named = list(network.named_parameters())
    groups = [
        {"params": [values for name, values in named if not name.endswith("bias")], "rate": 1.0},
        {"params": [values for name, values in named if name.endswith("bias")], "rate": config.bias_rate},
    ]
    if config.bias_rate == 1:  # one group, as the first checkpoints have it
        groups = [{"params": [values for _, values in named], "rate": 1.0}]
    if config.optimiser == "adam":
        return torch.optim.Adam(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    return torch.optim.SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )


def set_rates(optimiser, config, step):
    """Learning rate and momentum of a step, into the optimiser."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate_at(step, config) * group.get("rate", 1.0)
        if config.optimiser == "sgd":
            group["momentum"] = momentum_at(step, config)


def descend(network, optimiser, config, tile, labels, weights, stopwatch=None):
    """One step of gradient descent on one tile, a batch as `draw_tile` gives it.

    Returns three scalar tensors: the loss, the part of the tile's pixels whose class was wrong, and how far the scores
    went from their map's mean at most.
    """
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
    scores = scores.detach()
    wrong = (scores.argmax(1) != labels).float().mean()
    return loss.detach(), wrong, (scores - scores.mean((2, 3), keepdim=True)).abs().max()


def train(config, training_set, folder, data, resume=None, after_step=None, compilation="off"):
    """Train a network and keep its history and checkpoints in `folder`.

    Parameters
    ----------
    config : Config
    training_set : TrainingSet
        Training happens on its device.
    folder : path
        Gets `history.csv`, `checkpoint.pt` and the one before it, `checkpoint-before.pt`, while training, and
        `weights.pt` at the end.
    data : dict
        Name -> SHA-256 of the stacks, kept in the checkpoints.
    resume : Checkpoint or None
        Where to go on. Every step seeds its own random numbers, so a resumed run equals one that was never stopped.
    after_step : callable or None
        Called with the number of steps done, after each.
    compilation : "auto", "on" or "off"
        Whether to compile the network; see `compute.torch_compile`.

    Returns
    -------
    Checkpoint of the last step.

    Raises
    ------
    Diverged when the loss or a weight stops being finite, or the output has been the same everywhere for FLAT_STEPS
    steps, or at the end; `checkpoint.pt` then is the last good one.
    Interrupted on Ctrl-C and SIGTERM, after a checkpoint was written.
    """
    training = Training(config, training_set, Path(folder), data, resume)
    training.compile(compilation)
    with (
        fastest_algorithms(training.device),
        progress_bar(total=config.steps, initial=training.step, unit="tile", desc="train") as bar,
        stop_requests() as request,
    ):
        while training.step < config.steps:
            training.advance()
            done = training.step
            keep = done % config.checkpoint_every == 0 or done == config.steps
            if done % HISTORY_EVERY == 0 or keep:
                bar.set_postfix(loss=f"{training.add_to_history():.3f}", refresh=False)
            if keep:
                training.save_checkpoint()
            bar.update()
            if after_step is not None:
                after_step(done)
            if request.number and done < config.steps:
                if not keep:
                    training.save_checkpoint()
                raise Interrupted(training.kept(), request.number)
        final = training.state(with_optimiser=False)
        write_history(training.folder / "history.csv", training.history)
        checkpoints.save(training.folder / "weights.pt", final)
        if request.number:
            raise Interrupted(training.kept(), request.number)
    return final


class Training:
    """A training in progress: all that changes from step to step."""

    def __init__(self, config, training_set, folder, data, resume=None):
        self.config, self.training_set, self.folder, self.data = config, training_set, folder, data
        self.device = training_set.images.device
        self.checkpoint_path = folder / "checkpoint.pt"
        torch.manual_seed(config.seed)
        self.network = checkpoints.new_network(config).to(self.device, memory_format=torch.channels_last).train()
        self.optimiser = new_optimiser(self.network, config)
        self.step, self.history, self.flat_since, self.kept_step = 0, [], None, None
        self.sums, self.losses, self.spread = torch.zeros(2, device=self.device), 0, None  # of loss and error
        self.stopwatch, self.seconds_before = Stopwatch(), 0.0
        if resume is not None:
            self.network.load_state_dict(resume.network)
            self.optimiser.load_state_dict(resume.optimiser)
            self.step, self.history, self.kept_step = resume.step, list(resume.history), resume.step
            self.sums, self.losses = self.sums + self.sums.new_tensor(resume.sums), resume.losses
            self.stopwatch, self.seconds_before = Stopwatch(resume.parts), resume.seconds
        self.forward = self.network
        self.generator = torch.Generator()
        self.started = time.monotonic()

    def compile(self, choice):
        """Compile the network, if that is chosen and works."""
        if should_compile(choice, self.device, self.config.steps - self.step):
            tile = draw_tile(self.training_set, self.config, torch.Generator())[0]
            self.forward = compiled_network(self.network, tile, self.config.bfloat16)

    @property
    def seconds(self):
        """Spent in training so far, with earlier runs."""
        return self.seconds_before + time.monotonic() - self.started

    def advance(self):
        """One step, with random numbers of its own."""
        seeds = np.random.SeedSequence([self.config.seed, self.step]).generate_state(2, np.uint64)
        tile_seed, drop_out_seed = (int(seed >> 1) for seed in seeds)
        self.generator.manual_seed(tile_seed)
        torch.manual_seed(drop_out_seed)
        set_rates(self.optimiser, self.config, self.step)
        with self.stopwatch.part("tiles"):
            batch = draw_tile(self.training_set, self.config, self.generator)
        *found, self.spread = descend(self.forward, self.optimiser, self.config, *batch, self.stopwatch)
        self.sums, self.losses = self.sums + torch.stack(found), self.losses + 1
        self.step += 1

    def add_to_history(self):
        """A row with the mean loss since the row before, which is returned. Raises Diverged; see `train`."""
        mean_loss, mean_error = (self.sums / self.losses).tolist()
        if not math.isfinite(mean_loss):
            raise self._diverged(f"the loss is {mean_loss}")
        self.sums, self.losses = torch.zeros_like(self.sums), 0
        self.history.append(
            {
                "step": self.step,
                "loss": mean_loss,
                "tile_error": mean_error,
                "learning_rate": learning_rate_at(self.step - 1, self.config),
                "seconds": round(self.seconds, 3),
            }
        )
        if float(self.spread) > FLAT:
            self.flat_since = None
        else:
            self.flat_since = self.flat_since or self.step
            if self.step - self.flat_since >= FLAT_STEPS:
                raise self._flat()
        return mean_loss

    def save_checkpoint(self):
        """Keep this step, and the checkpoint before it; none of a training that may be dying. Raises Diverged."""
        if not all(bool(torch.isfinite(value).all()) for value in self.network.parameters()):
            raise self._diverged("a weight is not finite")
        if self.flat_since is not None:
            if self.step == self.config.steps:
                raise self._flat()
            return
        self.kept_step = self.step
        with self.stopwatch.part("checkpoints"):
            checkpoints.save(self.checkpoint_path, self.state(), self.folder / "checkpoint-before.pt")
            write_history(self.folder / "history.csv", self.history)

    def state(self, with_optimiser=True):
        """The Checkpoint of this step."""
        return Checkpoint(
            step=self.step,
            config=self.config,
            standardisation=self.training_set.standardisation,
            network={name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()},
            optimiser=self.optimiser.state_dict() if with_optimiser else None,
            history=self.history,
            data=self.data,
            seconds=self.seconds,
            # Not of a GPU, which works on after a part has returned.
            parts={} if self.device.type == "cuda" else dict(self.stopwatch.seconds),
            sums=self.sums.tolist(),
            losses=self.losses,
        )

    def kept(self):
        """In words, what an interrupted training can go on from."""
        if self.kept_step is None:
            return "no step was kept"
        return f"step {self.kept_step} of {self.config.steps} is kept in {self.checkpoint_path}"

    def _flat(self):
        return self._diverged(
            f"the output has been the same everywhere since step {self.flat_since}, as when all ReLUs have died"
        )

    def _diverged(self, what):
        write_history(self.folder / "history.csv", self.history)
        kept = self.checkpoint_path
        last_good = f"the last good checkpoint is {kept}" if kept.exists() else "there was no checkpoint yet"
        return Diverged(
            f"step {self.step}: {what}",
            f"{last_good}; try once more with --resume, in case the machine was at fault, or train in another folder "
            "with a lower learning_rate or gradient_clip, or another seed",
        )


def write_history(path, history):
    """history.csv, a row every few steps: `step`; `loss` and `tile_error` (the part of the training tiles' pixels whose
    class was wrong), means since the row before; `learning_rate`; `seconds` of training so far.
    """
    with atomic_write(path) as temporary:
        with open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(
                file, ["step", "loss", "tile_error", "learning_rate", "seconds"], lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(history)
