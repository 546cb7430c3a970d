"""How much memory a training step takes, which is asked before the work starts."""

from unet_paper.compute.memory import require_memory
from unet_paper.compute.precision import computes_in_bfloat16
from unet_paper.config import Config
from unet_paper.runs.training_record import count_parameters

# Of a training step in bfloat16, measured with the profiles paper and quick.
TRAINING_BYTES_PER_PIXEL_AND_CHANNEL = 60
BYTES_PER_PARAMETER = 24


def require_step_memory(config: Config, device: str) -> None:
    """Raise BadInput when a training step would take more memory than there is."""
    what = f"training on tiles of {config.tile_size} px"
    require_memory(step_memory(config, device), what, "take a smaller tile_size or base_channels", device)


def step_memory(config: Config, device: str) -> int:
    """Bytes that a step takes, roughly: feature maps kept for the backward pass, weights and what goes with them."""
    wider = 1 if config.bfloat16 and computes_in_bfloat16(device) else 2
    feature_maps = wider * TRAINING_BYTES_PER_PIXEL_AND_CHANNEL * config.tile_size**2 * config.base_channels
    return feature_maps + BYTES_PER_PARAMETER * count_parameters(config)
