"""A process of its own for the plain forms: as people run them, without what `unet_paper` sets up for itself.

Reads pickles from stdin and answers on stdout: (name, arguments) prepares a task, None runs it once and gives its
seconds, False ends it.
"""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class PlainProcess:
    """The other end, in the process that measures."""

    def __init__(self, name, *arguments):
        environment = {key: value for key, value in os.environ.items() if key != "THP_MEM_ALLOC_ENABLE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reproduce.benchmarks.baselines.process"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ask((name, arguments))

    def _ask(self, question):
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def seconds(self):
        """Of one run."""
        return self._ask(None)

    def close(self):
        """End the process."""
        pickle.dump(False, self._process.stdin)
        self._process.stdin.close()
        self._process.wait()


def training_step(device, width, tile, labels, weights):
    """A step of gradient descent, again and again on one tile."""
    import torch

    from reproduce.benchmarks.baselines import unet

    network = unet.PlainUNet(width).train().to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.99)
    batch = [torch.from_numpy(values).to(device) for values in (tile, labels, weights)]
    return lambda: unet.training_step(network, optimiser, *batch)


def prediction(device, width, average, section):
    """A section of standardised gray values."""
    import torch

    from reproduce.benchmarks.baselines import unet

    network, section = unet.PlainUNet(width).eval().to(device), torch.from_numpy(section).to(device)
    return lambda: unet.predict(network, section, average).cpu()


def augmentation(name, image, labels, weights):
    """`by_elasticdeform` or `by_map_coordinates`."""
    import numpy as np

    from reproduce.benchmarks.baselines import augmentation as baseline

    random, function = np.random.default_rng(0), getattr(baseline, name)
    return lambda: function(random, image, labels, weights)


def weight_maps(labels, class_weights):
    """Of all sections."""
    from reproduce.benchmarks.baselines import weight_map

    return lambda: [weight_map.weight_map(section, class_weights) for section in labels]


def scores(names, truth, proposal):
    """Functions of the baseline's metrics, one after the other."""
    from reproduce.benchmarks.baselines import metrics as baseline

    return lambda: [getattr(baseline, name)(truth, proposal) for name in names]


TASKS = {task.__name__: task for task in (training_step, prediction, augmentation, weight_maps, scores)}


def main():
    """Answer until told to end."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    function = None
    while (question := pickle.load(sys.stdin.buffer)) is not False:
        if question is None:
            started = time.perf_counter()
            function()
            answer = time.perf_counter() - started
        else:
            name, arguments = question
            function, answer = TASKS[name](*arguments), True
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
