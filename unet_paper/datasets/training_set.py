"""What a training sees: standardised images, class numbers and weight maps, one augmented tile at a time."""

from dataclasses import dataclass

import numpy as np
import torch

from unet_paper.augmentation import augmented_tile, draw_deformation, draw_gray_variation
from unet_paper.config import Config
from unet_paper.network import CONTEXT
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.support.errors import BadInput
from unet_paper.weight_map import balancing_class_weights, separate_touching_cells, weight_maps


@dataclass(frozen=True)
class TrainingSet:
    """Standardised images, class numbers and weight maps, each a (Z, H, W) float32 tensor on the training device."""

    images: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    standardisation: Standardisation
    class_weights: tuple[float, ...]  # w_c of each class


def prepare_training_set(
    volume: np.ndarray,
    labels: np.ndarray,
    config: Config,
    device: torch.device | str,
    ignore: np.ndarray | None = None,
) -> TrainingSet:
    """Weight maps (equation 2) and standardised gray values of a (Z, H, W) stack and its truth, on `device`.

    Labels above 0 are cell; with more than two classes they are class numbers. ignore : bool, True for pixels of which
    the truth is not known; they weigh 0, and do not count where class frequencies are balanced. Raises BadInput for
    arrays that do not fit.
    """
    if volume.shape != labels.shape:
        raise BadInput(f"images of shape {volume.shape} with labels of shape {labels.shape}; both must be the same")
    gray = gray_values(volume, "the training stack")
    standardisation = Standardisation.of(gray, volume.dtype)
    semantic = config.classes > 2
    classes = labels if semantic else separate_touching_cells(labels) > 0
    class_weights = balancing_class_weights(classes, semantic, config.class_balance, ignore)
    weights = weight_maps(
        labels, config.w_0, config.sigma, class_weights=class_weights, semantic=semantic, ignore=ignore
    )
    return TrainingSet(
        images=torch.from_numpy(standardisation(gray)).to(device),
        labels=torch.from_numpy(classes.astype(np.float32)).to(device),
        weights=torch.from_numpy(weights).to(device),
        standardisation=standardisation,
        class_weights=class_weights,
    )


def draw_tile(
    training_set: TrainingSet, config: Config, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One augmented tile as a batch of one: (1, 1, S, S) image, (1, s, s) labels, (1, s, s) weights, s = S - 184."""
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
