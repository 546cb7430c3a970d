"""What a training sees: standardised images, class numbers and weight maps, one augmented tile at a time."""

from dataclasses import dataclass

import numpy as np
import torch

from unet_paper.augmentation import augmented_tile, draw_deformation, draw_gray_variation
from unet_paper.config import Config
from unet_paper.io.sections import Sections, joined, require_contrast, require_same_shapes
from unet_paper.network import CONTEXT
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.errors import BadInput
from unet_paper.weight_map import balancing_class_weights, require_no_negatives, weight_map


@dataclass(frozen=True)
class TrainingSet:
    """Standardised images, class numbers and weight maps: a (H, W) float32 tensor each on the training device, for
    every section. Sections may differ in size.
    """

    images: tuple[torch.Tensor, ...]
    labels: tuple[torch.Tensor, ...]
    weights: tuple[torch.Tensor, ...]  # 0 where a pixel is ignored
    standardisation: Standardisation
    class_weights: tuple[float, ...]  # w_c of each class

    @property
    def device(self) -> torch.device:
        """Where a training on it happens."""
        return self.images[0].device


def prepare_training_set(
    images: Sections,
    labels: Sections,
    config: Config,
    device: torch.device | str,
    ignore: Sections | None = None,
) -> TrainingSet:
    """Weight maps (equation 2) and standardised gray values of images and their truth, on `device`.

    images, labels : (Z, H, W) arrays, or sequences of (H, W) arrays of any sizes. Labels above 0 are cell; with more
    than two classes they are class numbers.
    ignore : bool of the same shapes, or None; pixels of which the truth is not known. They weigh 0, whatever their
    label, and do not count where class frequencies are balanced.

    Mean and deviation of the gray values, and the class weights, are those of all sections together. Raises BadInput
    for arrays that do not fit, labels below 0 that are not ignored, and nothing but blank sections.
    """
    require_same_shapes(images, labels, ("images", "labels"))
    if ignore is None:
        ignore = [np.zeros(section.shape, bool) for section in labels]
    require_same_shapes(images, ignore, ("images", "pixels to ignore"))
    dtypes = sorted({section.dtype.name for section in images})
    if len(dtypes) > 1:
        raise BadInput(f"the images hold {' and '.join(dtypes)} values; all must be of one type")
    gray = [gray_values(section, "the training stack") for section in images]
    require_contrast(gray)  # which 32 bits may lose
    standardisation = Standardisation.of(joined(gray), images[0].dtype)
    semantic = config.classes > 2
    known = [np.where(mask, section.dtype.type(0), section) for section, mask in zip(labels, ignore, strict=True)]
    for section in known:
        require_no_negatives(section, "the labels hold")
    classes = [section if semantic else separate_touching_cells(section) > 0 for section in known]
    class_weights = balancing_class_weights(joined(classes), semantic, config.class_balance, joined(ignore))
    weights = [
        weight_map(section, config.w_0, config.sigma, class_weights=class_weights, semantic=semantic, ignore=mask)
        for section, mask in zip(known, ignore, strict=True)
    ]
    return TrainingSet(
        images=tuple(torch.from_numpy(standardisation(section)).to(device) for section in gray),
        labels=tuple(torch.from_numpy(section.astype(np.float32)).to(device) for section in classes),
        weights=tuple(torch.from_numpy(section).to(device) for section in weights),
        standardisation=standardisation,
        class_weights=class_weights,
    )


def draw_tile(
    training_set: TrainingSet, config: Config, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One augmented tile as a batch of one: (1, 1, S, S) image, (1, s, s) labels, (1, s, s) weights, s = S - 184.

    Every section is drawn as often as any other, whatever its size.
    """
    section = int(torch.randint(len(training_set.images), (1,), generator=generator))
    image = training_set.images[section]
    deformation = draw_deformation(
        image.shape,
        generator,
        config.displacement_sigma,
        config.grid_points,
        config.rotate,
        config.flip,
        config.shift,
    )
    gray = draw_gray_variation(generator, config.contrast, config.brightness)
    tile, labels, weights = augmented_tile(
        image,
        training_set.labels[section],
        training_set.weights[section],
        deformation,
        gray,
        config.tile_size,
        CONTEXT,
        config.registration,
    )
    return tile[None], labels[None], weights[None]
