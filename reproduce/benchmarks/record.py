"""The record of the benchmarks: a JSON file for each device, in it each of KEPT, and README.md of all of them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from reproduce.benchmarks import agreement_tables, runtimes_tables, scaling_tables, speed_tables, steps_tables
from reproduce.studies import archive
from unet_paper.runs.environment import code_version, hardware, now
from unet_paper.support.files import atomic_write
from unet_paper.support.json_files import read_json, write_json

PARTS = ("speed", "steps", "runtimes", "metrics", "scaling")
WITHOUT_BFLOAT16 = "steps without bfloat16"  # on another processor, the part `steps` is kept beside that with it
KEPT = (*PARTS, WITHOUT_BFLOAT16, "volumes")  # whose page is its own, see volumes.py
WHOLE_RUN = ("seeds-adam", "seed-5")  # of this study this run tells where its time went
INTRODUCTION = (
    "# Benchmarks",
    "",
    "Written by `python -m reproduce.benchmarks` from the JSON files beside it, one for each device. `ours / ...` is "
    "our time divided by the other's: below 1 we are faster. Baselines are what people use "
    "(`reproduce/benchmarks/baselines`). The times of a row were taken in one run, alternating.",
)


def described(device: str) -> dict[str, Any]:
    """When, with which code and on what a part is measured."""
    return {"time": now(), "code": asdict(code_version()), "hardware": asdict(hardware(device))}


def slug(part: dict[str, Any]) -> str:
    """A device's name as that of its file."""
    return "-".join(part["hardware"]["device"].lower().split())


def keep(folder: Path, name: str, part: dict[str, Any]) -> None:
    """Put one part into its device's record; the others stay."""
    path = folder / f"{slug(part)}.json"
    name = WITHOUT_BFLOAT16 if name == "steps" and not part["bfloat16"] else name
    parts = (read_json(path) if path.is_file() else {}) | {name: part}
    write_json(path, {name: parts[name] for name in KEPT if name in parts})


def readme(folder: Path, study: Path) -> str:
    """README.md of all records in a folder; in that of `study` is WHOLE_RUN."""
    records = [read_json(path) for path in sorted(folder.glob("*.json"))]
    whole = [run.record for run in archive.read(study) if run.name == WHOLE_RUN[1]]
    lines = [*INTRODUCTION]
    for record in records:
        if "speed" in record:
            lines += speed_tables.lines(record["speed"])
        lines += [
            line for name in ("steps", WITHOUT_BFLOAT16) if name in record for line in steps_tables.lines(record[name])
        ]
        if "runtimes" in record:
            lines += runtimes_tables.lines(record["runtimes"])
    for run in whole:
        lines += speed_tables.stages(run, "/".join(WHOLE_RUN))
    for record in records:
        if "metrics" in record:
            lines += agreement_tables.lines(record["metrics"])
        if "scaling" in record:
            lines += scaling_tables.lines(record["scaling"])
    return "\n".join(lines) + "\n"


def write_readme(folder: Path, study: Path) -> str:
    """Write README.md, and return its text."""
    text = readme(folder, study)
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text
