"""The tables of the benchmark of scaling."""

from typing import Any

from reproduce.benchmarks.speed_tables import measured
from unet_paper.report.table import Table


def lines(part: dict[str, Any]) -> list[str]:
    """Weight maps by area and cells; predictions by size and by tile."""
    whole = part["weight_maps"]
    ratio = whole["seconds"]["baseline"] / whole["seconds"]["ours"]
    first = part["weight_maps_by_area_and_cells"][0]
    maps = [[str(row["size"]), str(row["cells"]), *_time(row, first)] for row in part["weight_maps_by_area_and_cells"]]
    first = part["predictions"][0]
    predictions = [
        [f"{row['size']}{' BigTIFF' * row['big_tiff']}", f"{row['peak_memory_MiB']:.0f}", *_time(row, first)]
        + [row["tiles"].removeprefix("tiles: ")]
        for row in part["predictions"]
    ]
    tiles = [
        [str(row["tile"]), f"{row['peak_memory_MiB']:.0f}", _time(row, first)[0], row["tiles"].removeprefix("tiles: ")]
        for row in part["tiles"]
    ]
    return [
        "",
        "## Scaling: weight maps",
        "",
        f"{measured(part)}. {whole['sections']} sections with {whole['cells']} cells ({part['labels']}), side by side: "
        f"**{ratio:.0f} times faster** than a distance transform for every cell; largest difference "
        f"{whole['largest_difference']:.1e}. Time of squares full of square cells, as a multiple of the first:",
        "",
        Table(["side, px", "cells", "time", "time per area"], maps).to_markdown(),
        "",
        "## Scaling: prediction by image size",
        "",
        f"One pass (`--tta none`), {part['network']}, from a TIFF of noise into a TIFF, each in a process of its "
        "own, memory and time of the whole process, start-up included:",
        "",
        Table(["side, px", "peak memory, MiB", "time", "time per area", "tiles"], predictions).to_markdown(),
        "",
        "## Scaling: prediction by tile",
        "",
        "The same at the first size, with `--tile`:",
        "",
        Table(["--tile, px", "peak memory, MiB", "time", "tiles"], tiles).to_markdown(),
    ]


def _time(row: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """A row's time, and its time per area, as multiples of the first's."""
    ratio = row["seconds"] / first["seconds"]
    return [f"{ratio:.2f}", f"{ratio / (row['size'] / first['size']) ** 2:.2f}"]
