"""A process of its own for a baseline: as people run it, without what `unet_paper` sets up for itself.

Reads pickles from stdin and answers on stdout: (name, arguments) prepares a task, None runs it once and gives its
seconds, False ends it.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from reproduce import ROOT

if TYPE_CHECKING:
    import numpy as np


class BaselineProcess:
    """The other end, in the process that measures."""

    def __init__(self, name: str, *arguments: Any) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "THP_MEM_ALLOC_ENABLE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reproduce.benchmarks.baselines.process"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._questions, self._answers = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._ask((name, arguments))

    def _ask(self, question: Any) -> Any:
        pickle.dump(question, self._questions)
        self._questions.flush()
        return pickle.load(self._answers)

    def seconds(self) -> float:
        """Of one run."""
        return self._ask(None)

    def close(self) -> None:
        """End the process."""
        pickle.dump(False, self._questions)
        self._questions.close()
        self._process.wait()


Task = Callable[[], Any]


def training_step(
    device: str, base_channels: int, tile: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray"
) -> Task:
    """A step of gradient descent, again and again on one tile."""
    import torch

    from reproduce.benchmarks.baselines import unet

    network = unet.BaselineUNet(base_channels).train().to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.99)
    batch = [torch.from_numpy(values).to(device) for values in (tile, labels, weights)]
    return lambda: unet.training_step(network, optimiser, *batch)


def prediction(device: str, base_channels: int, tta: str, section: "np.ndarray") -> Task:
    """A section of standardised gray values."""
    import torch

    from reproduce.benchmarks.baselines import unet

    network, values = unet.BaselineUNet(base_channels).eval().to(device), torch.from_numpy(section).to(device)
    return lambda: unet.predict(network, values, tta).cpu()


def onnx_runtime(content: bytes, images: "list[np.ndarray]") -> Task:
    """An ONNX file of one input on the first of some images, (1, 1, H, W) float32."""
    from reproduce.benchmarks.baselines import runtimes

    return partial(runtimes.onnx_runtime(content), images[0])


def openvino(precision: str, content: bytes, images: "list[np.ndarray]") -> Task:
    """The same, in float32, bfloat16 or int8, which all images calibrate."""
    from reproduce.benchmarks.baselines import runtimes

    return partial(runtimes.openvino(content, precision, images), images[0])


def augmentation(name: str, image: "np.ndarray", labels: "np.ndarray", weights: "np.ndarray") -> Task:
    """`by_elasticdeform` or `by_map_coordinates`."""
    import numpy as np

    from reproduce.benchmarks.baselines import augmentation as baseline

    random, function = np.random.default_rng(0), getattr(baseline, name)
    return lambda: function(random, image, labels, weights)


def weight_maps(labels: "np.ndarray", class_weights: tuple[float, ...]) -> Task:
    """Of all sections."""
    from reproduce.benchmarks.baselines import weight_map

    return lambda: [weight_map.weight_map(section, class_weights) for section in labels]


def scores(names: list[str], truth: "np.ndarray", proposal: "np.ndarray") -> Task:
    """Functions of the baseline's metrics, one after the other."""
    from reproduce.benchmarks.baselines import metrics as baseline

    return lambda: [getattr(baseline, name)(truth, proposal) for name in names]


TASKS: dict[str, Callable[..., Task]] = {
    "training_step": training_step,
    "prediction": prediction,
    "onnx_runtime": onnx_runtime,
    "openvino": openvino,
    "augmentation": augmentation,
    "weight_maps": weight_maps,
    "scores": scores,
}


def main() -> None:
    """Answer until told to end."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    function: Task | None = None
    answer: Any
    while (question := pickle.load(sys.stdin.buffer)) is not False:
        if question is None and function is not None:
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
