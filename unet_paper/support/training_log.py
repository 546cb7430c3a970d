"""What a training tells of itself: history.csv, where its time went, and whether it still learns."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

import torch

from unet_paper.support.errors import Diverged
from unet_paper.support.files import write_rows
from unet_paper.support.stopwatch import Stopwatch

HISTORY_EVERY = 10  # steps per row of history.csv, at most; the loss is only then brought to the CPU and checked
FLAT = 1e-3  # no logit further than this from its map's mean: the output says nothing about the image
FLAT_STEPS = 100  # of such output before the training is taken as dead
PACE_ROWS = 100  # of the history, the last, that tell how long a step takes
FAST_PACE = 0.02  # seconds that a step is taken to take until two are done: a fast GPU's, so that the rate starts low
COLUMNS = ("step", "loss", "tile_error", "learning_rate", "seconds")


class TrainingLog:
    """The history of a training in a folder, or in memory alone. May start with what earlier sessions left."""

    def __init__(
        self,
        folder: Path | None,
        device: torch.device,
        kept_step: int | None = None,
        history: Iterable[dict[str, Any]] = (),
        sums: Sequence[float] = (0.0, 0.0),
        losses: int = 0,
        seconds: float = 0.0,
        parts: Mapping[str, float] | None = None,
        cpu_seconds: float = 0.0,
    ) -> None:
        self.folder, self.kept_step, self.history = folder, kept_step, list(history)
        self.sums, self.losses = torch.tensor(sums, device=device), losses  # of loss and tile error since the last row
        self.spread: torch.Tensor | None = None  # of the last step's logits
        self.flat_since: int | None = None
        self.stopwatch, self.seconds_before, self.started = Stopwatch(parts), seconds, time.monotonic()
        self.cpu_seconds_before, self.cpu_started = cpu_seconds, time.process_time()
        self.session_steps, self.first_ended = 0, 0.0  # steps of this session, and `seconds` after its first

    @property
    def seconds(self) -> float:
        """Spent in training so far, with earlier sessions."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def pace(self) -> float:
        """Seconds that a step typically takes: the median between the last rows, and the mean of this session without
        its first step. What is slow now and then counts little: compiling, a session's first step, a checkpoint.
        """
        rows = pairwise(self.history[-PACE_ROWS:])
        paces = [(row["seconds"] - before["seconds"]) / (row["step"] - before["step"]) for before, row in rows]
        if self.session_steps > 1:
            paces.append((self.seconds - self.first_ended) / (self.session_steps - 1))
        paces = [pace for pace in paces if pace > 0]
        return median_low(paces) if paces else FAST_PACE

    @property
    def cpu_seconds(self) -> float:
        """Of all threads of this process, with earlier sessions: other programs on the machine change it little."""
        return self.cpu_seconds_before + time.process_time() - self.cpu_started

    @property
    def parts(self) -> dict[str, float]:
        """Of these, by part. None of a GPU, which works on after a part has returned."""
        return {} if self.sums.is_cuda else dict(self.stopwatch.seconds)

    def add(self, loss: torch.Tensor, tile_error: torch.Tensor, spread: torch.Tensor) -> None:
        """Take in what a step found, scalars, without waiting for the device."""
        self.sums, self.losses = self.sums + torch.stack([loss, tile_error]), self.losses + 1
        self.spread = spread
        self.session_steps += 1
        if self.session_steps == 1:
            self.first_ended = self.seconds

    def add_row(self, step: int, learning_rate: float, seconds: float | None = None) -> float:
        """A row with the means since the row before; the mean loss is returned.

        seconds : by which it was decided whether the training goes on; those spent so far unless given. Rounded down:
        a row of a training by time that goes on tells less than that time.
        Raises Diverged when it is not finite, or the output has been the same everywhere for FLAT_STEPS steps.
        """
        loss, tile_error = (self.sums / self.losses).tolist()
        if not math.isfinite(loss):
            raise self._diverged(step, f"the loss is {loss}")
        self.sums, self.losses = torch.zeros_like(self.sums), 0
        spent = math.floor(1000 * (self.seconds if seconds is None else seconds)) / 1000
        self.history.append(dict(zip(COLUMNS, (step, loss, tile_error, learning_rate, spent), strict=True)))
        if self.spread is not None and float(self.spread) > FLAT:
            self.flat_since = None
        else:
            self.flat_since = self.flat_since or step
            if step - self.flat_since >= FLAT_STEPS:
                raise self._flat(step)
        return loss

    def is_worth_keeping(self, step: int, is_last: bool, weights: Iterable[torch.Tensor]) -> bool:
        """Whether a checkpoint may be written: not of a training that may be dying.

        Raises Diverged when a weight is not finite, and when the last step's output is the same everywhere.
        """
        if not all(bool(torch.isfinite(values).all()) for values in weights):
            raise self._diverged(step, "a weight is not finite")
        if self.flat_since is not None and is_last:
            raise self._flat(step)
        return self.flat_since is None

    def kept(self, steps: int) -> str:
        """In words, from what an interrupted training of so many steps can resume."""
        if self.folder is None or self.kept_step is None:
            return "no step was kept"
        return f"step {self.kept_step} of {steps} is kept in {self.folder / 'checkpoint.pt'}"

    def write_history(self) -> None:
        """history.csv, a row every few steps: `step`; `loss` and `tile_error` (the part of the training tiles' pixels
        whose class was wrong), means since the row before; `learning_rate`; `seconds` of training so far.
        """
        if self.folder is None:
            return
        write_rows(self.folder / "history.csv", COLUMNS, self.history)

    def _flat(self, step: int) -> Diverged:
        return self._diverged(
            step, f"the output has been the same everywhere since step {self.flat_since}, as when all ReLUs have died"
        )

    def _diverged(self, step: int, what: str) -> Diverged:
        self.write_history()
        kept = self.folder and self.folder / "checkpoint.pt"
        last_good = f"the last good checkpoint is {kept}" if kept and kept.exists() else "there was no checkpoint yet"
        return Diverged(
            f"step {step}: {what}",
            f"{last_good}; try once more with --resume (from Python resume=True), in case the machine was at fault, "
            "or train in another folder with a lower learning_rate or gradient_clip, or another seed",
        )
