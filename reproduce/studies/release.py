"""The released model: half-precision weights, checked against the full ones, and the test sections' probabilities."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from reproduce.studies.table_1 import TEST_PROBABILITY
from unet_paper.io.hashes import file_sha256
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_stack, write_eight_bits, write_stack
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.record import read_record
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import write_json

PUBLISHED = "weights.safetensors"
LARGEST = 64_000_000  # bytes of the committed file
COLUMNS = 6  # of the preview
EVERY = 3  # px of the preview's sections


def is_committed(run: RunFolder) -> bool:
    """Whether a folder holds what is committed of a released network: the record of its training, without its weights
    in full.
    """
    return run.record.is_file() and not run.weights.is_file() and read_record(run.record).status == "finished"


def finish(run: RunFolder, data: Path, command: Callable[..., Any]) -> None:
    """Publish a trained run's weights, check them, and predict the test sections with them.

    data : folder of the stacks; command : runs one command of the package.
    """
    published, volume = run.path / PUBLISHED, data / "test-volume.tif"
    command("publish", run.weights, published, "--force")
    size = published.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{published} takes {size:,} bytes; at most {LARGEST:,} may be committed")
    record = read_record(run.record)
    primary = record.config.primary
    full, half = (run.path / f"probability-{name}.tif" for name in ("full", "half"))
    test = run.probability(primary)
    if not run.volume.is_file():  # so that the page shows the test sections, though without a truth
        shown = read_stack(volume)
        pixel_size = EM if record.dataset == "isbi" else shown.pixel_size
        write_stack(run.volume, shown.pixels, pixel_size=pixel_size)
    for weights, probability, *options in (
        (run.weights, full, "--tta", "none", "--float32"),  # bfloat16 moves probabilities by more than the halves do
        (published, half, "--tta", "none", "--float32"),
        (published, test, "--tta", primary, "--registered"),  # as the stack's labels lie
    ):
        if not probability.is_file():
            command("predict", "--weights", weights, volume, probability, *options)
    comparison = compare(read_stack(full).pixels, read_stack(half).pixels)
    comparison |= {"dataset": record.dataset, "tta": "none", "bytes": size, "sha256": file_sha256(published)}
    write_json(run.path / "half-precision.json", comparison)
    write_eight_bits(run.path / TEST_PROBABILITY, read_stack(test).pixels, primary)
    draw_preview(run.path / "preview.png", read_stack(test).pixels, primary)
    command("report", run.path)


def compare(full: np.ndarray, half: np.ndarray) -> dict[str, Any]:
    """How far two probability stacks lie apart."""
    difference = np.abs(full.astype(np.float64) - half)
    return {
        "sections": len(full),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "pixels_on_another_side_of_0.5": int(np.count_nonzero((full > 0.5) != (half > 0.5))),
        "pixels": int(full.size),
    }


def draw_preview(path: Path, probability: np.ndarray, tta: str) -> None:
    """All sections of a probability stack, small."""
    rows = -(-len(probability) // COLUMNS)
    figure = Figure(figsize=(2 * COLUMNS, 2 * rows + 0.4), dpi=90, layout="constrained")
    for number, axis in enumerate(figure.subplots(rows, COLUMNS, squeeze=False).ravel()):
        axis.set_axis_off()
        if number < len(probability):
            height, width = (size // EVERY * EVERY for size in probability[number].shape)
            small = probability[number, :height, :width].reshape(height // EVERY, EVERY, width // EVERY, EVERY)
            axis.imshow(small.mean((1, 3)), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"section {number}", fontsize=8)
    figure.suptitle(f"Probability of cell (white), {tta}, in the test sections", fontsize=10)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with atomic_write(path) as temporary:  # gray, which takes a third of the bytes of colours
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("L").save(temporary, format="png", optimize=True)
