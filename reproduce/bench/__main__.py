"""Speed beside what people use: one table, each row measured in alternation with its baseline in this run.

python -m reproduce.bench [--data DIR] [--quick-only] [--out DIR]

DIR holds the challenge's stacks; the built-in phantom unless given. The baselines are the plain forms in this folder,
and `elasticdeform` where it is installed (`pip install --no-binary elasticdeform elasticdeform`). Writes bench.json,
the record, and README.md, its table. A few minutes on two CPU cores; close everything else.
"""

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from reproduce.bench import plain_augmentation, plain_metrics, plain_unet, plain_weight_map
from unet_paper import checkpoint
from unet_paper.checkpoint import Standardisation
from unet_paper.config import PAPER, PROFILES
from unet_paper.network import multiply_adds
from unet_paper.phantom import make_phantom
from unet_paper.prediction import Predictor
from unet_paper.progress import progress_bar
from unet_paper.record import code_version, hardware, now, write_json
from unet_paper.scores import score
from unet_paper.stack import read_labels, read_stack, written_whole
from unet_paper.tiles import Block
from unet_paper.training import descend, draw_tile, prepare_training_set
from unet_paper.weight_map import weight_map

ROOT = Path(__file__).resolve().parent.parent.parent
ROUNDS = 4


def in_turn(ours, plain, rounds=ROUNDS):
    """Seconds of both, called in turn after a first call of each: (ours, plain) lists."""
    seconds = ([], [])
    ours(), plain()
    for _ in range(rounds):
        for kept, function in zip(seconds, (ours, plain), strict=True):
            started = time.perf_counter()
            function()
            kept.append(time.perf_counter() - started)
    return seconds


def peak(dtype, size=2048):
    """The machine's matrix product, multiply-adds a second: the best of several."""
    a, b = torch.randn(2, size, size).to(dtype)
    a @ b
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return size**3 / min(seconds)


def training_step(width, training_set):
    """(ours, plain, multiply-adds) of a step on a 572 px tile."""
    config = replace(PAPER, width=width)
    network = checkpoint.new_network(config).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.99)
    tile = draw_tile(training_set, config, torch.Generator().manual_seed(0))
    plain = plain_unet.PlainUNet(width).train()
    plain_optimiser = torch.optim.SGD(plain.parameters(), lr=1e-6, momentum=0.99)
    return (
        lambda: descend(network, optimiser, config, *tile),
        lambda: plain_unet.training_step(plain, plain_optimiser, *tile),
        3 * multiply_adds(572, 572, width),
    )


def prediction(width, average, section):
    """(ours, plain, multiply-adds) of a 512 x 512 section."""
    config = replace(PAPER, width=width)
    predictor = Predictor(checkpoint.new_network(config), Standardisation(0.5, 0.2, "uint8"), average)
    plain = plain_unet.PlainUNet(width).eval()
    values = torch.from_numpy((section / np.float32(255) - 0.5) / 0.2).float()
    passes = {"none": 1, "d4": 8}[average]
    return (
        lambda: predictor.predict_block(section, Block(0, 512, 0, 512)),
        lambda: plain_unet.predict(plain, values, average),
        passes * multiply_adds(700, 700, width),
    )


def augmentation(training_set, baseline):
    """(ours, plain, None) of an image, labels and weights through one deformation of 572 px."""
    generator, random = torch.Generator().manual_seed(0), np.random.default_rng(0)
    section = [values[0].numpy() for values in (training_set.images, training_set.labels, training_set.weights)]
    return (lambda: draw_tile(training_set, PAPER, generator)), (lambda: baseline(random, *section)), None


def rows(volume, labels, quick_only):
    """(name, ours, plain, multiply-adds) of every row."""
    training_set = prepare_training_set(volume, labels, PAPER, "cpu")
    widths = {"quick": PROFILES["quick"].width} | ({} if quick_only else {"full": PAPER.width})
    for name, width in widths.items():
        yield f"training step, 572 px tile, {name} network", *training_step(width, training_set)
        for average in ("none", "d4") if name == "quick" else ("none",):
            yield f"512 px section, {average}, {name} network", *prediction(width, average, volume[0])
    yield (
        "augmented 572 px sample, beside map_coordinates",
        *augmentation(training_set, plain_augmentation.by_map_coordinates),
    )
    if plain_augmentation.elasticdeform is not None:
        yield (
            "augmented 572 px sample, beside elasticdeform",
            *augmentation(training_set, plain_augmentation.by_elasticdeform),
        )
    weights = 1.3, 0.8
    yield (
        "weight map of a section",
        lambda: weight_map(labels[0], weights),
        lambda: plain_weight_map.weight_map(labels[0], weights),
        None,
    )
    truth = labels[:1] > 0
    soft = np.clip(truth + np.random.default_rng(0).normal(0, 0.2, truth.shape), 0, 1)
    parts = (plain_metrics.pixel_f, plain_metrics.rand_f, plain_metrics.v_scores, plain_metrics.warping_counts)
    yield "all scores of a section", lambda: score(truth, soft), lambda: [part(truth, soft) for part in parts], None


def table(record):
    """README.md of a record."""
    lines = [
        "# Speed beside plain forms",
        "",
        f"Written by `python -m reproduce.bench`; the record is bench.json ({record['time']}, code "
        f"{str(record['code']['commit'])[:7]}{' with changes' * bool(record['code']['changed'])}, data: "
        f"{record['data']}). Each row was measured in turn with its baseline in one run; ratios of medians, and of the "
        "extremes. The last column is the part of the machine's matrix-product peak, measured in the same run in the "
        "arithmetic that the row uses.",
        "",
        "| what | ours / plain | from | to | part of the peak |",
        "|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        ours, plain = row["ours"], row["plain"]
        ratio = statistics.median(ours) / statistics.median(plain)
        part = ""
        if row["multiply_adds"]:
            kind = "bfloat16" if row["name"].startswith("training") else "float32"
            part = f"{row['multiply_adds'] / statistics.median(ours) / record['peak'][kind]:.2f} ({kind})"
        lines.append(
            f"| {row['name']} | {ratio:.3f} | {min(ours) / max(plain):.3f} | {max(ours) / min(plain):.3f} | {part} |"
        )
    return "\n".join(lines) + "\n"


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m reproduce.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--quick-only", action="store_true", help="leave the full network out")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench", metavar="DIR")
    arguments = parser.parse_args()
    if arguments.data:
        volume, labels = (
            read(arguments.data / f"train-{name}.tif")
            for read, name in ((read_stack, "volume"), (read_labels, "labels"))
        )
    else:
        volume, labels = make_phantom(2)
    found = []
    for name, ours, plain, multiplications in progress_bar(
        list(rows(volume, labels, arguments.quick_only)), unit="row"
    ):
        seconds = in_turn(ours, plain)
        found.append({"name": name, "ours": seconds[0], "plain": seconds[1], "multiply_adds": multiplications})
    record = {
        "time": now(),
        "code": code_version(),
        "hardware": hardware("cpu"),
        "data": "the challenge's training stack" if arguments.data else "the phantom",
        "peak": {"float32": peak(torch.float32), "bfloat16": peak(torch.bfloat16)},
        "rows": found,
    }
    write_json(arguments.out / "bench.json", record)
    with written_whole(arguments.out / "README.md") as temporary:
        temporary.write_text(table(record))
    print(table(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
