"""Prediction (sections 2 and 4): overlap tiles, averaged over versions of the input."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from unet_paper.checkpoint import Checkpoint, load
from unet_paper.compute.callers_torch import callers_settings_set_aside
from unet_paper.compute.memory import available_memory, release
from unet_paper.compute.precision import autocast, computes_in_bfloat16, float32_unrounded, usable_device
from unet_paper.config import EXTRAPOLATIONS, PAPER, TTA
from unet_paper.io.sections import note_odd_axes, require_no_colours
from unet_paper.network import CONTEXT, UNet
from unet_paper.normalisation import Standardisation, gray_values
from unet_paper.overlap_tile import SMALLEST_TILE, Block, Plan, mirrored_region, plan_blocks
from unet_paper.support.arguments import as_array, holds, require_choice
from unet_paper.support.errors import BadInput
from unet_paper.support.logs import logger
from unet_paper.support.progress import progress_bar
from unet_paper.test_time_augmentation import moved, views

CELL = 1  # the class whose probability is the challenge's map
# Bytes that one pass takes for each input pixel and channel of the first level (measured, see results/benchmarks): four
# maps of float32 are alive at a time, and there is some working space.
BYTES_PER_PIXEL_AND_CHANNEL = 20
FAR = 1000  # standard deviations from the training stack's mean: no gray value of a picture like those
# On a CPU, maps of tiles larger than this leave the caches, which costs more time than the saved work is worth.
MOST_PIXELS = {"cpu": 2**20, "cuda": 2**23}


class Predictor:
    """A trained network, ready to predict sections of any size."""

    def __init__(
        self,
        network: UNet,
        standardisation: Standardisation,
        tta: str = PAPER.primary,
        bfloat16: bool = False,
        extrapolation: str = PAPER.extrapolation,
        registration: tuple[float, float] = PAPER.registration,
    ) -> None:
        """
        network : UNet
            Prediction happens on its device.
        standardisation : Standardisation
            The training stack's.
        tta : str
            Test-time augmentation. "none" is one pass; "rot7" averages seven versions rotated by k 360 / 7 degrees, our
            reading of the paper's "7 rotated versions"; "d4" the eight flips and quarter turns, which need no
            interpolation.
        bfloat16 : bool
            Compute in it where the device does, which is faster and rounds more coarsely; else in float32.
        extrapolation : str
            What lies beyond the image: "mirror" (the paper), or "zeros", the training stack's mean gray.
        registration : (x, y)
            The map is of pixels of the labels, which show what lies so many px to their right and below in the image.

        Raises BadInput for another tta or extrapolation, and for a registration that is no two numbers.
        """
        require_choice("tta", tta, TTA)
        require_choice("extrapolation", extrapolation, EXTRAPOLATIONS)
        if not holds(lambda: len(registration) == 2 and all(math.isfinite(px) for px in registration)):
            raise BadInput(f"registration is {registration!r}; it must be (x, y), two numbers in px")
        self.network = network.eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
        self.standardisation = standardisation
        self.tta = tta
        self.extrapolation = extrapolation
        self.registration = registration
        self.views = views(tta)
        self.device = next(network.parameters()).device
        self.classes = network.classifier.out_channels
        self.bfloat16 = bfloat16 and computes_in_bfloat16(self.device)

    @property
    def out_channels(self) -> int:
        """Of the result: 1, the probability of cell, or, with more than two classes, the probability of each."""
        return 1 if self.classes == 2 else self.classes

    def plan(self, height: int, width: int, memory: int | None = None, largest_tile: int | None = None) -> Plan:
        """How sections of this size, px, are cut into blocks.

        memory : bytes that a tile may take; unless given, half of what is free, and no more than is fast.
        largest_tile : px.

        A padded network sees zeros at the rim of each tile, so that no section is cut for it. Raises BadInput where
        the tiles that are allowed are too small.
        """
        if largest_tile and largest_tile < SMALLEST_TILE:
            raise BadInput(f"a tile of {largest_tile} px is too small; it must have at least {SMALLEST_TILE} px")
        base_channels = self.network.classifier.in_channels
        available = available_memory(self.device) // 2 if memory is None else memory
        pixels = available // (BYTES_PER_PIXEL_AND_CHANNEL * base_channels)
        whole = self.network.padded
        if memory is None and not whole:
            pixels = min(pixels, MOST_PIXELS[self.device.type])
        return plan_blocks(height, width, self.views, pixels, largest_tile, base_channels, whole)

    def check(self, volume: np.ndarray, name: str = "the stack") -> None:
        """Raise BadInput for a stack of another type than the training stack's. `name`: what messages call it."""
        trained_on = np.dtype(self.standardisation.dtype)
        if volume.dtype.name != trained_on.name and not volume.dtype.kind == trained_on.kind == "f":  # of one scale
            raise BadInput(
                f"{name} holds {volume.dtype.name} values but the network was trained on {self.standardisation.dtype}; "
                f"scale its values to those trained on, {self.standardisation.range_told()}"
            )

    def predict_block(self, section: np.ndarray, block: Block) -> np.ndarray:
        """The mean over the views for one block of an (H, W) section of gray values: (out_channels, h, w) float32."""
        with callers_settings_set_aside(), torch.inference_mode(), float32_unrounded(self.device):
            return self._mean_over_views(section, block)

    def _mean_over_views(self, section: np.ndarray, block: Block) -> np.ndarray:

        def read(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
            gray = gray_values(mirrored_region(section, top, bottom, left, right))
            values = torch.from_numpy(self.standardisation(gray)).to(self.device)
            if self.extrapolation == "zeros":
                height, width = section.shape
                inside = torch.zeros_like(values)
                inside[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)] = 1
                values = values * inside
            return values

        seen = moved(read, self.registration)
        total = torch.zeros((), device=self.device)
        for view in self.views:
            total = total + view.predict(block, section.shape, seen, self._probabilities)
        summed = total[CELL : CELL + 1] if self.classes == 2 else total
        probabilities = (summed / len(self.views)).clamp(0, 1).cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise BadInput(
                "the network's output is not finite: the gray values are too far from the training stack's; scale the "
                "images as those that it was trained on"
            )
        return probabilities

    def _probabilities(self, tile: torch.Tensor) -> torch.Tensor:
        with autocast(self.device, self.bfloat16):
            logits = self.network(tile[None, None].contiguous(memory_format=torch.channels_last))[0]
        return logits.softmax(0)

    def lone_value(self, lowest: float, highest: float) -> str | None:
        """In words, that of the lowest and the highest gray value of a file which is too far from the training stack's
        to be one, such as -9999 for "nothing"; or None.
        """
        values = np.array([lowest, highest]) / self.standardisation.largest
        far = np.abs(self.standardisation(values))
        if far.max() < FAR:
            return None
        value = (lowest, highest)[int(far.argmax())]
        return (
            f"{value:g}, {far.max():,.0f} standard deviations of the training stack from its mean; if it stands for "
            f"missing values or is a hot pixel, the map is wrong up to {CONTEXT} px around it"
        )

    def warning(self, volume: np.ndarray) -> str | None:
        """A sentence for a stack whose gray values are far from the training stack's, or None: such maps come out all
        black, all white or all gray. Looks at a few thousand pixels of one section.
        """
        section = volume[len(volume) // 2]
        down, across = (max(1, side // 64) for side in section.shape)
        seen = self.standardisation(gray_values(np.asarray(section[::down, ::across])))
        mean, deviation = float(seen.mean()), float(seen.std())
        if abs(mean) < 2 and 1 / 4 < deviation < 4:
            return None
        return (
            f"note: the gray values differ from the training stack's (mean off by {mean:+.1f} of its standard "
            f"deviations, spread {deviation:.2f} times its own); if the map is all black, white or gray, this is why"
        )


def predict(
    model: Checkpoint | Path | str,
    image: ArrayLike,
    tta: str | None = None,
    *,
    device: str | None = None,
    registered: bool = False,
) -> np.ndarray:
    """Probability of cell for every pixel of an image or a stack.

    Parameters
    ----------
    model : Checkpoint or path
        A trained network, from `train` or `load`, or the file that `load` reads.
    image : (H, W) or (Z, H, W) array
        Gray values of the type that the network was trained on; floats of any length are one.
    tta : "none", "rot7", "d4" or None
        Test-time augmentation, see `Predictor`; the one that the training was set up for unless given.
    device : str or None
        "cpu" or "cuda"; the GPU unless given, if there is one.
    registered : bool
        Whether the map lies where the labels that were trained on lay (`Config.registration`), and not on the image.

    Returns
    -------
    float32 array of the image's shape
        0 = surely background (membrane), 1 = surely cell. With K > 2 classes (K, H, W) or (Z, K, H, W): the
        probability of each.

    Raises
    ------
    BadInput
        For an image of another shape or type, an unknown `tta`, a device that is not there, and weights that cannot be
        read.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 2, figure 2 (overlap tiles) and section 4 (averaging).
    """
    device = usable_device(device)
    if isinstance(model, torch.nn.Module):
        raise BadInput(
            f"the model is given as {type(model).__name__}, which does not know the gray values that it was trained "
            "on; give what `train` or `load` returns, or a file of it"
        )
    trained = model if isinstance(model, Checkpoint) else load(model)
    network = trained.build_network().to(device)
    config = trained.config
    tta = config.primary if tta is None else tta
    if not isinstance(registered, (bool, np.bool_)):
        raise BadInput(f"registered is {registered!r}; it must be True or False")
    registration = config.registration if registered else PAPER.registration
    predictor = Predictor(network, trained.standardisation, tta, config.bfloat16, config.extrapolation, registration)
    return _predict_array(predictor, _of_one_type(image))


def predict_stack(
    network: UNet,
    standardisation: Standardisation,
    volume: np.ndarray,
    tta: str = PAPER.primary,
    largest_tile: int | None = None,
    memory: int | None = None,
    bfloat16: bool = False,
    extrapolation: str = PAPER.extrapolation,
    registration: tuple[float, float] = PAPER.registration,
) -> np.ndarray:
    """Probability of cell for every pixel of a stack by a network that is in memory; of a Checkpoint see `predict`.

    Parameters
    ----------
    network, standardisation, tta, bfloat16, extrapolation, registration
        See Predictor; the network's mode stays as it is.
    volume : (H, W) or (Z, H, W) array of gray values, of the training stack's type
    largest_tile, memory : int or None
        Largest input tile in px, and bytes that one may take; the map is the same but for rounding.

    Returns
    -------
    float32 array of the volume's shape
        0 = surely membrane, 1 = surely cell. With K > 2 classes (K, H, W) or (Z, K, H, W).

    Raises
    ------
    BadInput
        For a volume of another shape or type, and settings that do not fit.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        predictor = Predictor(network, standardisation, tta, bfloat16, extrapolation, registration)
        return _predict_array(predictor, _of_one_type(volume), memory, largest_tile)
    finally:
        for module, is_training in modes:
            module.training = is_training


def _of_one_type(images: ArrayLike) -> np.ndarray:
    """Images as an array. Raises BadInput for a list of several types, of which NumPy would make one."""
    array = as_array(images, "images")
    if isinstance(images, (list, tuple)):
        types = {part.dtype.name for part in map(np.asarray, images)}
        if len(types) > 1 and array.ndim == 3:
            raise BadInput(f"the images hold {' and '.join(sorted(types))} values; all must be of one type")
    return array


def _range_of(volume: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest gray value. Raises BadInput, before any work, for one that is no finite number."""
    lowest, highest = math.inf, -math.inf
    for index, section in enumerate(volume):
        ends = np.array([section.min(), section.max()])  # of which one is no number where any value is none
        gray_values(ends, f"section {index} of the images" if len(volume) > 1 else "the image")
        lowest, highest = min(lowest, float(ends[0])), max(highest, float(ends[1]))
        release(volume)
    return lowest, highest


def _predict_array(
    predictor: Predictor, image: np.ndarray, memory: int | None = None, largest_tile: int | None = None
) -> np.ndarray:
    """See `predict_stack`."""
    if image.ndim not in (2, 3) or image.size == 0:
        raise BadInput(f"an image of shape {image.shape}; expected (H, W) or (Z, H, W)")
    require_no_colours(image, "images")
    predictor.check(image)
    volume = image[None] if image.ndim == 2 else image
    note_odd_axes(volume.shape, "the array of images")
    note, warning = predictor.lone_value(*_range_of(volume)), predictor.warning(volume)
    if note:
        logger.warning(f"note: the images hold {note}")
    if warning:
        logger.warning(warning)
    height, width = volume.shape[1:]
    plan = predictor.plan(height, width, memory, largest_tile)
    result = np.empty((len(volume), predictor.out_channels, *volume.shape[1:]), np.float32)
    jobs = [(index, block) for index in range(len(volume)) for block in plan.blocks]
    for index, block in progress_bar(jobs, desc=f"predict {predictor.tta}", unit="tile"):
        of_block = result[index, :, block.top : block.bottom, block.left : block.right]
        of_block[...] = predictor.predict_block(volume[index], block)
        release(volume)
    result = result[:, 0] if predictor.out_channels == 1 else result
    return result[0] if image.ndim == 2 else result
