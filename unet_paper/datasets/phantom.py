"""The phantom: a procedural stack that looks like the ISBI sections, for machines without the data. Not real tissue.

Cells are the Voronoi regions of points in a volume, bent by smooth noise; membranes are the walls between them. What
makes it hard is what makes the real stack hard: membranes that fade where they are cut at a slant, mitochondria and
vesicles whose outlines look like membranes and are not, texture, blur and noise.
"""

import json
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from unet_paper.compute.memory import require_memory
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import write_stack
from unet_paper.support.arguments import is_whole
from unet_paper.support.errors import BadInput
from unet_paper.support.files import atomic_write

BYTES_PER_VOXEL = 100  # that making a phantom takes, roughly

NEIGHBOURS = 16  # candidates for the two cells nearest to a pixel, enough for the largest swelling
SMALLEST_SIZE = 64  # px of a section
SMALLEST_CELL = 10  # px: smaller components of a section are specks, and become membrane in the truth
SECTION_THICKNESS = 12.5  # px: 50 nm sections of 4 nm px


def make_phantom(sections: int, size: int = 512, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A phantom stack and its truth.

    Parameters
    ----------
    sections : int
        Sections, 1 or more, each following on the last as serial sections do.
    size : int
        Height and width, px, 64 or more.
    seed : int
        0 or above; the same seed gives the same stack.

    Returns
    -------
    volume : (sections, size, size) uint8, membranes dark
    labels : (sections, size, size) uint8, 255 = cell, 0 = membrane; no cell of a section is below SMALLEST_CELL px

    Raises
    ------
    BadInput
        For other figures than these, and more voxels than there is memory for.

    Notes
    -----
    Ours; the paper has no phantom.
    """
    (sections,), size, seed = _checked_figures((sections,), size, seed)
    random = np.random.default_rng(seed)
    shape = (sections, size, size)
    depth = sections * SECTION_THICKNESS
    bend = [_smooth_noise(random, shape, 40) * 9 + _smooth_noise(random, shape, 12) * 2.5 for _ in range(2)]
    fading = _smooth_noise(random, shape, 14)
    thickness = 5.0 + 0.8 * _smooth_noise(random, shape, 30)
    cytoplasm = 0.66 + 0.035 * _smooth_noise(random, shape, 60) + 0.03 * _smooth_noise(random, shape, 7)

    margin = 60
    density = 1 / (46 * 46 * 65)  # cells per px^3
    extent = np.array([depth + 2 * margin, size + 2 * margin, size + 2 * margin])
    points = random.uniform(-margin, extent - margin, (int(extent.prod() * density), 3))
    shade = random.normal(0, 0.035, len(points))
    swelling = np.minimum(9 * random.exponential(size=len(points)), 22)
    tree = cKDTree(points)
    organelles = _draw_organelles(random, depth, size)

    y, x = np.mgrid[:size, :size].astype(np.float64)
    volume = np.empty(shape, np.uint8)
    labels = np.empty(shape, np.uint8)
    for section in range(sections):
        z = section * SECTION_THICKNESS
        bent = np.stack([np.full(y.shape, z), y + bend[0][section], x + bend[1][section]], axis=-1)
        distances, cells = tree.query(bent.reshape(-1, 3), k=NEIGHBOURS)
        distances -= swelling[cells]  # some cells are much larger than others
        nearest = np.argsort(distances, axis=1)[:, :2]
        first, second = np.take_along_axis(distances, nearest, axis=1).T
        cell = np.take_along_axis(cells, nearest, axis=1)[:, 0].reshape(y.shape)
        wall = (second - first).reshape(y.shape)
        # How fast the two cells part within the section: 2 where the wall stands upright, less where it is slanted.
        steepness = ndimage.grey_dilation(np.hypot(*np.gradient(wall)), size=5)
        steepness = ndimage.gaussian_filter(np.clip(steepness, 0.9, 2.2), 3)
        from_wall = wall / steepness  # px, in the section
        labels[section] = _without_specks(from_wall >= thickness[section] / 2) * np.uint8(255)

        image = cytoplasm[section] + shade[cell]
        image = _paint_organelles(image, organelles, z, y, x, inside=from_wall > thickness[section] / 2 + 1)
        # A wall cut at a slant is a broad gray band instead of a dark line; some fade for no visible reason.
        slant = np.clip(1.1 - steepness / 1.9 + 0.35 * fading[section], 0, 1)
        darkness = 0.37 * (1 - 0.75 * slant) * np.exp(-((from_wall / (thickness[section] * (0.4 + 0.7 * slant))) ** 2))
        image = ndimage.gaussian_filter(image - darkness, 0.9)
        image += ndimage.gaussian_filter(random.normal(0, 1, y.shape), 0.7) * 0.105 + random.normal(0, 0.02, y.shape)
        image = (image - 0.5) * random.uniform(0.92, 1.08) + 0.5 + random.uniform(-0.03, 0.03)
        volume[section] = np.clip(image * 255, 0, 255).astype(np.uint8)
    return volume, labels


def _checked_figures(sections: tuple[int, ...], size: int, seed: int) -> tuple[tuple[int, ...], int, int]:
    """The same as Python's numbers, which do not overflow. sections : of each stack; size : px.

    Raises BadInput for figures that make no phantom, or too large a one.
    """
    are_whole = all(map(is_whole, (*sections, size, seed)))
    if not are_whole or min(sections) < 1 or size < SMALLEST_SIZE or seed < 0:
        raise BadInput(
            f"a phantom of {' + '.join(map(str, sections))} sections of {size} px, seed {seed}; it needs at least one "
            f"section{' of each' * (len(sections) > 1)}, {SMALLEST_SIZE} px and a seed of 0 or above, whole numbers"
        )
    sections, size, seed = tuple(map(int, sections)), int(size), int(seed)
    voxels = max(sections) * size**2
    require_memory(BYTES_PER_VOXEL * voxels, f"a phantom of {voxels:,} voxels", "make a smaller one")
    return sections, size, seed


def _without_specks(cells: np.ndarray) -> np.ndarray:
    """(H, W) bool without the 4-connected components below SMALLEST_CELL px."""
    components, _ = ndimage.label(cells)
    large = np.bincount(components.ravel()) >= SMALLEST_CELL
    return cells & large[components]


def _smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], wavelength: int) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1, about `wavelength` px between its bumps: (Z, H, W) float64."""
    depth = shape[0] * SECTION_THICKNESS
    coarse = random.normal(size=(int(depth / wavelength) + 4, shape[1] // wavelength + 4, shape[2] // wavelength + 4))
    z = np.arange(shape[0]) * SECTION_THICKNESS / wavelength + 1
    y, x = np.arange(shape[1]) / wavelength + 1, np.arange(shape[2]) / wavelength + 1
    for axis, positions in enumerate((z, y, x)):
        coarse = _interpolate_along(coarse, positions, axis)
    return (coarse - coarse.mean()) / coarse.std()


def _interpolate_along(values: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Cubic B-spline smoothing of `values` at real `positions` along one axis."""
    first = np.floor(positions).astype(int)
    part = positions - first
    weights = (
        (1 - part) ** 3 / 6,
        (3 * part**3 - 6 * part**2 + 4) / 6,
        (-3 * part**3 + 3 * part**2 + 3 * part + 1) / 6,
        part**3 / 6,
    )
    shape = [-1 if k == axis else 1 for k in range(values.ndim)]
    return sum(
        np.take(values, first + k - 1, axis=axis, mode="clip") * weight.reshape(shape)
        for k, weight in enumerate(weights)
    )


def _draw_organelles(random: np.random.Generator, depth: float, size: int) -> list[dict]:
    """Ellipsoids in the volume, for each its kind, centre (z, y, x), half axes (z, along, across), px and rad, angle in
    the section, and darkness.
    """
    organelles = []
    for kind, per_section, shortest, longest in (("mitochondrion", 30, 9, 24), ("vesicle", 300, 1.6, 4.5)):
        for _ in range(int(per_section * (depth / SECTION_THICKNESS + 6) / 3)):
            along = random.uniform(shortest, longest)
            organelles.append(
                {
                    "kind": kind,
                    "centre": random.uniform(
                        (-3 * SECTION_THICKNESS, 0, 0), (depth + 3 * SECTION_THICKNESS, size, size)
                    ),
                    "axes": (random.uniform(1.0, 2.2) * SECTION_THICKNESS, along, along * random.uniform(0.55, 1.0)),
                    "angle": random.uniform(0, np.pi),
                    "darkness": random.uniform(0.5, 1.0),
                }
            )
    return organelles


def _paint_organelles(
    image: np.ndarray, organelles: list[dict], z: float, y: np.ndarray, x: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The image with the organelles that section z cuts, kept within the cells."""
    image = image.copy()
    for organelle in organelles:
        cut = 1 - ((z - organelle["centre"][0]) / organelle["axes"][0]) ** 2
        if cut <= 0:
            continue
        _, top, left = organelle["centre"]
        along, across = (axis * np.sqrt(cut) for axis in organelle["axes"][1:])
        reach = int(along + 4)
        window = np.s_[
            max(int(top) - reach, 0) : int(top) + reach + 1, max(int(left) - reach, 0) : int(left) + reach + 1
        ]
        cosine, sine = np.cos(organelle["angle"]), np.sin(organelle["angle"])
        down, right = y[window] - top, x[window] - left
        u, v = cosine * right + sine * down, cosine * down - sine * right
        radius = np.sqrt((u / along) ** 2 + (v / across) ** 2)
        edge = np.exp(-(((radius - 1) * across / 1.7) ** 2))
        if organelle["kind"] == "mitochondrion":
            stripes = 0.5 + 0.5 * np.sin(u * 1.1 + 0.6 * np.sin(v * 0.5))
            painted = 0.30 * edge + np.where(radius < 1, 0.12 + 0.12 * stripes, 0)
        else:
            painted = 0.24 * edge + np.where(radius < 1, 0.05, 0)
        image[window] -= painted * organelle["darkness"] * inside[window]
    return image


def write_phantom(
    folder: Path | str, train_sections: int = 20, test_sections: int = 10, size: int = 512, seed: int = 0
) -> None:
    """Write a training and a test stack with their truths, named as the challenge names them, into `folder`. Those of a
    phantom that it holds already are deleted first.

    The two come from different volumes (seeds `seed` and `seed` + 1). `phantom.json` marks the folder as a phantom.
    Raises BadInput for figures that make no phantom, and for a folder that holds other stacks.
    """
    folder = Path(folder)
    (train_sections, test_sections), size, seed = _checked_figures((train_sections, test_sections), size, seed)
    if any(folder.glob("t*-*.tif")) and not (folder / "phantom.json").is_file():
        raise BadInput(f"{folder} holds stacks that are no phantom; name another folder")
    with atomic_write(folder / "phantom.json") as temporary:
        temporary.write_text(
            json.dumps(
                {"seed": seed, "train_sections": train_sections, "test_sections": test_sections, "size": size}, indent=2
            )
            + "\n",
            encoding="utf-8",
        )
        for name in ("train", "test"):  # or, if this is interrupted, stacks of two phantoms pass for one
            for what in ("volume", "labels"):
                (folder / f"{name}-{what}.tif").unlink(missing_ok=True)
    for name, sections, volume_seed in (("train", train_sections, seed), ("test", test_sections, seed + 1)):
        volume, labels = make_phantom(sections, size, volume_seed)
        write_stack(folder / f"{name}-volume.tif", volume, pixel_size=EM)
        write_stack(folder / f"{name}-labels.tif", labels, pixel_size=EM)
