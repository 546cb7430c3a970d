"""The experiments: the paper's table, studies and benchmarks."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the repository
