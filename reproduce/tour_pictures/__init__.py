"""The pictures of `tour.ipynb`: what its cells have computed, drawn, for light pages and dark ones."""

from .panels import Picture
from .section_2 import border, network, seam, tiles, up_convolution
from .section_3 import elastic, training, weight_maps, weight_terms
from .section_4 import predictions, warping

__all__ = [
    "Picture",
    "border",
    "elastic",
    "network",
    "predictions",
    "seam",
    "tiles",
    "training",
    "up_convolution",
    "warping",
    "weight_maps",
    "weight_terms",
]
