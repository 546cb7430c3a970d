"""`weights`: the weight maps of labels, and their pictures."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from unet_paper.cli.checks import must_be_writable, must_fit, must_spare
from unet_paper.cli.outputs import outputs
from unet_paper.config import SIGMA, W_0
from unet_paper.io.image_folder import image_files, section_names
from unet_paper.io.image_stack import ImageStack
from unet_paper.io.sections import Sections
from unet_paper.support.errors import BadInput
from unet_paper.support.progress import progress_bar
from unet_paper.support.words import counted

MOST_TOLD = 5  # places of the largest weights


def do_weights(arguments: Namespace) -> None:
    """`weights`"""
    from unet_paper.io.stack import read_labels

    if not (W_0.allow(arguments.w0) and SIGMA.allow(arguments.sigma)):
        raise BadInput(f"--w0 {arguments.w0} --sigma {arguments.sigma}: w0 must be {W_0}, sigma {SIGMA} px")
    truths = [read_labels(path, arguments.ignore) for path in image_files(arguments.labels)]
    outs, pictures = _places(arguments, truths)
    images = _images_of(arguments, truths)
    labels, maps, background = _maps(arguments, truths)
    _write_maps(arguments, maps, truths, outs)
    if pictures:
        _draw(arguments, pictures, images, labels, maps, background, truths)


def _places(arguments: Namespace, truths: Sequence[ImageStack]) -> tuple[list[Path], dict[Path, str]]:
    """Where each file's weight maps go, and the pictures, see `_pictures`. Raises BadInput where something would be
    lost.
    """
    outs = [out for _, out in outputs(arguments.labels, arguments.out, arguments.force, "labels")]
    pictures = {} if arguments.png is None else _pictures(arguments.png, truths)
    for out in outs:
        must_spare((arguments.image,), out, "the weight maps")
        png = Path(os.path.realpath(arguments.png or ""))
        if pictures and Path(os.path.realpath(out)) in (png, *png.parents):
            raise BadInput(f"{out} cannot be a file of weight maps and hold pictures; give --png another name")
    for picture in pictures:
        must_fit(picture)
        must_spare((arguments.image, *arguments.labels), picture, "the pictures")
        must_be_writable(picture, arguments.force)
    return outs, pictures


def _maps(arguments: Namespace, truths: Sequence[ImageStack]) -> tuple[Sections, list[np.ndarray], float]:
    """The labels of all sections as they are meant, their weight maps, and the class weight of background."""
    from unet_paper.datasets.labels import interpret_labels, pixels_to_ignore
    from unet_paper.io.sections import joined, like, stacked
    from unet_paper.weight_map import balancing_class_weights, weight_map

    labels_are, connectivity = arguments.labels_are or "instances", arguments.connectivity
    semantic = labels_are == "classes"
    given = stacked([section for truth in truths for section in truth.pixels])
    ignored = pixels_to_ignore(given, arguments.ignore, arguments.labels[0])
    labels, classes = interpret_labels(
        given, labels_are, arguments.labels[0], ignored, arguments.labels_are is not None, connectivity
    )
    masks = np.zeros(joined(labels).shape, bool) if ignored is None else joined(ignored)
    class_weights = arguments.class_weights
    if class_weights is None:
        class_weights = balancing_class_weights(joined(labels), semantic, ignored=masks)
    elif len(class_weights) != classes:
        raise BadInput(f"--class-weights gives {len(class_weights)} numbers, but the labels have {classes} classes")
    maps = [
        weight_map(
            section,
            arguments.w0,
            arguments.sigma,
            connectivity=connectivity,
            class_weights=class_weights,
            semantic=semantic,
            ignore=mask,
        )
        for section, mask in zip(labels, like(masks, labels), strict=True)
    ]
    return labels, maps, class_weights[0]


def _write_maps(
    arguments: Namespace, maps: Sequence[np.ndarray], truths: Sequence[ImageStack], outs: Sequence[Path]
) -> None:
    from unet_paper.io.stack import write_stack

    info = f"weight map w(x), equation 2, w0 {arguments.w0}, sigma {arguments.sigma} px"
    remaining = iter(maps)
    for out, truth in zip(outs, truths, strict=True):
        write_stack(out, np.stack([next(remaining) for _ in truth.pixels]), info, truth.pixel_size)
    lowest, largest = min(float(section.min()) for section in maps), max(float(section.max()) for section in maps)
    print(f"wrote {counted(len(maps), 'weight map')}, {lowest:.3f} to {largest:.3f}, to {arguments.out}")


def _images_of(arguments: Namespace, truths: Sequence[ImageStack]) -> Sections | None:
    """The sections of --image, or None where it is not given. Raises BadInput where they do not fit the labels."""
    from unet_paper.datasets.file_pairs import paired
    from unet_paper.io.sections import stacked
    from unet_paper.io.stack import read_stack

    if arguments.image is None:
        if arguments.channel is not None:
            raise BadInput("--channel belongs to --image; leave it out, or give the image too")
        return None
    if arguments.png is None:
        raise BadInput("--image is only drawn; give --png DIR, the folder of the pictures, too")
    images = []
    pairs = {labels: image for image, labels in paired([arguments.image], arguments.labels, ("images", "labels"))}
    for truth in truths:
        image = read_stack(pairs[truth.source], channel=arguments.channel)
        if image.pixels.shape != truth.pixels.shape:
            raise BadInput(
                f"{image.source} has the shape {image.pixels.shape}, but the labels {truth.pixels.shape}; give the "
                "labels' image"
            )
        images += list(image.pixels)
    return stacked(images)


def _draw(
    arguments: Namespace,
    pictures: Mapping[Path, str],
    images: Sections | None,
    labels: Sections,
    maps: Sequence[np.ndarray],
    background: float,
    truths: Sequence[ImageStack],
) -> None:
    """Figure 3 of every section, and in words where the weights are largest. background : its class weight."""
    from unet_paper.report.figures.section_figures import draw_weight_figure, have_numbers, shown_cells
    from unet_paper.report.largest_weights import PLURALS, largest_weights
    from unet_paper.report.panels import save_figure
    from unet_paper.separation_border import label_cells

    weights: list[tuple[float, str]] = []
    sizes = [truth.pixel_size for truth in truths for _ in truth.pixels]
    numbered = have_numbers(labels)
    what = "class" if arguments.labels_are == "classes" else "cell"
    largest = max(float(section.max()) for section in maps)
    for index, (picture, name) in enumerate(progress_bar(pictures.items(), desc="draw", unit="section")):
        parts = label_cells(labels[index] > 0 if what == "class" else labels[index], arguments.connectivity)
        cells = shown_cells(labels[index], what == "class", arguments.connectivity, numbered)
        peaks = largest_weights(maps[index], parts, cells, arguments.sigma, background, what)
        weights += [(peak.weight, f"{peak}, {name}") for peak in peaks]
        image = None if images is None else images[index]
        save_figure(
            draw_weight_figure(maps[index], image, cells, pixel_size=sizes[index], largest=largest, marked=peaks),
            picture,
        )
    print(f"drew them in {arguments.png} (yellow = high, violet = low; circles: the largest of each section)")
    if not weights:
        print(f"the border term counts nowhere: no two {PLURALS[what]} are near, or w_0 is small")
        return
    told = sorted(weights, key=lambda pair: -pair[0])[:MOST_TOLD]
    print("largest weights:", *(text for _, text in told), sep="\n  ")


def _pictures(folder: Path, truths: Sequence[ImageStack]) -> dict[Path, str]:
    """Where the weight maps of files of labels are drawn, and what their sections are called: by number, or by the
    files' names where there are several.
    """
    if len(truths) == 1:
        names = {f"{index:03}": f"section {index}" for index in range(len(truths[0].pixels))}
    else:
        names = {name: name for name in section_names([(truth.source, len(truth.pixels)) for truth in truths])}
    return {folder / f"weight-map-{name}.png": called for name, called in names.items()}
