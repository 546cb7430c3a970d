"""The text of a package, README.md."""

from unet_paper import __version__
from unet_paper.checkpoint import Checkpoint
from unet_paper.export.provenance import OF_CLASSES, Errors, Provenance
from unet_paper.metrics.registry import CELL_METRICS, Metric

EXAMPLE = """import numpy as np
from bioimageio.core import create_prediction_pipeline, load_model_description
from bioimageio.core.digest_spec import create_sample_for_model

image = ...  # (H, W), {dtype}
model = load_model_description("PACKAGE.zip")
height, width = image.shape
padded = np.pad(image, ((0, max(256 - height, -height % 16)), (0, max(256 - width, -width % 16))), mode="symmetric")
sample = create_sample_for_model(model, inputs={{"image": padded[None, None]}})
n = min(30, (min(padded.shape) - 256) // 16)  # blocks of 256 + 16 n px, which must not be larger than the image
with create_prediction_pipeline(model) as pipeline:
    predicted = pipeline.predict_sample_with_blocking(sample, ns=n)
probability = predicted.members["probability"].data.values[0, :, :height, :width]"""

AROUND = {
    "mirror": "its mirror image, in which the last pixel is not repeated",
    "zeros": "the training stack's mean gray value",
}


def documentation(name: str, checkpoint: Checkpoint, source: Provenance) -> str:
    """Markdown with the sections that bioimage.io asks for."""
    config, standardisation = checkpoint.config, checkpoint.standardisation
    output = "the probability of cell (0 = background or membrane, 1 = cell)"
    padded = "padded" if config.padding == "zeros" else "unpadded"
    beside = ""
    if any(config.registration):
        x, y = config.registration
        beside = (
            "\n- The output lies on the image. The labels that were trained on lay beside it: what a pixel of them"
            f"\n  shows is {x:g} px to its right and {y:g} px below. unet_paper's `predict"
            "\n  --registered` makes maps of the labels' pixels."
        )
    if config.classes > 2:
        output = f"the probability of each of {config.classes} classes, which sum to 1"
    return f"""# {name}

The network of O. Ronneberger, P. Fischer, T. Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*,
MICCAI 2015, as unet_paper {__version__} reproduces and trains it: {config.base_channels} channels in the first level,
{checkpoint.step:,} training tiles. Its 3x3 convolutions are {padded}. For tools that expect an output of the input's
size the network standardises and extrapolates its input by itself, and its output is a probability.

## Input and output

- Input: one channel of gray values, {standardisation.dtype}, as they are. **Do not normalise them**: the network does,
  by the training stack's mean and standard deviation ({standardisation.described()}).
  Images with other gray values must be brought to that stack's range first.
- Output: {output}.{beside}
- Height and width must be multiples of 16 px, at least 256, or a tiler's grid is not the network's. **Pad other images,
  and cut the result.**
- A pixel sees 92 px on each side. Tiles overlap by a halo of 96 px, which keeps the network's own 16 px grid, so that a
  tiled map equals that of one pass.
- Around an image unet_paper puts {AROUND[config.extrapolation]}.
  bioimageio.core puts a mirror image with the last pixel repeated, so maps differ a little within 96 px of the border.

```python
{EXAMPLE.format(dtype=standardisation.dtype)}
```

## Training data

{_data(checkpoint, source)}

## Validation

{_errors(source)}

To validate it on your own images, predict some that it was not trained on, and compare with their labels:
`unet-paper score LABELS.tif PROBABILITY.tif` takes the ISBI 2012 challenge's metrics. Look first at sections whose gray
values or resolution differ from the training stack's: that is where such a network fails.
"""


def _data(checkpoint: Checkpoint, source: Provenance) -> str:
    lines = [f"Trained on: {source.dataset}."]
    record = source.record
    if record is not None:
        lines.append(f"{len(record.protocol.training_sections)} of its sections were trained on.")
        if record.pixel_size is not None:
            lines.append(f"A pixel is {record.pixel_size.x:g} x {record.pixel_size.y:g} nm.")
    sequences = None if record is None else record.protocol.sequences  # of cells: the other one was only scored
    trained_on = {
        name: sha256
        for name, sha256 in sorted(checkpoint.data.items())
        if sequences is None or name.startswith(f"{sequences[0]}-")
    }
    hashes = [f"- {name}: SHA-256 of the decoded pixels {sha256}" for name, sha256 in trained_on.items()]
    return "\n".join([" ".join(lines), "", *hashes]).strip()


def _errors(source: Provenance) -> str:
    if not source.errors:
        none_left = source.record is not None and not source.record.protocol.scored_sections
        why = "It was trained on all sections, so that none was left to score. " if none_left else ""
        return f"{why}No errors on other sections are recorded beside these weights."
    titles = ["scored on", "averaged over", *(metric.title for metric in source.metrics)]
    rows = [titles, ["---"] * len(titles), *(_row(errors, source.metrics) for errors in source.errors)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    how = []
    if any(metric in OF_CLASSES for metric in source.metrics):
        how.append("Accuracy and mean IoU of the most probable class, by unet_paper.")
    if any(metric not in (*CELL_METRICS, *OF_CLASSES) for metric in source.metrics):
        how.append("The challenge's metrics each at its own best threshold, by unet_paper.")
    if any(metric in CELL_METRICS for metric in source.metrics):
        how.append("SEG and F1 at one threshold, which was not chosen on what is scored, by unet_paper.")
    return (
        f"{' '.join(how)} This package is one pass, `none`;\n"
        f"`rot7` averages 7 rotated versions, `d4` the 8 flips and quarter turns.\n\n{table}"
    )


def _row(errors: Errors, metrics: tuple[Metric, ...]) -> list[str]:
    """Metrics with their digits; a dash for one that was not taken."""
    values = (errors.values.get(metric.key) for metric in metrics)
    shown = ("-" if value is None else metric.formatted(value) for metric, value in zip(metrics, values, strict=True))
    return [errors.scored_on, errors.tta, *shown]
