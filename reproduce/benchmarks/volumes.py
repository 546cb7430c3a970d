"""How prediction of volumes scales: killed workers, time against workers, memory against size, a scheduler's cost.

python -m reproduce.benchmarks.volumes [MEASUREMENT ...] [--weights FILE] [--base-channels N] [--sections Z] [--side PX]
                                       [--depth Z] [--blocks N] [--sides PX ...] [--results DIR]

MEASUREMENT is one of
  proof      the volume by one process, and by two workers of which two are killed: equal bits, read by ome-zarr
  workers    the volume by one process, one worker and two
  memory     of a process that predicts one block of a volume of each side, by the network of --weights; other sides
             that were measured with the same code stay
  scheduler  blocks without work, and a tenth of them
  page       nothing: the page and the figure are written of what is kept
Without one: all but the last. The volume is predicted by the network of --weights, or by an untrained one of
--base-channels.

Needs the extra `volumes`. Keeps each measurement in benchmarks/<device>.json, and writes scaling/README.md and
scaling/scaling.png of all that are kept.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from reproduce import ROOT
from reproduce.benchmarks import record
from reproduce.benchmarks.volumes_page import WHOLE, WHOLE_RUN, write_page
from unet_paper import checkpoint
from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.support.errors import BadInput
from unet_paper.support.json_files import read_json

try:
    from reproduce.benchmarks import volumes_measured
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed; pip install '.[volumes]'")

MEASUREMENTS = ("proof", "workers", "memory", "scheduler")
PAGE = "page"  # what measures nothing
PART = "volumes"  # of the device's record
DEVICE = "cpu"


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = Parser(
        prog="python -m reproduce.benchmarks.volumes",
        description=__doc__,
    )
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", help=", ".join((*MEASUREMENTS, PAGE)))
    parser.add_argument(
        "--weights",
        type=path,
        default=ROOT / "results" / "isbi" / "registered-quarter" / "weights.safetensors",
        metavar="FILE",
        help="of a trained network; default: the quarter network's",
    )
    parser.add_argument("--base-channels", type=int, metavar="N", help="of an untrained network for the volume")
    parser.add_argument("--sections", type=int, default=WHOLE[0], metavar="Z", help="of the volume")
    parser.add_argument("--side", type=int, default=WHOLE[1], metavar="PX", help="of its sections")
    parser.add_argument("--depth", type=int, default=16, metavar="Z", help="sections that a volume stores together")
    parser.add_argument("--blocks", type=int, default=WHOLE_RUN, metavar="N", help="that the scheduler hands out")
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[1024, 8192, 65536], metavar="PX", help="of which memory is measured"
    )
    parser.add_argument("--results", type=path, default=ROOT / "results", metavar="DIR")
    options = parser.parse_args(given)
    unknown = [name for name in options.measurements if name not in (*MEASUREMENTS, PAGE)]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]}; choose from {', '.join((*MEASUREMENTS, PAGE))}")
    options.measurements = options.measurements or list(MEASUREMENTS)
    return options


def measure(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One measurement, with its circumstances; files go into `folder`."""
    weights = options.weights.resolve()
    load = os.getloadavg()[2]
    measured: dict[str, Any] = {}
    if name == "scheduler":
        measured["runs"] = volumes_measured.dry_runs((max(options.blocks // 10, 1), options.blocks))
    elif name == "memory":
        measured["base_channels"] = checkpoint.load(weights).config.base_channels
        measured["depth"] = options.depth
        measured["runs"] = volumes_measured.memory_by_side(weights, folder, options.sides, options.depth)
    else:
        if options.base_channels:
            weights = volumes_measured.untrained(folder / "untrained.pt", options.base_channels)
        image = volumes_measured.make_volume(folder / "volume.zarr", options.sections, options.side, options.depth)
        measured |= volumes_measured.described(weights, image, is_trained=not options.base_channels)
        run = volumes_measured.proof if name == "proof" else volumes_measured.by_workers
        measured |= run(weights, image, folder)
    return record.described(DEVICE) | {"load": load} | measured


def with_other_sides(measured: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """A measurement of memory, with the sides that an earlier one has beside it, if all else was the same: on a busy
    machine a block takes minutes.
    """
    same = ("code", "hardware", "base_channels", "depth")
    if any(measured[name] != earlier.get(name) for name in same):
        return measured
    runs = {run["side"]: run for run in (*earlier["runs"], *measured["runs"])}
    return measured | {"runs": [runs[side] for side in sorted(runs)]}


def kept(path: Path) -> dict[str, Any]:
    """What a device's record has of volumes, by measurement."""
    of_volumes: dict[str, Any] = (read_json(path) if path.is_file() else {}).get(PART, {})
    return of_volumes


def main(given: list[str] | None = None) -> int:
    """Measure and write."""
    options = parse(given)
    benchmarks = options.results / "benchmarks"
    path = benchmarks / f"{DEVICE}.json"
    try:
        for name in (name for name in options.measurements if name != PAGE):
            with tempfile.TemporaryDirectory() as folder:
                measured = measure(name, options, Path(folder))
            part = kept(path)
            if name == "memory":
                measured = with_other_sides(measured, part.get(name, {}))
            record.keep(benchmarks, PART, part | {"hardware": measured["hardware"], name: measured})
            write_page(options.results / "scaling", kept(path))
        if PAGE in options.measurements:
            if not kept(path):
                raise BadInput(f"{path} holds nothing of volumes; measure something first")
            write_page(options.results / "scaling", kept(path))
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    print((options.results / "scaling" / "README.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
