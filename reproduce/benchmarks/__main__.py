"""Benchmarks: speed beside what people use, agreement with the challenge's metrics, and how the cost grows.

python -m reproduce.benchmarks [PART ...] [--data DIR] [--weights FILE] [--oracle DIR] [--device cpu|cuda]
                               [--quick-only] [--out DIR]

PART is one of
  speed    training steps, predictions, augmentation, weight maps and metrics, each in turn with its baseline; some 15
           minutes on two CPU cores
  steps    a training step on the CPU in each precision, with our kernels and with PyTorch's alone, all in turn
  runtimes predictions, in turn with ONNX Runtime and OpenVINO where they are here; with --weights of a fold errors too
  metrics  agreement with the challenge's reference scorer on the cases of --oracle (three are kept with the tests)
  scaling  weight maps by area and cells, predictions by size and tile, memory too; needs --weights
  tables   README.md alone, of the records that are there
Without one: speed and metrics, and scaling where --weights is given.

Writes each part into <device>.json, the record, and README.md, the tables of all records. Close everything else.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from reproduce import ROOT
from reproduce.benchmarks import metrics, record, runtimes, scaling, speed, steps
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.compute.allocator import keep_freed_memory
from unet_paper.config import PAPER
from unet_paper.datasets.phantom import make_phantom
from unet_paper.datasets.training_set import prepare_training_set
from unet_paper.io.stack import read_labels, read_stack
from unet_paper.support.errors import BadInput

TABLES = "tables"  # the part that measures nothing


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """The options, and the parts that they ask for."""
    parser = Parser(prog="python -m reproduce.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join((*record.PARTS, TABLES)))
    parser.add_argument("--data", type=path, metavar="DIR", help="the challenge's stacks; default: the phantom")
    parser.add_argument(
        "--weights", type=path, metavar="FILE", help="a trained network's weights.pt; of `runtimes` that of a fold"
    )
    parser.add_argument(
        "--oracle", type=path, default=ROOT / "tests" / "data", metavar="DIR", help="reference cases of the metrics"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick-only", action="store_true", help="leave the full network out")
    parser.add_argument("--out", type=path, default=ROOT / "results" / "benchmarks", metavar="DIR")
    options = parser.parse_args(given)
    unknown = [part for part in options.parts if part not in (*record.PARTS, TABLES)]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; choose from {', '.join(record.PARTS)}")
    options.parts = options.parts or ["speed", "metrics", *(["scaling"] if options.weights else [])]
    if "scaling" in options.parts and options.weights is None:
        parser.error("scaling needs --weights FILE, the weights.pt of a trained network")
    return options


def stacks(data: Path | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Volume, labels, and what they are."""
    if data is None:
        return *make_phantom(4), "the phantom"
    volume, labels = read_stack(data / "train-volume.tif"), read_labels(data / "train-labels.tif")
    return volume.pixels, labels.pixels, "the challenge's training stack"


def main(given: list[str] | None = None) -> int:
    """Measure and write."""
    options = parse(given)
    keep_freed_memory()
    try:
        for part in (part for part in options.parts if part != TABLES):
            of_part = record.described(options.device if part == "speed" else "cpu")
            if part == "speed":
                volume, labels, name = stacks(options.data)
                of_part |= {"data": name}
                of_part |= speed.measure(volume, labels, options.device, options.quick_only, options.weights)
            elif part == "steps":
                volume, labels, name = stacks(options.data)
                training_set = prepare_training_set(volume[:1], labels[:1], PAPER, "cpu")
                of_part |= {"data": name} | steps.measure(training_set, options.quick_only)
            elif part == "runtimes":
                volume, labels, name = stacks(options.data)
                of_part |= {"data": name} | runtimes.measure(volume, labels, options.quick_only, options.weights)
            elif part == "metrics":
                of_part |= metrics.measure(options.oracle)
            else:
                _, labels, name = stacks(options.data)
                of_part |= scaling.measure(options.weights, labels, f"labels of {name}")
            record.keep(options.out, part, of_part)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    print(record.write_readme(options.out, ROOT / "results" / "isbi" / record.WHOLE_RUN[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
