"""The manual's examples for clusters, as far as a machine without them allows: the commands are some that the parser
knows, and all parts of a job array are done.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from unet_paper.cli.parser import parse
from unet_paper.support.parts import Part

MANUAL = (Path(__file__).parents[2] / "unet_paper/volumes/README.md").read_text()


def example(language):
    """The manual's first example in a language."""
    return re.search(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)[1]


@pytest.fixture
def typed(tmp_path):
    """Runs a program whose `unet-paper` prints its words; what the parser makes of them."""
    command = tmp_path / "unet-paper"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)

    def run(program, **variables):
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | variables
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
        return parse(done.stdout.splitlines())

    return run


def test_job_array_of_slurm(typed):
    script = example("bash")
    first, last = (int(number) for number in re.search(r"--array=(\d+)-(\d+)", script).groups())
    for number in (first, last):
        found = typed(["bash", "-c", script], SLURM_ARRAY_TASK_ID=str(number))
        assert found.command == "predict" and Part.parse(found.part) == Part(number, last)
    assert first == 1


def test_indexed_job_of_kubernetes(typed):
    job = pytest.importorskip("yaml").safe_load(example("yaml"))["spec"]  # comes with dask
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed"
    for index in (0, job["completions"] - 1):
        found = typed(container["command"], JOB_COMPLETION_INDEX=str(index))
        assert found.command == "predict" and Part.parse(found.part) == Part(index + 1, job["completions"])


def test_cluster_of_dask_jobqueue(capsys):
    pytest.importorskip("dask_jobqueue")
    names: dict = {}
    exec(example("python").partition("cluster.scale")[0], names)
    try:
        script = capsys.readouterr().out
        assert "#SBATCH -t 04:00:00" in script and "dask_worker tcp://" in script
        assert "--nthreads 1 " in script and "--memory-limit 2.00GiB" in script
    finally:
        names["cluster"].close()
