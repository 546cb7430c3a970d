"""The log of a prediction: a line for each block that ended. It is a file, so that the progress line stays one line."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from unet_paper.support.files import why_not
from unet_paper.support.logs import logger
from unet_paper.volumes.blocks import VolumeBlock
from unet_paper.volumes.work import Outcome


class BlockLog:
    """A text file to which lines are added, made with the first; one that cannot be written does not end the work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._is_given_up = False

    def __enter__(self) -> "BlockLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def add(self, block: VolumeBlock, outcome: Outcome) -> None:
        """Tell when a block ended, how, after how many seconds, and on which machine."""
        if self._is_given_up:
            return
        ending = "done" if outcome.error is None else f"failed ({outcome.error})"
        where = f" in {outcome.seconds:.1f} s on {outcome.worker}" if outcome.worker else ""
        try:
            if self._file is None:
                self._file = open(self.path, "a", encoding="utf-8")
            self._file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {block}: {ending}{where}\n")
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        logger.warning(f"note: {self.path} cannot be written ({why_not(error)}); the blocks go on without a log")
        self._is_given_up = True
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:  # of what could not be written before, either
            pass
