"""Which code a run is of, and on which hardware."""

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unet_paper.compute.cores import usable_cores

if TYPE_CHECKING:
    import torch  # which takes a second, and reading a record needs none of it

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CodeVersion:
    """The git commit that holds the package (None outside one), and a hash of its sources."""

    commit: str | None
    changed: bool | None  # whether the code differs from the commit
    sources_sha256: str


@dataclass(frozen=True)
class Hardware:
    """What a run computes on, and with which libraries."""

    device: str
    processor: str
    cores: int
    threads: int
    python: str
    torch: str
    numpy: str


def now() -> str:
    """The time in UTC, to the second, as text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_version() -> CodeVersion:
    """The git commit that holds the package (None outside one), whether the code differs from it, and a SHA-256 over
    the package's source files.
    """
    sources = hashlib.sha256()
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}  # alike on all systems
    for name in sorted(files):
        sources.update(name.encode() + b"\0" + files[name].read_bytes())
    tracked = _git("ls-files", "--error-unmatch", "config.py") is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    changed = _git("status", "--porcelain", "--", ".")
    return CodeVersion(commit, bool(changed) if commit else None, sources.hexdigest())


def _git(*arguments: str) -> str | None:
    try:
        # without locks: `status` would write the user's index anew
        environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=20, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hardware(device: "str | torch.device") -> Hardware:
    """The processor, the cores of it that may be used, the GPU if `device` is one, and the libraries' versions."""
    import torch

    device = torch.device(device)
    return Hardware(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        processor=_processor(),
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no such file outside Linux
    return platform.processor() or platform.machine()
